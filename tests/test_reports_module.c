/* Public bug reports about the attention module itself (the number is in the name of the test, the
 * fault above it), each tried on a whole module of every implementation. What can go wrong within
 * one operation is tried in test_op_reports.c as well, what is a network's in
 * test_reports_network.c. */
#include "tests/module.h"
#include "tests/ways.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static void assert_near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%.9g instead of %.9g", value, expected);
}

/* A spatial gate without its sigmoid is unbounded. */
static void test_R01_gates_stay_between_0_and_1(void **state)
{
    static const char *const forms[] = {"cbam", "cbam-article", "cbam-spatial-first",
                                        "cbam-parallel", "cbam-light", "cbam:bn=off"};
    for (int f = 0; f < 6; f++) {
        struct module m;
        float low = 2, high = -1;
        module_open(&m, way_impl(state), forms[f], 2, 9, 7, 32, MODULE_FORWARD);
        module_fill(&m, 1000);
        struct param *weight = &module_param(&m, "conv.weight")->p;
        for (size_t i = 0; i < weight->count; i++)
            weight->data[i] = i % 3 ? 5 : -5;
        weight->version++;
        if (m.spec.bn)
            module_set(&m, "bn.weight", 1);
        const float *out = module_forward(&m), *gate = module_spatial_gate(&m);
        for (size_t i = 0; i < module_count(&m); i++)
            assert_true(isfinite(out[i]));
        for (int i = 0; i < m.n * m.h * m.w; i++) {
            assert_true(gate[i] >= 0 && gate[i] <= 1);
            low = fminf(low, gate[i]);
            high = fmaxf(high, gate[i]);
        }
        assert_true(low < 0.01f || high > 0.99f); /* the logits were large indeed */
        module_close(&m);
    }
}

/* One logit of the channel MLP in double precision, on the vector v. */
static double mlp_logit(const struct module *m, const double *v, int k)
{
    const struct net_param *w1 = module_param(m, "mlp.1.weight");
    const struct net_param *b1 = module_param(m, "mlp.1.bias");
    const struct net_param *w2 = module_param(m, "mlp.3.weight");
    const struct net_param *b2 = module_param(m, "mlp.3.bias");
    int hidden = w1->dim[0];
    double sum = (double)b2->p.data[k];
    for (int h = 0; h < hidden; h++) {
        double z = (double)b1->p.data[h];
        for (int c = 0; c < m->c; c++)
            z += (double)w1->p.data[h * m->c + c] * v[c];
        sum += z > 0 ? z * (double)w2->p.data[k * hidden + h] : 0;
    }
    return sum;
}

static void vary_biases(const struct module *m)
{
    static const char *const names[] = {"mlp.1.bias", "mlp.3.bias"};
    for (int i = 0; i < 2; i++) {
        struct param *p = &module_param(m, names[i])->p;
        for (size_t k = 0; k < p->count; k++)
            p->data[k] = 0.1f * (float)(k % 7) - 0.2f;
        p->version++;
    }
}

/* Two MLPs instead of a shared one: on a constant map mean and maximum are equal, and the logits
 * must be exactly twice those of the one MLP. */
static void test_R02_one_mlp_used_twice(void **state)
{
    struct module m;
    double v[64];
    module_open(&m, way_impl(state), "cbam-channel", 1, 3, 5, 64, MODULE_FORWARD);
    assert_int_equal(m.net->params->count, 4);
    assert_true(module_site(&m)->params == 2 * 64 * 4 + 4 + 64);
    vary_biases(&m);
    for (int i = 0; i < 15; i++)
        for (int c = 0; c < 64; c++)
            module_input(&m)[i * 64 + c] = (float)(c % 9) * 0.25f - 0.75f;
    for (int c = 0; c < 64; c++)
        v[c] = (double)module_input(&m)[c];
    module_forward(&m);
    for (int c = 0; c < 64; c++)
        assert_near((double)module_channel_gate(&m)[c], sigmoid(2 * mlp_logit(&m, v, c)), 1e-6);
    module_close(&m);
}

/* A gate without its MLP: zero hidden units must make the gate exactly 0.5, whatever the input, and
 * others must not. */
