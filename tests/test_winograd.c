/* Winograd's algorithms against the double-precision oracle and against direct convolution: every
 * family of shapes, every instruction set, 1 and 2 threads, fused or not, guarded memory, the same
 * bits whatever the number of threads; and what cannot run them refuses by name. */
#include "impls/base/threads.h"
#include "impls/fused/isa.h"
#include "tests/fused_case.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const shapes[] = {
    "n1 h1 w1 c5 oc7 k3 p1",             /* nothing but border */
    "n1 h3 w3 c1 oc1 k3",                /* one window */
    "n2 h7 w5 c20 oc33 k3 p1 bias",      /* odd sides, channels no multiple of a vector */
    "n1 h8 w7 c64 oc16 k3 p1",
    "n3 h9 w10 c3 oc17 k3 p2 bias",      /* the result is larger than the source */
    "n2 h6 w13 c16 oc48 k3 ph1 pw0",     /* another padding along each axis */
    "n1 h14 w14 c160 oc170 k3 p1",       /* many weights: all threads on the same tiles */
    "n2 h33 w29 c8 oc40 k3 p1 bias",     /* many tiles: each thread on its own */
    "n1 h50 w50 c33 oc15 k3",
    "n3 h70 w66 c3 oc5 k3 p1 bias",      /* more tiles than the weight's gradient takes at once */
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static const char *const forms[] = {" bn relu", " bn", " relu", ""};
enum { FORMS = sizeof forms / sizeof forms[0] };

static const char *const algorithms[] = {"winograd2", "winograd4"};

/* Opens the case with an instruction set; false where the processor lacks it. */
static bool open_case(struct fused_case *f, enum fused_isa isa, int threads, const char *text)
{
    const struct opcheck_variant v = {.data = OPCHECK_FLOAT, .seed = 7};
    if (!fused_isa_runs(isa))
        return false;
    setenv("CBAM_BENCH_ISA", fused_isa_name(isa), 1);
    fused_case_open(f, "onednn", threads, text, &v);
    unsetenv("CBAM_BENCH_ISA");
    if (!strstr(f->rig.plan.how, "own winograd F(") ||
        !strstr(f->rig.plan.how, fused_isa_name(isa)))
        fail_msg("%s runs as %s", text, f->rig.plan.how);
    return true;
}

/* Another weight in the same plan is noticed by its version. */
static void check_version(struct fused_case *f)
{
    for (size_t k = 0; k < f->due.count_param[0]; k++)
        f->due.param[0][k] = (double)(float)(f->due.param[0][k] * 1.25);
    fused_case_forward(f, FUSED_OTHER_POISON);
}

static void check_shape(const char *kind, const char *shape, const char *form,
                        const char *algorithm)
{
    char text[128];
    snprintf(text, sizeof text, "%s %s %s%s", kind, shape, algorithm, form);
    for (int isa = 0; isa < FUSED_ISAS; isa++) {
        struct fused_record first = {NULL, 0};
        for (int threads = 1; threads <= 2 && threads <= threads_available(); threads++) {
            struct fused_record record = {NULL, 0};
            struct fused_case f;
            if (!open_case(&f, (enum fused_isa)isa, threads, text))
                continue;
            fused_case_forward(&f, FUSED_NAN_POISON);
            fused_record_add(threads == 1 ? &first : &record, &f.rig.dst);
            if (threads > 1 && !fused_record_same(&first, &record))
                fail_msg("%s: other bits with %d threads", text, threads);
            check_version(&f);
            fused_case_close(&f);
            free(record.value);
        }
        free(first.value);
    }
}

/* Every shape with both algorithms, the forms in turn. */
static void check_kind(const char *kind, int first)
{
    for (int s = 0; s < SHAPES; s++)
        for (int a = 0; a < 2; a++)
            check_shape(kind, shapes[s], forms[(first + s + 2 * a) % FORMS], algorithms[a]);
}

static void test_conv_act(void **state)
{
    (void)state;
    check_kind("conv_act", 0);
}

