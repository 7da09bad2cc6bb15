/* What the regression check leaves behind: verdicts and exit statuses, and the formats that other
 * tools read. */
#include "bench/regress/outcome_table.h"
#include "bench/regress/settings.h"
#include "bench/regress/write.h"
#include "tests/command.h"
#include "tests/regress_fixture.h"

/* ---- verdicts ---- */

static void expect(struct regress_outcome *o, enum regress_verdict verdict, int code,
                   const char *named)
{
    outcome_settle(o);
    assert_int_equal(o->verdict, verdict);
    assert_int_equal(outcome_exit(o), code);
    if (!strstr(o->reason, named))
        fail_msg("'%s' should name '%s'", o->reason, named);
}

static void test_verdicts(void **state)
{
    (void)state;
    struct regress_outcome o;
    outcome_start(&o, "pair");
    expect(&o, VERDICT_NOTHING, 5, "no case was measured");
    made_add_bare(&o, "naive fwd relu c1", "ms", REGRESS_ADDED, "");
    made_add_bare(&o, "naive training x", "loss", REGRESS_OK, "");
    expect(&o, VERDICT_NOTHING, 5, "no case is on both sides");
    made_add_pair(&o, "naive fwd relu c2", 1, REGRESS_OK);
    expect(&o, VERDICT_OK, 0, "");
    made_add_pair(&o, "naive fwd relu c3", 1, REGRESS_INCONCLUSIVE);
    expect(&o, VERDICT_INCONCLUSIVE, 0, "relu c3");
    o.strict = true;
    expect(&o, VERDICT_INCONCLUSIVE, 4, "relu c3");
    made_add_pair(&o, "naive fwd relu c4", 1.3, REGRESS_REGRESSED);
    expect(&o, VERDICT_REGRESSED, 1, "naive fwd relu c4: +30.0 %");
    made_add_bare(&o, "naive fwd relu c5", "ms", REGRESS_FAILED, "dst is wrong");
    expect(&o, VERDICT_REGRESSED, 1, "naive fwd relu c5: dst is wrong");
    (fail)(ERR_UNSUPPORTED, "another glibc"); /* not cmocka's macro */
    outcome_refuse(&o);
    assert_int_equal(outcome_exit(&o), 3);
    assert_string_equal(o.reason, "another glibc");
    outcome_free(&o);
}

static void test_mean_of_counts(void **state)
{
    (void)state;
    struct regress_outcome o;
    outcome_start(&o, "counts");
    made_add_count(&o, "naive fwd relu c1", 1000, 1009);
    made_add_count(&o, "naive fwd relu c2", 1000, 1000);
    expect(&o, VERDICT_OK, 0, "");
    made_add_count(&o, "naive fwd relu c3", 1000, 1009); /* each within 1 %, all of them too much */
    expect(&o, VERDICT_REGRESSED, 1, "geometric mean");
    assert_true(fabs(o.mean_ratio - cbrt(1.009 * 1.009)) < 1e-12);
    o.rows[0]->allowed = 0.02; /* what is allowed does not count */
    expect(&o, VERDICT_OK, 0, "");
    outcome_free(&o);
}

static void test_allowances(void **state)
{
    (void)state;
    struct regress_settings s = {
        .allow = {{"*conv2d*", 0.2, false}, {"naive fwd conv2d", 0.1, false},
                  {"linear", 0.3, false}},
        .allow_count = 3,
        .allow_results = {{"conv2d", 0, false}},
        .allow_results_count = 1};
    struct regress_outcome o;
    outcome_start(&o, "pair");
    struct regress_row *conv = made_add_pair(&o, "naive fwd conv2d c8", 1.1, REGRESS_OK);
    struct regress_row *relu = made_add_pair(&o, "naive fwd relu c8", 1.1, REGRESS_OK);
    settings_allow(&s, conv);
    settings_allow(&s, relu);
    assert_true(conv->allowed == 0.2 && conv->results_allowed);
    assert_true(isnan(relu->allowed) && !relu->results_allowed);
    assert_string_equal(settings_unused_allowance(&s), "linear");
    s.allow_count = 2;
    assert_null(settings_unused_allowance(&s));
    struct table *table = outcome_table(&o);
    json_t *rows = table_rows_json(table);
    assert_true(json_number_value(json_object_get(json_array_get(rows, 0), "allowed")) == 0.2);
    assert_true(json_is_null(json_object_get(json_array_get(rows, 1), "allowed")));
    json_decref(rows);
    table_free(table);
    outcome_free(&o);
}

