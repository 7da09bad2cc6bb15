/* The oracle itself: its gradients against central finite differences of its own forward pass, in
 * double, for every case of tests/cases/ops.txt; its values against results worked out by hand.
 * Knows no implementation. */
#include "bench/measure/case_list.h"
#include "tests/oracle.h"

#include "impls/base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* -- finite differences -- */

/* Distinct values about `spacing` apart in random order, none nearer to zero than half of it: a
 * step far below the spacing meets no kink of relu or of a maximum. */
static void fill_spaced(double *value, size_t count, uint64_t stream)
{
    struct random_stream s = {.seed = 5, .stream = stream};
    int *order = calloc(count, sizeof *order);
    assert_non_null(order);
    random_permutation(s, (int)count, order);
    double spacing = count > 16 ? 8.0 / (double)count : 0.5;
    for (size_t i = 0; i < count; i++)
        value[i] = (order[i] - (double)(count / 2) + 0.5) * spacing;
    free(order);
}

static void fill_normal(double *value, size_t count, uint64_t stream)
{
    struct random_stream s = {.seed = 6, .stream = stream};
    for (size_t i = 0; i < count; i++)
        value[i] = random_normal(s, i);
}

static void fill_operands(struct oracle *o)
{
    for (int i = 0; i < op_sources(o->desc.kind); i++)
        fill_spaced(o->src[i], o->count_src[i], (uint64_t)i);
    for (int i = 0; i < o->params; i++)
        fill_normal(o->param[i], o->count_param[i], (uint64_t)i);
    if (o->desc.kind == OP_BATCHNORM)
        for (size_t i = 0; i < o->count_param[3]; i++)
            o->param[3][i] = 0.5 + fabs(o->param[3][i]);
    fill_normal(o->diff_dst, o->count_dst, 9);
    for (size_t i = 0; i < o->count_dst; i++)
        o->kept[i] = i % 3 != 1;
    for (int n = 0; n < o->desc.src[0].n; n++)
        o->labels[n] = n % o->desc.src[0].c;
}

/* The scalar whose gradient backward gives: sum of dst * diff_dst. `size` as in oracle_num. */
static double objective(struct oracle *o, double *size)
{
    double sum = 0;
    *size = 0;
    oracle_forward(o);
    for (size_t i = 0; i < o->count_dst; i++) {
        sum += o->dst[i].value * o->diff_dst[i];
        *size += o->dst[i].size * fabs(o->diff_dst[i]);
    }
    return sum;
}

/* Tries up to 24 elements of an operand: central difference against the analytic gradient. The
 * tolerance is the rounding error of the objective over the step, and the third-order term. */
static void check_gradient(struct oracle *o, double *operand, const struct oracle_num *gradient,
                           size_t count, const char *what)
{
    const double step = 1e-4;
    size_t stride = count / 24 + 1;
    for (size_t i = 0; i < count; i += stride) {
        double old = operand[i], size;
        operand[i] = old + step;
        double high = objective(o, &size);
        operand[i] = old - step;
        double low = objective(o, &size);
        operand[i] = old;
        double slope = (high - low) / (2 * step);
        double tolerance = 1e-15 * size / step + 1e-6 * (gradient[i].size + 0.1);
        if (!(fabs(slope - gradient[i].value) <= tolerance)) {
            char text[200];
            op_print(&o->desc, text, sizeof text);
            fail_msg("%s: %s[%zu]: slope %.9g, gradient %.9g, tolerance %.2g", text, what, i,
                     slope, gradient[i].value, tolerance);
        }
    }
}

static void check_case(const struct op_desc *desc)
{
    struct oracle o;
    struct op_param_info info[OP_MAX_PARAM];
    struct op_desc d = *desc;
    d.train = true;
    assert_int_equal(oracle_make(&o, &d), OK);
    fill_operands(&o);
    oracle_forward(&o);
    oracle_backward(&o);
    check_gradient(&o, o.src[0], o.diff_src[0], o.count_src[0], "src[0]");
    if (op_sources(d.kind) > 1)
        check_gradient(&o, o.src[1], o.diff_src[1], o.count_src[1], "src[1]");
    op_params(&d, info);
    for (int i = 0; i < o.params; i++)
        if (!info[i].buffer)
            check_gradient(&o, o.param[i], o.diff_param[i], o.count_param[i], info[i].name);
    oracle_free(&o);
}

