/* Public bug reports about the attention module itself (the number is in the name of the test, the
 * fault above it), each tried on a whole module or network of every implementation. What can go
 * wrong within one operation is tried in test_op_reports.c as well. */
#include "impls/base/threads.h"
#include "tests/module.h"
#include "tests/network.h"

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

/* ---- on every implementation ---- */

/* A spatial gate without its sigmoid is unbounded. */
static void test_R01_gates_stay_between_0_and_1(void **state)
{
    static const char *const forms[] = {"cbam", "cbam-article", "cbam-spatial-first",
                                        "cbam-parallel", "cbam-light", "cbam:bn=off"};
    for (int f = 0; f < 6; f++) {
        struct module m;
        float low = 2, high = -1;
        module_open(&m, *state, forms[f], 2, 9, 7, 32, MODULE_FORWARD);
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
    const struct net_param *w1 = module_param(m, "mlp.1.weight"), *b1 = module_param(m, "mlp.1.bias");
    const struct net_param *w2 = module_param(m, "mlp.3.weight"), *b2 = module_param(m, "mlp.3.bias");
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
    module_open(&m, *state, "cbam-channel", 1, 3, 5, 64, MODULE_FORWARD);
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
    module_open(&m, *state, "cbam", 2, 4, 4, 48, MODULE_FORWARD);
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
        module_open(&m, *state, forms[f], 1, 5, 9, 32, MODULE_FORWARD);
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
        module_open(&m, *state, forms[f / 2], 7, 6, 5, 32,
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
        module_open(&m, *state, "cbam", 1, 3, 3, 16, MODULE_FORWARD);
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
        module_open(&m, *state, "cbam-article", 1, 3, 3, 16, MODULE_FORWARD);
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
        module_open(&m, *state, forms[f].form, 2, 4, 3, 16,
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

/* Attention outside the residual branch: with all gates at zero each block must give exactly
 * relu(shortcut). */
static void test_R10_attention_is_on_the_branch(void **state)
{
    static const char *const models[] = {"resnet20:width=0.5", "resnet18:stem=small:width=0.1",
                                         "resnet50:stem=small:width=0.1"};
    static const char *const forms[] = {"cbam", "se"};
    for (int k = 0; k < 6; k++) {
        struct network n;
        int outputs[64], blocks = 0;
        network_open(&n, *state, models[k / 2], forms[k % 2], 3, 16, 16);
        assert_int_equal(network_set(&n, k % 2 ? "*.se.fc.2.bias" : "*.mlp.3.bias", -200),
                         n.net->site_count);
        for (int id = 0; id < n.lowered->count; id++) {
            const struct net_node *node = &n.lowered->nodes[id];
            if (node->desc.kind != OP_ADD || node->site >= 0 || node->type != NODE_OP)
                continue;
            outputs[blocks++] = id + 1; /* its relu */
            outputs[blocks++] = node->src[1];
            assert_int_equal(n.lowered->nodes[id + 1].desc.kind, OP_RELU);
        }
        assert_int_equal(blocks / 2, n.net->site_count);
        struct program *program = network_infer(&n, n.lowered, 2, outputs, blocks);
        network_fill(program, 1);
        network_run(program, 0);
        for (int b = 0; b < blocks; b += 2) {
            struct tensor result = program_output(program, b);
            const float *y = result.data, *shortcut = program_output(program, b + 1).data;
            for (size_t i = 0; i < tensor_count(&result); i++)
                assert_true(y[i] == (shortcut[i] > 0 ? shortcut[i] : 0));
        }
        program_free(program);
        network_close(&n);
    }
}

/* A fixed average pool at the head accepts one input size alone. */
static void test_R14_any_input_size(void **state)
{
    static const int sizes[][2] = {{32, 32}, {33, 33}, {64, 64},  {97, 97}, {224, 224},
                                   {244, 244}, {1, 1}, {33, 97}, {5, 1}};
    for (int s = 0; s < 9; s++) {
        struct network n;
        network_open(&n, *state, "resnet18:width=0.05", "cbam", 7, sizes[s][0], sizes[s][1]);
        struct program *program = network_infer(&n, n.inference, 1, NULL, 0);
        network_fill(program, 1);
        const float *logits = network_run(program, 0);
        assert_int_equal(program_output(program, 0).c, 7);
        for (int i = 0; i < 7; i++)
            assert_true(isfinite(logits[i]));
        program_free(program);
        network_close(&n);
    }
}

static void test_R14_no_input_is_an_error(void **state)
{
    struct model_spec spec;
    struct net *net;
    (void)state;
    assert_int_equal(model_parse("resnet18", "cbam", &spec), OK);
    spec.input_h = 0;
    assert_int_equal(model_build(&spec, &net), ERR_USAGE);
    assert_non_null(strstr(fail_text(), "0x224"));
    assert_null(net);
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
    const struct net_param *w1 = module_param(m, "mlp.1.weight"), *b1 = module_param(m, "mlp.1.bias");
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
    check_channel_ties(*state, MODULE_BACKWARD);
    check_channel_ties(*state, MODULE_BACKWARD_FUSED);
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
    check_spatial_ties(*state, MODULE_BACKWARD);
    check_spatial_ties(*state, MODULE_BACKWARD_FUSED);
}

/* A pool that pads with zeros lifts a negative border: a stem whose convolution gives negative
 * numbers alone must give negative maxima, the same on all implementations. */
static void test_R16_stem_pool_padding_never_wins(void **state)
{
    const struct impl *impl = *state;
    struct impl_ctx *ctx;
    struct op_desc pool = {.kind = OP_MAXPOOL, .pool = {3, 3, 2, 2, 1, 1}};
    struct net *net = net_new();
    struct program *program;
    assert_int_equal(impl->open(&ctx), OK);
    int conv = net_conv(net, "conv1", net_input(net, 9, 14, 3), 5, 7, 2, 3);
    net->output = net_op(net, "maxpool", &pool, conv, NO_NODE);
    assert_int_equal(net->error, OK);
    struct param *weight = &params_find(net->params, "conv1.weight")->p;
    for (size_t i = 0; i < weight->count; i++)
        weight->data[i] = -0.01f * (float)(i % 5 + 1);
    const int outputs[] = {net->output, conv};
    struct program_request request = {.impl = impl, .ctx = ctx, .net = net, .batch = 2,
                                      .outputs = outputs, .output_count = 2};
    assert_int_equal(program_compile(&program, &request), OK);
    struct tensor input = program_input(program, 0);
    for (size_t i = 0; i < tensor_count(&input); i++)
        ((float *)input.data)[i] = 1 + 0.125f * (float)(i % 13);
    const float *y = network_run(program, 0), *x = program_output(program, 1).data;
    struct tensor in = program_output(program, 1), out = program_output(program, 0);
    for (int i = 0; i < (int)tensor_count(&out); i++) {
        int c = i % 5, ox = i / 5 % out.w, oy = i / 5 / out.w % out.h, b = i / 5 / out.w / out.h;
        float most = -INFINITY;
        for (int t = 0; t < 9; t++) {
            int py = 2 * oy + t / 3 - 1, px = 2 * ox + t % 3 - 1;
            if (py >= 0 && py < in.h && px >= 0 && px < in.w)
                most = fmaxf(most, x[((b * in.h + py) * in.w + px) * 5 + c]);
        }
        assert_true(y[i] < 0 && y[i] == most);
    }
    program_free(program);
    net_free(net);
    impl->close(ctx);
}

/* ---- descriptions, without an implementation ---- */

static struct net *describe(struct model_spec *spec, const char *model, const char *attention)
{
    struct net *net;
    assert_int_equal(model_parse(model, attention, spec), OK);
    assert_int_equal(model_build(spec, &net), OK);
    return net;
}

/* A module without any MLP in a published comparison: every site owns the four tensors. */
static void test_R03_every_site_has_its_mlp(void **state)
{
    static const char *const ends[] = {"mlp.1.weight", "mlp.1.bias", "mlp.3.weight", "mlp.3.bias"};
    struct model_spec spec;
    struct net *net = describe(&spec, "resnet50", "cbam");
    (void)state;
    assert_int_equal(net->site_count, 16);
    for (int i = 0; i < net->site_count; i++)
        for (int k = 0; k < 4; k++) {
            char name[PARAM_NAME + 32];
            snprintf(name, sizeof name, "%s.ChannelGate.%s", net->sites[i].name, ends[k]);
            assert_non_null(params_find(net->params, name));
        }
    net_free(net);
}

static int hidden_of_last_site(const char *attention)
{
    struct model_spec spec;
    struct net *net = describe(&spec, "resnet18", attention);
    const struct net_site *site = &net->sites[net->site_count - 1];
    char name[PARAM_NAME + 32];
    assert_int_equal(site->map.c, 512);
    snprintf(name, sizeof name, "%s.ChannelGate.mlp.1.weight", site->name);
    const struct net_param *weight = params_find(net->params, name);
    assert_non_null(weight);
    assert_int_equal(weight->dim[0], site->hidden);
    assert_int_equal(weight->dim[1], 512);
    int hidden = site->hidden;
    net_free(net);
    return hidden;
}

/* r hidden units instead of C/r (at C = 256 and r = 16 nobody would notice). */
static void test_R04_hidden_width_is_c_over_r(void **state)
{
    (void)state;
    assert_int_equal(hidden_of_last_site("cbam"), 32);
    assert_int_equal(hidden_of_last_site("cbam:r=4"), 128);
    assert_int_equal(hidden_of_last_site("cbam:r=1024"), 1); /* clamped, and printed as 1 */
}

/* Parameters of all sites by the formula. */
static double formula(const struct net *net, int r, int k)
{
    double sum = 0;
    for (int i = 0; i < net->site_count; i++) {
        int c = net->sites[i].map.c, h = c / r < 1 ? 1 : c / r;
        sum += 2.0 * c * h + h + c + 2.0 * k * k + 2;
    }
    return sum;
}

/* An option that is accepted and changes nothing. */
static void test_R05_ratio_and_kernel_size_count(void **state)
{
    static const int options[][2] = {{4, 7}, {8, 7}, {16, 7}, {32, 7}, {16, 3}, {16, 5}};
    double seen[6], macs[6];
    struct model_spec spec;
    struct net *plain = describe(&spec, "resnet34", "none");
    (void)state;
    for (int i = 0; i < 6; i++) {
        char text[64];
        snprintf(text, sizeof text, "cbam:r=%d:k=%d", options[i][0], options[i][1]);
        struct net *net = describe(&spec, "resnet34", text);
        seen[i] = params_count(net->params);
        macs[i] = net_macs(net);
        assert_true(seen[i] ==
                    params_count(plain->params) + formula(net, options[i][0], options[i][1]));
        for (int k = 0; k < i; k++)
            assert_true(seen[k] != seen[i] && macs[k] != macs[i]);
        net_free(net);
    }
    net_free(plain);
}

/* Two comparisons at different places: SE and CBAM sit at the same sites. */
static void test_R10_all_forms_have_the_same_sites(void **state)
{
    static const char *const forms[] = {"se", "cbam-article", "cbam-light", "cbam-spatial",
                                        "cbam-channel", "cbam-parallel", "cbam-spatial-first"};
    static const char *const models[] = {"resnet50", "resnet18", "resnet56"};
    (void)state;
    for (int k = 0; k < 3; k++) {
        struct model_spec spec, other_spec;
        struct net *net = describe(&spec, models[k], "cbam");
        for (int f = 0; f < 7; f++) {
            struct net *other = describe(&other_spec, models[k], forms[f]);
            assert_int_equal(other->site_count, net->site_count);
            for (int i = 0; i < net->site_count; i++) {
                const struct net_site *a = &net->sites[i], *b = &other->sites[i];
                size_t block = strlen(a->name) - strlen(".cbam");
                assert_true(tensor_same_shape(&a->map, &b->map));
                assert_memory_equal(a->name, b->name, block);
            }
            net_free(other);
        }
        net_free(net);
    }
}

/* An unknown form or option that is silently taken for the default. */
static void test_R05_unknown_options_are_refused(void **state)
{
    static const char *const bad[] = {"cbam:ratio=8", "cbam:r=0", "cbam:r=", "cbam:r=8x", "cbam:k=4",
                                      "cbam:k=65", "bam", "", "se:k=3", "cbam-spatial:r=8",
                                      "none:r=8", "cbam:bn=maybe", "cbam:inner:alpha",
                                      "cbam-article:scale=2", "cbam:cpool", "se:order=parallel"};
    (void)state;
    for (int i = 0; i < 16; i++) {
        struct attention_spec spec;
        enum status status = attention_parse(bad[i], &spec);
        if (status != ERR_USAGE || !strstr(fail_text(), "--attention"))
            fail_msg("'%s' gave status %d and '%s'", bad[i], (int)status, fail_text());
    }
}

#define TEST(function) {#function, function}
static const struct {
    const char *name;
    CMUnitTestFunction function;
} on_impls[] = {
    TEST(test_R01_gates_stay_between_0_and_1),
    TEST(test_R02_one_mlp_used_twice),
    TEST(test_R03_the_mlp_decides_the_channel_gate),
    TEST(test_R06_channel_pools_are_global),
    TEST(test_R07_images_of_a_batch_do_not_meet),
    TEST(test_R08_gates_reach_both_ends),
    TEST(test_R09_every_form_has_its_own_factor),
    TEST(test_R10_attention_is_on_the_branch),
    TEST(test_R14_any_input_size),
    TEST(test_R15_channel_maximum_has_one_gradient),
    TEST(test_R15_spatial_maximum_has_one_gradient),
    TEST(test_R16_stem_pool_padding_never_wins),
};
enum { ON_IMPLS = sizeof on_impls / sizeof on_impls[0], MOST = 8 * ON_IMPLS };

int main(int argc, char **argv)
{
    static char names[MOST][96];
    static struct CMUnitTest test[MOST];
    const struct CMUnitTest described[] = {
        cmocka_unit_test(test_R03_every_site_has_its_mlp),
        cmocka_unit_test(test_R04_hidden_width_is_c_over_r),
        cmocka_unit_test(test_R05_ratio_and_kernel_size_count),
        cmocka_unit_test(test_R05_unknown_options_are_refused),
        cmocka_unit_test(test_R10_all_forms_have_the_same_sites),
        cmocka_unit_test(test_R14_no_input_is_an_error),
    };
    size_t count = 0;
    (void)argc;
    threads_startup(argv);
    for (int i = 0; impls[i]; i++)
        for (int k = 0; k < ON_IMPLS; k++) {
            CHECK(count < MOST);
            snprintf(names[count], sizeof names[count], "%s/%s", on_impls[k].name, impls[i]->name);
            test[count] = (struct CMUnitTest){names[count], on_impls[k].function, NULL, NULL,
                                              (void *)(uintptr_t)impls[i]};
            count++;
        }
    int failed = _cmocka_run_group_tests("reports: modules", test, count, NULL, NULL);
    failed += cmocka_run_group_tests_name("reports: descriptions", described, NULL, NULL);
    return failed != 0;
}
