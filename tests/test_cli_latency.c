/* The verb latency from outside: what it prints, stores and draws, what it refuses, and with which
 * exit status. Needs $CBAM_BENCH, the path of the program. */
#include "tests/verb_fixture.h"
#include "tests/temp_dir.h"

#include <math.h>

#define TINY "latency --model resnet20 --batch 2 --input 16 --threads 1 "

static void check_latency_row(const json_t *row, const char *pass)
{
    double n = command_number(row, "n"), median = command_number(row, "median_ms"), total = 0;
    const json_t *samples = json_object_get(row, "samples_ms"), *sample;
    size_t i;
    json_array_foreach(samples, i, sample)
        total += json_number_value(sample);
    assert_string_equal(command_text(row, "pass"), pass);
    assert_string_equal(command_text(row, "dtype"), "f32");
    assert_string_equal(command_text(row, "model"), "resnet20");
    assert_true(command_number(row, "batch") == 2 && command_number(row, "threads") == 1);
    assert_true(n == 11 && json_array_size(samples) == 11);
    assert_true(command_number(row, "p50_ms") == median && command_number(row, "min_ms") <= median);
    assert_true(json_is_null(json_object_get(row, "p99_ms")));
    assert_true(command_number(row, "load_ms") > 0 && command_number(row, "first_ms") > 0);
    assert_true(command_number(row, "peak_rss_mb") > 1);
    assert_true(fabs(command_number(row, "images_per_s") * total / (11 * 2 * 1000) - 1) < 1e-9);
}

static void check_ratio(const json_t *ratio)
{
    double middle = command_number(ratio, "ratio");
    assert_string_equal(command_text(ratio, "base"), "none");
    assert_string_equal(command_text(ratio, "attention"), "cbam:r=8");
    assert_true(command_number(ratio, "pairs") == 11 && middle > 0);
    assert_true(command_number(ratio, "ratio_low") <= middle);
    assert_true(command_number(ratio, "ratio_high") >= middle);
}

static void check_latency(const char *arguments, const char *pass)
{
    json_t *json = run_json("", arguments), *rows = json_object_get(json, "rows");
    json_t *ratios = json_object_get(json, "ratios"), *item;
    size_t i;
    assert_int_equal(json_array_size(rows), 2 * count_impls());
    json_array_foreach(rows, i, item)
        check_latency_row(item, pass);
    assert_int_equal(json_array_size(ratios), count_impls());
    json_array_foreach(ratios, i, item)
        check_ratio(item);
    assert_int_equal(json_array_size(json_object_get(json, "left_out")), 0);
    json_decref(json);
}

static void test_latency(void **state)
{
    (void)state;
    check_latency(TINY "--attention none,cbam:r=8 --samples 11 --format json", "inference");
    check_latency(TINY "--attention none,cbam:r=8 --samples 11 --train --format json", "train");
}

static void test_latency_text(void **state)
{
    (void)state;
    struct command c;
    command_need();
    command_ok(&c, TINY "--attention none,se --samples 3");
    assert_int_equal(strncmp(c.out, "Cost of attention\n", 18), 0);
    assert_non_null(strstr(c.out, "n/a (n=3)"));
    assert_non_null(strstr(c.out, "n/a (3 pairs)"));
    command_free(&c);
}

/* Lists multiply: a row for every network, batch, size and number of threads. */
static void test_latency_lists(void **state)
{
    (void)state;
    char arguments[300];
    snprintf(arguments, sizeof arguments,
             "latency --model resnet20:width=0.25,resnet20:width=0.5 --batch 1,2 --input 16,16x24 "
             "--threads 1 --attention none --impl %s --samples 3 --format json", impls[0]->name);
    json_t *json = run_json("", arguments), *rows = json_object_get(json, "rows"), *row;
    int seen[2][2][2] = {{{0}}};
    size_t i;
    assert_int_equal(json_array_size(rows), 8);
    json_array_foreach(rows, i, row) {
        assert_true(command_number(row, "input_h") == 16 && command_number(row, "threads") == 1);
        seen[command_number(row, "width") == 0.5][command_number(row, "batch") == 2]
            [command_number(row, "input_w") == 24]++;
    }
    for (int k = 0; k < 8; k++)
        assert_int_equal(seen[k >> 2][k >> 1 & 1][k & 1], 1);
    json_decref(json);
}

