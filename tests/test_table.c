/* Tables: the four formats from one list of columns, quoting, missing cells, no NaN anywhere. */
#include "bench/report/table.h"
#include "tests/temp_dir.h"

#include <math.h>

static const struct table_column columns[] = {
    {.name = "model", .title = "model"},
    {.name = "median_ms", .title = "median", .unit = "ms", .decimals = 2},
    {.name = "shown", .title = "both", .audience = TABLE_PEOPLE},
    {.name = "samples", .audience = TABLE_MACHINES},
    {.name = "params", .decimals = -4},
};
enum { COLUMNS = sizeof columns / sizeof columns[0] };

static struct table *make(void)
{
    struct table *table = table_new("latency", "Latency", columns, COLUMNS);
    table_row(table);
    table_text(table, "model", "a,b \"c\"\nd|e");
    table_number(table, "median_ms", 0.1);
    table_printf(table, "shown", "%d ± %d", 3, 1);
    table_json(table, "samples", json_pack("[f, i]", 0.5, 2));
    table_number(table, "params", 25557032);
    table_row(table);
    table_text(table, "model", "x");
    table_number(table, "median_ms", NAN);
    table_missing(table, "params", "n/a (n=2)");
    table_note(table, "note %d", 1);
    table_meta(table, "threads", json_integer(2));
    return table;
}

static char *written(const struct table *table, enum table_format format)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_int_equal(table_write(table, format, out), OK);
    assert_int_equal(fclose(out), 0);
    char *copy = strdup(text);
    free(text);
    return copy;
}

static void check(enum table_format format, const char *expected)
{
    struct table *table = make();
    char *text = written(table, format);
    assert_string_equal(text, expected);
    free(text);
    table_free(table);
}

static void as_csv(void **state)
{
    (void)state;
    check(TABLE_CSV, "model,median_ms,samples,params\n"
                     "\"a,b \"\"c\"\"\nd|e\",0.1,\"[0.5,2]\",25557032\n"
                     "x,,,\n");
}

static void as_markdown(void **state)
{
    (void)state;
    check(TABLE_MD, "| model | median (ms) | both | params |\n"
                    "| --- | --: | --- | --: |\n"
                    "| a,b \"c\" d\\|e | 0.10 | 3 ± 1 | 2.556e+07 |\n"
                    "| x | not a number | - | n/a (n=2) |\n"
                    "\nnote 1\n");
}

static void as_text(void **state)
{
    (void)state;
    check(TABLE_TEXT, "Latency\n\n"
                      "model         median (ms)  both      params\n"
                      "-----------  ------------  -----  ---------\n"
                      "a,b \"c\" d|e          0.10  3 ± 1  2.556e+07\n"
                      "x            not a number  -      n/a (n=2)\n"
                      "\nnote 1\n");
}

static json_t *row_of(const json_t *document, size_t i)
{
    return json_array_get(json_object_get(document, "rows"), i);
}

static void as_json(void **state)
{
    json_error_t error;
    struct table *table = make();
    char *text = written(table, TABLE_JSON);
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    (void)state;
    assert_non_null(json);
    assert_null(strstr(text, "nan"));
    assert_string_equal(json_string_value(json_object_get(json, "table")), "latency");
    assert_int_equal(json_integer_value(json_object_get(json, "threads")), 2);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(json, "units"), "median_ms")), "ms");
    const json_t *first = row_of(json, 0), *second = row_of(json, 1);
    assert_true(json_real_value(json_object_get(first, "median_ms")) == 0.1);
    assert_true(json_is_integer(json_object_get(first, "params")));
    assert_int_equal(json_array_size(json_object_get(first, "samples")), 2);
    assert_null(json_object_get(first, "shown"));
    assert_null(json_object_get(first, "error"));
    assert_true(json_is_null(json_object_get(second, "median_ms")));
    assert_true(json_is_null(json_object_get(second, "samples")));
    assert_string_equal(json_string_value(json_object_get(second, "error")),
                        "median_ms: not a number; params: n/a (n=2)");
    json_decref(json);
    free(text);
    table_free(table);
}

