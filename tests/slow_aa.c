/* Of a study that compares an arm with itself nothing may come out: 40 comparisons of the same
 * training on other random streams (`salt`), 8 seeds, a tiny network. A difference planted into the
 * stored values is found. */
#include "tests/study_program.h"

#include "impls/base/threads.h"

#include <math.h>

enum { SEEDS = 8, TARGETS = 5, ATTENTIONS = 8, COMPARISONS = TARGETS * ATTENTIONS };

/* Targets are the bed's data at so many labels a class. */
static void write_study(struct bed *bed)
{
    char text[4096];
    snprintf(text, sizeof text,
             "name: aa\nmodels: [\"resnet20:width=0.25\"]\n"
             "attention: [none, se, cbam, \"cbam:r=4\", \"cbam:gate=article\", \"cbam:scale=2\", "
             "\"se:r=4\", \"cbam:place=stage\"]\n"
             "seeds: %d\nimpls: [onednn]\nthreads: 1\nagreement-images: 0\n"
             "target: {data: [\"%s:val=0\"], labels: [4, 5, 6, 7, 8], epochs: 2, batch: 8}\n"
             "transfer: [{arm: scratch, name: one}, {arm: scratch, name: other, salt: 1}]\n"
             "compare: transfer\n", SEEDS, bed->data);
    fixture_write(&bed->folder, "study.yaml", text, strlen(text));
}

static json_t *comparisons(struct bed *bed)
{
    json_error_t error;
    STUDY(bed_path(bed, "aa"), "report aa --store store.sqlite");
    json_t *json = json_load_file(bed_path(bed, "aa/aa/comparison.json"), 0, &error);
    assert_non_null(json);
    json_t *rows = json_incref(command_member(json, "rows"));
    json_decref(json);
    assert_int_equal(json_array_size(rows), COMPARISONS);
    return rows;
}

static int below(const json_t *rows, const char *p, double level)
{
    size_t i;
    json_t *row;
    int count = 0;
    json_array_foreach(rows, i, row)
        count += command_number(row, p) < level;
    return count;
}

static int verdicts(const json_t *rows, const char *verdict)
{
    size_t i;
    json_t *row;
    int count = 0;
    json_array_foreach(rows, i, row)
        count += strcmp(json_string_value(command_member(row, "verdict")), verdict) == 0;
    return count;
}

static void assert_streams_differ(const json_t *rows)
{
    size_t i;
    json_t *row;
    int moved = 0;
    json_array_foreach(rows, i, row) {
        assert_true(command_number(row, "pairs") == SEEDS);
        moved += command_number(row, "difference_sd") > 0;
    }
    assert_true(moved > COMPARISONS / 2); /* else the arms would be the same runs */
}

/* Adds to the test accuracy of the second arm, in one comparison, two standard deviations of its
 * differences. */
static void plant(struct bed *bed, const json_t *row)
{
    char sql[2000];
    sqlite3 *db;
    double shift = 2 * command_number(row, "difference_sd") / 100 +
                   fabs(command_number(row, "difference_mean")) / 100;
    snprintf(sql, sizeof sql,
             "UPDATE metrics SET value = value + %.17g WHERE name = 'test_accuracy' AND key IN"
             " (SELECT c.key FROM cells c JOIN members m ON m.key = c.key WHERE m.arm = 'other' AND"
             " json_extract(c.settings, '$.attention') = '%s' AND"
             " json_extract(c.settings, '$.data') = '%s')", shift,
             json_string_value(command_member(row, "attention")),
             json_string_value(command_member(row, "data")));
    assert_int_equal(sqlite3_open_v2(study_store(bed, "aa"), &db, SQLITE_OPEN_READWRITE, NULL),
                     SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s", sqlite3_errmsg(db));
    assert_int_equal(sqlite3_changes(db), SEEDS);
    sqlite3_close(db);
}

/* A row with a spread, to plant into. */
static const json_t *spread_row(const json_t *rows)
{
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row)
        if (command_number(row, "difference_sd") > 0)
            return row;
    fail_msg("no comparison has a spread");
    return NULL;
}

static void test_the_same_arm_twice(void **state)
{
    struct bed *bed = *state;
    command_need();
    write_study(bed);
    STUDY(study_folder(bed, "aa"), "run ../study.yaml --store store.sqlite");
    json_t *rows = comparisons(bed);
    assert_streams_differ(rows);
    print_message("uncorrected below 0.05: %d of %d; corrected: %d\n", below(rows, "p", 0.05),
                  COMPARISONS, below(rows, "p_corrected", 0.05));
    assert_true(below(rows, "p", 0.05) <= 5);
    assert_int_equal(below(rows, "p_corrected", 0.05), 0);
    assert_int_equal(verdicts(rows, "not shown"), COMPARISONS);
    plant(bed, spread_row(rows));
    json_t *planted = comparisons(bed);
    assert_int_equal(verdicts(planted, "better"), 1);
    assert_string_equal(json_string_value(command_member(spread_row(planted), "verdict")),
                        "better");
    assert_true(command_number(spread_row(planted), "p_corrected") < 0.05);
    json_decref(rows);
    json_decref(planted);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(test_the_same_arm_twice),
    };
    (void)argc;
    threads_startup(argv);
    return cmocka_run_group_tests_name("the same arm twice", tests, NULL, NULL) != 0;
}