static void test_R03_the_mlp_decides_the_channel_gate(void **state)
{
    struct module m;
    module_open(&m, way_impl(state), "cbam", 2, 4, 4, 48, MODULE_FORWARD);
    module_fill(&m, 3);
    module_forward(&m);
    int moved = 0;
    for (int c = 0; c < 2 * 48; c++)
        moved += fabsf(module_channel_gate(&m)[c] - 0.5f) > 1e-3f;
    assert_true(moved > 48);
    module_set(&m, "mlp.1.weight", 0);
    module_set(&m, "mlp.1.bias", 0);
    module_forward(&m);
    for (int c = 0; c < 2 * 48; c++)
        assert_true(module_channel_gate(&m)[c] == 0.5f);
    module_close(&m);
}

/* A channel maximum that is not global: one spike moved over all positions of a 5x9 map (all sums
 * are whole numbers, hence exact) must leave the gate as it is. */
static void test_R06_channel_pools_are_global(void **state)
{
    static const char *const forms[] = {"cbam-channel:cpool=max", "cbam-channel", "cbam-article"};
    for (int f = 0; f < 3; f++) {
        struct module m;
        float first[32];
        module_open(&m, way_impl(state), forms[f], 1, 5, 9, 32, MODULE_FORWARD);
        for (int spike = 0; spike < 45; spike++) {
            for (size_t i = 0; i < module_count(&m); i++)
                module_input(&m)[i] = -(float)(i % 32 % 3);
            module_input(&m)[spike * 32 + 11] = 9;
            module_forward(&m);
            if (spike == 0)
                memcpy(first, module_channel_gate(&m), sizeof first);
            assert_memory_equal(module_channel_gate(&m), first, sizeof first);
        }
        module_close(&m);
    }
}

/* Statistics over the whole batch: another image 1 must leave the gates and the results of all
 * other images as they are. */
static void test_R07_images_of_a_batch_do_not_meet(void **state)
{
    static const char *const forms[] = {"cbam", "cbam-article", "se", "cbam-light"};
    for (int f = 0; f < 8; f++) {
        struct module m;
        float before[7 * 6 * 5 * 32];
        module_open(&m, way_impl(state), forms[f / 2], 7, 6, 5, 32,
                    f % 2 ? MODULE_FORWARD_FUSED : MODULE_FORWARD);
        assert_int_equal(module_count(&m) * sizeof(float), sizeof before);
        size_t image = module_count(&m) / 7, changed = 0;
        if (m.spec.bn)
            module_set(&m, "bn.weight", 1);
        module_fill(&m, 2);
        memcpy(before, module_forward(&m), sizeof before);
        for (size_t i = image; i < 2 * image; i++)
            module_input(&m)[i] = 30 - 7 * module_input(&m)[i];
        const float *after = module_forward(&m);
        for (size_t i = 0; i < 7 * image; i++)
            if (i / image == 1)
                changed += after[i] != before[i];
            else
                assert_true(after[i] == before[i]);
        assert_true(changed > image / 2);
        module_close(&m);
    }
}

/* A sigmoid applied twice keeps the gate within 0.5 and 0.731. */
static void test_R08_gates_reach_both_ends(void **state)
{
    struct module m;
    for (int sign = -1; sign <= 1; sign += 2) {
        double end = sign < 0 ? 0 : 1;
        module_open(&m, way_impl(state), "cbam", 1, 3, 3, 16, MODULE_FORWARD);
        module_fill(&m, 1);
        module_set_all(&m, 0);
        module_set(&m, "mlp.3.bias", 15.0f * (float)sign); /* two passes: logit 30 */
        module_set(&m, "bn.bias", 30.0f * (float)sign);
        module_forward(&m);
        for (int c = 0; c < 16; c++)
            assert_near((double)module_channel_gate(&m)[c], end, 1e-9);
        for (int i = 0; i < 9; i++)
            assert_near((double)module_spatial_gate(&m)[i], end, 1e-9);
        module_close(&m);
        module_open(&m, way_impl(state), "cbam-article", 1, 3, 3, 16, MODULE_FORWARD);
        module_fill(&m, 1);
        module_set_all(&m, 0);
        module_set(&m, "fc.2.bias", 30.0f * (float)sign);
        module_set(&m, "conv.bias", 30.0f * (float)sign);
        module_forward(&m);
        for (int c = 0; c < 16; c++)
            assert_near((double)module_channel_gate(&m)[c], 2 * end, 1e-9);
        for (int i = 0; i < 9; i++)
            assert_near((double)module_spatial_gate(&m)[i], end, 1e-9);
        module_close(&m);
    }
}