/* Whatever number goes in: JSON stays valid, CSV reads back as the same number or is empty. */
static void hostile_numbers(void **state)
{
    const double numbers[] = {INFINITY, -INFINITY, NAN, -0.0, 1e308, 5e-324, 1.0 / 3, 1e15 + 0.5,
                              9007199254740993.0, -1e300};
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        json_error_t error;
        struct table *table = table_new("t", "t", columns, COLUMNS);
        table_row(table);
        table_number(table, "median_ms", numbers[i]);
        char *text = written(table, TABLE_JSON);
        json_t *json = json_loads(text, 0, &error);
        const json_t *value = json_object_get(row_of(json, 0), "median_ms");
        assert_non_null(value);
        assert_true(isfinite(numbers[i]) ? json_number_value(value) == numbers[i]
                                         : json_is_null(value));
        free(text);
        text = written(table, TABLE_CSV);
        const char *cell = strchr(strchr(text, '\n'), ',') + 1;
        assert_true(isfinite(numbers[i]) ? strtod(cell, NULL) == numbers[i] : cell[0] == ',');
        free(text);
        text = written(table, TABLE_TEXT);
        assert_null(strstr(text, "nan"));
        free(text);
        json_decref(json);
        table_free(table);
    }
}

static void no_rows(void **state)
{
    json_error_t error;
    struct table *table = table_new("t", "Empty", columns, COLUMNS);
    char *text = written(table, TABLE_JSON);
    json_t *json = json_loads(text, 0, &error);
    (void)state;
    assert_int_equal(json_array_size(json_object_get(json, "rows")), 0);
    assert_non_null(json_object_get(json, "rows"));
    json_decref(json);
    free(text);
    text = written(table, TABLE_TEXT);
    assert_non_null(strstr(text, "(no rows)"));
    free(text);
    table_free(table);
}

/* Text that is no UTF-8 cannot be JSON: an error, not a broken file. */
static void bad_text(void **state)
{
    struct table *table = table_new("t", "t", columns, COLUMNS);
    FILE *out = fopen("/dev/null", "w");
    (void)state;
    table_row(table);
    table_text(table, "model", "\xff\xfe");
    assert_int_not_equal(table_write(table, TABLE_JSON, out), OK);
    fclose(out);
    table_free(table);
}

static void full_disk(void **state)
{
    struct table *table = make();
    FILE *out = fopen("/dev/full", "w");
    (void)state;
    if (!out)
        skip();
    assert_int_equal(table_write(table, TABLE_CSV, out), ERR_IO);
    fclose(out);
    table_free(table);
}

static void saved_whole_or_not(void **state)
{
    struct table *table = make();
    const char *path = temp_dir_file(state, "t.csv");
    size_t size;
    assert_int_equal(table_save(table, TABLE_CSV, path), OK);
    char *saved = (char *)file_get(path, &size), *text = written(table, TABLE_CSV);
    assert_string_equal(saved, text);
    free(saved);
    free(text);
    assert_int_equal(temp_dir_entries(state, false), 1);
    assert_int_equal(table_save(table, TABLE_CSV, temp_dir_file(state, "none/t.csv")), ERR_IO);
    table_free(table);
}

static void formats(void **state)
{
    enum table_format format;
    (void)state;
    assert_int_equal(table_format_parse("md", &format), OK);
    assert_int_equal(format, TABLE_MD);
    assert_int_equal(table_format_parse("JSON", &format), ERR_USAGE);
    assert_non_null(strstr(fail_text(), "text, json, csv, md or latex"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_csv),
        cmocka_unit_test(as_markdown),
        cmocka_unit_test(as_text),
        cmocka_unit_test(as_json),
        cmocka_unit_test(hostile_numbers),
        cmocka_unit_test(no_rows),
        cmocka_unit_test(bad_text),
        cmocka_unit_test(full_disk),
        cmocka_unit_test_setup_teardown(saved_whole_or_not, temp_dir_make, temp_dir_remove),
        cmocka_unit_test(formats),
    };
    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
