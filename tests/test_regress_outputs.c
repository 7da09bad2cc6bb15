/* What the regression check leaves behind: verdicts and exit statuses, the formats that other tools
 * read, baselines, histories, the state of the self-test. One made-up outcome for all of them, in
 * which every number that can be missing is missing somewhere. */
#include "bench/regress/baseline.h"
#include "bench/regress/history.h"
#include "bench/regress/outcome_table.h"
#include "bench/regress/selftest_state.h"
#include "bench/regress/settings.h"
#include "bench/regress/write.h"
#include "tests/command.h"
#include "tests/temp_dir.h"

#include <math.h>

enum { ROUNDS = 10 };

static struct regress_row *add_pair(struct regress_outcome *o, const char *name, double ratio,
                                    enum regress_state how_it_went)
{
    struct regress_row *row = outcome_add(o, name, "ms");
    assert_non_null(row);
    row->base_rounds = calloc(ROUNDS, sizeof *row->base_rounds);
    row->head_rounds = calloc(ROUNDS, sizeof *row->head_rounds);
    row->ratio_rounds = calloc(ROUNDS, sizeof *row->ratio_rounds);
    assert_true(row->base_rounds && row->head_rounds && row->ratio_rounds);
    row->rounds = ROUNDS;
    for (int i = 0; i < ROUNDS; i++) {
        double base = 0.5 + 0.001 * i;
        row->base_rounds[i] = (struct regress_sample){base, base, 20};
        row->head_rounds[i] = (struct regress_sample){base * ratio, base * ratio, 20};
        row->ratio_rounds[i] = ratio;
    }
    row->base = 0.5045;
    row->head = 0.5045 * ratio;
    row->ratio = ratio;
    row->low = ratio - 0.01;
    row->high = ratio + 0.01;
    row->bound = 0.05;
    row->p = 2.0 / 1024;
    row->state = how_it_went;
    return row;
}

static struct regress_row *add_bare(struct regress_outcome *o, const char *name, const char *unit,
                                    enum regress_state how_it_went, const char *reason)
{
    struct regress_row *row = outcome_add(o, name, unit);
    assert_non_null(row);
    row->state = how_it_went;
    snprintf(row->reason, sizeof row->reason, "%s", reason);
    return row;
}

static json_t *some_key(void)
{
    return json_pack("{s:i, s:s, s:s, s:s, s:s, s:s}", "protocol", 1, "compiler", "gcc 12", "cpu",
                     "A \"fine\", small CPU", "commit", "abc123", "onednn", "2.6.3", "valgrind",
                     "3.19.0");
}

static struct regress_outcome some_pair(void)
{
    struct regress_outcome o;
    outcome_start(&o, "pair");
    add_pair(&o, "naive fwd relu c8", 1.001, REGRESS_OK);
    add_pair(&o, "onednn fwd conv2d <h8> & \"w8\", c16", 1.25, REGRESS_REGRESSED);
    add_bare(&o, "onednn bwd relu c8", "ms", REGRESS_FAILED, "dst is not finite");
    add_bare(&o, "openblas fwd relu c8", "ms", REGRESS_ADDED, "");
    add_bare(&o, "openblas bwd relu c8", "ms", REGRESS_REMOVED, "onednn does not offer it");
    struct regress_row *row = add_bare(&o, "naive training x", "loss", REGRESS_OK, "");
    row->base = row->head = 0.25;
    row->accuracy = 0.75;
    o.control = (struct ratio){ROUNDS, 1.001, 0.99, 1.01};
    o.noise_floor = 0.004;
    o.threads = 1;
    o.base_key = some_key();
    o.head_key = some_key();
    outcome_settle(&o);
    return o;
}

