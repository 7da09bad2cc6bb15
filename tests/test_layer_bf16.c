/* Layers in bf16: the check before their timing lets right ones pass, with an f32 run beside them,
 * and catches what is off by more than one rounding; their bytes; and `layers --dtype` from
 * outside. Wrong ones are made here, so that they are caught on every processor. */
#include "bench/measure/layer_check.h"
#include "impls/base/bf16.h"
#include "impls/base/threads.h"
#include "tests/bf16_case.h"
#include "tests/command.h"
#include "tests/temp_dir.h"

#include <math.h>

struct bench {
    struct layer_operands operands;
    struct layer_run runs[2]; /* in f32, in bf16 */
    struct layer_verdict verdicts[2];
    struct impl_ctx *ctx[2];
};

/* Checks a case on the first implementation of this build and, in bf16, on `half`; alone when
 * `partner` is false. */
static void check(struct bench *b, const char *text, const struct impl *half, bool partner)
{
    struct op_desc desc;
    memset(b, 0, sizeof *b);
    assert_int_equal(op_parse(text, &desc), OK);
    assert_int_equal(impls[0]->open(&b->ctx[0]), OK);
    assert_int_equal(half->open(&b->ctx[1]), OK);
    assert_int_equal(layer_operands_make(&b->operands, &desc, PASS_FWD), OK);
    b->operands.exact_in_bf16 = true;
    if (layer_run_make(&b->runs[0], impls[0], b->ctx[0], &b->operands) != OK ||
        layer_run_make_in(&b->runs[1], half, b->ctx[1], &b->operands, DTYPE_BF16) != OK)
        fail_msg("%s: %s", text, fail_text());
    if (partner)
        layer_check(&b->operands, b->runs, 2, 7, b->verdicts);
    else
        layer_check(&b->operands, &b->runs[1], 1, 7, &b->verdicts[1]);
    assert_true(!partner || b->verdicts[0].ok);
    layer_operands_free(&b->operands);
    for (int i = 0; i < 2; i++)
        layer_run_free(&b->runs[i]);
    impls[0]->close(b->ctx[0]);
    half->close(b->ctx[1]);
}

/* ---- what is right ---- */

static const char *const right[] = {
    "conv2d n2 h9 w7 c6 oc10 k3 s2 p1 bias", "conv2d n1 h14 w14 c64 oc64 k3 p1",
    "conv2d n1 h8 w8 c8 oc8 k3 p1 g8",       "linear n4 c20 oc6 bias",
    "batchnorm n2 h5 w5 c9",                 "relu n2 h5 w5 c9",
    "sigmoid n2 h5 w5 c9",                   "scale n2 h5 w5 c9 factor0.3",
    "add n2 h5 w5 c9",                       "mul_channel n2 h5 w5 c9",
    "mul_spatial n2 h5 w5 c9",               "maxpool n2 h9 w9 c9 k3 s2 p1",
    "avgpool n2 h9 w9 c9 k3 s2 p1",          "adaptive_avgpool n2 h9 w8 c5 oh4 ow3",
    "pool_hw n2 h7 w7 c9 mean",              "pool_c n2 h7 w7 c9 max-mean",
    "concat n2 h5 w5 c9 c2_4",               "subsample n2 h9 w9 c4 s2 before2",
    "softmax_xent n4 c9 smoothing0.1"};

static void test_right_ones_pass(void **state)
{
    (void)state;
    const struct impl *half = bf16_impl();
    if (!half) {
        print_message("skipped: %s\n", fail_text());
        skip();
    }
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++)
        for (int partner = 0; partner < 2; partner++) {
            struct bench b;
            check(&b, right[i], half, partner);
            if (!b.verdicts[1].ok)
                fail_msg("%s: %s", right[i], b.verdicts[1].message);
            assert_true(b.verdicts[1].error <= 0x1p-8 + 1e-5);
            assert_true(b.verdicts[1].elements > 0);
            if (partner) {
                assert_string_equal(b.verdicts[1].like, impls[0]->name);
                assert_int_equal(b.verdicts[1].exact, b.verdicts[0].exact);
            }
        }
}

/* Folding a normalisation into the weights rounds their products; fused operations are compared as
 * a whole. On the implementation that has them. */