static void test_gradients_equal_finite_differences(void **state)
{
    struct case_list cases = {0};
    int seen[OP_PRIMITIVES] = {0};
    (void)state;
    if (case_list_add(&cases, "tests/cases/ops.txt") != OK)
        fail_msg("%s", fail_text());
    for (int i = 0; i < cases.count; i++) {
        if (op_macs(&cases.list[i]) > 5e5)
            continue; /* the larger maps add time here, but no new formula */
        check_case(&cases.list[i]);
        seen[cases.list[i].kind] = 1;
    }
    for (int k = 0; k < OP_PRIMITIVES; k++)
        if (!seen[k])
            fail_msg("no case of %s", op_name((enum op_kind)k));
    case_list_free(&cases);
}

/* A gradient that is wrong by a small part must not pass as right. */
static void test_finite_differences_see_a_wrong_gradient(void **state)
{
    struct oracle o;
    struct op_desc d;
    (void)state;
    assert_int_equal(op_parse("batchnorm n2 h3 w2 c3 batch_stats", &d), OK);
    d.train = true;
    assert_int_equal(oracle_make(&o, &d), OK);
    fill_operands(&o);
    oracle_backward(&o);
    double size, step = 1e-4, old = o.src[0][4], right = o.diff_src[0][4].value;
    o.src[0][4] = old + step;
    double high = objective(&o, &size);
    o.src[0][4] = old - step;
    double slope = (high - objective(&o, &size)) / (2 * step);
    double tolerance = 1e-15 * size / step + 1e-6 * (o.diff_src[0][4].size + 0.1);
    assert_true(fabs(slope - right) <= tolerance);
    assert_false(fabs(slope - right * 1.0003 - 1e-4) <= tolerance);
    oracle_free(&o);
}

/* -- values worked out by hand -- */

/* One example: operands and results in the order of memory, "-" where there are none. */
struct example {
    const char *text;
    bool train;
    const char *src[2], *param[4], *diff_dst; /* blank-separated numbers; NULL: none */
    int32_t label;
    const char *dst, *diff_src[2], *diff_param[2], *next[4];
};