static struct regress_row *add_count(struct regress_outcome *o, const char *name, double base,
                                     double head)
{
    struct regress_row *row = outcome_add(o, name, "instructions");
    assert_non_null(row);
    row->base = base;
    row->head = head;
    row->ratio = head / base;
    row->bound = judge_count_bound(row->impl, row->allowed);
    row->state = judge_count(base, head, row->bound);
    snprintf(row->how_head, sizeof row->how_head, "naive \"direct\"");
    return row;
}

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
    add_bare(&o, "naive fwd relu c1", "ms", REGRESS_ADDED, "");
    add_bare(&o, "naive training x", "loss", REGRESS_OK, "");
    expect(&o, VERDICT_NOTHING, 5, "no case is on both sides");
    add_pair(&o, "naive fwd relu c2", 1, REGRESS_OK);
    expect(&o, VERDICT_OK, 0, "");
    add_pair(&o, "naive fwd relu c3", 1, REGRESS_INCONCLUSIVE);
    expect(&o, VERDICT_INCONCLUSIVE, 0, "relu c3");
    o.strict = true;
    expect(&o, VERDICT_INCONCLUSIVE, 4, "relu c3");
    add_pair(&o, "naive fwd relu c4", 1.3, REGRESS_REGRESSED);
    expect(&o, VERDICT_REGRESSED, 1, "naive fwd relu c4: +30.0 %");
    add_bare(&o, "naive fwd relu c5", "ms", REGRESS_FAILED, "dst is wrong");
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
    add_count(&o, "naive fwd relu c1", 1000, 1009);
    add_count(&o, "naive fwd relu c2", 1000, 1000);
    expect(&o, VERDICT_OK, 0, "");
    add_count(&o, "naive fwd relu c3", 1000, 1009); /* each within 1 %, all of them too much */
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
    struct regress_row *conv = add_pair(&o, "naive fwd conv2d c8", 1.1, REGRESS_OK);
    struct regress_row *relu = add_pair(&o, "naive fwd relu c8", 1.1, REGRESS_OK);
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
    struct regress_outcome o = some_pair();
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
    struct regress_outcome o = some_pair();
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
    if (index < ROUNDS) {
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
    struct regress_outcome o = some_pair();
    json_t *base = parse(write_gbench(&o, false)), *head = parse(write_gbench(&o, true));
    for (size_t i = 0; i < sizeof context / sizeof context[0]; i++)
        command_text(json_object_get(base, "context"), context[i]);
    assert_true(command_number(json_object_get(base, "context"), "json_schema_version") == 1);
    const json_t *a = json_object_get(base, "benchmarks"), *b = json_object_get(head, "benchmarks");
    assert_int_equal(json_array_size(a), 2 * (ROUNDS + 3)); /* mean, median, stddev */
    for (size_t i = 0; i < json_array_size(a); i++)
        check_repetition(json_array_get(a, i), (int)i % (ROUNDS + 3));
    const json_t *x = json_array_get(a, ROUNDS + 3), *y = json_array_get(b, ROUNDS + 3);
    double ratio = command_number(y, "real_time") / command_number(x, "real_time");
    assert_true(fabs(ratio - 1.25) < 1e-9);
    json_decref(base);
    json_decref(head);
    outcome_free(&o);
}

static int count_of(const char *text, const char *part)
{
    int count = 0;
    for (; (text = strstr(text, part)); text++)
        count++;
    return count;
}

