/* Fused convolutions and batch normalisations against their composition of primitives in double
 * precision (composition.h), in relative 2-norm, with guarded and poisoned buffers (rig.h). */
#include "impls/base/threads.h"
#include "impls/fused/bn_act.h"
#include "impls/fused/isa.h"
#include "tests/composition.h"
#include "tests/rig.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NAN_POISON = 0xff, OTHER_POISON = 0x4b, RESULTS = 16 };

static const double tolerance = 1e-5;

/* One operation on one implementation, and what it has to give. */
struct fixture {
    const struct impl *impl;
    struct impl_ctx *ctx;
    struct rig rig;
    struct oracle due;
    char text[OPCHECK_TEXT];
};

static void must(enum status status)
{
    if (status != OK)
        fail_msg("status %d: %s", (int)status, fail_text());
}

static void must_hold(const struct fixture *f, bool good)
{
    if (!good)
        fail_msg("%s", f->text);
}

/* Variances are positive; all factors are away from zero. */
static void fill(struct fixture *f, uint64_t seed)
{
    struct op_param_info info[OP_MAX_PARAM];
    int count = op_params(&f->rig.desc, info);
    operands_fill(&f->due, f->rig.variant.data, seed);
    for (int i = 0; i < count; i++)
        for (size_t k = 0; k < f->due.count_param[i]; k++) {
            double *value = &f->due.param[i][k];
            if (strcmp(info[i].name, "running_var") == 0)
                *value = (double)(float)(fabs(*value) + 0.5);
        }
}

static void open_case(struct fixture *f, const char *impl, int threads, const char *text,
                      const struct opcheck_variant *variant)
{
    struct op_desc desc;
    memset(f, 0, sizeof *f);
    must(threads_set(threads));
    f->impl = impl_find(impl);
    if (!f->impl)
        skip();
    must(f->impl->open(&f->ctx));
    must(op_parse(text, &desc));
    must_hold(f, rig_make(&f->rig, f->impl, f->ctx, &desc, variant, &f->text));
    if (strstr(f->rig.plan.how, "ref:") || strncmp(f->rig.plan.how, "ref", 3) == 0)
        fail_msg("%s runs %s as %s", impl, text, f->rig.plan.how);
    must(oracle_make(&f->due, &f->rig.desc));
    fill(f, 7);
}

static void close_case(struct fixture *f)
{
    rig_free(&f->rig);
    oracle_free(&f->due);
    f->impl->close(f->ctx);
}

static double error_of(const struct guarded *got, const struct oracle_num *due, size_t count)
{
    double difference = 0, norm = 0;
    for (size_t i = 0; i < count; i++) {
        double d = (double)*guarded_at(got, i) - due[i].value;
        difference += d * d;
        norm += due[i].value * due[i].value;
    }
    return sqrt(difference) / (norm > 0 ? sqrt(norm) : 1);
}

static void compare(const struct fixture *f, const char *what, const struct guarded *got,
                    const struct oracle_num *due, size_t count)
{
    double error = error_of(got, due, count);
    char text[256], variant[160];
    op_print(&f->rig.desc, text, sizeof text);
    opcheck_variant_print(&f->rig.variant, variant, sizeof variant);
    if (!(error <= tolerance))
        fail_msg("%s, %d threads, '%s' '%s' [%s]: %s differs by %.3g", f->impl->name,
                 threads_get(), text, variant, f->rig.plan.how, what, error);
}

static void forward(struct fixture *f, int poison)
{
    rig_load(&f->rig, &f->due);
    must_hold(f, rig_forward(&f->rig, poison));
    must(composition_forward(&f->due));
    compare(f, "dst", &f->rig.dst, f->due.dst, f->due.count_dst);
}

/* ---- batch normalisation ---- */

static bool batch_statistics(const struct fixture *f)
{
    return f->rig.desc.train && f->rig.desc.bn.batch_stats;
}

static void compare_statistics(const struct fixture *f)
{
    for (int i = 2; i < 4 && batch_statistics(f); i++)
        compare(f, f->rig.param[i].name, &f->rig.data[i], f->due.next[i], f->due.count_param[i]);
}

/* What the gradient buffer held before is part of what is due. */
static void add_old(const struct fixture *f, enum operand old, struct oracle_num *due,
                    size_t count)
{
    const struct rig *r = &f->rig;
    for (size_t i = 0; i < count; i++)
        due[i].value += operand_value(&r->desc, r->variant.data, r->variant.seed, old, i);
}

