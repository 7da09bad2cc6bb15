/* `regress pair` and `regress selftest` from outside. Where a verdict must not depend on how busy
 * the machine is, the two builds are shell scripts that answer as a build does
 * (bench/regress/child.h), with times of their own. Needs $CBAM_BENCH. */
#include "impls/layer.h"
#include "tests/regress_rows.h"

#include <math.h>

/* ---- pair, on scripts ---- */

/* A build that answers from a script: `check`, `time` and `library` are what it says. */
static void make_build(void **state, const char *name, const char *library, const char *check,
                       const char *time)
{
    static const char script[] =
        "#!/bin/sh\n"
        "echo \"$*\" >> \"$0.asked\"\n"
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
    const json_t *row = regress_row_of(json, "fwd relu");
    assert_int_equal(status, was_quiet(json) ? 1 : 0);
    assert_string_equal(command_text(row, "state"), was_quiet(json) ? "regressed" : "inconclusive");
    assert_string_equal(command_text(json, "verdict"), command_text(row, "state"));
    assert_true(command_number(row, "ratio") == 1.2 && command_number(row, "rounds") == 10);
    assert_true(command_number(row, "sign_flip_p") == 2.0 / 1024);
    assert_int_equal(json_array_size(json_object_get(row, "head_rounds_ms")), 10);
    json_decref(json);
    json = pair(state, &status, "--allow relu=25 --strict");
    row = regress_row_of(json, "fwd relu");
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

/* ---- which algorithms convolutions run ---- */

/* How many times a side was asked about a case, each time with `words`. */
static int count_asked(void **state, const char *asked, const char *words)
{
    size_t size;
    int count = 0;
    char *text = (char *)file_get(temp_dir_file(state, asked), &size);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        if (!strstr(line, "--case "))
            continue;
        count++;
        if (!strstr(line, words))
            fail_msg("'%s' should say '%s'", line, words);
    }
    free(text);
    return count;
}

static void test_pair_shares_decisions(void **state)
{
    static const char network[] = "--cases 'network resnet20 none' --filter infer";
    const struct temp_dir *dir = *state;
    char arguments[1400], words[1100];
    int status;
    command_need();
    make_build(state, "base", "1", RESULTS("1"), TIME("1.0"));
    make_build(state, "head", "1", RESULTS("1"), TIME("1.0"));
    snprintf(words, sizeof words, "--algorithm auto:%s/decisions.json", dir->path);
    snprintf(arguments, sizeof arguments, "%s %s", network, words);
    json_decref(pair(state, &status, arguments));
    int base = count_asked(state, "base.asked", words);
    assert_true(base > 10); /* one check, ten rounds */
    assert_true(count_asked(state, "head.asked", words) > 10);
    json_decref(pair(state, &status, network)); /* and nothing is said when nothing is asked */
    assert_true(count_asked(state, "base.asked", "") > base);
    command_refused(2, "--algorithm", "fast", "regress pair --base %s/base --head %s/head "
                    "--algorithm fast", dir->path, dir->path);
}

/* The first implementation that offers Winograd's algorithms; skips where there is none. */
static const struct impl *need_winograd(void)
{
    command_need();
    for (int i = 0; impls[i]; i++)
        if (impls[i]->ops[OP_CONV2D]->winograd)
            return impls[i];
    print_message("skipped: no implementation offers Winograd's algorithms\n");
    skip();
    return NULL;
}

/* Both sides of a pair are this build; the file says what they run. */
static json_t *pair_decided(const struct impl *impl, const char *file)
{
    struct command c;
    command_run(&c, "regress pair --no-accuracy --impl %s --cases 'network resnet20 none i16' "
                "--filter infer --samples 1 --min-ms 0.2 --budget 0 --format json --base "
                "\"$CBAM_BENCH\" --head \"$CBAM_BENCH\" --algorithm auto:%s", impl->name, file);
    if (c.status != 0 && c.status != 1) /* 1: a very busy machine may see a slow-down */
        fail_msg("%s\nended with %d and said: %s", c.line, c.status, c.err);
    json_t *json = command_json(&c);
    command_free(&c);
    return json;
}

static void force_decisions(const char *file, const char *algorithm)
{
    size_t i;
    json_t *decision, *json = json_load_file(file, 0, NULL);
    assert_true(json_array_size(json_object_get(json, "decisions")) > 0);
    json_array_foreach(json_object_get(json, "decisions"), i, decision)
        json_object_set_new(decision, "algorithm", json_string(algorithm));
    assert_int_equal(json_dump_file(json, file, 0), 0);
    json_decref(json);
}

static void test_pair_decides_once(void **state)
{
    const struct impl *impl = need_winograd();
    const char *file = temp_dir_file(state, "decisions.json");
    size_t size;
    json_t *json = pair_decided(impl, file);
    assert_int_equal(strncmp(command_text(json, "algorithm"), "auto-", 5), 0);
    json_decref(json);
    force_decisions(file, "winograd2"); /* one that timing would hardly give for all */
    uint8_t *before = file_get(file, &size);
    json = pair_decided(impl, file);
    const json_t *row = regress_row_of(json, "network resnet20");
    assert_non_null(strstr(command_text(row, "how_base"), "F(2x2"));
    assert_null(strstr(command_text(row, "how_base"), "F(4x4"));
    assert_string_equal(command_text(row, "how_base"), command_text(row, "how_head"));
    assert_file_is(file, before, size);
    json_decref(json);
    free(before);
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
        WITH_FOLDER(test_pair_finds),
        WITH_FOLDER(test_pair_stays_quiet),
        WITH_FOLDER(test_pair_refuses),
        WITH_FOLDER(test_pair_needs_a_protocol),
        WITH_FOLDER(test_pair_shares_decisions),
        WITH_FOLDER(test_pair_decides_once),
        WITH_FOLDER(test_compare_py),
        cmocka_unit_test(test_planted_work_is_the_selftests),
        WITH_FOLDER(test_selftest_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