static void test_fused_ones_pass(void **state)
{
    (void)state;
    static const char *const cases[] = {"conv_act n1 h14 w14 c32 oc48 k3 p1 bn relu",
                                        "conv_sum_act n1 h14 w14 c32 oc32 bn",
                                        "bn_act n2 h5 w5 c19", "bn_sum_act n2 h5 w5 c19",
                                        "attention n2 h7 w7 c32 hidden8 channel spatial mlp-bias "
                                        "bn"};
    const struct impl *half = bf16_impl();
    struct layer_candidate candidates[2] = {{.impl = half}, {.impl = half, .dtype = DTYPE_BF16}};
    if (!half)
        skip();
    assert_int_equal(half->open(&candidates[0].ctx), OK);
    candidates[1].ctx = candidates[0].ctx;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct layer_operands operands;
        struct layer_verdict verdicts[2];
        struct op_desc desc;
        if (op_parse(cases[i], &desc) != OK)
            fail_msg("%s", fail_text());
        assert_int_equal(layer_operands_make(&operands, &desc, PASS_FWD), OK);
        operands.exact_in_bf16 = true;
        layer_check_in_turn(&operands, candidates, 2, 7, verdicts);
        for (int k = 0; k < 2; k++)
            if (!verdicts[k].ok)
                fail_msg("%s: %s", cases[i], verdicts[k].message);
        assert_non_null(strstr(candidates[1].how, "bf16"));
        assert_string_equal(verdicts[1].like, half->name);
        layer_operands_free(&operands);
    }
    half->close(candidates[0].ctx);
}

/* ---- what is wrong ---- */

enum fault { RIGHT, TRUNCATES, ONE_MORE_ROUNDING, SKIPS_THE_LAST, SLIGHTLY_LARGE, FAULTS };

/* An addition of maps in bf16 that has a fault, which its plan remembers. */
static enum status plan_add(struct op_plan *plan, enum fault fault)
{
    plan->priv = (void *)(uintptr_t)fault;
    snprintf(plan->how, sizeof plan->how, "loop, bf16");
    return OK;
}

#define PLANNER(name, fault)                                             \
    static enum status name(struct impl_ctx *ctx, struct op_plan *plan) \
    {                                                                    \
        (void)ctx;                                                       \
        return plan_add(plan, fault);                                    \
    }
PLANNER(plan_right, RIGHT)
PLANNER(plan_truncates, TRUNCATES)
PLANNER(plan_rounds, ONE_MORE_ROUNDING)
PLANNER(plan_skips, SKIPS_THE_LAST)
PLANNER(plan_large, SLIGHTLY_LARGE)

static uint16_t sum_of(enum fault fault, float x, float y)
{
    uint32_t bits;
    float sum = x + y;
    if (fault == SLIGHTLY_LARGE)
        sum *= 1.02f;
    if (fault == ONE_MORE_ROUNDING) /* of 6 bits */
        sum = (float)(rint((double)sum * 0x1p5) * 0x1p-5);
    memcpy(&bits, &sum, sizeof bits);
    return fault == TRUNCATES ? (uint16_t)(bits >> 16) : bf16_of_float(sum);
}

static enum status add_forward(const struct op_plan *plan, const struct op_args *args)
{
    const enum fault fault = (enum fault)(uintptr_t)plan->priv;
    const uint16_t *x = args->src[0].data, *y = args->src[1].data;
    uint16_t *dst = args->dst.data;
    const size_t count = tensor_count(&args->dst) - (fault == SKIPS_THE_LAST);
    for (size_t i = 0; i < count; i++)
        dst[i] = sum_of(fault, bf16_to_float(x[i]), bf16_to_float(y[i]));
    return OK;
}

static enum status always(void)
{
    return OK;
}

static void test_wrong_ones_are_caught(void **state)
{
    (void)state;
    static enum status (*const planner[FAULTS])(struct impl_ctx *, struct op_plan *) = {
        plan_right, plan_truncates, plan_rounds, plan_skips, plan_large};
    for (int fault = 0; fault < FAULTS; fault++)
        for (int partner = 0; partner < 2; partner++) {
            struct impl fake = *impls[0];
            const struct op_entry entry = {.name = "add in bf16", .bf16 = true,
                                           .plan = planner[fault], .forward = add_forward};
            struct bench b;
            fake.bf16 = always;
            fake.ops[OP_ADD] = &entry;
            check(&b, "add n2 h5 w5 c40", &fake, partner);
            if (b.verdicts[1].ok != (fault == RIGHT))
                fail_msg("fault %d, partner %d: %s", fault, partner, b.verdicts[1].message);
        }
}

