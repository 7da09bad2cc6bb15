/* The verb regress from outside: exit statuses, what is refused by name, files that it leaves.
 * Where a verdict must not depend on how busy the machine is, the two builds are shell scripts that
 * answer as a build does (bench/regress/child.h), with times of their own. Needs $CBAM_BENCH. */
#include "impls/layer.h"
#include "tests/command.h"
#include "tests/temp_dir.h"

#include <math.h>

/* ---- usage ---- */

static void test_refuses(void **state)
{
    (void)state;
    static const char *const wrong[][3] = {
        {"regress", "regress: ", "is no action"},
        {"regress fast", "'fast'", "counts, pair or selftest"},
        {"regress pair", "regress pair: ", "--base DIR and --head DIR"},
        {"regress pair --base . --head . --runs 3", "regress pair: ", "--runs"},
        {"regress counts --rounds 10", "regress counts: ", "--rounds"},
        {"regress pair --base /no/such/folder --head . --cases 'relu c8'", "--base",
         "/no/such/folder"},
        {"regress counts --cases 'relu z8'", "--cases", "'z8'"},
        {"regress counts --cases no-such-file", "--cases", "no-such-file"},
        {"regress counts --cases 'network resnet20'", "--cases", "attention"},
        {"regress counts --impl mkl --cases 'relu c8'", "--impl", "mkl"},
        {"regress counts --allow 'relu c8' --cases 'relu c8'", "--allow", "CASE=PCT"},
        {"regress counts --allow 'relu c8=x' --cases 'relu c8'", "--allow", "x"},
        {"regress counts --write junit --cases 'relu c8'", "--write", "KIND=FILE"},
        {"regress counts --write gbench-head=x --cases 'relu c8'", "gbench-head", "pair"},
        {"regress counts --update --filter relu", "--update", "--filter"},
        {"regress pair --base . --head . --rounds 9 --cases 'relu c8'", "--rounds", "10"},
        {"regress selftest --runs 0", "--runs", "0"},
        {"regress child", "''", "question"},
    };
    command_need();
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        command_refused(2, wrong[i][1], wrong[i][2], "%s", wrong[i][0]);
}

static void test_help(void **state)
{
    (void)state;
    struct command c;
    command_need();
    command_ok(&c, "regress --help");
    assert_non_null(strstr(c.out, "selftest"));
    command_free(&c);
    command_ok(&c, "regress pair --help");
    assert_non_null(strstr(c.out, "--budget=S"));
    assert_non_null(strstr(c.out, "3 incomparable"));
    command_free(&c);
}

static void test_nothing_measured(void **state)
{
    const char *path = temp_dir_file(state, "none.txt");
    char file[1100];
    struct command c;
    command_need();
    file_put(path, "# nothing\n", 10);
    snprintf(file, sizeof file, "--cases %s", path);
    const char *const lists[] = {"--cases ''", file, "--cases 'relu c8' --filter sigmoid"};
    for (int i = 0; i < 3; i++) {
        command_run(&c, "regress counts %s", lists[i]);
        assert_int_equal(c.status, 5);
        assert_non_null(strstr(c.err, "nothing measured"));
        command_free(&c);
        command_run(&c, "regress pair --base . --head . %s", lists[i]);
        assert_int_equal(c.status, 5);
        command_free(&c);
    }
}

/* ---- counts ---- */

/* Skips, saying so, where instructions cannot be counted. */
static void need_valgrind(void)
{
    struct command c;
    command_need();
#ifdef SANITIZED
    print_message("skipped: a build with sanitizers does not run under valgrind\n");
    skip();
#endif
    command_shell(&c, "command -v valgrind");
    int status = c.status;
    command_free(&c);
    if (status != 0) {
        print_message("skipped: valgrind is not installed\n");
        skip();
    }
}

/* Runs `regress counts` on two small cases of the first implementation; JSON of what it prints. */
static json_t *counts(int status, const char *baseline, const char *arguments)
{
    struct command c;
    command_run(&c, "regress counts --no-accuracy --impl %s --baseline %s --format json %s",
                impls[0]->name, baseline, arguments);
    return command_take_json(&c, status);
}

static const json_t *row_of(const json_t *json, const char *part)
{
    size_t i;
    json_t *row, *rows = json_object_get(json, "rows");
    json_array_foreach(rows, i, row)
        if (strstr(command_text(row, "case"), part))
            return row;
    fail_msg("no row '%s'", part);
    return NULL;
}