/* Where the time goes: a row for each layer, and kinds that add up to the layers. */
static void check_kinds(const json_t *json, const char *pass, int *layers)
{
    const json_t *kind, *layer;
    size_t i, k;
    json_array_foreach(json_object_get(json, "kinds"), i, kind) {
        if (strcmp(command_text(kind, "pass"), pass) != 0)
            continue;
        double calls = 0, bytes = 0, flops = 0;
        json_array_foreach(json_object_get(json, "layers"), k, layer)
            if (strcmp(command_text(layer, "kind"), command_text(kind, "kind")) == 0 &&
                strcmp(command_text(layer, "pass"), pass) == 0) {
                calls++;
                bytes += command_number(layer, "bytes");
                flops += command_number(layer, "flops");
            }
        assert_true(calls > 0 && calls == command_number(kind, "calls"));
        assert_true(bytes == command_number(kind, "bytes"));
        assert_true(flops == command_number(kind, "flops"));
        assert_true(command_number(kind, "bound_ms") > 0);
        *layers += (int)calls;
    }
}

static void test_latency_per_layer(void **state)
{
    (void)state;
    for (int train = 0; train < 2; train++) {
        char arguments[300];
        int layers = 0;
        snprintf(arguments, sizeof arguments,
                 TINY "--attention cbam --impl %s --samples 5 --per-layer --format json%s",
                 impls[0]->name, train ? " --train" : "");
        json_t *json = run_json("", arguments), *peaks = json_object_get(json, "peaks");
        assert_int_equal(json_array_size(peaks), 1);
        assert_true(command_number(json_array_get(peaks, 0), "gflops") > 0);
        check_kinds(json, "fwd", &layers);
        if (train) {
            check_kinds(json, "bwd", &layers);
            check_kinds(json, "update", &layers);
        }
        assert_int_equal(json_array_size(json_object_get(json, "layers")), layers);
        json_decref(json);
    }
}

/* From lists and layers to pictures; without gnuplot to their data. */
static void check_plots(void **state, const char *attention)
{
    static const char *const data[] = {"growth.dat", "roofline.dat", "labels.gp"};
    static const char *const pictures[] = {"growth.png", "growth.svg", "roofline.png",
                                           "roofline.svg"};
    const struct temp_dir *dir = *state;
    char path[1300];
    struct command c;
    size_t bytes;
    command_need();
    command_ok(&c, "latency --model resnet20:width=0.25 --batch 2,1 --input 16 --threads 1 "
               "--attention %s --impl %s --samples 3 --per-layer --plots '%s' --format csv",
               attention, impls[0]->name, dir->path);
    assert_int_equal(strncmp(c.out, "model,attention,impl,dtype,batch,input,threads,pass,index,"
                             "layer", 63), 0);
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/data/%s", dir->path, data[i]);
        free(file_get(path, &bytes));
        assert_true(bytes > 100);
        remove(path);
    }
    for (size_t i = 0; i < 4 && !strstr(c.err, "no plots were drawn"); i++) {
        snprintf(path, sizeof path, "%s/%s", dir->path, pictures[i]);
        free(file_get(path, &bytes));
        assert_true(bytes > 2000);
    }
    assert_null(strstr(c.err, "warning: Skipping")); /* curves that are not there are not drawn */
    command_free(&c);
}

static void test_latency_plots(void **state)
{
    check_plots(state, "none,cbam");
}

/* Without a network to compare with there is no curve of ratios. */
static void test_latency_plots_of_one_attention(void **state)
{
    check_plots(state, "cbam");
}