/* "x = init + x ?": with all its weights zero each form has one exact factor, and its name tells
 * which form it is. */
static void test_R09_every_form_has_its_own_factor(void **state)
{
    static const struct {
        const char *form;
        float factor;
    } forms[] = {{"cbam", 0.25f},         {"cbam-article", 0.5f}, {"cbam:inner", 1.25f},
                 {"cbam-article:inner", 1.5f}, {"se", 0.5f},      {"cbam-channel", 0.5f},
                 {"cbam-spatial", 0.5f},  {"cbam-parallel", 0.25f}, {"cbam-light", 0.25f},
                 {"cbam:scale=2", 1},     {"cbam:alpha", 1},      {"cbam-spatial-first", 0.25f}};
    for (int k = 0; k < 24; k++) {
        struct module m;
        int f = k / 2;
        module_open(&m, way_impl(state), forms[f].form, 2, 4, 3, 16,
                    k % 2 ? MODULE_FORWARD_FUSED : MODULE_FORWARD);
        module_set_all(&m, 0);
        module_fill(&m, 1);
        const float *out = module_forward(&m);
        for (size_t i = 0; i < module_count(&m); i++)
            if (out[i] != forms[f].factor * module_input(&m)[i])
                fail_msg("%s: %.9g from %.9g", forms[f].form, (double)out[i],
                         (double)module_input(&m)[i]);
        assert_string_equal(m.spec.text, forms[f].form);
        module_close(&m);
    }
}

/* Gradient of the output: different for each element. */
static void fill_gradient(float *gradient, size_t count)
{
    for (size_t i = 0; i < count; i++)
        gradient[i] = 0.1f * (float)(i * 7 % 11) - 0.3f;
}

/* Derivative of MLP logit k with respect to v[c], in double precision. */
static double mlp_slope(const struct module *m, const double *v, int k, int c)
{
    const struct net_param *w1 = module_param(m, "mlp.1.weight");
    const struct net_param *b1 = module_param(m, "mlp.1.bias");
    const struct net_param *w2 = module_param(m, "mlp.3.weight");
    int hidden = w1->dim[0];
    double sum = 0;
    for (int h = 0; h < hidden; h++) {
        double z = (double)b1->p.data[h];
        for (int i = 0; i < m->c; i++)
            z += (double)w1->p.data[h * m->c + i] * v[i];
        if (z > 0)
            sum += (double)w1->p.data[h * m->c + c] * (double)w2->p.data[k * hidden + h];
    }
    return sum;
}

/* Different rules for the gradient of a maximum at ties: on a map that is constant in each channel
 * the first pixel gets the whole gradient of the maximum, the others get none. */
static void check_channel_ties(const struct impl *impl, enum module_pass pass)
{
    enum { C = 16, PIXELS = 12 };
    struct module m;
    float gradient[PIXELS * C];
    double v[C], g[C], slope[C] = {0};
    module_open(&m, impl, "cbam-channel:cpool=max:r=2", 1, 3, 4, C, pass);
    vary_biases(&m);
    fill_gradient(gradient, PIXELS * C);
    for (int c = 0; c < C; c++) {
        v[c] = 0.25 * (c % 5) - 0.25;
        for (int p = 0; p < PIXELS; p++)
            module_input(&m)[p * C + c] = (float)v[c];
    }
    for (int k = 0; k < C; k++) {
        double due = 0;
        g[k] = sigmoid(mlp_logit(&m, v, k));
        for (int p = 0; p < PIXELS; p++)
            due += (double)gradient[p * C + k] * v[k];
        for (int c = 0; c < C; c++)
            slope[c] += due * g[k] * (1 - g[k]) * mlp_slope(&m, v, k, c);
    }
    const float *dx = module_backward(&m, gradient);
    double mass = 0;
    for (int i = 0; i < PIXELS * C; i++) {
        double direct = (double)gradient[i] * g[i % C];
        assert_near((double)dx[i] - direct, i < C ? slope[i] : 0, 1e-6);
        mass += fabs(i < C ? slope[i] : 0);
    }
    assert_true(mass > 0.01);
    module_close(&m);
}

