/* Public bug reports about speed (the number is in the name of the test, the fault above it). Other
 * work on the machine can only spoil such a test, never pass it: each is tried a few times, and
 * what was seen once holds. */
#include "bench/measure/clock.h"
#include "bench/measure/ratio.h"
#include "bench/measure/sample.h"
#include "impls/base/threads.h"
#include "tests/network.h"

#include "tests/command.h"
#include "tests/temp_dir.h"

#include <math.h>

enum { TRIES = 4 };

/* ---- R49: small matrices on many threads are slower than on one ---- */

/* The gate alone on one image: its two linear layers, and the whole site on a small map. */
static void gate_cases(char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (int c = 64; c <= 2048; c *= 2) {
        int hidden = c / 16;
        used += (size_t)snprintf(text + used, size - used,
                                 "%slinear c%d oc%d,linear c%d oc%d,pool_hw h7 w7 c%d max,"
                                 "mul_channel h7 w7 c%d,sigmoid c%d", used ? "," : "", c, hidden,
                                 hidden, c, c, c, c);
    }
}

/* What starting and ending a parallel region costs at this moment: less than 0.01 ms, unless other
 * work has the cores. */
static double region_ms(void)
{
    double best = 1e9;
    for (int i = 0; i < 200; i++) {
        int64_t start = clock_now_ns();
#pragma omp parallel
        __asm__ volatile("" ::: "memory");
        double ms = (double)(clock_now_ns() - start) * 1e-6;
        best = ms < best ? ms : best;
    }
    return best;
}

/* Rows whose fastest call with all threads took more than twice that with one, and more than some
 * parallel regions cost anyway. */
static int slower_rows(const json_t *rows, double region, char *worst, size_t size)
{
    const json_t *one, *many;
    size_t i, k;
    int slower = 0;
    json_array_foreach(rows, i, one)
        json_array_foreach(rows, k, many) {
            double a = command_number(one, "min_ms"), b = command_number(many, "min_ms");
            if (command_number(one, "threads") != 1 || command_number(many, "threads") == 1 ||
                strcmp(command_text(one, "case"), command_text(many, "case")) != 0 ||
                strcmp(command_text(one, "impl"), command_text(many, "impl")) != 0)
                continue;
            if (b > 2 * a && b > a + 0.01 + 3 * region) {
                slower++;
                snprintf(worst, size, "%s on %s: %.4f ms, with %.0f threads %.4f (a region: %.4f)",
                         command_text(one, "case"), command_text(one, "impl"), a,
                         command_number(many, "threads"), b, region);
            }
        }
    return slower;
}

static void test_R49_small_gates_do_not_pay_for_threads(void **state)
{
    (void)state;
    char cases[2048], arguments[2600], worst[300] = "";
    int most = threads_available(), slower = 1;
    command_need();
    if (most < 2) {
        print_message("skipped: one processor\n");
        skip();
    }
    gate_cases(cases, sizeof cases);
    snprintf(arguments, sizeof arguments,
             "layers --cases '%s' --threads 1,%d --samples 7 --min-ms 0.2", cases, most);
    assert_int_equal(threads_set(most), OK);
    for (int t = 0; t < TRIES && slower > 0; t++) {
        double region = region_ms();
        json_t *json = command_json_of("%s --format json", arguments);
        slower = slower_rows(command_member(json, "rows"), region, worst, sizeof worst);
        json_decref(json);
    }
    if (slower > 0)
        fail_msg("%d cases are slower on many threads; %s", slower, worst);
}

/* A region that other threads take part in shows in the processor time, busy machine or not. */
static void test_R49_tiny_operations_stay_on_one_thread(void **state)
{
    (void)state;
    char arguments[300], text[300] = "";
    int most = threads_available(), shared = 1;
    command_need();
    snprintf(arguments, sizeof arguments,
             "layers --cases 'linear c64 oc4,linear c256 oc16,sigmoid c256,mul_channel h4 w4 c64,"
             "pool_hw h7 w7 c64 max,relu h7 w7 c64,add h4 w4 c64' --threads %d --samples 7 "
             "--min-ms 2", most);
    for (int t = 0; t < TRIES && shared > 0; t++) {
        json_t *json = command_json_of("%s --format json", arguments);
        const json_t *row;
        size_t i;
        shared = 0;
        json_array_foreach(command_member(json, "rows"), i, row)
            if (command_number(row, "cpu_per_wall") > 1.15) {
                shared++;
                snprintf(text, sizeof text, "%s on %s takes %.2f processors",
                         command_text(row, "case"), command_text(row, "impl"),
                         command_number(row, "cpu_per_wall"));
            }
        json_decref(json);
    }
    if (shared > 0)
        fail_msg("%d tiny operations run on several threads; %s", shared, text);
}

