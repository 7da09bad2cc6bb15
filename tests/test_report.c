/* The report of a study, from stored results that were made up: verdicts, diverged and missing
 * runs, older code, no NaN anywhere, hostile names, and what happens without gnuplot. */
#include "bench/report/study_status.h"
#include "bench/study/compare.h"
#include "bench/study/study_data.h"
#include "tests/report_fixture.h"

#include <ctype.h>

/* Six seeds, three arms, nothing done yet. */
static int setup_study(void **state)
{
    if (setup(state) != 0)
        return -1;
    make_grid(*state, 6, "epochs: 1", "[{arm: scratch}, {arm: frozen}, {arm: finetune}]");
    open_store(*state);
    return 0;
}

/* Attention: better from scratch at every seed, worse when fine-tuned at every seed, and a mixture
 * on frozen features. */
static double accuracy_of(const struct cell *cell)
{
    double seed = (double)cell->settings.seed;
    bool with = strcmp(cell->settings.attention, "cbam") == 0;
    double base = 0.6 + 0.01 * seed;
    if (cell->role == ROLE_SOURCE || !with)
        return base;
    if (cell->settings.transfer == ARM_SCRATCH)
        return base + 0.03 + 0.002 * seed;
    if (cell->settings.transfer == ARM_FINETUNE)
        return base - 0.02 - 0.001 * seed;
    return base + 0.004 * (seed - 2.5);
}

static void finish(struct bench *b, int i, const struct train_result *result)
{
    struct agreement agreement = {2, 100, {"naive", "onednn"}, {0, i % 3}, {0, 1e-6}};
    struct cell cell;
    int attempt;
    assert_int_equal(store_claim(b->store, b->grid.cells[i].key, &cell, &attempt), OK);
    char *command = train_settings_command(&cell.settings, NULL);
    assert_int_equal(store_finish(b->store, cell.key, attempt, result,
                                  cell.role == ROLE_TRANSFER ? &agreement : NULL, command), OK);
    free(command);
}

/* Makes up the results of all cells, but leaves out those that `missing` picks. */
static void make_results(struct bench *b, bool (*missing)(const struct cell *cell))
{
    struct train_result *r = calloc(1, sizeof *r);
    for (int i = 0; i < b->grid.count; i++) {
        if (missing && missing(&b->grid.cells[i]))
            continue;
        *r = (struct train_result){.val_accuracy = NAN, .val_loss = NAN, .before_accuracy = NAN,
                                   .train_accuracy = 0.95, .train_n = 200, .test_n = 1000,
                                   .params = 68000, .trainable = 68000, .macs = 7.8e6,
                                   .seconds = 2, .images_per_s = 300, .epochs = 2, .how = "loops"};
        r->test_accuracy = accuracy_of(&b->grid.cells[i]);
        r->curve[0] = (struct train_epoch){1, 0.1, 2, 0.3, NAN, NAN, 1};
        r->curve[1] = (struct train_epoch){2, 0.1, 1, 0.6, 1, 0.5, 1};
        finish(b, i, r);
    }
    free(r);
}

static const json_t *find_row(const json_t *table, const char *key, const char *value)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(table, "rows"), i, row)
        if (strcmp(json_string_value(json_object_get(row, key)), value) == 0)
            return row;
    return NULL;
}

static double number(const json_t *row, const char *key)
{
    assert_true(json_is_number(json_object_get(row, key)));
    return json_number_value(json_object_get(row, key));
}

static void near(double value, double expected)
{
    if (!(fabs(value - expected) < 1e-9))
        fail_msg("%.12g is not %.12g", value, expected);
}

static const char *verdict_of(const json_t *table, const char *arm)
{
    return json_string_value(json_object_get(find_row(table, "arm", arm), "verdict"));
}

/* ---- verdicts ---- */

