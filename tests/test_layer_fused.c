/* The double-precision composition that judges fused operations before they are timed, against the
 * primitives: every form of attention as bench/net composes it, batch normalisation with relu. */
#include "bench/measure/layer_check.h"
#include "bench/measure/layer_fused.h"
#include "tests/module.h"

#include "impls/base/memory.h"
#include "impls/base/threads.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <math.h>
#include <string.h>

#include <cmocka.h>

static double relative_error(const float *got, const double *due, size_t count)
{
    double difference = 0, norm = 0;
    for (size_t i = 0; i < count; i++) {
        difference += ((double)got[i] - due[i]) * ((double)got[i] - due[i]);
        norm += due[i] * due[i];
    }
    return sqrt(difference / norm);
}

static void assert_holds(const struct layer_identity *identity, const char *what)
{
    double error = fabs(identity->left.value - identity->right.value);
    if (!(error <= 1e-5 * identity->left.size) || !(identity->left.size > 0))
        fail_msg("%s: %.9g and %.9g", what, identity->left.value, identity->right.value);
}

/* A module, and the same as one operation whose slots hold the module's parameters. */
struct pair {
    struct module module;
    struct net *whole;
    struct layer_operands operands;
    struct layer_run run;
};

static void open_pair(struct pair *p, const char *spec)
{
    struct op_desc desc;
    memset(p, 0, sizeof *p);
    module_open(&p->module, impls[0], spec, 2, 5, 6, 8, MODULE_BACKWARD);
    p->whole = net_lower(p->module.net);
    assert_non_null(p->whole);
    int id = attention_whole(p->whole, p->whole->input, 0);
    assert_true(id != NO_NODE);
    desc = p->whole->nodes[id].desc;
    desc.src[0] = tensor_dense(NULL, 2, 5, 6, 8);
    assert_int_equal(op_infer(&desc), OK);
    assert_int_equal(layer_operands_make(&p->operands, &desc, PASS_BWD), OK);
    layer_operands_fill(&p->operands, FILL_REALS, 5);
    for (int i = 0; i < p->operands.params; i++) {
        struct net_param *param = p->whole->nodes[id].param[i];
        assert_int_equal(p->operands.param_count[i], param ? param->p.count : 0);
        if (!param)
            continue;
        memcpy(param->p.data, p->operands.param[i], param->p.count * sizeof(float));
        param->p.version++;
        p->run.param[i] = param->p; /* the gradient of the module's backward pass */
        if (!param->trainable)
            p->run.param[i].grad = NULL;
    }
    p->run.operands = &p->operands;
}

static void close_pair(struct pair *p)
{
    layer_operands_free(&p->operands);
    net_free(p->whole);
    module_close(&p->module);
}

/* The module's batch normalisation is fixed: its two gradients are not there, so their operands do
 * not move either. */
static void hold_still(struct layer_operands *operands)
{
    for (int i = 6; i < 8; i++)
        operands->info[i].buffer = true;
}

static void test_attention_is_its_composition(void **state)
{
    struct pair p;
    open_pair(&p, *state);
    size_t count = tensor_count(&p.operands.desc.dst);
    double *due = malloc(count * sizeof *due);
    assert_non_null(due);
    memcpy(module_input(&p.module), p.operands.src[0], count * sizeof(float));
    const float *dst = module_forward(&p.module);
    assert_int_equal(layer_fused_dst(&p.operands, due), OK);
    double error = relative_error(dst, due, count);
    if (!(error < 1e-6))
        fail_msg("dst differs by %g", error);
    free(due);

    struct layer_identity identity;
    const float *gradient = module_backward(&p.module, p.operands.diff_dst);
    p.run.args.diff_src[0].data = (void *)(uintptr_t)gradient;
    hold_still(&p.operands);
    for (uint64_t seed = 1; seed <= 3; seed++) {
        assert_int_equal(layer_fused_identity(&p.run, seed, &identity), OK);
        assert_holds(&identity, *state);
    }
    close_pair(&p);
}

