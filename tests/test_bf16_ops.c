/* Single operations in bf16. Primitives on the edge shapes of tests/cases/ops.txt against the
 * double oracle: operands are exact in bf16, so a result may be wrong by one rounding to bf16
 * and what f32 sums lose. Fused operations, whose parts have just been judged, against the same
 * table's f32 ones. Which kernels run is looked at, too: conversions round the ones that matter
 * would be slow. */
#include "bench/measure/case_list.h"
#include "impls/base/bf16.h"
#include "impls/base/threads.h"
#include "tests/attention_case.h"
#include "tests/bf16_case.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Half a unit in the last place of 8 bits; what f32 sums may lose, of their size, as in
 * opcheck.c. */
static const double rounding = 0x1p-8, sums = 16 * (double)FLT_EPSILON;

static const enum dtype halves[OP_MAX_SRC] = {DTYPE_BF16, DTYPE_BF16};
static const enum dtype floats[OP_MAX_SRC] = {DTYPE_F32, DTYPE_F32};
static const enum dtype gated[OP_MAX_SRC] = {DTYPE_BF16, DTYPE_F32};

struct bench {
    const struct impl *impl;
    struct impl_ctx *ctx;
    int wrong;
};

static struct bench open_bench(int threads)
{
    struct bench b = {.impl = bf16_impl()};
    if (!b.impl) {
        print_message("skipped: %s\n", fail_text());
        skip();
    }
    if (threads > threads_available())
        threads = 1;
    attention_must(threads_set(threads));
    attention_must(b.impl->open(&b.ctx));
    return b;
}

static void close_bench(struct bench *b)
{
    b->impl->close(b->ctx);
    assert_int_equal(b->wrong, 0);
}

static void complain(struct bench *b, const struct bf16_case *c, size_t i, double due)
{
    char text[256];
    op_print(&c->desc, text, sizeof text);
    if (b->wrong++ < 8)
        print_error("%s (%s): element %zu is %.9g, %.9g was due\n", text, c->plan.how, i,
                    (double)c->result[i], due);
}

static void run_case(struct bench *b, struct bf16_case *c)
{
    char text[256];
    op_print(&c->desc, text, sizeof text);
    if (bf16_case_run(c) != OK && b->wrong++ < 8)
        print_error("%s: %s\n", text, fail_text());
}

/* ---- numbers ---- */

