/* Public bug reports about attention in whole networks (the number is in the name of the test, the
 * fault above it): where it sits, what its options do, which inputs a network takes. */
#include "tests/network.h"
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

/* ---- on every implementation ---- */

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
        network_open(&n, way_impl(state), models[k / 2], forms[k % 2], 3, 16, 16);
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

/* Finite logits, as many as there are classes, from an input of h x w. */
static void check_size(const struct impl *impl, const char *model, int h, int w)
{
    struct network n;
    network_open(&n, impl, model, "cbam", 7, h, w);
    struct program *program = network_infer(&n, n.inference, 1, NULL, 0);
    network_fill(program, 1);
    const float *logits = network_run(program, 0);
    assert_int_equal(program_output(program, 0).c, 7);
    for (int i = 0; i < 7; i++)
        assert_true(isfinite(logits[i]));
    program_free(program);
    network_close(&n);
}

/* A fixed average pool at the head accepts one input size alone. */
static void test_R14_any_input_size(void **state)
{
    static const int sizes[][2] = {{32, 32}, {33, 33}, {64, 64},   {97, 97}, {33, 97},
                                   {5, 1},   {1, 1},   {224, 224}, {244, 244}};
    for (int s = 0; s < 9; s++)
        check_size(way_impl(state), "resnet18:width=0.05", sizes[s][0], sizes[s][1]);
    for (int s = 0; s < 5; s++) {
        check_size(way_impl(state), "vgg16_bn:width=0.05", sizes[s][0], sizes[s][1]);
        check_size(way_impl(state), "densenet121:width=0.1", sizes[s][0], sizes[s][1]);
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

/* A pool that pads with zeros lifts a negative border: a stem whose convolution gives negative
 * numbers alone must give negative maxima, the same on all implementations. */
static void test_R16_stem_pool_padding_never_wins(void **state)
{
    const struct impl *impl = way_impl(state);
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
    static const char *const bad[] = {
        "cbam:ratio=8", "cbam:r=0",  "cbam:r=",         "cbam:r=8x",        "cbam:k=4",
        "cbam:k=65",    "bam",       "",                "se:k=3",           "cbam-spatial:r=8",
        "none:r=8",     "cbam:bn=maybe", "cbam:inner:alpha", "cbam-article:scale=2", "cbam:cpool",
        "se:order=parallel"};
    (void)state;
    for (int i = 0; i < 16; i++) {
        struct attention_spec spec;
        enum status status = attention_parse(bad[i], &spec);
        if (status != ERR_USAGE || !strstr(fail_text(), "--attention"))
            fail_msg("'%s' gave status %d and '%s'", bad[i], (int)status, fail_text());
    }
}

int main(int argc, char **argv)
{
    (void)argc;
    const struct way_test on_impls[] = {
        ON_IMPLS(test_R10_attention_is_on_the_branch),
        ON_IMPLS(test_R14_any_input_size),
        ON_IMPLS(test_R16_stem_pool_padding_never_wins),
    };
    const struct CMUnitTest described[] = {
        cmocka_unit_test(test_R03_every_site_has_its_mlp),
        cmocka_unit_test(test_R04_hidden_width_is_c_over_r),
        cmocka_unit_test(test_R05_ratio_and_kernel_size_count),
        cmocka_unit_test(test_R05_unknown_options_are_refused),
        cmocka_unit_test(test_R10_all_forms_have_the_same_sites),
        cmocka_unit_test(test_R14_no_input_is_an_error),
    };
    int failed = ways_run(argv, "reports: networks", on_impls,
                          sizeof on_impls / sizeof on_impls[0]);
    failed += cmocka_run_group_tests_name("reports: descriptions", described, NULL, NULL);
    return failed != 0;
}