static void compare_gradients(struct fixture *f)
{
    const struct opcheck_variant *v = &f->rig.variant;
    for (int i = 0; i < op_sources(f->rig.desc.kind); i++) {
        if (v->add_src >> i & 1)
            add_old(f, (enum operand)(OPERAND_OLD_SRC + i), f->due.diff_src[i],
                    f->due.count_src[i]);
        if (v->want_src >> i & 1)
            compare(f, i ? "diff_src[1]" : "diff_src[0]", &f->rig.diff_src[i],
                    f->due.diff_src[i], f->due.count_src[i]);
    }
    for (int i = 0; i < 2; i++) {
        if (v->add_param >> i & 1)
            add_old(f, (enum operand)(OPERAND_OLD_PARAM + i), f->due.diff_param[i],
                    f->due.count_param[i]);
        if (v->want_param >> i & 1)
            compare(f, i ? "bias gradient" : "weight gradient", &f->rig.grad[i],
                    f->due.diff_param[i], f->due.count_param[i]);
    }
}

static void backward(struct fixture *f, int poison)
{
    float *result = malloc(f->due.count_dst * sizeof *result);
    assert_non_null(result);
    for (size_t i = 0; i < f->due.count_dst; i++)
        result[i] = *guarded_at(&f->rig.dst, i);
    enum status status = composition_backward(&f->due, result);
    free(result);
    must(status);
    must_hold(f, rig_backward(&f->rig, poison, poison != NAN_POISON));
    compare_gradients(f);
}

/* All outputs of a run, one behind the other, to be compared bit by bit with those of another. */
struct record {
    float *value;
    size_t count;
};

static void append(struct record *r, const struct guarded *g)
{
    if (!g->map.data)
        return;
    size_t count = tensor_count(&g->map);
    r->value = realloc(r->value, (r->count + count) * sizeof *r->value);
    assert_non_null(r->value);
    for (size_t i = 0; i < count; i++)
        r->value[r->count++] = *guarded_at(g, i);
}

static struct record run_bn(const char *impl, int threads, const char *text,
                            const struct opcheck_variant *v, int poison)
{
    struct fixture f;
    struct record r = {NULL, 0};
    open_case(&f, impl, threads, text, v);
    forward(&f, poison);
    compare_statistics(&f);
    append(&r, &f.rig.dst);
    append(&r, &f.rig.data[2]);
    append(&r, &f.rig.data[3]);
    if (v->want_src | v->want_param) {
        backward(&f, poison);
        for (int i = 0; i < 2; i++) {
            if (v->want_src >> i & 1)
                append(&r, &f.rig.diff_src[i]);
            if (v->want_param >> i & 1)
                append(&r, &f.rig.grad[i]);
        }
    }
    close_case(&f);
    return r;
}

/* Every instruction set and number of threads, and a run on other garbage: all the same bits. */
static void check_bn(const char *text, const struct opcheck_variant *v)
{
    struct record first = {NULL, 0};
    for (int isa = 0; isa < FUSED_ISAS; isa++)
        for (int threads = 1; threads <= 2 && fused_isa_runs((enum fused_isa)isa); threads++) {
            if (threads > threads_available())
                continue;
            setenv("CBAM_BENCH_ISA", fused_isa_name((enum fused_isa)isa), 1);
            struct record r = run_bn(threads == 1 ? "openblas" : "onednn", threads, text, v,
                                     threads == 1 ? NAN_POISON : OTHER_POISON);
            if (first.value && (r.count != first.count ||
                                memcmp(r.value, first.value, r.count * sizeof *r.value) != 0))
                fail_msg("%s: other bits with %s and %d threads", text,
                         fused_isa_name((enum fused_isa)isa), threads);
            if (first.value)
                free(r.value);
            else
                first = r;
        }
    unsetenv("CBAM_BENCH_ISA");
    free(first.value);
}

/* Around vector lengths; one value a channel short of many; one row of columns, rows left over,
 * several chunks, several slices. */
static const char *const bn_shapes[] = {
    "n9 h1 w1 c1",    "n2 h5 w3 c3",   "n3 h7 w5 c4",   "n2 h9 w7 c8",     "n2 h6 w5 c20",
    "n1 h4 w4 c16",   "n3 h3 w5 c33",  "n2 h7 w7 c64",  "n1 h2 w1 c600",   "n2 h13 w11 c35",
    "n3 h33 w31 c1",  "n2 h56 w57 c8", "n1 h19 w17 c272", "n1 h3 w3 c1040",
};
enum { BN_SHAPES = sizeof bn_shapes / sizeof bn_shapes[0] };