/* Changes one text of a file. */
static void edit(const char *path, const char *from, const char *to)
{
    size_t size;
    char *text = (char *)file_get(path, &size), *at = strstr(text, from), *changed;
    assert_non_null(at);
    *at = '\0';
    assert_true(asprintf(&changed, "%s%s%s", text, to, at + strlen(from)) > 0);
    file_put(path, changed, strlen(changed));
    free(changed);
    free(text);
}

#define TWO "--cases 'relu h4 w4 c16,sigmoid h4 w4 c16' "

/* Makes the baseline; its path lives as long as the test. */
static const char *make_baseline(void **state)
{
    const char *path = temp_dir_file(state, "base.json");
    json_t *json = counts(0, path, TWO "--update");
    assert_int_equal(json_array_size(json_object_get(json, "rows")), 4);
    json_decref(json);
    return path;
}

static void test_counts_are_exact(void **state)
{
    need_valgrind();
    const char *path = make_baseline(state);
    for (int i = 0; i < 2; i++) {
        json_t *json = counts(0, path, TWO), *row;
        size_t k;
        assert_string_equal(command_text(json, "verdict"), "ok");
        json_array_foreach(json_object_get(json, "rows"), k, row) {
            double count = command_number(row, "head");
            assert_true(count > 10 && count == command_number(row, "base"));
        }
        json_decref(json);
    }
    json_t *other = counts(3, "no-such-file.json", TWO);
    assert_string_equal(command_text(other, "verdict"), "incomparable");
    assert_non_null(strstr(command_text(other, "reason"), "no-such-file.json"));
    json_decref(other);
}

static void test_counts_of_another_list(void **state)
{
    need_valgrind();
    const char *path = make_baseline(state);
    json_t *json = counts(0, path, "--cases 'relu h4 w4 c16,add h4 w4 c16'");
    assert_string_equal(command_text(row_of(json, "fwd relu"), "state"), "ok");
    assert_string_equal(command_text(row_of(json, "fwd add"), "state"), "added");
    assert_string_equal(command_text(row_of(json, "bwd sigmoid"), "state"), "removed");
    json_decref(json);
}

/* Replaces the count of a case by a part of itself, so that it seems to have grown. */
static void shrink(const char *path, const char *name)
{
    json_error_t error;
    json_t *json = json_load_file(path, 0, &error);
    json_t *entry = json_object_get(json_object_get(json, "cases"), name);
    assert_non_null(entry);
    double count = json_number_value(json_object_get(entry, "instructions"));
    json_object_set_new(entry, "instructions", json_integer((json_int_t)(count / 1.1)));
    assert_int_equal(json_dump_file(json, path, JSON_INDENT(1)), 0);
    json_decref(json);
}

static void test_counts_regress(void **state)
{
    need_valgrind();
    const char *path = make_baseline(state);
    char name[64], allow[128];
    snprintf(name, sizeof name, "%s fwd relu h4 w4 c16", impls[0]->name);
    shrink(path, name);
    json_t *json = counts(1, path, TWO);
    const json_t *row = row_of(json, "fwd relu");
    assert_string_equal(command_text(row, "state"), "regressed");
    assert_true(fabs(command_number(row, "ratio") - 1.1) < 0.01);
    assert_string_equal(command_text(row_of(json, "fwd sigmoid"), "state"), "ok");
    assert_non_null(strstr(command_text(json, "reason"), name));
    json_decref(json);
    snprintf(allow, sizeof allow, TWO "--allow 'fwd relu=15'");
    json = counts(0, path, allow);
    row = row_of(json, "fwd relu");
    assert_string_equal(command_text(row, "state"), "ok");
    assert_true(command_number(row, "allowed") == 0.15);
    json_decref(json);
}

static void test_counts_incomparable(void **state)
{
    need_valgrind();
    const char *path = make_baseline(state);
    edit(path, "\"glibc\": \"", "\"glibc\": \"old ");
    json_t *json = counts(3, path, TWO);
    assert_string_equal(command_text(json, "verdict"), "incomparable");
    assert_non_null(strstr(command_text(json, "reason"), "another glibc: 'old "));
    assert_int_equal(json_array_size(json_object_get(json, "rows")), 0);
    json_decref(json);
    edit(path, "\"instructions\": ", "\"instructions\": null, \"was\": ");
    json = counts(3, path, TWO);
    assert_non_null(strstr(command_text(json, "reason"), "fwd relu h4 w4 c16"));
    json_decref(json);
}