/* ---- R50: the first run counts the making of primitives ---- */

static const char first_run[] = "latency --model resnet20 --attention cbam --threads 1 --impl ";

static double median_of(const char *impl, int samples, double *first_ms)
{
    char arguments[200];
    snprintf(arguments, sizeof arguments, "%s%s --samples %d", first_run, impl, samples);
    json_t *json = command_json_of("%s --format json", arguments);
    const json_t *row = json_array_get(command_member(json, "rows"), 0);
    double median = command_number(row, "median_ms");
    *first_ms = command_number(row, "first_ms");
    assert_true(command_number(row, "load_ms") > 0);
    json_decref(json);
    return median;
}

/* One repeat and twenty give the same median, each the best of some tries: noise only adds. The
 * first call stands apart, and is not in it. */
static void test_R50_first_run_is_apart(void **state)
{
    (void)state;
    command_need();
    for (int i = 0; impls[i]; i++) {
        double off = 1, first = 0, few = INFINITY, many = INFINITY;
        for (int t = 0; t < 2 * TRIES && off > 0.15; t++) {
            few = fmin(few, median_of(impls[i]->name, 1, &first));
            many = fmin(many, median_of(impls[i]->name, 20, &first));
            off = fabs(few / many - 1);
        }
        if (off > 0.15 || first < 0.8 * many)
            fail_msg("%s: median of one call %.3f ms, of twenty %.3f; first call %.3f",
                     impls[i]->name, few, many, first);
    }
}

/* ---- R51: another convolution algorithm gives other results ---- */

/* Every convolution's output of a network, layer by layer, against the first implementation's. */
static void compare_layers(const struct impl *impl, const float *const *expected,
                           const size_t *count, const int *nodes, int layers)
{
    struct network n;
    network_open(&n, impl, "resnet20", "none", 10, 32, 32);
    struct program *program = network_infer(&n, n.lowered, 1, nodes, layers);
    network_fill(program, 8);
    network_run(program, 0);
    for (int k = 0; k < layers; k++) {
        const float *out = program_output(program, k).data;
        double difference = 0, norm = 0, bound = 1e-6 * (k + 1);
        for (size_t i = 0; i < count[k]; i++) {
            difference += pow((double)out[i] - (double)expected[k][i], 2);
            norm += pow((double)expected[k][i], 2);
        }
        if (!(sqrt(difference) <= bound * sqrt(norm)))
            fail_msg("%s, convolution %d: %.2g from %s, bound %.2g", impl->name, k,
                     sqrt(difference / norm), impls[0]->name, bound);
    }
    for (int i = 0; i < program_steps(program); i++)
        if (strstr(program_step(program, i).how, "wino"))
            fail_msg("%s: %s runs %s unasked", impl->name, program_step(program, i).name,
                     program_step(program, i).how);
    program_free(program);
    network_close(&n);
}

/* The tolerance grows with depth; without being asked nobody uses Winograd. Logits and classes of
 * whole networks: test_weights_real.c. */
static void test_R51_convolutions_agree_layer_by_layer(void **state)
{
    (void)state;
    enum { LAYERS = 32 };
    int nodes[LAYERS], layers = 0;
    size_t count[LAYERS];
    const float *expected[LAYERS];
    struct network n;
    network_open(&n, impls[0], "resnet20", "none", 10, 32, 32);
    for (int id = 0; id < n.lowered->count; id++)
        if (n.lowered->nodes[id].type == NODE_OP && n.lowered->nodes[id].desc.kind == OP_CONV2D)
            nodes[layers++] = id;
    assert_int_equal(layers, 19);
    struct program *program = network_infer(&n, n.lowered, 1, nodes, layers);
    network_fill(program, 8);
    network_run(program, 0);
    for (int k = 0; k < layers; k++) {
        struct tensor out = program_output(program, k);
        expected[k] = out.data;
        count[k] = tensor_count(&out);
    }
    for (int i = 1; impls[i]; i++)
        compare_layers(impls[i], expected, count, nodes, layers);
    program_free(program);
    network_close(&n);
}

/* ---- R52: denormal numbers are slow ---- */

static enum status forward(void *program)
{
    return program_forward(program);
}

/* Weights of 1e-39 times the usual are all denormal; a gate of sigmoid(-100) is, too. */
static void make_tiny(const struct network *n)
{
    for (int i = 0; i < n->net->params->count; i++) {
        struct net_param *param = n->net->params->list[i];
        for (size_t k = 0; param->ndim > 1 && k < param->p.count; k++)
            param->p.data[k] *= 1e-39f;
        param->p.version++;
    }
    assert_true(network_set(n, "*SpatialGate*bn.bias", -100) > 0);
}