static void test_conv_sum_act(void **state)
{
    (void)state;
    check_kind("conv_sum_act", 1);
}

/* dst may be the shortcut. */
static void test_over_the_shortcut(void **state)
{
    (void)state;
    struct fused_case f;
    if (!open_case(&f, FUSED_BASELINE, 1, "conv_sum_act n2 h7 w5 c20 oc33 k3 p1 winograd4 bn relu"))
        skip();
    fused_case_forward(&f, FUSED_NAN_POISON);
    struct op_args args = f.rig.args;
    rig_load(&f.rig, &f.due);
    args.dst = args.src[1];
    fused_must(f.rig.plan.entry->forward(&f.rig.plan, &args));
    for (size_t i = 0; i < f.due.count_dst; i++)
        assert_memory_equal(guarded_at(&f.rig.src[1], i), guarded_at(&f.rig.dst, i),
                            sizeof(float));
    fused_case_close(&f);
}

/* ---- training ---- */

/* Within 1e-5 of the oracle, as results are; seen: 3e-6. */
static void compare(const struct rig *rig, const char *what, const struct guarded *got,
                    const struct oracle_num *due, size_t count)
{
    double difference = 0, norm = 0;
    for (size_t i = 0; i < count; i++) {
        const double d = (double)*guarded_at(got, i) - due[i].value;
        difference += d * d;
        norm += due[i].value * due[i].value;
    }
    if (!(sqrt(difference) <= 1e-5 * sqrt(norm)))
        fail_msg("%s: %s differs by %.3g", rig->plan.how, what, sqrt(difference / norm));
}

/* Gradients that were added to what was there: the oracle has it added as well. */
static void add_old(const struct rig *rig, const struct opcheck_variant *v, struct oracle *due)
{
    for (size_t i = 0; v->add_src && i < due->count_src[0]; i++)
        due->diff_src[0][i].value += operand_value(&rig->desc, v->data, v->seed,
                                                    OPERAND_OLD_SRC, i);
    for (int p = 0; v->add_param && p < rig->params; p++)
        for (size_t i = 0; i < due->count_param[p]; i++)
            due->diff_param[p][i].value +=
                operand_value(&rig->desc, v->data, v->seed, OPERAND_OLD_PARAM + p, i);
}

static void check_passes(struct rig *rig, const struct opcheck_variant *v,
                         struct fused_record *record)
{
    struct oracle due;
    fused_must(oracle_make(&due, &rig->desc));
    operands_fill(&due, v->data, v->seed);
    oracle_forward(&due);
    oracle_backward(&due);
    rig_load(rig, &due);
    if (!rig_forward(rig, FUSED_NAN_POISON))
        fail_msg("%s", *rig->text);
    compare(rig, "dst", &rig->dst, due.dst, due.count_dst);
    fused_record_add(record, &rig->dst);
    if (!rig_backward(rig, FUSED_NAN_POISON, true))
        fail_msg("%s", *rig->text);
    add_old(rig, v, &due);
    compare(rig, "gradient of the source", &rig->diff_src[0], due.diff_src[0], due.count_src[0]);
    fused_record_add(record, &rig->diff_src[0]);
    for (int p = 0; p < rig->params; p++) {
        compare(rig, p ? "gradient of the bias" : "gradient of the weight", &rig->grad[p],
                due.diff_param[p], due.count_param[p]);
        fused_record_add(record, &rig->grad[p]);
    }
    oracle_free(&due);
}

static void check_training(const struct impl *impl, enum fused_isa isa, const char *text, bool add,
                           struct fused_record *record)
{
    char line[OPCHECK_TEXT];
    struct impl_ctx *ctx;
    struct op_desc desc;
    struct rig rig;
    fused_must(op_parse(text, &desc));
    const struct opcheck_variant v = {.data = OPCHECK_FLOAT, .seed = 7, .train = true,
                                      .want_src = 1, .want_param = desc.conv.bias ? 3 : 1,
                                      .add_src = add, .add_param = add ? 3 : 0};
    fused_must(impl->open(&ctx));
    setenv("CBAM_BENCH_ISA", fused_isa_name(isa), 1);
    if (!rig_make(&rig, impl, ctx, &desc, &v, &line))
        fail_msg("%s", line);
    unsetenv("CBAM_BENCH_ISA");
    if (!strstr(rig.plan.how, "bwd the same, the same") ||
        !strstr(rig.plan.how, fused_isa_name(isa)))
        fail_msg("%s runs as %s", text, rig.plan.how);
    check_passes(&rig, &v, record);
    rig_free(&rig);
    impl->close(ctx);
}