static void test_junit(void **state)
{
    (void)state;
    struct regress_outcome o = some_pair();
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
    struct regress_outcome o = some_pair();
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

/* ---- baselines ---- */

static void test_baseline(void **state)
{
    const char *path = temp_dir_file(state, "base.json");
    struct regress_outcome o;
    json_t *json;
    double count;
    const char *how;
    outcome_start(&o, "counts");
    o.head_key = some_key();
    add_count(&o, "naive fwd conv2d c8", 1, 123456);
    add_bare(&o, "naive bwd conv2d c8", "instructions", REGRESS_REMOVED, "");
    assert_int_equal(baseline_write(path, &o), OK);
    assert_int_equal(baseline_read(path, &json), OK);
    assert_true(baseline_case(json, "naive fwd conv2d c8", &count, &how));
    assert_true(count == 123456);
    assert_string_equal(how, "naive \"direct\"");
    assert_false(baseline_case(json, "naive bwd conv2d c8", &count, &how));
    const json_t *key = json_object_get(json, "key");
    assert_int_equal(baseline_same_key(key, o.head_key), OK);
    json_object_set_new(o.head_key, "cpu", json_string("another")); /* does not matter */
    json_object_set_new(o.head_key, "commit", json_string("another"));
    assert_int_equal(baseline_same_key(key, o.head_key), OK);
    json_object_set_new(o.head_key, "onednn", json_string("3.4"));
    assert_int_equal(baseline_same_key(key, o.head_key), ERR_UNSUPPORTED);
    assert_non_null(strstr(fail_text(), "another onednn: '2.6.3' in the baseline, '3.4' here"));
    json_object_del(o.head_key, "onednn");
    assert_int_equal(baseline_same_key(key, o.head_key), ERR_UNSUPPORTED);
    json_decref(json);
    outcome_free(&o);
}

static void test_baseline_refuses(void **state)
{
    static const char *const wrong[][2] = {
        {"{\"key\": {}, \"cases\": {\"naive fwd relu\": {\"instructions\": null}}}",
         "naive fwd relu"},
        {"{\"key\": {}, \"cases\": {\"naive fwd relu\": {\"instructions\": -3}}}",
         "naive fwd relu"},
        {"{\"key\": {}, \"cases\": {\"naive fwd relu\": {\"instructions\": NaN}}}", "line 1"},
        {"{\"key\": {}, \"cases\": {\"a\": {\"instructions\": 1}, \"a\": {}}}", "line 1"},
        {"{\"key\": {}}", "'cases'"}, {"[]", "'cases'"}, {"", "line 1"}};
    const char *path = temp_dir_file(state, "base.json");
    json_t *json;
    assert_int_equal(baseline_read(path, &json), ERR_IO);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        file_put(path, wrong[i][0], strlen(wrong[i][0]));
        assert_int_equal(baseline_read(path, &json), ERR_FORMAT);
        assert_null(json);
        assert_message(fail_text(), path, wrong[i][1]);
    }
}

static void test_curves(void **state)
{
    const char *path = temp_dir_file(state, "curves.json"), *const names[] = {"naive", "onednn"};
    struct accuracy_curve curves[2] = {{.steps = 3, .loss = {1.5, 1.25, 1.0 / 3},
                                        .test_loss = 0.5, .test_accuracy = 0.75,
                                        .test_images = 128}}, found;
    double worst;
    char reason[200];
    curves[1] = curves[0];
    curves[1].loss[1] = NAN;
    assert_int_equal(baseline_write_curves(path, names, curves, 2), OK);
    assert_int_equal(baseline_read_curve(path, "naive", &found), OK);
    assert_true(accuracy_agree(&curves[0], &found, &worst, reason, sizeof reason));
    assert_true(worst < 1e-8);
    assert_int_equal(baseline_read_curve(path, "onednn", &found), OK);
    assert_false(accuracy_agree(&found, &curves[0], &worst, reason, sizeof reason));
    assert_int_equal(baseline_read_curve(path, "openblas", &found), ERR_UNSUPPORTED);
    static const char empty[] = "{\"curves\": {\"naive\": {\"losses\": []}}}";
    file_put(path, empty, sizeof empty - 1);
    assert_int_equal(baseline_read_curve(path, "naive", &found), ERR_FORMAT);
    assert_message(fail_text(), path, "0 losses");
}

/* ---- history ---- */

