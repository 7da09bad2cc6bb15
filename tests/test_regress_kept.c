/* What the regression check keeps from one run for the next: baselines, histories, the state of the
 * self-test. */
#include "bench/regress/baseline.h"
#include "bench/regress/history.h"
#include "bench/regress/selftest_state.h"
#include "bench/regress/settings.h"
#include "tests/regress_fixture.h"

/* ---- baselines ---- */

static void test_baseline(void **state)
{
    const char *path = temp_dir_file(state, "base.json");
    struct regress_outcome o;
    json_t *json;
    double count;
    const char *how;
    outcome_start(&o, "counts");
    o.head_key = made_key();
    made_add_count(&o, "naive fwd conv2d c8", 1, 123456);
    made_add_bare(&o, "naive bwd conv2d c8", "instructions", REGRESS_REMOVED, "");
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

/* ---- the committed files ---- */

/* The case in the name of a target: what stands behind implementation and pass. */
static const char *case_in(const char *name)
{
    for (int words = 0; words < 2; words++)
        name = strchr(name, ' ') + 1;
    return name;
}

static bool is_listed(const struct regress_list *list, const char *text)
{
    for (int i = 0; i < list->count; i++)
        if (strcmp(list->list[i].text, text) == 0)
            return true;
    return false;
}

static bool is_counted(json_t *cases, const char *text)
{
    const char *name;
    json_t *entry;
    json_object_foreach(cases, name, entry)
        if (strcmp(case_in(name), text) == 0)
            return true;
    return false;
}

/* They hold what is measured, all of it and nothing else. What stands there is another machine's or
 * this one's: `regress counts` compares it. */
static void test_committed_counts(void **state)
{
    (void)state;
    struct regress_list list = {0};
    const char *name;
    json_t *json, *entry;
    assert_int_equal(regress_list_add(&list, SETTINGS_COUNT_CASES), OK);
    assert_int_equal(baseline_read(SETTINGS_COUNTS, &json), OK);
    json_t *cases = json_object_get(json, "cases");
    for (int i = 0; i < list.count; i++)
        if (!is_counted(cases, list.list[i].text))
            fail_msg(SETTINGS_COUNTS ": no '%s': make regress-update", list.list[i].text);
    json_object_foreach(cases, name, entry)
        if (!is_listed(&list, case_in(name)))
            fail_msg(SETTINGS_COUNTS ": '%s' is measured no more: make regress-update", name);
    json_decref(json);
    regress_list_free(&list);
}

static void test_committed_curves(void **state)
{
    (void)state;
    static const char *const trained[] = {"naive", "openblas", "onednn"};
    struct accuracy_curve curve;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(baseline_read_curve(SETTINGS_ACCURACY, trained[i], &curve), OK);
        assert_int_equal(curve.steps, ACCURACY_STEPS);
        assert_true(curve.loss[ACCURACY_STEPS - 1] < curve.loss[0] && curve.test_accuracy > 0.5);
    }
}

/* ---- history ---- */

static void test_history(void **state)
{
    struct regress_outcome o = made_pair();
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
        cmocka_unit_test_setup_teardown(test_baseline, temp_dir_make, temp_dir_remove),
        cmocka_unit_test_setup_teardown(test_baseline_refuses, temp_dir_make, temp_dir_remove),
        cmocka_unit_test_setup_teardown(test_curves, temp_dir_make, temp_dir_remove),
        cmocka_unit_test(test_committed_counts),
        cmocka_unit_test(test_committed_curves),
        cmocka_unit_test_setup_teardown(test_history, temp_dir_make, temp_dir_remove),
        cmocka_unit_test_setup_teardown(test_selftest_state, temp_dir_make, temp_dir_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
