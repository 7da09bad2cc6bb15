/* The verbs layers and doctor from outside: what they print, what they refuse, and with which exit
 * status. Needs $CBAM_BENCH, the path of the program. */
#include "tests/verb_fixture.h"
#include "tests/temp_dir.h"

#include <math.h>

/* ---- layers ---- */

static void check_layer_row(const json_t *row)
{
    double n = command_number(row, "n"), median = command_number(row, "median_ms");
    const json_t *samples = json_object_get(row, "samples_ms");
    assert_true(n == 4 && median > 0 && command_number(row, "min_ms") <= median);
    assert_int_equal(json_array_size(samples), 4);
    assert_true(json_is_null(json_object_get(row, "p90_ms")));
    assert_null(json_object_get(row, "error"));
    assert_true(command_text(row, "how")[0] && command_text(row, "commit")[0] &&
                command_text(row, "date")[0]);
    if (strncmp(command_text(row, "case"), "conv2d", 6) == 0) {
        double macs = 6 * 6 * 8 * 4 * 9 * (strcmp(command_text(row, "pass"), "bwd") == 0 ? 2 : 1);
        assert_string_equal(command_text(row, "check"), "exact");
        assert_true(fabs(command_number(row, "gflops") * median * 1e6 / (2 * macs) - 1) < 1e-9);
        assert_true(command_number(row, "macs") == macs && command_number(row, "of_bound") > 0);
    } else {
        assert_true(json_is_null(json_object_get(row, "gflops")));
    }
}

static void test_layers(void **state)
{
    const char *path = temp_dir_file(state, "cases.txt");
    char arguments[1300];
    file_put(path, "sigmoid n2 h5 w5 c9 # a comment\n", 32);
    snprintf(arguments, sizeof arguments,
             "layers --cases 'conv2d h6 w6 c4 oc8 k3 p1,%s' --pass fwd,bwd --threads 1 --samples 4 "
             "--min-ms 0.05 --format json", path);
    json_t *json = run_json("", arguments), *rows = json_object_get(json, "rows"), *row;
    size_t i;
    assert_int_equal(json_array_size(rows), 2 * 2 * count_impls());
    json_array_foreach(rows, i, row)
        check_layer_row(row);
    assert_true(json_is_object(json_object_get(json, "provenance")));
    assert_non_null(strstr(command_text(json, "command"), "--pass fwd,bwd"));
    json_decref(json);
}

static void test_layers_formats(void **state)
{
    (void)state;
    static const char *const form[][2] = {
        {"csv", "case,pass,impl,dtype,how,threads,n,median_ms,"},
        {"md", "| case"},
        {"text", "Layers\n"}};
    for (size_t i = 0; i < 3; i++) {
        struct command c;
        char arguments[200];
        snprintf(arguments, sizeof arguments,
                 "layers --cases 'relu n2 c9' --impl %s --threads 1 --samples 2 --min-ms 0 "
                 "--format %s",
                 impls[0]->name, form[i][0]);
        command_need();
        command_ok(&c, "%s", arguments);
        assert_int_equal(strncmp(c.out, form[i][1], strlen(form[i][1])), 0);
        command_free(&c);
    }
}

static void test_layers_refuses(void **state)
{
    (void)state;
    assert_refused("layers", "", "--cases is needed");
    assert_refused("layers", "--cases no-such-file", "no-such-file");
    assert_refused("layers", "--cases 'conv2d n1 h2 w2 c4 oc4 k9'", "too small");
    assert_refused("layers", "--cases 'conv2d n1 oc4 z3'", "'z3'");
    assert_refused("layers", "--cases relu --impl mkl", "--impl");
    assert_refused("layers", "--cases relu --threads 0", "--threads");
    assert_refused("layers", "--cases relu --threads 99999", "--threads 99999");
    assert_refused("layers", "--cases relu --pass forward", "--pass forward");
    assert_refused("layers", "--cases relu --samples many", "--samples many");
    assert_refused("layers", "--cases relu --min-ms nan", "--min-ms nan");
    assert_refused("layers", "--cases relu --format xml", "--format xml");
    assert_refused("layers", "--cases relu more", "'more'");
}

/* R48: the number of threads asked for is the one used, in every library, whatever the environment
 * says. */
static void test_one_thread_is_one_thread(void **state)
{
    (void)state;
    json_t *json = run_json("OMP_NUM_THREADS=8 OPENBLAS_NUM_THREADS=8",
                            "layers --cases 'conv2d h28 w28 c64 oc64 k3 p1' --pass fwd,bwd "
                            "--threads 1 --samples 5 --format json");
    const json_t *row;
    size_t i;
    json_array_foreach(json_object_get(json, "rows"), i, row)
        assert_true(command_number(row, "cpu_per_wall") < 1.1);
    json_decref(json);
}

