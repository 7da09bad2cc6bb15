/* Public reports about comparisons that were not fair or claimed too much (the number is in the
 * name of the test, the fault above it), on the program's report of a small study. */
#include "tests/study_program.h"

#include "impls/base/threads.h"

#include <math.h>

/* Runs and reports, in folder "whole", the study of the bed with this source and transfer. */
static void run_study(struct bed *bed, int seeds, const char *source, const char *transfer)
{
    char text[2048];
    snprintf(text, sizeof text,
             "name: runs\nmodels: [\"resnet20:width=0.25\"]\nattention: [none, cbam]\nseeds: %d\n"
             "impls: [%s]\nthreads: 1\nagreement-images: 0\nsource: {%s}\n"
             "target: {data: [\"%s:classes=2-3:per-class=6:val=1\"], epochs: 2, batch: 4}\n"
             "transfer: %s\n", seeds, impls[0]->name, source, bed->data, transfer);
    fixture_write(&bed->folder, "study.yaml", text, strlen(text));
    STUDY(study_folder(bed, "whole"), "run ../study.yaml --store store.sqlite --jobs 2");
    STUDY(bed_path(bed, "whole"), "report runs --store store.sqlite");
}

static json_t *rows_of(struct bed *bed, const char *table)
{
    char name[80];
    json_error_t error;
    snprintf(name, sizeof name, "whole/runs/%s.json", table);
    json_t *json = json_load_file(bed_path(bed, name), 0, &error);
    if (!json)
        fail_msg("%s: %s", name, error.text);
    json_t *rows = json_incref(command_member(json, "rows"));
    json_decref(json);
    return rows;
}

static bool has(const json_t *row, const char *key, const char *text)
{
    const char *value = json_string_value(json_object_get(row, key));
    return value && strcmp(value, text) == 0;
}

/* The row of an attention in an arm. */
static const json_t *row_of(const json_t *rows, const char *attention, const char *arm)
{
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row)
        if (has(row, "attention", attention) && has(row, "arm", arm))
            return row;
    fail_msg("no row of %s, %s", attention, arm);
    return NULL;
}

static void assert_report(struct bed *bed, const char *file, const char *fragment, bool says)
{
    char name[80];
    size_t size;
    snprintf(name, sizeof name, "whole/runs/%s", file);
    char *text = (char *)file_get(bed_path(bed, name), &size);
    if ((strstr(text, fragment) != NULL) != says)
        fail_msg("'%s' is %s in %s: %s", fragment, says ? "not" : "", file, text);
    free(text);
}

/* A network with fresh attention was compared with one that was loaded whole, from one run each.
 * The report lists per arm what was loaded and what was fresh, says that attention was inserted,
 * and gives one seed no verdict. */
static void check_R19(struct bed *bed)
{
    json_t *networks = rows_of(bed, "networks"), *comparison = rows_of(bed, "comparison");
    const json_t *without = row_of(networks, "none", "finetune");
    const json_t *with = row_of(networks, "cbam", "finetune"), *row = json_array_get(comparison, 0);
    assert_true(command_number(with, "loaded") == command_number(without, "loaded"));
    assert_true(command_number(without, "loaded") > 50);
    assert_true(command_number(without, "missing") == 0); /* the new head is not counted */
    assert_true(command_number(with, "missing") > 20);
    assert_true(json_is_true(command_member(row, "inserted")));
    assert_true(has(row, "verdict", "not shown"));
    assert_true(command_number(row, "pairs") == 1);
    assert_true(json_is_null(command_member(row, "difference_low")));
    assert_report(bed, "report.md", "attention was inserted into a source", true);
    assert_report(bed, "report.md", "so few seeds cannot show any difference, 6 can", true);
    assert_report(bed, "report.md", "| tensors loaded | fresh |", true);
    json_decref(networks);
    json_decref(comparison);
}

static void test_R19_coverage_and_one_seed(void **state)
{
    struct bed *bed = *state;
    char source[400];
    command_need();
    snprintf(source, sizeof source, "data: \"%.250s:classes=0-1\", attention: none, epochs: 1, "
             "batch: 8", bed->data);
    run_study(bed, 1, source, "[{arm: finetune}]");
    check_R19(bed);
}

/* The same with weights that others trained in the place of a source. */
static void test_R19_foreign_weights(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    char source[400];
    command_need();
    support_settings(&s, bed, "none");
    support_save_fresh(&s, bed_path(bed, "foreign.safetensors"));
    snprintf(source, sizeof source, "weights: \"%.300s\"", bed_path(bed, "foreign.safetensors"));
    run_study(bed, 1, source, "[{arm: finetune}]");
    check_R19(bed);
}

static void check_R26_row(const json_t *row)
{
    double low = command_number(row, "difference_low");
    double high = command_number(row, "difference_high");
    double mean = command_number(row, "difference_mean");
    assert_true(command_number(row, "pairs") == 6);
    assert_true(low <= mean && mean <= high);
    assert_true(fabs(mean - command_number(row, "with_mean") +
                     command_number(row, "without_mean")) < 1e-9);
    if (low <= 0 && high >= 0)
        assert_true(has(row, "verdict", "not shown"));
}

/* Attention made a network worse, and nobody could say in which arm, by how much against the
 * spread, or what had trained. The report has paired differences with an interval, what trains per
 * arm, and no winner where the interval holds none. */
static void test_R26_differences_and_what_trains(void **state)
{
    struct bed *bed = *state;
    char source[400];
    size_t i;
    json_t *row;
    command_need();
    snprintf(source, sizeof source, "data: \"%.250s:classes=0-1\", epochs: 1, batch: 8",
             bed->data);
    run_study(bed, 6, source, "[{arm: frozen}, {arm: finetune}]");
    json_t *comparison = rows_of(bed, "comparison"), *seeds = rows_of(bed, "seeds");
    json_t *networks = rows_of(bed, "networks");
    assert_int_equal(json_array_size(comparison), 2);
    json_array_foreach(comparison, i, row)
        check_R26_row(row);
    assert_int_equal(json_array_size(seeds), 2 * 6);
    json_array_foreach(seeds, i, row)
        assert_true(fabs(command_number(row, "difference") - command_number(row, "with") +
                         command_number(row, "without")) < 1e-9);
    const json_t *frozen = row_of(networks, "cbam", "frozen");
    const json_t *whole = row_of(networks, "cbam", "finetune");
    assert_true(command_number(frozen, "trainable") < 0.1 * command_number(frozen, "params"));
    assert_true(command_number(whole, "trainable") == command_number(whole, "params"));
    assert_true(has(frozen, "attention_trains", "fixed"));
    assert_true(has(whole, "attention_trains", "trains"));
    assert_report(bed, "report.md", "**", false);
    assert_report(bed, "comparison.tex", "\\textbf", false);
    json_decref(comparison);
    json_decref(seeds);
    json_decref(networks);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(test_R19_coverage_and_one_seed),
        BED_TEST(test_R19_foreign_weights),
        BED_TEST(test_R26_differences_and_what_trains),
    };
    (void)argc;
    threads_startup(argv);
    return cmocka_run_group_tests_name("reports on studies", tests, NULL, NULL) != 0;
}