/* relu(batchnorm(x) + s) by hand from the primitive of the first implementation. */
static void check_bn(const char *fused, const char *plain)
{
    struct op_desc desc, bn;
    struct layer_operands operands, primitive;
    struct layer_run run;
    struct impl_ctx *ctx;
    assert_int_equal(op_parse(fused, &desc), OK);
    assert_int_equal(op_parse(plain, &bn), OK);
    assert_int_equal(impls[0]->open(&ctx), OK);
    assert_int_equal(layer_operands_make(&operands, &desc, PASS_BWD), OK);
    assert_int_equal(layer_operands_make(&primitive, &bn, PASS_BWD), OK);
    layer_operands_fill(&operands, FILL_REALS, 3);
    layer_operands_fill(&primitive, FILL_REALS, 3); /* the same numbers, by slot */
    assert_int_equal(layer_run_make(&run, impls[0], ctx, &primitive), OK);
    layer_run_reset(&run);
    assert_int_equal(layer_run_forward(&run), OK);

    bool sum = desc.kind == OP_BN_SUM_ACT;
    size_t count = tensor_count(&desc.dst);
    float *dst = run.args.dst.data;
    double *due = malloc(count * sizeof *due);
    assert_non_null(due);
    for (size_t i = 0; i < count; i++) {
        float y = dst[i] + (sum ? operands.src[1][i] : 0);
        dst[i] = y > 0 ? y : 0;
        primitive.diff_dst[i] = y > 0 ? operands.diff_dst[i] : 0;
    }
    assert_int_equal(layer_fused_dst(&operands, due), OK);
    assert_true(relative_error(dst, due, count) < 1e-6);
    free(due);

    assert_int_equal(layer_run_backward(&run), OK);
    struct layer_identity identity;
    struct layer_run judged = run;
    judged.operands = &operands;
    if (sum) /* the second source gets the masked gradient itself */
        judged.args.diff_src[1].data = primitive.diff_dst;
    assert_int_equal(layer_fused_identity(&judged, 4, &identity), OK);
    assert_holds(&identity, fused);
    layer_run_free(&run);
    layer_operands_free(&operands);
    layer_operands_free(&primitive);
    impls[0]->close(ctx);
}

static void test_batchnorm_with_relu(void **state)
{
    (void)state;
    check_bn("bn_act n3 h5 w4 c7", "batchnorm n3 h5 w4 c7");
    check_bn("bn_act n3 h5 w4 c7 batch_stats", "batchnorm n3 h5 w4 c7 batch_stats");
    check_bn("bn_sum_act n3 h5 w4 c7", "batchnorm n3 h5 w4 c7");
    check_bn("bn_sum_act n3 h5 w4 c7 batch_stats", "batchnorm n3 h5 w4 c7 batch_stats");
}

/* Convolution, batch normalisation, second source and relu, where there is one, element by
 * element. */
static void check_conv_act(const char *text)
{
    struct op_desc desc, conv;
    struct layer_operands fused, plain;
    assert_int_equal(op_parse(text, &desc), OK);
    assert_int_equal(op_parse("conv2d n1 h6 w5 c4 oc3 k3 p1 bias", &conv), OK);
    assert_int_equal(layer_operands_make(&fused, &desc, PASS_FWD), OK);
    assert_int_equal(layer_operands_make(&plain, &conv, PASS_FWD), OK);
    layer_operands_fill(&fused, FILL_REALS, 3);
    layer_operands_fill(&plain, FILL_REALS, 3);
    for (size_t i = 0; i < tensor_count(&desc.dst); i++) {
        struct layer_sum sum, due;
        size_t c = i % 3;
        assert_true(layer_truth_dst(&plain, i, &sum) && layer_truth_dst(&fused, i, &due));
        double scale = (double)fused.param[2][c] /
                       sqrt((double)fused.param[5][c] + (double)desc.conv.eps);
        double y = (sum.value - (double)fused.param[4][c]) * scale + (double)fused.param[3][c] +
                   (double)fused.src[1][i];
        assert_true(fabs(due.value - (desc.conv.with_relu ? fmax(y, 0) : y)) < 1e-9);
    }
    layer_operands_free(&fused);
    layer_operands_free(&plain);
}

static void test_conv_act(void **state)
{
    (void)state;
    check_conv_act("conv_sum_act n1 h6 w5 c4 oc3 k3 p1 bias bn relu");
    check_conv_act("conv_sum_act n1 h6 w5 c4 oc3 k3 p1 bias bn");
}

int main(void)
{
    static const char *const forms[] = {
        "cbam:r=4", "cbam-article:r=4", "se:r=4", "cbam-channel:r=4", "cbam-spatial",
        "cbam-parallel:r=4", "cbam-spatial-first:r=4", "cbam-light:r=4:k=3",
        "cbam-light:r=4:bias=on:bn=off", "cbam:r=4:cpool=avg", "cbam:r=4:cpool=max",
        "cbam:r=4:spool=conv1x1", "cbam:r=4:planes=mean-max:k=3", "cbam:r=4:inner",
        "cbam:r=4:scale=2", "cbam:r=4:alpha", "cbam-article:r=4:order=parallel"};
    enum { FORMS = sizeof forms / sizeof forms[0], OTHERS = 2 };
    struct CMUnitTest tests[FORMS + OTHERS] = {cmocka_unit_test(test_batchnorm_with_relu),
                                               cmocka_unit_test(test_conv_act)};
    for (int i = 0; i < FORMS; i++)
        tests[OTHERS + i] = (struct CMUnitTest){forms[i], test_attention_is_its_composition, NULL,
                                                NULL, (void *)(uintptr_t)forms[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