/* ---- what it costs ---- */

static void test_bytes(void **state)
{
    (void)state;
    struct op_desc conv, gate, bn, half;
    assert_int_equal(op_parse("conv2d n2 h8 w8 c4 oc6 k3 p1", &conv), OK);
    assert_int_equal(op_parse("mul_channel n2 h8 w8 c4", &gate), OK);
    assert_int_equal(op_parse("batchnorm n2 h8 w8 c4", &bn), OK);
    const double x = 2 * 8 * 8 * 4, y = 2 * 8 * 8 * 6, w = 6 * 4 * 9;
    half = layer_desc_in(&conv, DTYPE_BF16);
    assert_true(layer_pass_bytes(&half, PASS_FWD) == 2 * (x + y + w));
    half = layer_desc_in(&conv, DTYPE_F32);
    assert_true(layer_pass_bytes(&half, PASS_FWD) == 4 * (x + y + w));
    half = layer_desc_in(&gate, DTYPE_BF16); /* the gate stays f32 */
    assert_true(layer_pass_bytes(&half, PASS_FWD) == 2 * (x + x) + 4 * 2 * 4);
    half = layer_desc_in(&bn, DTYPE_BF16); /* so do what scales and shifts */
    assert_true(layer_pass_bytes(&half, PASS_FWD) == 2 * (x + x) + 4 * 4 * 4);
}

/* ---- from outside ---- */

static void check_row(const json_t *row, double macs)
{
    const bool half = strcmp(command_text(row, "dtype"), "bf16") == 0;
    const double maps = 6 * 6 * 4 + 6 * 6 * 8, weights = 8 * 4 * 9;
    assert_true(command_number(row, "bytes") == (maps + weights) * (half ? 2 : 4));
    assert_true(command_number(row, "macs") == macs && command_number(row, "bound_ms") > 0);
    assert_string_equal(command_text(row, "check"), "exact");
    assert_true(command_number(row, "n") == 3 && command_number(row, "median_ms") > 0);
    assert_true((strstr(command_text(row, "how"), "bf16") != NULL) == half);
}

static void test_layers_in_both(void **state)
{
    (void)state;
    const struct impl *half = bf16_impl();
    struct command c;
    const json_t *row;
    size_t i;
    command_need();
    if (!half)
        skip();
    command_run(&c, "layers --cases 'conv2d h6 w6 c4 oc8 k3 p1' --impl %s --dtype bf16,f32 "
                "--threads 1 --samples 3 --min-ms 0.05 --format json", half->name);
    json_t *json = command_take_json(&c, 0), *rows = json_object_get(json, "rows");
    assert_int_equal(json_array_size(rows), 2);
    assert_string_not_equal(command_text(json_array_get(rows, 0), "dtype"),
                            command_text(json_array_get(rows, 1), "dtype"));
    json_array_foreach(rows, i, row)
        check_row(row, 6 * 6 * 8 * 4 * 9);
    json_decref(json);
    command_ok(&c, "layers --cases 'relu n2 c9' --impl %s --dtype bf16 --check-only --format csv",
               half->name);
    assert_int_equal(strncmp(c.out, "case,pass,impl,dtype,how,", 25), 0);
    assert_non_null(strstr(c.out, ",bf16,"));
    command_free(&c);
    command_ok(&c, "layers --cases 'relu n2 c9' --impl %s --dtype bf16 --check-only", half->name);
    assert_non_null(strstr(c.out, "dtype"));
    command_free(&c);
}

/* The plots' own folder of data lies in the temporary one. */
static int remove_plots(void **state)
{
    struct temp_dir *dir = *state;
    char root[512];
    snprintf(root, sizeof root, "%s", dir->path);
    snprintf(dir->path, sizeof dir->path, "%.500s/data", root);
    temp_dir_entries(state, true);
    rmdir(dir->path);
    snprintf(dir->path, sizeof dir->path, "%s", root);
    return temp_dir_remove(state);
}

