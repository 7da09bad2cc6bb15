/* The search of a study where it is moved and shown: exports and imports, the report, the status,
 * and the real program. With the stand-in of search_fixture.h; this program is its own worker. */
#include "bench/report/study_status.h"
#include "tests/report_fixture.h"
#include "tests/search_fixture.h"
#include "tests/study_program.h"

/* ---- lines ---- */

static void exported_and_imported(void **state)
{
    struct bench *b = *state;
    struct store *other;
    struct merge_report merged;
    char lines[400], again[400], path[400];
    size_t bytes;
    make(b, "seeds: 2", plain_search);
    run_in(b, "store", 1, 1);
    assert_int_equal(store_export_file(b->store, "s", true, beside(b, "lines", lines)), OK);
    mkdir(beside(b, "other", path), 0777);
    assert_int_equal(store_open(&other, beside(b, "other/store", path), true), OK);
    if (store_import(other, lines, &merged) != OK)
        fail_msg("%s", fail_text());
    assert_int_equal(store_export_file(other, "s", true, beside(b, "again", again)), OK);
    store_close(other);
    char *text = (char *)file_get(lines, &bytes);
    assert_file_is(again, text, bytes);
    assert_same_stores(b->path, path);
    char *one = report_as(b, b->path, TABLE_JSON, false);
    char *two = report_as(b, path, TABLE_JSON, false);
    assert_string_equal(one, two);
    free(one);
    free(two);
    free(text);
}

/* A line that was tampered with is refused. */
static void lines_that_are_wrong(void **state)
{
    static const struct {
        const char *from, *to, *says;
    } cases[] = {
        {"\"record\":\"search\",\"id\":\"", "\"record\":\"search\",\"id\":\"x", "its id is not"},
        {"\"trial\":true", "\"trial\":1111", "'trial'"},
        {"\"search\":\"", "\"search\":\"x", "its key is not that"},
        {"\"arm\":\"scratch\",\"search\":\"", "\"arm\":\"scratch\",\"search\":\"x",
         "its search is not that of its identity"},
        {"\"chosen\":{", "\"chosed\":{", "chosed"},
        {"[0,{\"lr\"", "[0,7,{\"lr\"", "trials"},
    };
    struct bench *b = *state;
    char lines[400], path[400];
    size_t bytes;
    make(b, "seeds: 1", "{seeds: 1, lr: [0.01, 0.03]}");
    run_in(b, "store", 1, 1);
    assert_int_equal(store_export_file(b->store, "s", false, beside(b, "lines", lines)), OK);
    char *text = (char *)file_get(lines, &bytes);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct store *other;
        struct merge_report merged;
        char *at = strstr(text, cases[i].from), *wrong;
        assert_non_null(at);
        assert_true(asprintf(&wrong, "%.*s%s%s", (int)(at - text), text, cases[i].to,
                             at + strlen(cases[i].from)) > 0);
        file_put(lines, wrong, strlen(wrong));
        assert_int_equal(store_open(&other, beside(b, "other", path), true), OK);
        if (store_import(other, lines, &merged) != ERR_FORMAT)
            fail_msg("'%s' was taken", cases[i].to);
        assert_message(fail_text(), "lines:", cases[i].says);
        store_close(other);
        free(wrong);
    }
    free(text);
}