enum { STRIDED_ALL = 1 | 2 | OPCHECK_STRIDED_DST };

static const struct opcheck_variant bn_variants[] = {
    {.data = OPCHECK_FLOAT},
    {.data = OPCHECK_FLOAT, .strided = 1},
    {.data = OPCHECK_FLOAT, .train = true, .want_src = 3, .want_param = 3},
    {.data = OPCHECK_FLOAT, .train = true, .want_src = 3},
    {.data = OPCHECK_FLOAT, .train = true, .want_src = 1, .want_param = 1},
    {.data = OPCHECK_FLOAT, .train = true, .want_src = 2, .want_param = 2},
    {.data = OPCHECK_FLOAT, .train = true, .want_src = 2},
    {.data = OPCHECK_FLOAT, .train = true, .want_param = 3, .add_param = 1},
    {.data = OPCHECK_FLOAT, .train = true, .want_src = 3, .want_param = 3, .add_src = 3,
     .add_param = 3},
    {.data = OPCHECK_FLOAT, .train = true, .want_src = 3, .want_param = 3, .add_src = 1,
     .strided = 1},
    {.data = OPCHECK_FLOAT, .train = true, .want_src = 3, .want_param = 3, .add_src = 2,
     .strided = STRIDED_ALL},
    {.data = OPCHECK_INTEGER, .train = true, .want_src = 3, .want_param = 3},
};
enum { BN_VARIANTS = sizeof bn_variants / sizeof bn_variants[0] };

static void check_bn_kind(const char *kind, unsigned sources)
{
    for (int shape = 0; shape < BN_SHAPES; shape++)
        for (int i = 0; i < 2 * BN_VARIANTS; i++) {
            char text[96];
            struct opcheck_variant v = bn_variants[i / 2];
            v.seed = 7;
            v.want_src &= sources;
            v.add_src &= sources;
            v.strided &= sources | OPCHECK_STRIDED_DST;
            snprintf(text, sizeof text, "%s %s eps0.001%s", kind, bn_shapes[shape],
                     i % 2 ? " momentum0.3 batch_stats" : "");
            if (!v.train || v.want_src || v.want_param)
                check_bn(text, &v);
        }
}

static void test_bn_act_equals_its_composition(void **state)
{
    (void)state;
    check_bn_kind("bn_act", 1);
}

static void test_bn_sum_act_equals_its_composition(void **state)
{
    (void)state;
    check_bn_kind("bn_sum_act", 3);
}

static void test_bn_act_of_one_value_a_channel_is_refused(void **state)
{
    (void)state;
    static const char *const kinds[] = {"batchnorm", "bn_act", "bn_sum_act"};
    const struct op_entry *const entries[] = {&fused_batchnorm, &fused_bn_act, &fused_bn_sum_act};
    for (int i = 0; i < 3; i++) {
        struct op_plan plan = {.entry = entries[i]};
        char text[64];
        snprintf(text, sizeof text, "%s n1 h1 w1 c8 batch_stats", kinds[i]);
        must(op_parse(text, &plan.desc));
        must(entries[i]->plan(NULL, &plan));
        entries[i]->release(&plan);
        plan.desc.train = true;
        assert_int_equal(entries[i]->plan(NULL, &plan), ERR_USAGE);
        assert_non_null(strstr(fail_text(), "more than one value per channel"));
    }
}

static void test_an_unknown_instruction_set_is_refused(void **state)
{
    (void)state;
    struct op_plan plan = {.entry = &fused_bn_act};
    must(op_parse("bn_act n1 h2 w2 c8", &plan.desc));
    setenv("CBAM_BENCH_ISA", "avx7", 1);
    enum status status = fused_bn_act.plan(NULL, &plan);
    unsetenv("CBAM_BENCH_ISA");
    assert_int_equal(status, ERR_USAGE);
    assert_non_null(strstr(fail_text(), "CBAM_BENCH_ISA=avx7"));
}

/* A mean a thousand times the deviation, over as many pixels as a stage of a batch has. */
static void test_a_mean_far_from_zero_does_not_spoil_the_variance(void **state)
{
    (void)state;
    const struct opcheck_variant v = {.data = OPCHECK_OFFSET, .train = true, .want_src = 1,
                                      .want_param = 3, .seed = 7};
    struct record r = run_bn("openblas", 1, "bn_act n32 h56 w56 c4 batch_stats", &v, NAN_POISON);
    free(r.value);
}