static void verdicts(void **state)
{
    struct bench *b = *state;
    make_results(b, NULL);
    free(report_as(b, b->path, TABLE_TEXT, false));
    json_t *table = load_table(b, "comparison");
    assert_string_equal(verdict_of(table, "scratch"), "better");
    assert_string_equal(verdict_of(table, "finetune"), "worse");
    assert_string_equal(verdict_of(table, "frozen"), "not shown");
    const json_t *row = find_row(table, "arm", "scratch");
    near(number(row, "pairs"), 6);
    near(number(row, "difference_mean"), 3.5);
    near(number(row, "difference_low"), 3.0);
    near(number(row, "difference_high"), 4.0);
    near(number(row, "p"), 2.0 / 64);
    near(number(row, "p_corrected"), 2.0 / 64);
    near(number(row, "p_holm"), 3 * 2.0 / 64);
    near(number(row, "smallest_p"), 2.0 / 64);
    near(number(row, "train_with"), 95);
    near(number(row, "without_mean"), 62.5);
    assert_non_null(strstr(json_string_value(json_object_get(row, "command")),
                           "cbam-bench train --model resnet20 --attention cbam"));
    assert_true(json_is_string(json_object_get(row, "commit")));
    near(number(find_row(table, "arm", "frozen"), "p"), 1);
    json_decref(table);
}

static void the_first_table(void **state)
{
    struct bench *b = *state;
    make_results(b, NULL);
    char *text = report_as(b, b->path, TABLE_TEXT, false);
    const char *first = strstr(text, "Does CBAM help?");
    assert_ptr_equal(first, text);
    assert_non_null(strstr(text, "without CBAM (%)"));
    assert_non_null(strstr(text, "with CBAM (%)"));
    assert_non_null(strstr(text, "+3.50 [+3.00, +4.00]"));
    assert_non_null(strstr(text, "train without CBAM (%)"));
    assert_non_null(strstr(text, "/s/report.md"));
    free(text);
}

static bool is_seed_5_of_frozen(const struct cell *cell)
{
    return cell->settings.seed == 5 && cell->settings.transfer == ARM_FROZEN;
}

/* A pair that is missing is missing: counted, named, and no zero. */
static void missing_runs(void **state)
{
    struct bench *b = *state;
    make_results(b, is_seed_5_of_frozen);
    free(report_as(b, b->path, TABLE_TEXT, false));
    json_t *table = load_table(b, "comparison");
    const json_t *row = find_row(table, "arm", "frozen");
    near(number(row, "pairs"), 5);
    assert_true(json_is_null(json_object_get(row, "difference_low")));
    assert_non_null(strstr(json_string_value(json_object_get(row, "error")), "no interval"));
    assert_string_equal(verdict_of(table, "scratch"), "better");
    json_decref(table);
    char *text = report_as(b, b->path, TABLE_MD, false);
    assert_non_null(strstr(text, "| pending | pending |"));
    assert_non_null(strstr(text, "46 of 48 cells are done, 2 pending."));
    free(text);
}

static bool is_seed_2_of_scratch_cbam(const struct cell *cell)
{
    return cell->settings.seed == 2 && cell->role == ROLE_TRANSFER &&
           cell->settings.transfer == ARM_SCRATCH &&
           strcmp(cell->settings.attention, "cbam") == 0;
}

static void diverged_runs(void **state)
{
    struct bench *b = *state;
    struct train_result *r = calloc(1, sizeof *r);
    make_results(b, is_seed_2_of_scratch_cbam);
    *r = (struct train_result){.diverged = true, .diverged_at = "step 7: loss",
                               .test_accuracy = NAN, .train_accuracy = NAN, .test_loss = NAN};
    for (int i = 0; i < b->grid.count; i++)
        if (is_seed_2_of_scratch_cbam(&b->grid.cells[i]))
            finish(b, i, r);
    char *text = report_as(b, b->path, TABLE_MD, false);
    assert_non_null(strstr(text, "1 of these diverged"));
    json_t *table = load_table(b, "comparison"), *runs = load_table(b, "runs");
    assert_string_equal(verdict_of(table, "scratch"), "diverged");
    near(number(find_row(table, "arm", "scratch"), "pairs"), 5);
    const json_t *run = find_row(runs, "state", "diverged");
    assert_true(json_is_null(json_object_get(run, "test_accuracy")));
    assert_string_equal(json_string_value(json_object_get(run, "why")), "step 7: loss");
    json_decref(table);
    json_decref(runs);
    free(text);
    free(r);
}