static void the_report_shows_it(void **state)
{
    struct bench *b = *state;
    size_t i;
    json_t *row;
    make(b, "seeds: 2", plain_search);
    run_in(b, "store", 1, 1);
    char *before = report_as(b, b->path, TABLE_MD, false);
    assert_non_null(strstr(before, "## Search"));
    assert_non_null(strstr(before, "lr 0.01: 78.15; lr 0.03: 80.15; lr 0.1: 73.15; "
                                   "lr 100: diverged"));
    json_t *table = load_table(b, "search"), *rows = json_object_get(table, "rows");
    assert_int_equal(json_array_size(rows), UNITS);
    json_array_foreach(rows, i, row) {
        bool with = strcmp(json_string_value(json_object_get(row, "attention")), "none") != 0;
        assert_int_equal(json_number_value(json_object_get(row, "trials")), POINTS * SEARCH_SEEDS);
        assert_string_equal(json_string_value(json_object_get(row, "chosen")),
                            with ? "lr 0.1" : "lr 0.03");
        assert_int_equal(json_array_size(json_object_get(row, "points")), POINTS);
    }
    json_decref(table);
    /* Trials are no runs of an arm: the networks and sources of the tables are those that count. */
    table = load_table(b, "networks");
    assert_int_equal(json_array_size(json_object_get(table, "rows")), 6);
    json_array_foreach(json_object_get(table, "rows"), i, row)
        assert_true(json_number_value(json_object_get(row, "lr")) != 100);
    json_decref(table);
    table = load_table(b, "sources");
    json_array_foreach(json_object_get(table, "rows"), i, row)
        assert_int_equal(json_number_value(json_object_get(row, "runs")), 2);
    json_decref(table);
    sql(b, "UPDATE metrics SET value = value + 0.01 WHERE name = 'val_accuracy' AND key ="
           " (SELECT key FROM trials ORDER BY search, position LIMIT 1)");
    char *after = report_as(b, b->path, TABLE_MD, false);
    assert_string_not_equal(before, after);
    free(before);
    free(after);
}

static void the_status_counts_it(void **state)
{
    struct bench *b = *state;
    struct study_data data;
    make(b, "seeds: 2", plain_search);
    open_store(b);
    assert_int_equal(study_data_read(&data, b->store, "s"), OK);
    assert_int_equal(data.seeds.count, 2);
    struct table *table = study_status_counts(&data);
    json_t *rows = table_rows_json(table), *row = json_array_get(rows, 0);
    assert_string_equal(json_string_value(json_object_get(row, "cells")), "search");
    assert_int_equal(json_number_value(json_object_get(row, "pending")),
                     UNITS * POINTS * SEARCH_SEEDS + SEARCH_SOURCES);
    json_decref(rows);
    table_free(table);
    study_data_free(&data);
}

/* ---- the real program ---- */

/* Training for good: a rate that is beyond reason is not chosen, the study comes to its end, and
 * the lines of its report repeat runs with the rate that was. */
static void the_real_program(void **state)
{
    struct bed *bed = *state;
    struct command c;
    char text[2048];
    command_need();
    int n = snprintf(
        text, sizeof text,
        "name: runs\nmodels: [\"resnet20:width=0.25\"]\nattention: [none, cbam]\nseeds: 1\n"
        "impls: [%s]\nthreads: 1\nagreement-images: 4\nsearch: {seeds: 1, lr: [1e6, 0.02]}\n"
        "source: {data: \"%s:classes=0-1:val=2\", epochs: 1, batch: 8, lr: 0.05}\n"
        "target: {data: [\"%s:classes=2-3:per-class=6:val=1\"], epochs: 1, batch: 4}\n"
        "transfer: [{arm: scratch}, {arm: finetune}]\n", impls[0]->name, bed->data, bed->data);
    fixture_write(&bed->folder, "study.yaml", text, (size_t)n);
    const char *folder = study_folder(bed, "search");
    STUDY(folder, "run ../study.yaml --store store.sqlite --latency off --jobs 2");
    study_assert_intact(bed, "search");
    assert_int_equal(study_number(bed, "search", "SELECT count(*) FROM cells WHERE state = 'done'"),
                     2 * (1 + 2 * 2) + 2 * 3);
    assert_int_equal(study_number(bed, "search", "SELECT count(*) FROM searches WHERE chosen ="
                                                 " '{\"lr\":\"0.02\"}' AND value >= 0"), 4);
    study_ok(&c, folder, "report runs --store store.sqlite --plots-out plots --format md");
    assert_non_null(strstr(c.out, "## Search"));
    assert_non_null(strstr(c.out, " --transfer finetune "));
    assert_null(strstr(c.out, " --lr 1e+06 "));
    assert_non_null(strstr(c.out, " --lr 0.02 "));
    command_free(&c);
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "cell") == 0)
        return be_worker_with(argv, &ops);
    const struct CMUnitTest tests[] = {
        TEST(exported_and_imported),
        TEST(lines_that_are_wrong),
        TEST(the_report_shows_it),
        TEST(the_status_counts_it),
        BED_TEST(the_real_program),
    };
    return cmocka_run_group_tests_name("search: reports", tests, NULL, NULL);
}
