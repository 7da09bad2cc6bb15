/* Convolutions fused with normalisation, shortcut and relu, against their composition: every
 * kernel, dense and strided maps, over the shortcut and beside it, a change of any parameter. */
#include "impls/base/threads.h"
#include "tests/fused_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const conv_shapes[] = {
    "n1 h1 w1 c5 oc7",
    "n2 h7 w5 c20 oc33 bias",
    "n1 h16 w15 c16 oc24 k3 p1",
    "n2 h9 w9 c3 oc16 k7 s2 p3",
    "n2 h6 w6 c33 oc20 s2",
    "n1 h8 w7 c64 oc16 k3 p1 bias",
    "n2 h7 w9 c3 oc17 k3 s2 p2 d2 bias",
    "n2 h5 w5 c8 oc12 k3 p1 g2",
    "n2 h6 w6 c32 oc64 g2",
    "n2 h5 w7 c16 oc16 k3 p1 g16",
    "n2 h6 w7 c2 oc1 k7 p3",
    "n1 h2 w3 c3 oc5 k7 p3",
    "n3 h1 w1 c2 oc1 k7 p3",
    "n2 h5 w5 c6 oc3 k3 p8 g3",
    "n1 h4 w4 c7 oc5 k5 p60 d9",
    "n1 h40 w38 c8 oc150",
    "n1 h23 w19 c12 oc40 k3 p1",
};
enum { CONV_SHAPES = sizeof conv_shapes / sizeof conv_shapes[0] };

static const char *const conv_forms[] = {" bn relu", " bn", " relu", ""};
enum { CONV_FORMS = sizeof conv_forms / sizeof conv_forms[0] };

/* The result over the shortcut: the same bits as beside it, and nothing around it written. */
static void check_over_shortcut(struct fused_case *f)
{
    struct op_args args = f->rig.args;
    long offset;
    rig_load(&f->rig, &f->due);
    args.dst = args.src[1];
    guarded_poison(&f->rig.scratch, FUSED_NAN_POISON);
    guarded_snapshot(&f->rig.src[1]);
    fused_must(f->rig.plan.entry->forward(&f->rig.plan, &args));
    assert_false(guarded_touched(&f->rig.src[1], true, &offset));
    for (size_t i = 0; i < f->due.count_dst; i++)
        if (memcmp(guarded_at(&f->rig.src[1], i), guarded_at(&f->rig.dst, i), sizeof(float)) != 0)
            fail_msg("%s: element %zu differs when dst is src[1]", f->rig.plan.how, i);
}

/* Each parameter in turn gets other values and a new version; then other values behind the plan's
 * back, which must not be noticed: nothing is folded or packed anew at each call. */
static void check_versions(struct fused_case *f)
{
    struct op_param_info info[OP_MAX_PARAM];
    int count = op_params(&f->rig.desc, info);
    for (int i = 0; i < count; i++) {
        for (size_t k = 0; k < f->due.count_param[i]; k++)
            f->due.param[i][k] = (double)(float)(f->due.param[i][k] * 1.25);
        fused_case_forward(f, FUSED_OTHER_POISON);
    }
    float *weight = guarded_at(&f->rig.data[0], 0), kept = *weight;
    struct fused_record before = {NULL, 0}, after = {NULL, 0};
    fused_record_add(&before, &f->rig.dst);
    *weight += 1000;
    fused_must_hold(f, rig_forward(&f->rig, FUSED_NAN_POISON));
    fused_record_add(&after, &f->rig.dst);
    *weight = kept;
    bool same = fused_record_same(&before, &after);
    free(before.value);
    free(after.value);
    if (f->rig.desc.conv.with_bn && !same)
        fail_msg("%s, %s: folded without a new version", f->impl->name, f->rig.plan.how);
}

static void check_conv(const char *impl, int threads, const char *text, unsigned strided)
{
    const struct opcheck_variant v = {.data = OPCHECK_FLOAT, .seed = 7, .strided = strided};
    struct fused_case f;
    fused_case_open(&f, impl, threads, text, &v);
    fused_case_forward(&f, FUSED_NAN_POISON);
    if (op_sources(f.rig.desc.kind) > 1 && !strided)
        check_over_shortcut(&f);
    if (!strided && threads == 1)
        check_versions(&f);
    fused_case_close(&f);
}

static void check_conv_kind(const char *impl, const char *kind, bool strided)
{
    for (int i = 0; i < CONV_SHAPES * CONV_FORMS; i++)
        for (int threads = 1; threads <= 2 && threads <= threads_available(); threads++) {
            char text[128];
            snprintf(text, sizeof text, "%s %s%s eps0.001", kind, conv_shapes[i / CONV_FORMS],
                     conv_forms[i % CONV_FORMS]);
            check_conv(impl, threads, text, 0);
            if (strided) {
                check_conv(impl, threads, text, 1);
                check_conv(impl, threads, text, OPCHECK_STRIDED_DST);
            }
        }
}

static void test_conv_act_on_openblas(void **state)
{
    (void)state;
    check_conv_kind("openblas", "conv_act", true);
}

static void test_conv_sum_act_on_openblas(void **state)
{
    (void)state;
    check_conv_kind("openblas", "conv_sum_act", true);
}

static void test_conv_act_on_onednn(void **state)
{
    (void)state;
    check_conv_kind("onednn", "conv_act", false);
}

static void test_conv_sum_act_on_onednn(void **state)
{
    (void)state;
    check_conv_kind("onednn", "conv_sum_act", false);
}

static void test_a_fused_convolution_is_for_inference(void **state)
{
    (void)state;
    for (int i = 0; impls[i]; i++) {
        struct impl_ctx *ctx;
        struct op_desc desc;
        struct op_plan plan;
        fused_must(op_parse("conv_act n1 h4 w4 c8 oc8 k3 p1 bn relu", &desc));
        desc.train = true;
        if (!impls[i]->ops[OP_CONV_ACT])
            continue;
        fused_must(impls[i]->open(&ctx));
        assert_int_not_equal(plan_make(&plan, impls[i], ctx, &desc), OK);
        impls[i]->close(ctx);
    }
}

int main(int argc, char **argv)
{
    (void)argc;
    threads_startup(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv_act_on_openblas),
        cmocka_unit_test(test_conv_sum_act_on_openblas),
        cmocka_unit_test(test_conv_act_on_onednn),
        cmocka_unit_test(test_conv_sum_act_on_onednn),
        cmocka_unit_test(test_a_fused_convolution_is_for_inference),
    };
    return cmocka_run_group_tests_name("fused convolution", tests, NULL, NULL);
}