static void nothing_is_done(void **state)
{
    struct bench *b = *state;
    char *text = report_as(b, b->path, TABLE_TEXT, false);
    assert_non_null(strstr(text, "no pairs"));
    assert_non_null(strstr(text, "0 of 48 cells are done, 48 pending."));
    free(text);
}

static void older_code(void **state)
{
    struct bench *b = *state;
    sqlite3 *db;
    make_results(b, NULL);
    char *text = report_as(b, b->path, TABLE_TEXT, false);
    assert_null(strstr(text, "another commit"));
    free(text);
    assert_int_equal(sqlite3_open(b->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "INSERT INTO provenance SELECT 'x', 'before', json FROM "
                                  "provenance; UPDATE cells SET provenance = 'x', "
                                  "finished = '2001-01-01T00:00:00Z' WHERE rowid <= 4",
                                  NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    text = report_as(b, b->path, TABLE_TEXT, false);
    assert_non_null(strstr(text, "4 of 48 cells were made by code of another commit"));
    assert_non_null(strstr(text, "before+"));
    free(text);
}

/* A report says what the store says: all cells being another build's does not show in it, but
 * beside it, with the program's own commit. */
static void another_builds_store(void **state)
{
    struct bench *b = *state;
    char *note = NULL, plots[300];
    size_t size = 0;
    make_results(b, NULL);
    sql(b, "UPDATE provenance SET commit_id = 'before'");
    char *text = report_as(b, b->path, TABLE_MD, false);
    assert_null(strstr(text, "another commit"));
    free(text);
    snprintf(plots, sizeof plots, "%s/plots-out", b->dir);
    FILE *talk = open_memstream(&note, &size), *out = fopen("/dev/null", "w");
    struct study_report_options options = {b->path, plots, TABLE_TEXT, false, talk};
    assert_int_equal(study_report("s", &options, out), OK);
    fclose(talk);
    fclose(out);
    assert_non_null(strstr(note, "48 of 48 cells were made by code of another commit than this"));
    free(note);
}

/* ---- files ---- */

static int bad_words;

/* No file that the report wrote may hold a NaN, but the data for gnuplot, which has its own. */
static int look_for_nan(const char *path, const struct stat *info, int flag, struct FTW *ftw)
{
    size_t size;
    (void)info, (void)ftw;
    if (flag != FTW_F || !(strstr(path, ".json") || strstr(path, ".csv") || strstr(path, ".md")))
        return 0;
    char *text = (char *)file_get(path, &size);
    for (const char *at = text; (at = strcasestr(at, "nan")); at++)
        bad_words += !(at > text && isalpha((unsigned char)at[-1])) &&
                     !isalpha((unsigned char)at[3]);
    free(text);
    return 0;
}

static void no_nan_in_any_file(void **state)
{
    struct bench *b = *state;
    make_results(b, is_seed_5_of_frozen);
    free(report_as(b, b->path, TABLE_TEXT, false));
    bad_words = 0;
    assert_int_equal(nftw(b->dir, look_for_nan, 8, FTW_PHYS), 0);
    assert_int_equal(bad_words, 0);
}

static void formats(void **state)
{
    struct bench *b = *state;
    json_error_t error;
    make_results(b, NULL);
    char *text = report_as(b, b->path, TABLE_JSON, false);
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json_array_get(json, 0), "table")),
                        "comparison");
    json_decref(json);
    free(text);
    text = report_as(b, b->path, TABLE_CSV, false);
    int lines = 0;
    for (const char *at = text; *at; at++)
        lines += *at == '\n';
    assert_int_equal(lines, 1 + 3);
    free(text);
}

static void unknown_study(void **state)
{
    struct bench *b = *state;
    struct study_report_options options = {.store_path = b->path};
    assert_int_equal(study_report("no-such-study", &options, stdout), ERR_USAGE);
    assert_non_null(strstr(fail_text(), "no-such-study"));
}

/* ---- plots ---- */

static bool has_file(struct bench *b, const char *name)
{
    char path[400];
    struct stat info;
    snprintf(path, sizeof path, "%s/%s", b->dir, name);
    return stat(path, &info) == 0 && info.st_size > 0;
}

