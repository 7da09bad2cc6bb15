/* bf16 as an axis of the accuracy table: a small study of the real program, its store, its
 * tables, its export and import; that a study without it stays as it was; what is refused. */
#include "bench/study/grid.h"
#include "impls/layer.h"
#include "tests/study_program.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void need_bf16(void)
{
    const struct impl *impl = impl_find("onednn");
    command_need();
    if (!impl || impl_offers_bf16(impl) != OK) {
        print_message("skipped: %s\n", fail_text());
        skip();
    }
}

/* `impl`: one or more; `rate`: what `target` says of it after ", ", or nothing. */
static void write_with(struct bed *bed, const char *name, const char *impl, const char *more,
                       const char *rate)
{
    char text[2048];
    int n = snprintf(
        text, sizeof text,
        "name: runs\nmodels: [\"resnet20:width=0.25\"]\nattention: [none, cbam]\nseeds: 2\n"
        "impls: [%s]\nthreads: 1\nagreement-images: 0\n%s"
        "target: {data: [\"%s:classes=2-3:per-class=6:val=1\"], epochs: 1, batch: 4%s}\n"
        "transfer: [{arm: scratch}]\n", impl, more, bed->data, rate);
    assert_true(n > 0 && (size_t)n < sizeof text);
    fixture_write(&bed->folder, name, text, (size_t)n);
}

static void write_study(struct bed *bed, const char *name, const char *impl, const char *more)
{
    write_with(bed, name, impl, more, ", lr: 0.02");
}

/* With a search, which chooses the rate, in `more`. */
static void write_searched(struct bed *bed, const char *name, const char *impl, const char *more)
{
    write_with(bed, name, impl, more, "");
}

/* ---- together with a search and other implementations ---- */

static enum status name_itself(const char *data, char *text, size_t size)
{
    snprintf(text, size, "%s", data);
    return OK;
}

/* The graph of such a study with an equal search. */
static void make_grid(struct bed *bed, struct study *study, struct grid *grid, const char *more)
{
    char all[200];
    snprintf(all, sizeof all, "search: {seeds: 2, lr: [0.01, 0.03, 0.1]}\n%s", more);
    write_searched(bed, "grid.yaml", "naive, onednn", all);
    if (study_load(study, bed_path(bed, "grid.yaml")) != OK ||
        grid_build(grid, study, name_itself) != OK)
        fail_msg("%s", fail_text());
}

/* Trials and naive's networks are the cells that they are without dtypes, with the search's id;
 * those that count on onednn are others. */
static void test_the_graph_of_a_search(void **state)
{
    struct bed *bed = *state;
    struct study study;
    struct grid plain, both;
    int trials = 0, counting = 0;
    if (!impl_find("naive") || !impl_find("onednn"))
        skip();
    make_grid(bed, &study, &plain, "");
    make_grid(bed, &study, &both, "dtypes: [f32, bf16]\n");
    assert_int_equal(plain.count, both.count);
    for (int i = 0; i < both.count; i++) {
        const struct cell *cell = &both.cells[i];
        const bool in_both = !cell->trial && strcmp(cell->settings.impl, "onednn") == 0;
        assert_string_equal(cell->settings.dtypes, in_both ? "f32,bf16" : "");
        assert_string_equal(cell->search, plain.cells[i].search);
        assert_int_equal(strcmp(cell->key, plain.cells[i].key) != 0, in_both);
        trials += cell->trial;
        counting += in_both;
    }
    assert_int_equal(trials, 2 * 3 * 2);
    assert_int_equal(counting, 2 * 2);
    grid_free(&plain);
    grid_free(&both);
}