/* ---- pair, on scripts ---- */

/* A build that answers from a script: `check`, `time` and `library` are what it says. */
static void make_build(void **state, const char *name, const char *library, const char *check,
                       const char *time)
{
    static const char script[] =
        "#!/bin/sh\n"
        "key='{\"protocol\": 2, \"commit\": \"%s\", \"onednn\": \"%s\", \"openblas\": \"%s\"}'\n"
        "case $3 in\n"
        "key) echo \"$key\" ;;\n"
        "check) echo '%s' ;;\n"
        "time)\n"
        "    echo '{\"state\": \"ok\", \"how\": \"k\"}'\n"
        "    while read -r word; do\n"
        "        case $word in\n"
        "        warm) echo '{\"state\": \"ok\", \"repeats\": 9, \"steady\": true}' ;;\n"
        "        *) echo '%s' ;;\n"
        "        esac\n"
        "    done ;;\n"
        "esac\n";
    const char *path = temp_dir_file(state, name);
    char *text;
    assert_true(asprintf(&text, script, name, library, library, check, time) > 0);
    file_put(path, text, strlen(text));
    free(text);
    assert_int_equal(chmod(path, 0700), 0);
}

#define RESULTS(first) \
    "{\"state\":\"ok\",\"how\":\"k\",\"error\":1e-7,\"results\":{\"dst\":[4," first \
    ",1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}}"
#define TIME(ms) "{\"state\":\"ok\",\"ms\":" ms ",\"cpu_ms\":" ms ",\"disturbed\":false}"

static json_t *pair(void **state, int *status, const char *arguments)
{
    const struct temp_dir *dir = *state;
    struct command c;
    command_run(&c, "regress pair --no-accuracy --impl %s --cases 'relu c8' --filter fwd "
                "--samples 3 --min-ms 0.2 --budget 0 --format json --base %s/base --head %s/head "
                "%s", impls[0]->name, dir->path, dir->path, arguments);
    *status = c.status;
    json_t *json = c.status == 2 ? NULL : command_json(&c);
    if (!json)
        fail_msg("%s\nended with %d and said: %s", c.line, c.status, c.err);
    command_free(&c);
    return json;
}

/* The control kernel is timed for real: where it was not quiet a slow-down is inconclusive. */
static bool was_quiet(const json_t *json)
{
    const json_t *control = json_object_get(json, "control");
    return command_number(control, "low") >= 0.98 && command_number(control, "high") <= 1.02;
}

static void test_pair_finds(void **state)
{
    int status;
    command_need();
    make_build(state, "base", "1", RESULTS("1"), TIME("1.0"));
    make_build(state, "head", "1", RESULTS("1"), TIME("1.2"));
    json_t *json = pair(state, &status, "");
    const json_t *row = row_of(json, "fwd relu");
    assert_int_equal(status, was_quiet(json) ? 1 : 0);
    assert_string_equal(command_text(row, "state"), was_quiet(json) ? "regressed" : "inconclusive");
    assert_string_equal(command_text(json, "verdict"), command_text(row, "state"));
    assert_true(command_number(row, "ratio") == 1.2 && command_number(row, "rounds") == 10);
    assert_true(command_number(row, "sign_flip_p") == 2.0 / 1024);
    assert_int_equal(json_array_size(json_object_get(row, "head_rounds_ms")), 10);
    json_decref(json);
    json = pair(state, &status, "--allow relu=25 --strict");
    row = row_of(json, "fwd relu");
    assert_int_equal(status, 0);
    assert_string_equal(command_text(row, "state"), "ok");
    assert_true(command_number(row, "allowed") == 0.25);
    json_decref(json);
}

static void test_pair_stays_quiet(void **state)
{
    int status;
    command_need();
    make_build(state, "base", "1", RESULTS("1"), TIME("1.0"));
    make_build(state, "head", "1", RESULTS("1.00001"), TIME("1.04"));
    json_t *json = pair(state, &status, "--strict");
    assert_int_equal(status, 0);
    assert_string_equal(command_text(json, "verdict"), "ok");
    json_decref(json);
}