static void test_history(void **state)
{
    struct regress_outcome o = some_pair();
    const struct temp_dir *dir = *state;
    size_t size;
    assert_int_equal(history_append(dir->path, &o), OK);
    assert_int_equal(history_append(dir->path, &o), OK);
    char *csv = (char *)file_get(temp_dir_file(state, "pair-naive-fwd-relu-c8.csv"), &size);
    assert_int_equal(strncmp(csv, "time,commit,cpu,state,ms,ratio\n", 31), 0);
    assert_int_equal(count_of(csv, "\n"), 3);
    assert_int_equal(count_of(csv, "Z,\"abc123\",\"A 'fine', small CPU\",ok,0.505"), 2);
    free(csv);
    char *yaml = (char *)file_get(temp_dir_file(state, "otava.yaml"), &size);
    assert_int_equal(count_of(yaml, "    type: csv\n"), 3);
    assert_int_equal(count_of(yaml, "      ms:\n        direction: -1\n"), 2);
    assert_int_equal(count_of(yaml, "      test_loss:\n"), 1);
    assert_non_null(strstr(yaml, "  pair-naive-fwd-relu-c8:\n"));
    free(yaml);
    assert_int_equal(history_append("/no/such/folder", &o), ERR_IO);
    outcome_free(&o);
}

/* ---- state of the self-test ---- */

static json_t *a_run(int planted, int number, const char *flagged1, const char *flagged2)
{
    json_t *flagged = json_array();
    if (flagged1)
        json_array_append_new(flagged, json_string(flagged1));
    if (flagged2)
        json_array_append_new(flagged, json_string(flagged2));
    return json_pack("{s:b, s:i, s:i, s:s, s:o, s:[s]}", "busy", 1, "planted", planted, "run",
                     number, "case", "a", "flagged", flagged, "undecided", "c");
}

static void test_selftest_state(void **state)
{
    const char *path = temp_dir_file(state, "state.jsonl");
    const struct selftest_cell cell = {true, 10}, nothing = {true, 0}, quiet = {false, 10};
    struct selftest_state s;
    json_t *header = json_pack("{s:s}", "commit", "1"), *other = json_pack("{s:s}", "commit", "2");
    assert_int_equal(selftest_state_open(&s, path, header, false), OK);
    assert_int_equal(selftest_state_add(&s, a_run(10, 0, "a", NULL)), OK);
    assert_int_equal(selftest_state_add(&s, a_run(10, 1, "a", "b")), OK);
    assert_int_equal(selftest_state_add(&s, a_run(10, 2, "b", NULL)), OK);
    assert_int_equal(selftest_state_add(&s, a_run(0, 0, "a", NULL)), OK);
    selftest_state_close(&s);
    FILE *file = fopen(path, "a");
    fputs("{\"busy\": true, \"pla", file); /* killed while it wrote */
    fclose(file);
    assert_int_equal(selftest_state_open(&s, path, header, false), OK);
    assert_int_equal(selftest_state_add(&s, a_run(0, 1, NULL, NULL)), OK);
    selftest_state_close(&s);
    assert_int_equal(selftest_state_open(&s, path, header, false), OK);
    struct selftest_counts counts = selftest_state_count(&s, &cell);
    assert_true(counts.runs == 3 && counts.found == 2 && counts.alone == 1);
    assert_true(counts.alarms == 2 && counts.inconclusive == 3);
    counts = selftest_state_count(&s, &nothing);
    assert_true(counts.runs == 2 && counts.found == 0 && counts.alarms == 1);
    assert_true(selftest_state_has(&s, &cell, 2) && !selftest_state_has(&s, &cell, 3));
    assert_false(selftest_state_has(&s, &quiet, 2));
    selftest_state_close(&s);
    assert_int_equal(selftest_state_open(&s, path, other, false), ERR_USAGE);
    selftest_state_close(&s);
    assert_int_equal(selftest_state_open(&s, path, other, true), OK);
    assert_int_equal(json_array_size(s.done), 0);
    selftest_state_close(&s);
    json_decref(header);
    json_decref(other);
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
        cmocka_unit_test_setup_teardown(test_baseline, temp_dir_make, temp_dir_remove),
        cmocka_unit_test_setup_teardown(test_baseline_refuses, temp_dir_make, temp_dir_remove),
        cmocka_unit_test_setup_teardown(test_curves, temp_dir_make, temp_dir_remove),
        cmocka_unit_test_setup_teardown(test_history, temp_dir_make, temp_dir_remove),
        cmocka_unit_test_setup_teardown(test_selftest_state, temp_dir_make, temp_dir_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