/* Run for good: the same budget and choice for every arm, and bf16 beside f32 where it is. */
static void test_a_search_in_both(void **state)
{
    struct bed *bed = *state;
    struct command c;
    need_bf16();
    write_searched(bed, "study.yaml", "onednn, naive",
                   "dtypes: [f32, bf16]\nsearch: {seeds: 1, lr: [0.02, 1e6]}\n");
    const char *folder = study_folder(bed, "search");
    STUDY(folder, "run ../study.yaml --store store.sqlite --latency off --jobs 1");
    assert_int_equal(study_number(bed, "search", "SELECT count(*) FROM cells WHERE state = 'done'"),
                     2 * 2 + 2 * 2 * 2);
    assert_int_equal(study_number(bed, "search", "SELECT count(*) FROM searches WHERE chosen ="
                                                 " '{\"lr\":\"0.02\"}'"), 2);
    assert_int_equal(study_number(bed, "search", "SELECT count(DISTINCT key) FROM metrics WHERE"
                                                 " name LIKE 'bf16%'"), 2 * 2);
    study_ok(&c, folder, "report runs --store store.sqlite --plots-out plots --format md");
    assert_non_null(strstr(c.out, "## What the trained networks lose in bf16"));
    assert_non_null(strstr(c.out, "## Search"));
    assert_non_null(strstr(c.out, " --lr 0.02 --"));
    assert_null(strstr(c.out, " --lr 1e+06 "));
    command_free(&c);

    /* A study without bf16 finds trials and choices there, and naive's networks. */
    write_searched(bed, "study.yaml", "onednn, naive", "search: {seeds: 1, lr: [0.02, 1e6]}\n");
    study_ok(&c, folder, "run ../study.yaml --store store.sqlite --latency off --jobs 1");
    assert_non_null(strstr(c.err, "12 cells, 8 of them in the store before, 4 run"));
    command_free(&c);
}

/* ---- alone ---- */

static void check_row(const json_t *row)
{
    const json_t *value;
    size_t i;
    double f32 = 0, bf16 = 0, disagree = 0;
    json_array_foreach(command_member(row, "values"), i, value)
    {
        f32 += command_number(value, "f32") / 2;
        bf16 += command_number(value, "bf16") / 2;
        disagree += command_number(value, "disagree");
    }
    assert_true(command_number(row, "networks") == 2 && command_number(row, "images") == 2 * 12);
    assert_true(fabs(command_number(row, "f32_mean") - f32) < 1e-9);
    assert_true(fabs(command_number(row, "bf16_mean") - bf16) < 1e-9);
    assert_true(fabs(command_number(row, "difference") - (bf16 - f32)) < 1e-9);
    assert_true(command_number(row, "disagree") == disagree);
    /* An image that is right in one dtype alone has another class in the other. */
    assert_true(fabs(bf16 - f32) <= 100 * disagree / 24 + 1e-9);
}

static void test_a_study_in_both(void **state)
{
    struct bed *bed = *state;
    struct command c;
    need_bf16();
    write_study(bed, "study.yaml", "onednn", "dtypes: [f32, bf16]\n");
    const char *folder = study_folder(bed, "both");
    STUDY(folder, "run ../study.yaml --store store.sqlite --latency off --jobs 1");
    study_assert_intact(bed, "both");
    assert_int_equal(study_number(bed, "both", "SELECT count(*) FROM metrics WHERE name LIKE"
                                               " 'bf16%'"), 4 * 4);
    study_ok(&c, folder, "report runs --store store.sqlite --plots-out plots --format md");
    assert_non_null(strstr(c.out, "## What the trained networks lose in bf16"));
    assert_non_null(strstr(c.out, " --dtypes f32,bf16 "));
    command_free(&c);
    assert_int_equal(study_files(bed, "both/runs", "dtypes.csv"), 1);
    assert_int_equal(study_files(bed, "both/runs", "dtypes.tex"), 1);
    json_t *table = json_load_file(bed_path(bed, "both/runs/dtypes.json"), 0, NULL), *row;
    size_t i;
    assert_int_equal(json_array_size(command_member(table, "rows")), 2);
    json_array_foreach(command_member(table, "rows"), i, row)
        check_row(row);
    json_decref(table);

    STUDY(folder, "export runs --store store.sqlite --output a.jsonl");
    STUDY(folder, "import a.jsonl --store other.sqlite");
    STUDY(folder, "export runs --store other.sqlite --output b.jsonl");
    study_same_files(bed, "both/a.jsonl", "both/b.jsonl");

    /* A second run finds everything done. */
    study_ok(&c, folder, "run ../study.yaml --store store.sqlite --latency off --jobs 1");
    assert_non_null(strstr(c.err, "4 of them in the store before, 0 run"));
    command_free(&c);
}