/* ---- convolution ---- */

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
    "n1 h40 w38 c8 oc150",
    "n1 h23 w19 c12 oc40 k3 p1",
};
enum { CONV_SHAPES = sizeof conv_shapes / sizeof conv_shapes[0] };

static const char *const conv_forms[] = {" bn relu", " bn", " relu", ""};
enum { CONV_FORMS = sizeof conv_forms / sizeof conv_forms[0] };

/* The result over the shortcut: the same bits as beside it, and nothing around it written. */
static void check_over_shortcut(struct fixture *f)
{
    struct op_args args = f->rig.args;
    long offset;
    rig_load(&f->rig, &f->due);
    args.dst = args.src[1];
    guarded_poison(&f->rig.scratch, NAN_POISON);
    guarded_snapshot(&f->rig.src[1]);
    must(f->rig.plan.entry->forward(&f->rig.plan, &args));
    assert_false(guarded_touched(&f->rig.src[1], true, &offset));
    for (size_t i = 0; i < f->due.count_dst; i++)
        if (memcmp(guarded_at(&f->rig.src[1], i), guarded_at(&f->rig.dst, i), sizeof(float)) != 0)
            fail_msg("%s: element %zu differs when dst is src[1]", f->rig.plan.how, i);
}

/* Each parameter in turn gets other values and a new version; then other values behind the plan's
 * back, which must not be noticed: nothing is folded or packed anew at each call. */
static void check_versions(struct fixture *f)
{
    struct op_param_info info[OP_MAX_PARAM];
    int count = op_params(&f->rig.desc, info);
    for (int i = 0; i < count; i++) {
        for (size_t k = 0; k < f->due.count_param[i]; k++)
            f->due.param[i][k] = (double)(float)(f->due.param[i][k] * 1.25);
        forward(f, OTHER_POISON);
    }
    float *weight = guarded_at(&f->rig.data[0], 0), kept = *weight;
    struct record before = {NULL, 0}, after = {NULL, 0};
    append(&before, &f->rig.dst);
    *weight += 1000;
    must_hold(f, rig_forward(&f->rig, NAN_POISON));
    append(&after, &f->rig.dst);
    *weight = kept;
    bool same = memcmp(before.value, after.value, after.count * sizeof *after.value) == 0;
    free(before.value);
    free(after.value);
    if (f->rig.desc.conv.with_bn && !same)
        fail_msg("%s, %s: folded without a new version", f->impl->name, f->rig.plan.how);
}

static void check_conv(const char *impl, int threads, const char *text, unsigned strided)
{
    const struct opcheck_variant v = {.data = OPCHECK_FLOAT, .seed = 7, .strided = strided};
    struct fixture f;
    open_case(&f, impl, threads, text, &v);
    forward(&f, NAN_POISON);
    if (op_sources(f.rig.desc.kind) > 1 && !strided)
        check_over_shortcut(&f);
    if (!strided && threads == 1)
        check_versions(&f);
    close_case(&f);
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
        must(op_parse("conv_act n1 h4 w4 c8 oc8 k3 p1 bn relu", &desc));
        desc.train = true;
        if (!impls[i]->ops[OP_CONV_ACT])
            continue;
        must(impls[i]->open(&ctx));
        assert_int_not_equal(plan_make(&plan, impls[i], ctx, &desc), OK);
        impls[i]->close(ctx);
    }
}

int main(int argc, char **argv)
{
    (void)argc;
    threads_startup(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bn_act_equals_its_composition),
        cmocka_unit_test(test_bn_sum_act_equals_its_composition),
        cmocka_unit_test(test_bn_act_of_one_value_a_channel_is_refused),
        cmocka_unit_test(test_an_unknown_instruction_set_is_refused),
        cmocka_unit_test(test_a_mean_far_from_zero_does_not_spoil_the_variance),
        cmocka_unit_test(test_conv_act_on_openblas),
        cmocka_unit_test(test_conv_sum_act_on_openblas),
        cmocka_unit_test(test_conv_act_on_onednn),
        cmocka_unit_test(test_conv_sum_act_on_onednn),
        cmocka_unit_test(test_a_fused_convolution_is_for_inference),
    };
    return cmocka_run_group_tests_name("fused convolution and batch normalisation", tests, NULL,
                                       NULL);
}