/* What head says, and what the verdict has to name. */
static void test_pair_refuses(void **state)
{
    static const struct {
        const char *library, *check, *time;
        int status;
        const char *reason;
    } heads[] = {
        {"1", RESULTS("1"), TIME("null"), 1, "relu c8: its time is no positive number"},
        {"1", RESULTS("1"), "{\"state\":\"failed\",\"reason\":\"it broke\"}", 1,
         "relu c8: it broke"},
        {"1", RESULTS("1"), "", 1, "relu c8: no JSON in its answer"},
        {"1", "{\"state\":\"failed\",\"reason\":\"dst is not finite\"}", TIME("1"), 1,
         "relu c8: dst is not finite"},
        {"1", RESULTS("1.01"), TIME("1"), 1, "relu c8: its result is not that of base"},
        {"1", RESULTS("null"), TIME("1"), 1, "relu c8: its result is not that of base"},
        {"1", "{\"state\":\"ok\",\"results\":{\"dst\":[1]}}", TIME("1"), 1, "sketch of dst"},
        {"1", "{\"state\":\"absent\",\"reason\":\"no relu\"}", TIME("1"), 5, "on both sides"},
        {"2", RESULTS("1"), TIME("1"), 3, "another "},
    };
    int status;
    command_need();
    make_build(state, "base", "1", RESULTS("1"), TIME("1"));
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        make_build(state, "head", heads[i].library, heads[i].check, heads[i].time);
        bool library = strcmp(heads[i].library, "1") != 0;
        if (library && !impls[1]) /* nothing but our own code */
            continue;
        json_t *json = pair(state, &status, library ? "--impl all" : "");
        if (status != heads[i].status || !strstr(command_text(json, "reason"), heads[i].reason))
            fail_msg("head %zu: %d, '%s'", i, status, command_text(json, "reason"));
        json_decref(json);
    }
}

static void test_pair_needs_a_protocol(void **state)
{
    static const char *const heads[][2] = {
        {"#!/bin/sh\necho '{\"protocol\": 99}'\n", "protocol 99"},
        {"#!/bin/sh\necho 'no verb regress' >&2; exit 2\n", "no verb regress"}};
    int status;
    command_need();
    make_build(state, "base", "1", RESULTS("1"), TIME("1"));
    for (int i = 0; i < 2; i++) {
        const char *path = temp_dir_file(state, "head");
        file_put(path, heads[i][0], strlen(heads[i][0]));
        assert_int_equal(chmod(path, 0700), 0);
        json_t *json = pair(state, &status, "");
        assert_int_equal(status, 3);
        assert_string_equal(command_text(json, "verdict"), "incomparable");
        assert_non_null(strstr(command_text(json, "reason"), heads[i][1]));
        json_decref(json);
    }
}

/* ---- pair, on this build, and what others read ---- */

/* The Python that Debian's compare.py is written for; skips, saying so, where it is not there. */
static void need_compare(void)
{
    struct command c;
    command_shell(&c, "test -f /usr/share/benchmark/compare.py && "
                      "/usr/bin/python3 -c 'import scipy, numpy'");
    int status = c.status;
    command_free(&c);
    if (status != 0) {
        print_message("skipped: libbenchmark-tools (with scipy and numpy) is not installed\n");
        skip();
    }
}

static void test_compare_py(void **state)
{
    const struct temp_dir *dir = *state;
    struct command c;
    command_need();
    need_compare();
    command_run(&c, "regress pair --no-accuracy --impl %s --cases 'relu h4 w4 c16' --samples 3 "
                "--min-ms 0.2 --budget 0 --base \"$CBAM_BENCH\" --head \"$CBAM_BENCH\" --write "
                "gbench-base=%s/a.json,gbench-head=%s/b.json,junit=%s/c.xml", impls[0]->name,
                dir->path, dir->path, dir->path);
    if (c.status != 0 && c.status != 1) /* a very busy machine may see anything but a fault */
        fail_msg("%s\nended with %d and said: %s", c.line, c.status, c.err);
    command_free(&c);
    command_shell(&c, "/usr/bin/python3 /usr/share/benchmark/compare.py --no-color benchmarks "
                      "%s/a.json %s/b.json", dir->path, dir->path);
    if (c.status != 0)
        fail_msg("%s\nended with %d and said: %s", c.line, c.status, c.err);
    assert_non_null(strstr(c.out, " fwd relu h4 w4 c16_pvalue"));
    assert_non_null(strstr(c.out, "Repetitions: 10 vs 10"));
    assert_null(strstr(c.out, "WARNING"));
    assert_non_null(strstr(c.out, "OVERALL_GEOMEAN"));
    command_free(&c);
    command_shell(&c, "/usr/bin/python3 -c 'import sys, xml.dom.minidom as m; "
                      "m.parse(sys.argv[1])' %s/c.xml", dir->path);
    assert_int_equal(c.status, 0);
    command_free(&c);
}