/* Nothing of it in the store, the keys, the report. */
static void test_a_study_without(void **state)
{
    struct bed *bed = *state;
    struct command c;
    command_need();
    write_study(bed, "plain.yaml", impls[0]->name, "");
    write_study(bed, "said.yaml", impls[0]->name, "dtypes: [f32]\n");
    const char *folder = study_folder(bed, "plain");
    STUDY(folder, "run ../plain.yaml --store store.sqlite --latency off --jobs 1");
    assert_int_equal(study_number(bed, "plain", "SELECT count(*) FROM metrics WHERE name LIKE"
                                                " 'bf16%'"), 0);
    assert_int_equal(study_number(bed, "plain", "SELECT count(*) FROM cells WHERE identity LIKE"
                                                " '%dtype%' OR settings LIKE '%dtype%'"), 0);
    study_ok(&c, folder, "report runs --store store.sqlite --plots-out plots --format md");
    assert_null(strstr(c.out, "in bf16"));
    command_free(&c);
    assert_int_equal(study_files(bed, "plain/runs", "dtypes.csv"), 0);
    study_ok(&c, folder, "run ../said.yaml --store store.sqlite --latency off --jobs 1");
    assert_non_null(strstr(c.err, "4 of them in the store before, 0 run"));
    command_free(&c);
}

static void test_what_is_refused(void **state)
{
    struct bed *bed = *state;
    struct command c;
    char path[400];
    command_need();
    snprintf(path, sizeof path, "%s", bed_path(bed, "naive.yaml"));
    write_study(bed, "naive.yaml", "naive", "dtypes: [f32, bf16]\n");
    command_refused(1, "study runs, dtypes: naive does not offer bf16", "onednn",
                    "study run %s --store %s --latency off", path, bed_path(bed, "n.sqlite"));
    command_refused(2, "--dtypes bf16", "f32 or f32,bf16",
                    "train --model resnet20:width=0.25 --data %s --epochs 1 --dtypes bf16",
                    bed->data);
    command_refused(1, "--dtypes f32,bf16", "naive does not offer bf16",
                    "train --model resnet20:width=0.25 --data %s --epochs 1 --impl naive "
                    "--dtypes f32,bf16", bed->data);
    need_bf16();
    write_study(bed, "capped.yaml", "onednn", "dtypes: [f32, bf16]\n");
    snprintf(path, sizeof path, "%s", bed_path(bed, "capped.yaml"));
    command_shell(&c, "CBAM_BENCH_ISA=avx2 \"$CBAM_BENCH\" study run %s --store %s --latency off",
                  path, bed_path(bed, "c.sqlite"));
    assert_int_equal(c.status, 1);
    assert_non_null(strstr(c.err, "bf16 needs AVX512_BF16"));
    command_free(&c);
}

/* eval and predict say which dtype they ran; train what it saw. */
static void test_the_verbs(void **state)
{
    struct bed *bed = *state;
    struct command c;
    char weights[400];
    need_bf16();
    snprintf(weights, sizeof weights, "%s", bed_path(bed, "w.safetensors"));
    command_ok(&c, "train --model resnet20:width=0.25 --attention cbam --data %s --epochs 1 "
               "--batch 8 --threads 1 --impl onednn --dtypes f32,bf16 --save %s --format json",
               bed->data, weights);
    json_t *json = command_json(&c);
    const double trained = command_number(command_member(json, "bf16"), "test_accuracy");
    json_decref(json);
    command_free(&c);
    command_ok(&c, "eval --model resnet20:width=0.25 --attention cbam --weights %s --data %s "
               "--threads 1 --dtype bf16 --format json", weights, bed->data);
    json = command_json(&c);
    assert_string_equal(json_string_value(command_member(json, "dtype")), "bf16");
    assert_true(command_number(json, "top1") == trained);
    json_decref(json);
    command_free(&c);
    command_refused(1, "--dtype bf16", "naive does not offer bf16",
                    "eval --model resnet20:width=0.25 --attention cbam --weights %s --data %s "
                    "--impl naive --dtype bf16", weights, bed->data);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(test_a_study_in_both),
        BED_TEST(test_a_study_without),
        BED_TEST(test_the_graph_of_a_search),
        BED_TEST(test_a_search_in_both),
        BED_TEST(test_what_is_refused),
        BED_TEST(test_the_verbs),
    };
    (void)argc;
    (void)argv;
    return cmocka_run_group_tests_name("bf16 in studies", tests, NULL, NULL) != 0;
}
