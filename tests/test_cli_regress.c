/* The verb regress from outside: exit statuses, what is refused by name, instruction counts against
 * a baseline. Needs $CBAM_BENCH; valgrind for the counts. */
#include "impls/layer.h"
#include "tests/regress_rows.h"

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
    assert_string_equal(command_text(regress_row_of(json, "fwd relu"), "state"), "ok");
    assert_string_equal(command_text(regress_row_of(json, "fwd add"), "state"), "added");
    assert_string_equal(command_text(regress_row_of(json, "bwd sigmoid"), "state"), "removed");
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
    const json_t *row = regress_row_of(json, "fwd relu");
    assert_string_equal(command_text(row, "state"), "regressed");
    assert_true(fabs(command_number(row, "ratio") - 1.1) < 0.01);
    assert_string_equal(command_text(regress_row_of(json, "fwd sigmoid"), "state"), "ok");
    assert_non_null(strstr(command_text(json, "reason"), name));
    json_decref(json);
    snprintf(allow, sizeof allow, TWO "--allow 'fwd relu=15'");
    json = counts(0, path, allow);
    row = regress_row_of(json, "fwd relu");
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