static void test_numbers_are_rounded_to_the_nearest(void **state)
{
    (void)state;
    static const struct {
        float from;
        uint16_t to;
    } rows[] = {{0, 0}, {-0.0f, 0x8000}, {1, 0x3f80}, {1 + 0x1p-8f, 0x3f80},
                {1 + 3 * 0x1p-8f, 0x3f82}, {1 + 0x1.2p-8f, 0x3f81}, {-3.140625f, 0xc049},
                {FLT_MAX, 0x7f80}, {INFINITY, 0x7f80}, {-INFINITY, 0xff80}, {0x1p-133f, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(bf16_of_float(rows[i].from), rows[i].to);
    assert_true(isnan(bf16_to_float(bf16_of_float(NAN))));
    for (uint32_t x = 0; x < 0x10000; x++) {
        const float wide = bf16_to_float((uint16_t)x);
        if (!isnan(wide))
            assert_int_equal(bf16_of_float(wide), x);
    }
}

/* ---- primitives ---- */

static void check_primitive(struct bench *b, const struct op_desc *desc, const enum dtype *src,
                            enum dtype dst)
{
    struct bf16_case c;
    struct oracle o;
    attention_must(bf16_case_open(&c, b->impl, b->ctx, desc, src, dst, false, NULL));
    attention_must(oracle_make(&o, desc));
    for (int k = 0; k < op_sources(desc->kind); k++)
        for (size_t i = 0; i < o.count_src[k]; i++)
            o.src[k][i] = (double)bf16_operand(desc, (enum operand)(OPERAND_SRC + k), i);
    for (int k = 0; k < o.params; k++)
        for (size_t i = 0; i < o.count_param[k]; i++)
            o.param[k][i] = (double)c.param[k].data[i];
    oracle_forward(&o);
    for (int run = 0; run < 2; run++) {
        run_case(b, &c);
        for (size_t i = 0; i < c.count; i++) {
            const struct oracle_num due = o.dst[i];
            double bound = sums * due.size + (double)FLT_MIN;
            if (dst == DTYPE_BF16)
                bound += rounding * (fabs(due.value) + bound);
            if (!(fabs((double)c.result[i] - due.value) <= bound))
                complain(b, &c, i, due.value);
        }
    }
    oracle_free(&o);
    bf16_case_close(&c);
}

static void check_dtypes(struct bench *b, const struct op_desc *desc)
{
    const bool gate = desc->kind == OP_MUL_CHANNEL || desc->kind == OP_MUL_SPATIAL;
    check_primitive(b, desc, halves, DTYPE_BF16);
    check_primitive(b, desc, halves, DTYPE_F32);
    check_primitive(b, desc, floats, DTYPE_BF16);
    if (gate)
        check_primitive(b, desc, gated, DTYPE_BF16);
}

static void check_primitives(int threads)
{
    struct case_list cases = {0};
    struct bench b = open_bench(threads);
    attention_must(case_list_add(&cases, "tests/cases/ops.txt"));
    for (int i = 0; i < cases.count; i++)
        if (cases.list[i].kind != OP_SOFTMAX_XENT && cases.list[i].kind < OP_PRIMITIVES)
            check_dtypes(&b, &cases.list[i]);
    case_list_free(&cases);
    close_bench(&b);
}

static void test_primitives(void **state)
{
    (void)state;
    check_primitives(1);
}

static void test_primitives_on_two_threads(void **state)
{
    (void)state;
    check_primitives(2);
}

/* ---- fused operations ---- */

/* Against f32 on the same numbers: one rounding, and what sums of this size may lose. */
static void check_against_f32(struct bench *b, const struct op_desc *desc, bool in_place,
                              struct param *const *params)
{
    struct bf16_case c, wide;
    double norm = 0;
    attention_must(bf16_case_open(&c, b->impl, b->ctx, desc, halves, DTYPE_BF16, in_place,
                                  params));
    attention_must(bf16_case_open(&wide, b->impl, b->ctx, desc, floats, DTYPE_F32, false,
                                  params));
    run_case(b, &wide);
    run_case(b, &c);
    for (size_t i = 0; i < c.count; i++)
        norm += (double)wide.result[i] * (double)wide.result[i];
    const double typical = sqrt(norm / (double)c.count) + 1e-3;
    for (size_t i = 0; i < c.count; i++) {
        const double due = (double)wide.result[i];
        if (!(fabs((double)c.result[i] - due) <= rounding * fabs(due) + 2e-5 * typical))
            complain(b, &c, i, due);
    }
    bf16_case_close(&c);
    bf16_case_close(&wide);
}

static void infer_or_fail(struct op_desc *desc)
{
    attention_must(op_infer(desc));
}

/* Every convolution of the list with what may follow it; the second source has the shape of dst. */
static void check_conv(struct bench *b, const struct op_desc *plain)
{
    for (int form = 0; form < 8; form++) {
        struct op_desc desc = *plain;
        desc.kind = form & 1 ? OP_CONV_SUM_ACT : OP_CONV_ACT;
        desc.conv.with_bn = form & 2;
        desc.conv.with_relu = form & 4;
        desc.conv.eps = 0;
        desc.src[1] = plain->dst;
        infer_or_fail(&desc);
        check_against_f32(b, &desc, false, NULL);
        if (form & 1)
            check_against_f32(b, &desc, true, NULL);
    }
}

static void check_bn(struct bench *b, const struct op_desc *plain, enum op_kind kind)
{
    struct op_desc desc = *plain;
    desc.kind = kind;
    desc.bn.eps = 0;
    desc.src[1] = plain->src[0];
    infer_or_fail(&desc);
    check_against_f32(b, &desc, false, NULL);
    if (kind != OP_BATCHNORM)
        check_against_f32(b, &desc, true, NULL);
    desc.src[0].stride = desc.src[0].c + 7; /* DenseNet's: from a wider map into a dense one */
    check_against_f32(b, &desc, false, NULL);
}

static void test_convolutions_and_what_follows(void **state)
{
    (void)state;
    struct case_list cases = {0};
    struct bench b = open_bench(2);
    attention_must(case_list_add(&cases, "tests/cases/ops.txt"));
    for (int i = 0; i < cases.count; i++)
        if (cases.list[i].kind == OP_CONV2D)
            check_conv(&b, &cases.list[i]);
    case_list_free(&cases);
    close_bench(&b);
}

static void test_normalisation_and_what_follows(void **state)
{
    (void)state;
    struct case_list cases = {0};
    struct bench b = open_bench(2);
    attention_must(case_list_add(&cases, "tests/cases/ops.txt"));
    for (int i = 0; i < cases.count; i++)
        for (int k = 0; k < 3 && cases.list[i].kind == OP_BATCHNORM; k++)
            check_bn(&b, &cases.list[i],
                     k == 0 ? OP_BATCHNORM : k == 1 ? OP_BN_ACT : OP_BN_SUM_ACT);
    case_list_free(&cases);
    close_bench(&b);
}

static void check_attention(struct bench *b, const char *spec, const struct fused_shape *shape,
                            bool sum)
{
    struct attention_case site;
    struct param *params[OP_MAX_PARAM];
    attention_case_open(&site, spec, shape, sum);
    fused_fill_params(site.net->params, false);
    const struct net_node *node = attention_case_node(&site);
    struct op_desc desc = node->desc;
    for (int i = 0; i < OP_MAX_PARAM; i++)
        params[i] = node->param[i] ? &node->param[i]->p : NULL;
    desc.src[0].n = desc.src[1].n = shape->n;
    infer_or_fail(&desc);
    check_against_f32(b, &desc, false, params);
    check_against_f32(b, &desc, true, params);
    attention_case_close(&site);
}

static void check_attentions(int threads)
{
    struct bench b = open_bench(threads);
    for (int s = 0; s < FUSED_SPECS; s++)
        for (int k = 0; k < FUSED_SHAPES; k++)
            check_attention(&b, fused_specs[s], &fused_shapes[k], (s + k) % 2);
    close_bench(&b);
}

static void test_attention(void **state)
{
    (void)state;
    check_attentions(1);
}

static void test_attention_on_two_threads(void **state)
{
    (void)state;
    check_attentions(2);
}

/* ---- which kernels ---- */

/* No conversion in what networks are made of; the instructions are in the kernels' names. */
static void test_what_matters_has_kernels(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "conv2d n1 h14 w14 c64 oc64 k3 p1", "conv2d n1 h14 w14 c64 oc256",
        "conv2d n1 h14 w14 c256 oc128 s2", "conv2d n1 h28 w28 c128 oc128 k3 s2 p1",
        "conv2d n1 h14 w14 c64 oc64 k3 p1 g64", "linear n1 c2048 oc1000",
        "linear n8 h7 w7 c64 oc96",
        "maxpool n1 h112 w112 c64 k3 s2 p1", "pool_hw n1 h7 w7 c2048 mean", "relu n1 h7 w7 c64",
        "add n1 h7 w7 c64", "batchnorm n1 h7 w7 c64", "concat n1 h7 w7 c64 c2_32",
        "subsample n1 h8 w8 c16 s2 before8 after8"};
    struct bench b = open_bench(1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct op_desc desc;
        struct bf16_case c;
        if (op_parse(cases[i], &desc) != OK) {
            print_error("%s\n", fail_text());
            b.wrong++;
            continue;
        }
        attention_must(bf16_case_open(&c, b.impl, b.ctx, &desc, halves, DTYPE_BF16, false, NULL));
        if (!strstr(c.plan.how, "bf16") || strstr(c.plan.how, "->")) {
            print_error("%s runs as %s\n", cases[i], c.plan.how);
            b.wrong++;
        }
        bf16_case_close(&c);
    }
    close_bench(&b);
}

static void test_conversions_are_named(void **state)
{
    (void)state;
    struct bench b = open_bench(1);
    struct op_desc desc;
    struct bf16_case c;
    attention_must(op_parse("adaptive_avgpool n1 h9 w9 c8 oh2 ow2", &desc));
    attention_must(bf16_case_open(&c, b.impl, b.ctx, &desc, halves, DTYPE_BF16, false, NULL));
    assert_non_null(strstr(c.plan.how, "bf16->f32, naive"));
    assert_non_null(strstr(c.plan.how, ", f32->bf16"));
    bf16_case_close(&c);
    close_bench(&b);
}

/* ---- what is refused ---- */

static void refuse(const struct impl *impl, struct impl_ctx *ctx, const struct op_desc *desc,
                   const char *words)
{
    struct op_plan plan;
    assert_int_equal(plan_make(&plan, impl, ctx, desc), ERR_UNSUPPORTED);
    if (!strstr(fail_text(), words))
        fail_msg("'%s' does not say '%s'", fail_text(), words);
}

static void test_others_refuse(void **state)
{
    (void)state;
    struct op_desc desc;
    attention_must(op_parse("conv2d n1 h8 w8 c16 oc16 k3 p1", &desc));
    desc.src[0].dtype = desc.dst.dtype = DTYPE_BF16;
    for (int i = 0; impls[i]; i++)
        if (!impls[i]->bf16)
            refuse(impls[i], NULL, &desc, "does not offer bf16: onednn does");
}

static void test_a_capped_processor_refuses(void **state)
{
    (void)state;
    struct bench b = open_bench(1);
    struct op_desc desc;
    attention_must(op_parse("conv2d n1 h8 w8 c16 oc16 k3 p1", &desc));
    desc.src[0].dtype = desc.dst.dtype = DTYPE_BF16;
    setenv("CBAM_BENCH_ISA", "avx2", 1);
    refuse(b.impl, b.ctx, &desc, "AVX512_BF16");
    unsetenv("CBAM_BENCH_ISA");
    struct op_desc other = desc;
    other.train = true;
    refuse(b.impl, b.ctx, &other, "training stays in f32");
    other = desc;
    other.conv.algorithm = CONV_WINOGRAD4;
    refuse(b.impl, b.ctx, &other, "Winograd");
    close_bench(&b);
}

int main(int argc, char **argv)
{
    (void)argc;
    threads_startup(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_are_rounded_to_the_nearest),
        cmocka_unit_test(test_primitives),
        cmocka_unit_test(test_primitives_on_two_threads),
        cmocka_unit_test(test_convolutions_and_what_follows),
        cmocka_unit_test(test_normalisation_and_what_follows),
        cmocka_unit_test(test_attention),
        cmocka_unit_test(test_attention_on_two_threads),
        cmocka_unit_test(test_what_matters_has_kernels),
        cmocka_unit_test(test_conversions_are_named),
        cmocka_unit_test(test_others_refuse),
        cmocka_unit_test(test_a_capped_processor_refuses),
    };
    return cmocka_run_group_tests_name("operations in bf16", tests, NULL, NULL);
}