/* Inside a network: rows that tell their dtype, bytes and bounds of that dtype. */
static void test_layers_of_a_network(void **state)
{
    const struct impl *half = bf16_impl();
    const struct temp_dir *dir = *state;
    struct command c;
    double bytes[2] = {0, 0};
    char path[600];
    command_need();
    if (!half)
        skip();
    command_run(&c, "latency --model resnet20:width=0.5 --attention none --input 16 --threads 1 "
                "--impl %s --dtype f32,bf16 --samples 3 --per-layer --plots '%s' --format json",
                half->name, dir->path);
    json_t *json = command_take_json(&c, 0), *layer;
    const json_t *peak = json_array_get(json_object_get(json, "peaks"), 0);
    size_t i, size;
    json_array_foreach(json_object_get(json, "layers"), i, layer) {
        const bool narrow = strcmp(command_text(layer, "dtype"), "bf16") == 0;
        const double flops = command_number(layer, "flops") * 1e-6;
        bytes[narrow] += command_number(layer, "bytes");
        assert_true(command_number(layer, "bound_ms") >=
                    flops / command_number(peak, narrow ? "bf16_gflops" : "gflops"));
    }
    assert_true(bytes[1] > 0.5 * bytes[0] && bytes[1] < 0.6 * bytes[0]);
    json_decref(json);
    snprintf(path, sizeof path, "%s/data/labels.gp", dir->path);
    uint8_t *labels = file_get(path, &size);
    assert_non_null(memmem(labels, size, ", bf16", 6));
    free(labels);
}

/* By name: the pass, the case that asks for it, the implementation, the processor. */
static void test_layers_refuses(void **state)
{
    (void)state;
    command_need();
    command_refused(2, "cbam-bench layers: --dtype f16: ", "f32 or bf16",
                    "layers --cases relu --dtype f16");
    command_refused(2, "cbam-bench layers: --dtype: ", "named twice",
                    "layers --cases relu --dtype f32,f32");
    command_refused(1, "cbam-bench layers: --dtype bf16: ", "does not offer bf16",
                    "layers --cases relu --impl %s --dtype bf16", impls[0]->name);
    command_refused(2, "cbam-bench layers: --dtype bf16 ", "--pass bwd stays in f32",
                    "layers --cases relu --impl all --dtype bf16 --pass fwd,bwd");
}

/* A lesser processor, statistics of a batch, a file that asks for gradients. */
static void test_layers_refuses_what_stays_f32(void **state)
{
    static const char problem[] = "--dir=BWD_W\nmb2ic8ih5oc8oh5kh3ph1\n";
    const char *path = temp_dir_file(state, "problems.txt");
    const struct impl *half = bf16_impl();
    struct command c;
    command_need();
    if (!half)
        skip();
    file_put(path, problem, sizeof problem - 1);
    command_shell(&c, "CBAM_BENCH_ISA=avx2 \"$CBAM_BENCH\" layers --cases relu --impl %s "
                  "--dtype bf16", half->name);
    assert_int_equal(c.status, 1);
    assert_non_null(strstr(c.err, "cbam-bench layers: --dtype bf16: bf16 needs AVX512_BF16"));
    command_free(&c);
    command_run(&c, "layers --cases 'batchnorm n2 c9 batch_stats' --impl %s --dtype bf16",
                half->name);
    assert_int_equal(c.status, 1);
    assert_non_null(strstr(c.err, "training stays in f32"));
    command_free(&c);
    command_refused(2, "cbam-bench layers: --dtype bf16 ", "asks for its backward pass",
                    "layers --cases '%s' --impl %s --dtype bf16", path, half->name);
    command_ok(&c, "layers --cases '%s' --impl %s --dtype bf16 --pass fwd --check-only", path,
               half->name);
    command_free(&c);
}

int main(int argc, char **argv)
{
    (void)argc;
    threads_startup(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right_ones_pass),
        cmocka_unit_test(test_fused_ones_pass),
        cmocka_unit_test(test_wrong_ones_are_caught),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_layers_in_both),
        cmocka_unit_test_setup_teardown(test_layers_of_a_network, temp_dir_make, remove_plots),
        cmocka_unit_test(test_layers_refuses),
        cmocka_unit_test_setup_teardown(test_layers_refuses_what_stays_f32, temp_dir_make,
                                        temp_dir_remove),
    };
    return cmocka_run_group_tests_name("layers in bf16", tests, NULL, NULL);
}