/* ---- formats ---- */

static json_t *parse(char *text)
{
    json_error_t error;
    assert_non_null(text);
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "inf"));
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (!json)
        fail_msg("no JSON (%s): %s", error.text, text);
    free(text);
    return json;
}

static void test_github(void **state)
{
    (void)state;
    struct regress_outcome o = made_pair();
    json_t *list = parse(write_github(&o));
    assert_int_equal(json_array_size(list), 3); /* what has no value is left out */
    const json_t *slow = json_array_get(list, 1);
    assert_string_equal(command_text(slow, "unit"), "ns");
    assert_true(fabs(command_number(slow, "value") - 0.5045e6 * 1.25) < 1e-3);
    assert_non_null(strstr(command_text(slow, "range"), " .. "));
    assert_non_null(strstr(command_text(slow, "extra"), "regressed: +25.00 %"));
    assert_string_equal(command_text(json_array_get(list, 2), "unit"), "loss");
    json_decref(list);
    outcome_free(&o);
}

static void test_bencher(void **state)
{
    (void)state;
    struct regress_outcome o = made_pair();
    json_t *object = parse(write_bencher(&o));
    const json_t *latency =
        json_object_get(json_object_get(object, "naive fwd relu c8"), "latency");
    assert_true(command_number(latency, "lower_value") < command_number(latency, "value"));
    assert_true(command_number(latency, "upper_value") > command_number(latency, "value"));
    const json_t *training = json_object_get(object, "naive training x");
    assert_true(command_number(json_object_get(training, "accuracy"), "value") == 0.75);
    json_decref(object);
    outcome_free(&o);
}