/* One list at a time: of 2 x 2 x 2 shapes the first, and one more for each list. */
static void test_latency_along(void **state)
{
    (void)state;
    char arguments[300];
    snprintf(arguments, sizeof arguments,
             "latency --model resnet20:width=0.25,resnet20:width=0.5 --attention none --batch 2,1 "
             "--input 16,20 --threads 1 --impl %s --samples 3 --format json --along",
             impls[0]->name);
    json_t *json = run_json("", arguments), *rows = json_object_get(json, "rows"), *row;
    const char *const keys[] = {"batch", "width", "input_h"};
    const double first[] = {2, 0.25, 16};
    size_t i;
    assert_int_equal(json_array_size(rows), 4);
    json_array_foreach(rows, i, row) {
        int other = 0;
        for (int k = 0; k < 3; k++)
            other += command_number(row, keys[k]) != first[k];
        assert_true(other <= 1);
    }
    json_decref(json);
}

static void test_latency_store(void **state)
{
    char arguments[1300];
    snprintf(arguments, sizeof arguments, TINY "--attention none --samples 3 --format json "
             "--impl %s --store '%s' --study tiny", impls[0]->name,
             temp_dir_file(state, "store.sqlite"));
    json_decref(run_json("", arguments));
    size_t bytes;
    free(file_get(temp_dir_file(state, "store.sqlite"), &bytes));
    assert_true(bytes > 0);
}

static void test_latency_refuses(void **state)
{
    (void)state;
    assert_refused("latency", "--model resnet9000", "resnet9000");
    assert_refused("latency", "--attention cbam:r=0", "r=0");
    assert_refused("latency", "--attention none,none", "twice");
    assert_refused("latency", "--batch 0", "--batch 0");
    assert_refused("latency", "--input 0x3", "--input");
    assert_refused("latency", "--threads -1", "--threads -1");
    assert_refused("latency", "--seconds x", "--seconds x");
    assert_refused("latency", "--store a.sqlite", "--study");
    assert_refused("latency", "--impl ,", "--impl");
}

/* ---- with a talking library ---- */

/* The size of what a probe of that network writes with oneDNN's log of every call. */
static size_t probe_output(const char *network)
{
    struct command c;
    command_shell(&c, "ONEDNN_VERBOSE=1 \"$CBAM_BENCH\" latency --probe %s", network);
    assert_int_equal(c.status, 0);
    size_t size = strlen(c.out);
    command_free(&c);
    return size;
}

/* The fresh process that is asked for load and memory talks to a pipe: more than fits in there must
 * not stop it. */
static void test_latency_beside_a_log(void **state)
{
    (void)state;
    enum { PIPE = 65536, SECONDS = 60 };
    static const char network[] = "--model densenet121:width=0.25 --input 32 --attention cbam "
                                  "--no-fuse --impl onednn --threads 1 --batch 1";
    struct command c;
    command_need();
    if (!impl_find("onednn"))
        skip();
    assert_true(probe_output(network) > PIPE + PIPE / 8);
    command_shell(&c, "ONEDNN_VERBOSE=1 timeout %d \"$CBAM_BENCH\" latency %s --samples 1 "
                  "--format json", SECONDS, network);
    assert_int_equal(c.status, 0);
    const char *document = strstr(c.out, "\n{\n"); /* behind the log of this process */
    assert_non_null(document);
    json_t *json = json_loads(document, 0, NULL);
    const json_t *row = json_array_get(json_object_get(json, "rows"), 0);
    assert_true(command_number(row, "n") == 1 && command_number(row, "first_ms") > 0);
    assert_true(command_number(row, "peak_rss_mb") > 1);
    json_decref(json);
    command_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_latency),
        cmocka_unit_test(test_latency_text),
        cmocka_unit_test(test_latency_lists),
        cmocka_unit_test(test_latency_per_layer),
        cmocka_unit_test_setup_teardown(test_latency_plots, temp_dir_make, temp_dir_remove),
        cmocka_unit_test_setup_teardown(test_latency_plots_of_one_attention, temp_dir_make,
                                        temp_dir_remove),
        cmocka_unit_test(test_latency_along),
        cmocka_unit_test_setup_teardown(test_latency_store, temp_dir_make, temp_dir_remove),
        cmocka_unit_test(test_latency_refuses),
        cmocka_unit_test(test_latency_beside_a_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