static const struct example examples[] = {
    /* A 3x3 map 1..9, kernel [1 2; 3 4]: top left 1*1+2*2+4*3+5*4 = 37. */
    {.text = "conv2d h3 w3 oc1 k2 bias", .src = {"1 2 3 4 5 6 7 8 9"},
     .param = {"1 2 3 4", "10"}, .diff_dst = "1 0 0 2", .dst = "47 57 77 87",
     .diff_src = {"1 2 0 3 6 4 0 6 8"}, .diff_param = {"11 14 20 23", "3"}},
    /* Cross-correlation, not convolution, and padding of zeros: kernel [1 2 3] on [5 7]. */
    {.text = "conv2d w2 oc1 kw3 pw1", .src = {"5 7"}, .param = {"1 2 3"}, .diff_dst = "1 1",
     .dst = "31 19", .diff_src = {"3 5"}, .diff_param = {"5 12 7"}},
    /* Dilation 2 and stride 2 on 1..5: 1*1 + 10*3 and 1*3 + 10*5. */
    {.text = "conv2d w5 oc1 kw2 dw2 sw2", .src = {"1 2 3 4 5"}, .param = {"1 10"},
     .diff_dst = "1 1", .dst = "31 53", .diff_src = {"1 0 11 0 10"}, .diff_param = {"4 8"}},
    /* Two groups: outputs 0,1 see channel 0 alone, outputs 2,3 channel 1 alone. */
    {.text = "conv2d c2 oc4 g2", .src = {"5 7"}, .param = {"1 2 3 4"}, .diff_dst = "1 1 1 1",
     .dst = "5 10 21 28", .diff_src = {"3 7"}, .diff_param = {"5 5 7 7"}},
    /* Features run over the channel first, then rows: NHWC [1 2 | 3 4] flattens to 1 3 2 4. */
    {.text = "linear w2 c2 oc1 bias", .src = {"1 2 3 4"}, .param = {"1 10 100 1000", "7"},
     .diff_dst = "2", .dst = "4238", .diff_src = {"2 200 20 2000"},
     .diff_param = {"2 6 4 8", "2"}},
    /* 1 1 3 3: mean 2, variance 1 biased and 4/3 unbiased; eps 3 makes the root 2. */
    {.text = "batchnorm w4 batch_stats eps3 momentum0.5", .train = true, .src = {"1 1 3 3"},
     .param = {"4", "1", "10", "2"}, .diff_dst = "1 0 0 0", .dst = "-1 -1 3 3",
     .diff_src = {"1.375 -0.625 -0.375 -0.375"}, .diff_param = {"-0.5", "1"},
     .next = {"4", "1", "6", "1.66666666666666667"}},
    /* Running statistics as constants: (x - 10)/2 * 4 + 1. */
    {.text = "batchnorm w2 eps3", .src = {"8 11"}, .param = {"4", "1", "10", "1"},
     .diff_dst = "1 1", .dst = "-3 3", .diff_src = {"2 2"}, .diff_param = {"-0.5", "2"},
     .next = {"4", "1", "10", "1"}},
    {.text = "relu w3", .src = {"-1 0 2"}, .diff_dst = "5 6 7", .dst = "0 0 2",
     .diff_src = {"0 0 7"}},
    {.text = "sigmoid w2", .src = {"0 1.0986122886681098"}, .diff_dst = "8 16",
     .dst = "0.5 0.75", .diff_src = {"2 3"}},
    {.text = "scale w2 factor2 learned", .src = {"3 5"}, .param = {"7"}, .diff_dst = "1 10",
     .dst = "42 70", .diff_src = {"14 140"}, .diff_param = {"106"}},
    {.text = "add w2 a2 b-1", .src = {"3 5", "4 6"}, .diff_dst = "1 10", .dst = "2 4",
     .diff_src = {"2 20", "-1 -10"}},
    {.text = "mul_channel w2 c2", .src = {"1 2 3 4", "10 100"}, .diff_dst = "1 1 1 1",
     .dst = "10 200 30 400", .diff_src = {"10 100 10 100", "4 6"}},
    {.text = "mul_spatial w2 c2", .src = {"1 2 3 4", "10 100"}, .diff_dst = "1 1 1 1",
     .dst = "10 20 300 400", .diff_src = {"10 10 100 100", "3 7"}},
    /* Padding never wins over negative values; of two equal ones the first takes the gradient. */
    {.text = "maxpool w4 kw2 sw2 pw1", .src = {"-3 -1 -1 -2"}, .diff_dst = "1 2 4",
     .dst = "-3 -1 -2", .diff_src = {"1 2 0 4"}},
    /* Padding counts in the divisor: (0+3)/2, (1+1)/2, (2+0)/2. */
    {.text = "avgpool w4 kw2 sw2 pw1", .src = {"3 1 1 2"}, .diff_dst = "2 4 8",
     .dst = "1.5 1 1", .diff_src = {"1 2 2 4"}},
    /* Bins of 3 in 2: columns 0-1 and 1-2, which overlap. */
    {.text = "adaptive_avgpool w3 ow2", .src = {"1 2 6"}, .diff_dst = "2 4", .dst = "1.5 4",
     .diff_src = {"1 3 2"}},
    {.text = "pool_hw h2 w2 mean", .src = {"1 2 3 6"}, .diff_dst = "8", .dst = "3",
     .diff_src = {"2 2 2 2"}},
    {.text = "pool_hw h2 w2 max", .src = {"1 6 3 6"}, .diff_dst = "8", .dst = "6",
     .diff_src = {"0 8 0 0"}},
    {.text = "pool_c c4", .src = {"5 1 5 1"}, .diff_dst = "10 4", .dst = "5 3",
     .diff_src = {"11 1 1 1"}},
    {.text = "pool_c c4 mean-max", .src = {"5 1 5 1"}, .diff_dst = "4 10", .dst = "3 5",
     .diff_src = {"11 1 1 1"}},
    {.text = "pool_c c2 max", .src = {"1 3"}, .diff_dst = "7", .dst = "3", .diff_src = {"0 7"}},
    {.text = "pool_c c2 mean", .src = {"1 3"}, .diff_dst = "8", .dst = "2", .diff_src = {"4 4"}},
    {.text = "pool_c c2 half", .src = {"1 3"}, .diff_dst = "8", .dst = "2.5",
     .diff_src = {"2 6"}},
    {.text = "concat w2 c1 c2_2", .src = {"1 2", "10 20 30 40"}, .diff_dst = "1 2 3 4 5 6",
     .dst = "1 10 20 2 30 40", .diff_src = {"1 4", "2 3 5 6"}},
    {.text = "subsample w3 s2 before1 after2", .src = {"5 6 7"}, .diff_dst = "1 2 3 4 5 6 7 8",
     .dst = "0 5 0 0 0 7 0 0", .diff_src = {"2 0 6"}},
    /* The mask of the examples keeps elements 0, 2, 3, ... (i % 3 != 1). */
    {.text = "dropout w4 rate0.75", .train = true, .src = {"1 2 3 4"}, .diff_dst = "1 1 1 1",
     .dst = "4 0 12 16", .diff_src = {"4 0 4 4"}},
    {.text = "dropout w2 rate0.75", .src = {"1 2"}, .diff_dst = "1 1", .dst = "1 2",
     .diff_src = {"1 1"}},
    /* Probabilities 1/4 and 3/4. */
    {.text = "softmax_xent c2", .src = {"0 1.0986122886681098"}, .diff_dst = "4", .label = 0,
     .dst = "1.3862943611198906", .diff_src = {"-3 3"}},
    /* Smoothing 1/2: targets 3/4 and 1/4 of two equal logits; the loss is ln 2 whatever they are,
     * the gradient is not. */
    {.text = "softmax_xent c2 smoothing0.5", .src = {"3 3"}, .diff_dst = "4", .label = 0,
     .dst = "0.69314718055994531", .diff_src = {"-1 1"}},
    /* Logits far from zero: no overflow. */
    {.text = "softmax_xent c2", .src = {"1000 0"}, .diff_dst = "1", .label = 1, .dst = "1000",
     .diff_src = {"1 -1"}},
};