static void add_latency(struct bench *b)
{
    static const char *const rows[] = {
        "{\"model\": \"resnet50\", \"attention\": \"none\", \"impl\": \"naive\", \"batch\": 1,"
        " \"threads\": 2, \"median_ms\": 900.5, \"input_h\": 224, \"input_w\": 224}",
        "{\"model\": \"resnet50\", \"attention\": \"`touch pwned`'s\", \"impl\": \"naive\","
        " \"batch\": 1, \"threads\": 2, \"median_ms\": null}"};
    for (int i = 0; i < 2; i++)
        assert_int_equal(store_add_latency(b->store, "s", rows[i]), OK);
}

static void plots_are_drawn(void **state)
{
    struct bench *b = *state;
    if (system("gnuplot --version >/dev/null 2>&1") != 0)
        skip();
    make_results(b, NULL);
    add_latency(b);
    free(report_as(b, b->path, TABLE_TEXT, true));
    static const char *const names[] = {"accuracy", "curves", "latency"};
    for (int i = 0; i < 3; i++) {
        char name[64];
        snprintf(name, sizeof name, "plots-out/%s.png", names[i]);
        assert_true(has_file(b, name));
        snprintf(name, sizeof name, "plots-out/%s.svg", names[i]);
        assert_true(has_file(b, name));
    }
    assert_int_not_equal(access("pwned", F_OK), 0);
}

static void without_gnuplot(void **state)
{
    struct bench *b = *state;
    char *path = strdup(getenv("PATH")), *note = NULL, plots[300];
    size_t size = 0;
    make_results(b, NULL);
    snprintf(plots, sizeof plots, "%s/plots-out", b->dir);
    FILE *talk = open_memstream(&note, &size), *out = fopen("/dev/null", "w");
    struct study_report_options options = {b->path, plots, TABLE_TEXT, false, talk};
    setenv("PATH", "/nowhere", 1);
    enum status status = study_report("s", &options, out);
    setenv("PATH", path, 1);
    fclose(talk);
    fclose(out);
    assert_int_equal(status, OK);
    assert_non_null(strstr(note, "gnuplot is not installed"));
    assert_true(has_file(b, "s/report.md"));
    assert_true(has_file(b, "s/comparison.csv"));
    assert_true(has_file(b, "s/plots/accuracy-means.dat"));
    free(note);
    free(path);
}

/* ---- status ---- */

static void status_tables(void **state)
{
    struct bench *b = *state;
    struct study_data data;
    struct cell cell;
    int attempt;
    make_results(b, is_seed_5_of_frozen);
    for (int i = 0; i < b->grid.count; i++)
        if (is_seed_5_of_frozen(&b->grid.cells[i]) &&
            strcmp(b->grid.cells[i].settings.attention, "none") == 0) {
            assert_int_equal(store_claim(b->store, b->grid.cells[i].key, &cell, &attempt), OK);
            assert_int_equal(store_fail(b->store, cell.key, attempt, "disk on fire"), OK);
        }
    assert_int_equal(study_data_read(&data, b->store, "s"), OK);
    struct table *counts = study_status_counts(&data), *faults = study_status_faults(&data);
    json_t *rows = table_rows_json(counts), *reasons = table_rows_json(faults);
    const json_t *all = json_array_get(rows, json_array_size(rows) - 1);
    near(number(all, "all"), 48);
    near(number(all, "done"), 46);
    near(number(all, "failed"), 1);
    near(number(all, "pending"), 1);
    assert_int_equal(json_array_size(reasons), 1);
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(reasons, 0), "reason")), "disk on fire");
    json_decref(rows);
    json_decref(reasons);
    table_free(counts);
    table_free(faults);
    study_data_free(&data);
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_study, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(verdicts),       TEST(the_first_table), TEST(missing_runs),    TEST(diverged_runs),
        TEST(nothing_is_done), TEST(older_code),     TEST(no_nan_in_any_file), TEST(formats),
        TEST(another_builds_store),
        TEST(unknown_study),  TEST(plots_are_drawn), TEST(without_gnuplot), TEST(status_tables),
    };
    return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