static void check_repetition(const json_t *entry, int index)
{
    static const char *const texts[] = {"name", "run_name", "run_type", "time_unit"};
    static const char *const numbers[] = {"family_index", "per_family_instance_index",
                                          "repetitions", "threads", "iterations", "real_time",
                                          "cpu_time"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        command_text(entry, texts[i]);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        command_number(entry, numbers[i]);
    if (index < MADE_ROUNDS) {
        assert_string_equal(command_text(entry, "run_type"), "iteration");
        assert_true(command_number(entry, "repetition_index") == index);
    } else {
        assert_string_equal(command_text(entry, "run_type"), "aggregate");
        command_text(entry, "aggregate_name");
    }
}

static void test_gbench(void **state)
{
    (void)state;
    static const char *const context[] = {"date", "host_name", "executable",
                                          "library_build_type"};
    struct regress_outcome o = made_pair();
    json_t *base = parse(write_gbench(&o, false)), *head = parse(write_gbench(&o, true));
    for (size_t i = 0; i < sizeof context / sizeof context[0]; i++)
        command_text(json_object_get(base, "context"), context[i]);
    assert_true(command_number(json_object_get(base, "context"), "json_schema_version") == 1);
    const json_t *a = json_object_get(base, "benchmarks"), *b = json_object_get(head, "benchmarks");
    assert_int_equal(json_array_size(a), 2 * (MADE_ROUNDS + 3)); /* mean, median, stddev */
    for (size_t i = 0; i < json_array_size(a); i++)
        check_repetition(json_array_get(a, i), (int)i % (MADE_ROUNDS + 3));
    const json_t *x = json_array_get(a, MADE_ROUNDS + 3), *y = json_array_get(b, MADE_ROUNDS + 3);
    double ratio = command_number(y, "real_time") / command_number(x, "real_time");
    assert_true(fabs(ratio - 1.25) < 1e-9);
    json_decref(base);
    json_decref(head);
    outcome_free(&o);
}

static void test_junit(void **state)
{
    (void)state;
    struct regress_outcome o = made_pair();
    char *text = write_junit(&o);
    assert_non_null(text);
    assert_non_null(strstr(text, "tests=\"7\" failures=\"3\" errors=\"0\" skipped=\"2\""));
    assert_int_equal(count_of(text, "<testcase "), 7);
    assert_int_equal(count_of(text, "<failure "), 3); /* the verdict is a case as well */
    assert_int_equal(count_of(text, "<skipped "), 2);
    assert_non_null(strstr(text, "conv2d &lt;h8&gt; &amp; &quot;w8&quot;, c16"));
    assert_null(strstr(text, "nan"));
    free(text);
    outcome_free(&o);
}

static void test_tables(void **state)
{
    struct regress_outcome o = made_pair();
    const struct write_request requests[] = {{WRITE_VERDICT, "v.txt"}, {WRITE_JSON, "v.json"},
                                             {WRITE_CSV, "v.csv"}, {WRITE_MD, "v.md"}};
    char *text[4];
    size_t size;
    for (int i = 0; i < 4; i++) {
        struct write_request request = {requests[i].kind,
                                        temp_dir_file(state, requests[i].path)};
        assert_int_equal(write_outcome(&o, &request), OK);
        text[i] = (char *)file_get(request.path, &size);
    }
    assert_int_equal(strncmp(text[0], "regressed: onednn bwd relu c8: dst is not finite; ", 50), 0);
    assert_int_equal(count_of(text[0], "\n"), 1);
    assert_int_equal(count_of(text[2], "\n"), 7);
    assert_null(strstr(text[2], "nan"));
    assert_int_equal(strncmp(text[3], "| case | state |", 16), 0);
    json_t *json = parse(strdup(text[1]));
    assert_string_equal(command_text(json, "verdict"), "regressed");
    assert_true(command_number(json, "exit") == 1);
    const json_t *worst = json_array_get(json_object_get(json, "rows"), 0);
    assert_string_equal(command_text(worst, "state"), "FAILED");
    assert_string_equal(command_text(worst, "reason"), "dst is not finite");
    assert_true(json_is_null(json_object_get(worst, "ratio")));
    json_decref(json);
    for (int i = 0; i < 4; i++)
        free(text[i]);
    outcome_free(&o);
}

static void test_write_requests(void **state)
{
    (void)state;
    struct write_request request;
    char good[] = "gbench-base=a.json", no_path[] = "junit=", no_kind[] = "xml=a", bare[] = "csv";
    assert_int_equal(write_parse(good, &request), OK);
    assert_int_equal(request.kind, WRITE_GBENCH_BASE);
    assert_string_equal(request.path, "a.json");
    assert_int_equal(write_check(&request, "pair"), OK);
    assert_int_equal(write_check(&request, "counts"), ERR_USAGE);
    assert_int_equal(write_parse(no_path, &request), ERR_USAGE);
    assert_int_equal(write_parse(no_kind, &request), ERR_USAGE);
    assert_int_equal(write_parse(bare, &request), ERR_USAGE);
    assert_non_null(strstr(fail_text(), "gbench-head"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_mean_of_counts),
        cmocka_unit_test(test_allowances),
        cmocka_unit_test(test_github),
        cmocka_unit_test(test_bencher),
        cmocka_unit_test(test_gbench),
        cmocka_unit_test(test_junit),
        cmocka_unit_test_setup_teardown(test_tables, temp_dir_make, temp_dir_remove),
        cmocka_unit_test(test_write_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