/* ---- doctor ---- */

static bool warns(const json_t *report, const char *word)
{
    const json_t *warnings = json_object_get(report, "warnings"), *line;
    size_t i;
    bool found = false;
    json_array_foreach(warnings, i, line)
        found = found || strstr(json_string_value(line), word);
    return found;
}

static void test_doctor(void **state)
{
    (void)state;
    json_t *report = run_json("env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE "
                              "-u ONEDNN_MAX_CPU_ISA -u DNNL_MAX_CPU_ISA", "doctor --format json");
    static const char *const sections[] = {"build", "machine", "threads", "quiet", "environment",
                                           "files"};
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++)
        assert_true(json_is_object(json_object_get(report, sections[i])));
    for (int i = 0; impls[i]; i++) {
        const json_t *section = json_object_get(report, impls[i]->name);
        assert_true(json_is_true(json_object_get(section, "usable")));
        assert_true(command_text(section, "version")[0]);
    }
    const json_t *threads = json_object_get(report, "threads");
    assert_true(command_number(threads, "available") >= 1);
    assert_string_equal(command_text(threads, "runtime"), "libgomp");
    assert_true(json_is_true(json_object_get(threads, "flush_to_zero")));
    assert_false(warns(report, "OPENBLAS_CORETYPE") || warns(report, "ONEDNN_MAX_CPU_ISA"));
    const json_t *openblas = json_object_get(report, "openblas");
    if (openblas)
        assert_string_equal(command_text(openblas, "self_test"), "ok");
    json_decref(report);
}

/* A set-up that holds the libraries back is named. */
static void test_doctor_warns(void **state)
{
    (void)state;
    json_t *report = run_json("OPENBLAS_CORETYPE=Nehalem OPENBLAS_L2_SIZE=512 "
                              "ONEDNN_MAX_CPU_ISA=SSE41 ONEDNN_VERBOSE=0 OMP_WAIT_POLICY=active "
                              "GOMP_SPINCOUNT=infinity",
                              "doctor --format json");
    if (json_object_get(report, "openblas")) {
        assert_true(warns(report, "OPENBLAS_CORETYPE=Nehalem holds OpenBLAS back"));
        assert_true(warns(report, "OPENBLAS_L2_SIZE=512"));
    }
    if (json_object_get(report, "onednn"))
        assert_true(warns(report, "ONEDNN_MAX_CPU_ISA=SSE41"));
    assert_false(warns(report, "ONEDNN_VERBOSE"));
    assert_true(warns(report, "OMP_WAIT_POLICY") && warns(report, "GOMP_SPINCOUNT=infinity"));
    const json_t *environment = json_object_get(report, "environment");
    assert_string_equal(command_text(environment, "OPENBLAS_L2_SIZE"), "512");
    json_decref(report);
}

static void test_doctor_text(void **state)
{
    (void)state;
    struct command c;
    command_need();
    command_shell(&c, "PATH=/nowhere \"$CBAM_BENCH\" doctor");
    assert_int_equal(c.status, 0);
    assert_int_equal(strncmp(c.out, "build\n", 6), 0);
    assert_non_null(strstr(c.out, "gnuplot is not installed (package gnuplot-nox)"));
    command_free(&c);
    assert_refused("doctor", "--format csv", "text or json");
    assert_refused("doctor", "now", "'now'");
}

/* ---- all of them ---- */

static void test_help_and_unknown_options(void **state)
{
    (void)state;
    static const char *const verbs[] = {"layers", "latency", "doctor"};
    command_need();
    for (size_t i = 0; i < 3; i++) {
        struct command c;
        char start[64];
        snprintf(start, sizeof start, "Usage: cbam-bench %s [OPTION...]", verbs[i]);
        command_ok(&c, "%s --help", verbs[i]);
        assert_int_equal(strncmp(c.out, start, strlen(start)), 0);
        command_free(&c);
        command_run(&c, "%s --no-such-option", verbs[i]);
        assert_int_equal(c.status, 2);
        assert_non_null(strstr(c.err, "--no-such-option"));
        command_free(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_layers, temp_dir_make, temp_dir_remove),
        cmocka_unit_test(test_layers_formats),
        cmocka_unit_test(test_layers_refuses),
        cmocka_unit_test(test_one_thread_is_one_thread),
        cmocka_unit_test(test_doctor),
        cmocka_unit_test(test_doctor_warns),
        cmocka_unit_test(test_doctor_text),
        cmocka_unit_test(test_help_and_unknown_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