static void read_numbers(const char *text, double *value, size_t count)
{
    char *end = NULL;
    for (size_t i = 0; i < count && text; i++) {
        value[i] = strtod(i ? end : text, &end);
        if (i + 1 == count)
            assert_int_equal(*end, '\0');
    }
}

static void expect_numbers(const struct example *e, const char *what, const char *text,
                           const struct oracle_num *got, size_t count)
{
    double want[64];
    assert_true(count <= 64);
    if (!text)
        return;
    read_numbers(text, want, count);
    for (size_t i = 0; i < count; i++) {
        if (!(fabs(got[i].value - want[i]) <= 1e-12 * (1 + fabs(want[i]))))
            fail_msg("%s: %s[%zu] is %.15g, by hand %.15g", e->text, what, i, got[i].value,
                     want[i]);
        if (!(got[i].size >= fabs(got[i].value) * (1 - 1e-12)))
            fail_msg("%s: %s[%zu]: size %g below its value", e->text, what, i, got[i].size);
    }
}

static void check_example(const struct example *e)
{
    struct oracle o;
    struct op_desc d;
    if (op_parse(e->text, &d) != OK)
        fail_msg("%s", fail_text());
    d.train = e->train;
    assert_int_equal(oracle_make(&o, &d), OK);
    for (int i = 0; i < OP_MAX_SRC; i++)
        read_numbers(e->src[i], o.src[i], o.count_src[i]);
    for (int i = 0; i < o.params; i++)
        read_numbers(e->param[i], o.param[i], o.count_param[i]);
    read_numbers(e->diff_dst, o.diff_dst, o.count_dst);
    o.labels[0] = e->label;
    for (size_t i = 0; i < o.count_dst; i++)
        o.kept[i] = i % 3 != 1;
    oracle_forward(&o);
    oracle_backward(&o);
    expect_numbers(e, "dst", e->dst, o.dst, o.count_dst);
    for (int i = 0; i < op_sources(d.kind); i++)
        expect_numbers(e, "diff_src", e->diff_src[i], o.diff_src[i], o.count_src[i]);
    for (int i = 0; i < 2 && i < o.params; i++)
        expect_numbers(e, "diff_param", e->diff_param[i], o.diff_param[i], o.count_param[i]);
    for (int i = 0; i < o.params; i++)
        expect_numbers(e, "next", e->next[i], o.next[i], o.count_param[i]);
    oracle_free(&o);
}

static void test_values_equal_those_worked_out_by_hand(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++)
        check_example(&examples[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_equal_those_worked_out_by_hand),
        cmocka_unit_test(test_gradients_equal_finite_differences),
        cmocka_unit_test(test_finite_differences_see_a_wrong_gradient),
    };
    return cmocka_run_group_tests_name("oracle", tests, NULL, NULL);
}