/* All passes of every shape; with a second thread the same bits. */
static void test_training(void **state)
{
    (void)state;
    const struct impl *impl = impl_find("onednn");
    if (!impl)
        skip();
    for (int k = 0; k < SHAPES * 2 * FUSED_ISAS; k++) {
        const int isa = k % FUSED_ISAS, s = k / FUSED_ISAS / 2, a = k / FUSED_ISAS % 2;
        struct fused_record record[2] = {{NULL, 0}, {NULL, 0}};
        char text[128];
        snprintf(text, sizeof text, "conv2d %s %s", shapes[s], algorithms[a]);
        for (int t = 0; t < 2 && t < threads_available(); t++) {
            if (!fused_isa_runs((enum fused_isa)isa))
                continue;
            fused_must(threads_set(t + 1));
            check_training(impl, (enum fused_isa)isa, text, (s + a) % 2, &record[t]);
        }
        if (record[1].count && !fused_record_same(&record[0], &record[1]))
            fail_msg("%s: other bits with 2 threads", text);
        free(record[0].value);
        free(record[1].value);
    }
}

/* ---- what is refused ---- */

static void expect_refused(const char *impl, const char *text, const char *why)
{
    struct op_desc desc;
    struct op_plan plan;
    struct impl_ctx *ctx;
    const struct impl *found = impl_find(impl);
    if (!found)
        return;
    fused_must(op_parse(text, &desc));
    fused_must(found->open(&ctx));
    assert_int_equal(plan_make(&plan, found, ctx, &desc), ERR_UNSUPPORTED);
    if (!strstr(fail_text(), why))
        fail_msg("'%s' does not say '%s'", fail_text(), why);
    found->close(ctx);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const misfits[] = {"k1", "k3 s2 p1", "k3 p1 d2", "k3 p1 g2", "k3 p3",
                                          "k5 p2", "kh3 kw1 p1"};
    for (size_t i = 0; i < sizeof misfits / sizeof misfits[0]; i++) {
        char text[96];
        snprintf(text, sizeof text, "conv_act n1 h9 w9 c8 oc8 %s winograd4", misfits[i]);
        expect_refused("onednn", text, "3x3 windows of stride 1");
    }
    expect_refused("naive", "conv2d n1 h9 w9 c8 oc8 k3 p1 winograd2", "naive conv2d");
    expect_refused("openblas", "conv2d n1 h9 w9 c8 oc8 k3 p1 winograd4", "openblas conv2d");
}

/* The text form keeps the algorithm. */
static void test_text(void **state)
{
    (void)state;
    struct op_desc desc;
    char text[128];
    fused_must(op_parse("conv2d h9 w9 c8 oc8 k3 p1 winograd4", &desc));
    assert_int_equal(desc.conv.algorithm, CONV_WINOGRAD4);
    op_print(&desc, text, sizeof text);
    assert_string_equal(text, "conv2d h9 w9 c8 oc8 k3 p1 winograd4");
    fused_must(op_parse("conv2d h9 w9 c8 oc8 k3 p1", &desc));
    assert_int_equal(desc.conv.algorithm, CONV_DIRECT);
}

int main(int argc, char **argv)
{
    (void)argc;
    threads_startup(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv_act),  cmocka_unit_test(test_conv_sum_act),
        cmocka_unit_test(test_over_the_shortcut), cmocka_unit_test(test_training),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_text),
    };
    return cmocka_run_group_tests_name("winograd", tests, NULL, NULL);
}