static double denormal_ratio(const struct impl *impl, uint64_t seed)
{
    struct network usual, tiny;
    struct sample_series series[2] = {{0}};
    struct sample_settings settings = sample_defaults();
    struct ratio ratio;
    network_open(&usual, impl, "resnet20:width=0.5", "cbam", 10, 32, 32);
    network_open(&tiny, impl, "resnet20:width=0.5", "cbam", 10, 32, 32);
    make_tiny(&tiny);
    struct program *a = network_infer(&usual, usual.inference, 1, NULL, 0);
    struct program *b = network_infer(&tiny, tiny.inference, 1, NULL, 0);
    const struct sample_target targets[] = {{forward, a}, {forward, b}};
    network_fill(a, 1);
    network_fill(b, 1);
    settings.sample_ms = 2;
    settings.warm_seconds = 0.1;
    settings.seed = seed;
    assert_int_equal(sample_rounds(targets, 2, &settings, series), OK);
    assert_int_equal(ratio_of_pairs(series[0].ms, series[1].ms, series[0].n, 1, &ratio), OK);
    for (int i = 0; i < 2; i++)
        sample_free(&series[i]);
    program_free(a);
    program_free(b);
    network_close(&usual);
    network_close(&tiny);
    return ratio.median;
}

static void test_R52_denormals_are_not_slow(void **state)
{
    (void)state;
    for (int i = 0; impls[i]; i++) {
        double ratio = 9;
        for (int t = 0; t < TRIES && !(ratio < 2); t++)
            ratio = denormal_ratio(impls[i], (uint64_t)t + 1);
        if (!(ratio < 2))
            fail_msg("%s: denormal weights and gates take %.1f times as long", impls[i]->name,
                     ratio);
    }
}

/* ---- R53: what attention costs is not in its multiply-accumulates ---- */

/* Sum of medians of kinds: of attention's parts, or all layers, or the network as one call. */
static double time_of(const json_t *json, const char *attention, const char *kind)
{
    const json_t *row;
    size_t i;
    double sum = 0;
    json_array_foreach(command_member(json, "kinds"), i, row)
        if (strcmp(command_text(row, "attention"), attention) == 0 &&
            strncmp(command_text(row, "kind"), kind, strlen(kind)) == 0)
            sum += command_number(row, "median_ms");
    return sum;
}

/* Layers add up to the network, and attention's own layers are what it costs: with a share g of the
 * time, the network with it takes 1 / (1 - g) times that without. Both sides are ratios of times
 * that were taken in turns, so that they hold beside other work. */
static bool times_explain(const json_t *json, char *text, size_t size)
{
    const json_t *ratio = json_array_get(command_member(json, "ratios"), 0);
    double plain = time_of(json, "none", "all layers") / time_of(json, "none", "as one call");
    double all = time_of(json, "cbam", "all layers");
    double with = all / time_of(json, "cbam", "as one call");
    double share = time_of(json, "cbam", "attention") / all, seen = command_number(ratio, "ratio");
    snprintf(text, size, "layers over the whole: %.2f without, %.2f with; attention has %.1f %% of "
             "the time, and the ratio is %.2f", plain, with, 100 * share, seen);
    return fabs(plain - 1) < 0.1 && fabs(with - 1) < 0.1 && share > 0 &&
           fabs(seen * (1 - share) - 1) < 0.1;
}

static void test_R53_layers_explain_the_cost_of_attention(void **state)
{
    (void)state;
    command_need();
    for (int i = 0; impls[i]; i++) {
        char arguments[256], text[256] = "";
        bool explained = false;
        snprintf(arguments, sizeof arguments,
                 "latency --model resnet20 --attention none,cbam --batch 4 --threads 1 --no-fuse "
                 "--per-kind --impl %s", impls[i]->name);
        for (int t = 0; t < TRIES && !explained; t++) { /* beside other work medians need more */
            json_t *json = command_json_of("%s --samples %d --format json", arguments, 11 << t);
            explained = times_explain(json, text, sizeof text);
            json_decref(json);
        }
        if (!explained)
            fail_msg("%s: %s", impls[i]->name, text);
    }
}

int main(int argc, char **argv)
{
    (void)argc;
    threads_startup(argv); /* threads wait as those of the program do */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R49_small_gates_do_not_pay_for_threads),
        cmocka_unit_test(test_R49_tiny_operations_stay_on_one_thread),
        cmocka_unit_test(test_R50_first_run_is_apart),
        cmocka_unit_test(test_R51_convolutions_agree_layer_by_layer),
        cmocka_unit_test(test_R52_denormals_are_not_slow),
        cmocka_unit_test(test_R53_layers_explain_the_cost_of_attention),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