/* ---- the self-test's path ---- */

static double least_of_child(const char *environment, const char *more)
{
    struct command c;
    double least = INFINITY;
    command_shell(&c, "for word in warm sample sample sample; do echo $word; done | %s "
                  "\"$CBAM_BENCH\" regress child time --case 'relu h8 w8 c16' --impl %s --pass fwd "
                  "--min-ms 0.5 %s", environment, impls[0]->name, more);
    assert_int_equal(c.status, 0);
    for (char *line = strtok(c.out, "\n"); line; line = strtok(NULL, "\n")) {
        json_t *json = json_loads(line, 0, NULL);
        const json_t *ms = json_object_get(json, "ms");
        assert_string_equal(command_text(json, "state"), "ok");
        least = ms ? fmin(least, json_number_value(ms)) : least;
        json_decref(json);
    }
    command_free(&c);
    assert_true(isfinite(least));
    return least;
}

/* A hundred times the work; only the self-test's processes do it. */
static void test_planted_work_is_the_selftests(void **state)
{
    (void)state;
    char planted[128], other[128];
    command_need();
    snprintf(planted, sizeof planted, "CBAM_BENCH_SLOW='9900 %s fwd relu h8 w8 c16'",
             impls[0]->name);
    snprintf(other, sizeof other, "CBAM_BENCH_SLOW='9900 %s fwd relu h8 w8 c17'", impls[0]->name);
    double plain = least_of_child("", "");
    assert_true(least_of_child(planted, "--selftest") > 20 * plain);
    assert_true(least_of_child(planted, "") < 10 * plain);
    assert_true(least_of_child(other, "--selftest") < 10 * plain);
}

/* Lines of a file. */
static int count_lines(const char *path)
{
    size_t size;
    char *text = (char *)file_get(path, &size);
    int lines = 0;
    for (const char *at = text; *at; at++)
        lines += *at == '\n';
    free(text);
    return lines;
}

static void test_selftest_goes_on(void **state)
{
    static const char quick[] = "regress selftest --quick --runs 1 --samples 3 --min-ms 0.5";
    const char *path = temp_dir_file(state, "state.jsonl");
    struct command c;
    command_need();
    for (int time = 0; time < 2; time++) {
        command_run(&c, "%s --state %s --format json", quick, path);
        if (c.status != 0 && c.status != 1) /* 1: this machine is too busy for it */
            fail_msg("%s\nended with %d and said: %s", c.line, c.status, c.err);
        assert_non_null(strstr(c.err, "run 2 of 2: quiet, +20 %"));
        assert_int_equal(strstr(c.err, "run 1 of 2") != NULL, time == 0);
        json_t *json = command_json(&c);
        assert_int_equal(json_array_size(json_object_get(json, "runs")), 2);
        assert_int_equal(json_array_size(json_object_get(json, "rows")), 2);
        json_decref(json);
        command_free(&c);
        assert_int_equal(count_lines(path), 3); /* what they have in common, and two runs */
        size_t size;
        char *text = (char *)file_get(path, &size); /* cut within the last run, as a kill does */
        file_put(path, text, size - 20);
        free(text);
    }
    command_refused(2, path, "--restart", "%s --seed 2 --rounds 11 --state %s", quick, path);
}

#define WITH_FOLDER(test) \
    cmocka_unit_test_setup_teardown(test, temp_dir_make, temp_dir_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_help),
        WITH_FOLDER(test_nothing_measured),
        WITH_FOLDER(test_counts_are_exact),
        WITH_FOLDER(test_counts_of_another_list),
        WITH_FOLDER(test_counts_regress),
        WITH_FOLDER(test_counts_incomparable),
        WITH_FOLDER(test_pair_finds),
        WITH_FOLDER(test_pair_stays_quiet),
        WITH_FOLDER(test_pair_refuses),
        WITH_FOLDER(test_pair_needs_a_protocol),
        WITH_FOLDER(test_compare_py),
        cmocka_unit_test(test_planted_work_is_the_selftests),
        WITH_FOLDER(test_selftest_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