static void test_R15_channel_maximum_has_one_gradient(void **state)
{
    check_channel_ties(way_impl(state), MODULE_BACKWARD);
    check_channel_ties(way_impl(state), MODULE_BACKWARD_FUSED);
}

/* The same over channels: on a map that is equal in all channels, channel 0 gets all of it. */
static void check_spatial_ties(const struct impl *impl, enum module_pass pass)
{
    enum { H = 4, W = 5, C = 16, PIXELS = H * W };
    struct module m;
    float gradient[PIXELS * C];
    double level[PIXELS], due[PIXELS], mass = 0;
    module_open(&m, impl, "cbam-spatial:bn=off:k=3", 1, H, W, C, pass);
    const struct net_param *conv = module_param(&m, "conv.weight");
    const float *weight = conv->p.data; /* plane 0 is the maximum; the mean gets no weight */
    memset(conv->p.data + 9, 0, 9 * sizeof(float));
    fill_gradient(gradient, PIXELS * C);
    for (int p = 0; p < PIXELS; p++) {
        level[p] = p % 3 ? 0.5 * (p % 4) : 0; /* zeros as after a ReLU among them */
        for (int c = 0; c < C; c++)
            module_input(&m)[p * C + c] = (float)level[p];
    }
    double s[PIXELS];
    for (int p = 0; p < PIXELS; p++) {
        double logit = 0, sum = 0;
        for (int t = 0; t < 9; t++) {
            int y = p / W + t / 3 - 1, x = p % W + t % 3 - 1;
            if (y >= 0 && y < H && x >= 0 && x < W)
                logit += (double)weight[t] * level[y * W + x];
        }
        s[p] = sigmoid(logit);
        for (int c = 0; c < C; c++)
            sum += (double)gradient[p * C + c] * level[p];
        due[p] = sum * s[p] * (1 - s[p]);
    }
    const float *dx = module_backward(&m, gradient);
    for (int p = 0; p < PIXELS; p++) {
        double through = 0;
        for (int t = 0; t < 9; t++) { /* pixels whose window holds p at place t */
            int y = p / W - (t / 3 - 1), x = p % W - (t % 3 - 1);
            if (y >= 0 && y < H && x >= 0 && x < W)
                through += (double)weight[t] * due[y * W + x];
        }
        for (int c = 0; c < C; c++)
            assert_near((double)dx[p * C + c] - (double)gradient[p * C + c] * s[p],
                        c == 0 ? through : 0, 1e-5);
        mass += fabs(through);
    }
    assert_true(mass > 0.1);
    module_close(&m);
}

static void test_R15_spatial_maximum_has_one_gradient(void **state)
{
    check_spatial_ties(way_impl(state), MODULE_BACKWARD);
    check_spatial_ties(way_impl(state), MODULE_BACKWARD_FUSED);
}

int main(int argc, char **argv)
{
    (void)argc;
    const struct way_test on_impls[] = {
        ON_IMPLS(test_R01_gates_stay_between_0_and_1),
        ON_IMPLS(test_R02_one_mlp_used_twice),
        ON_IMPLS(test_R03_the_mlp_decides_the_channel_gate),
        ON_IMPLS(test_R06_channel_pools_are_global),
        ON_IMPLS(test_R07_images_of_a_batch_do_not_meet),
        ON_IMPLS(test_R08_gates_reach_both_ends),
        ON_IMPLS(test_R09_every_form_has_its_own_factor),
        ON_IMPLS(test_R15_channel_maximum_has_one_gradient),
        ON_IMPLS(test_R15_spatial_maximum_has_one_gradient),
    };
    return ways_run(argv, "reports: modules", on_impls, sizeof on_impls / sizeof on_impls[0]);
}
