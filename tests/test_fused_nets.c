/* Networks with fused convolutions and batch normalisations on each library against the same
 * network of primitives on the naive implementation: results, losses, every gradient, running
 * statistics. A network of every pattern that is fused, and the published ones, narrow. */
#include "bench/net/fuse.h"
#include "impls/base/random.h"
#include "tests/net_case.h"
#include "tests/network.h"

#include "impls/base/threads.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const double tolerance = 1e-5;

static double relative_error(const float *got, const float *due, size_t count)
{
    double difference = 0, norm = 0;
    for (size_t i = 0; i < count; i++) {
        double d = (double)got[i] - (double)due[i];
        difference += d * d;
        norm += (double)due[i] * (double)due[i];
    }
    return sqrt(difference) / (norm > 0 ? sqrt(norm) : 1);
}

static void compare(const char *what, const float *got, const float *due, size_t count)
{
    double error = relative_error(got, due, count);
    if (!(error <= tolerance))
        fail_msg("%s differs by %.3g of its length", what, error);
}

static int count_kind(const struct net *net, enum op_kind kind)
{
    int count = 0;
    for (int id = 0; id < net->count; id++)
        count += net->nodes[id].type == NODE_OP && net->nodes[id].desc.kind == kind;
    return count;
}

/* ---- every pattern ---- */

enum { BATCH = 3, SIDE_H = 9, SIDE_W = 7, CHANNELS = 5, CLASSES = 4 };

static int conv_bn(struct net *net, const char *name, int x, int oc, int k, int stride)
{
    net_push(net, name);
    x = net_conv(net, "conv", x, oc, k, stride, k / 2);
    x = net_batchnorm(net, "bn", x);
    net_pop(net);
    return x;
}

/* relu(conv_bn(relu(conv_bn(x))) + shortcut), the shortcut x or its own conv_bn. */
static int block(struct net *net, const char *name, int x, int oc, int stride)
{
    net_push(net, name);
    int y = net_relu(net, conv_bn(net, "a", x, oc, 3, stride));
    y = conv_bn(net, "b", y, oc, 3, 1);
    int shortcut = stride == 1 ? x : conv_bn(net, "down", x, oc, 1, stride);
    net_pop(net);
    return net_relu(net, net_add(net, y, shortcut));
}

/* Normalisation first, as in DenseNet: the map that it reads is read again. */
static int dense_layer(struct net *net, const char *name, int x, int growth)
{
    net_push(net, name);
    int y = net_relu(net, net_batchnorm(net, "norm", x));
    y = net_conv(net, "conv", y, growth, 3, 1, 1);
    net_pop(net);
    const struct op_desc concat = {.kind = OP_CONCAT};
    return net_op(net, name, &concat, x, y);
}

/* A convolution with a bias, then a relu, as in VGG. */
static int plain_layer(struct net *net, const char *name, int x, int oc)
{
    const struct op_desc conv = {.kind = OP_CONV2D,
                                 .conv = {.oc = oc, .kh = 3, .kw = 3, .sh = 1, .sw = 1, .ph = 1,
                                          .pw = 1, .dh = 1, .dw = 1, .groups = 1, .bias = true}};
    return net_relu(net, net_op(net, name, &conv, x, NO_NODE));
}

static void build_patterns(struct net *net)
{
    int x = net_input(net, SIDE_H, SIDE_W, CHANNELS);
    x = net_relu(net, conv_bn(net, "stem", x, 12, 3, 1));
    x = block(net, "same", x, 12, 1);
    x = block(net, "smaller", x, 20, 2);
    x = dense_layer(net, "dense0", x, 4);
    x = dense_layer(net, "dense1", x, 4);
    x = plain_layer(net, "plain", x, 9);
    /* Both sources of the fused operation are the same map. */
    x = net_relu(net, net_add(net, net_batchnorm(net, "self", x), x));
    const struct op_desc pool = {.kind = OP_POOL_HW, .pool_hw = {POOL_MEAN}};
    x = net_op(net, "pool", &pool, x, NO_NODE);
    net->output = net_linear(net, "fc", x, CLASSES);
}

/* Normal weights, biases and factors away from 0 and 1, positive variances. */
static void set_params(const struct params *params)
{
    for (int i = 0; i < params->count; i++) {
        struct net_param *param = params->list[i];
        const struct random_stream stream = {3, random_name(param->name)};
        bool factor = param->kind == OP_BATCHNORM && (param->slot == 0 || param->slot == 3);
        for (size_t k = 0; k < param->p.count; k++) {
            double z = random_normal(stream, k);
            param->p.data[k] = (float)(factor ? 0.5 + fabs(z) : 0.3 * z);
        }
        param->p.version++;
    }
}

static void open_patterns(struct net_case *c, const struct impl *impl, bool fused, int threads)
{
    net_case_open(c, impl, fused);
    net_case_must(threads_set(threads));
    build_patterns(c->net);
    net_case_finish(c);
    set_params(c->net->params);
}

static void fill_program(struct program *program)
{
    const struct random_stream stream = {9, random_name("input")};
    struct tensor input = program_input(program, 0);
    for (size_t i = 0; i < tensor_count(&input); i++)
        ((float *)input.data)[i] = (float)random_normal(stream, i);
}

/* What one pass of the network leaves. */
struct trace {
    struct net_case c;
    struct program *program;
};

static void open_trace(struct trace *t, const struct impl *impl, bool fused, int threads,
                       int what)
{
    open_patterns(&t->c, impl, fused, threads);
    t->program = what < 0 ? net_case_infer(&t->c, BATCH, NULL, 0)
                          : net_case_train(&t->c, BATCH, (enum net_case_train)what, true);
    fill_program(t->program);
    for (int i = 0; what >= 0 && i < BATCH; i++)
        program_labels(t->program)[i] = i % CLASSES;
    net_case_must(program_forward(t->program));
    if (what >= 0)
        net_case_must(program_backward(t->program));
}

static void close_trace(struct trace *t)
{
    program_free(t->program);
    net_case_close(&t->c);
}

static void compare_traces(const struct trace *got, const struct trace *due, bool train)
{
    struct tensor a = program_output(got->program, 0), b = program_output(due->program, 0);
    compare("output", a.data, b.data, tensor_count(&b));
    if (!train)
        return;
    compare("losses", program_losses(got->program), program_losses(due->program), BATCH);
    a = program_input_gradient(got->program, 0);
    b = program_input_gradient(due->program, 0);
    compare("input gradient", a.data, b.data, tensor_count(&b));
    for (int i = 0; i < due->c.net->params->count; i++) {
        const struct net_param *p = got->c.net->params->list[i];
        const struct net_param *q = due->c.net->params->list[i];
        assert_string_equal(p->name, q->name);
        compare(q->name, p->p.data, q->p.data, q->p.count);
        if (q->trainable)
            compare(q->name, p->p.grad, q->p.grad, q->p.count);
    }
}

enum { INFER = -1 };

static void check_patterns(int what)
{
    for (int i = 0; impls[i]; i++)
        for (int threads = 1; threads <= 2 && threads <= threads_available(); threads++) {
            struct trace got, due;
            open_trace(&due, impls[0], false, threads, what);
            open_trace(&got, impls[i], true, threads, what);
            compare_traces(&got, &due, what != INFER);
            close_trace(&got);
            close_trace(&due);
        }
}

static void test_inference_equals_the_composition(void **state)
{
    (void)state;
    check_patterns(INFER);
}

static void test_training_equals_the_composition(void **state)
{
    (void)state;
    check_patterns(NET_CASE_ALL);
}

static void test_training_with_fixed_statistics_equals_the_composition(void **state)
{
    (void)state;
    check_patterns(NET_CASE_FIXED_BN);
}

/* Whatever an implementation offers is really used: 5 convolutions with a normalisation (stem, two
 * of a block's first, the shortcut of the second block) and one with a bias; two sums; two
 * normalisations first, and one with its own source as the shortcut. */
static void test_every_pattern_is_fused(void **state)
{
    (void)state;
    for (int i = 0; impls[i]; i++) {
        struct net_case c;
        bool conv = impls[i]->ops[OP_CONV_ACT] && impls[i]->ops[OP_CONV_SUM_ACT];
        bool bn = impls[i]->ops[OP_BN_ACT] && impls[i]->ops[OP_BN_SUM_ACT];
        open_patterns(&c, impls[i], true, 1);
        assert_int_equal(count_kind(c.infer, OP_CONV_ACT), conv ? 5 : 0);
        assert_int_equal(count_kind(c.infer, OP_CONV_SUM_ACT), conv ? 2 : 0);
        assert_int_equal(count_kind(c.infer, OP_BN_ACT), bn ? 2 : 0);
        assert_int_equal(count_kind(c.infer, OP_BN_SUM_ACT), bn ? 1 : 0);
        assert_int_equal(count_kind(c.train, OP_CONV_ACT), 0);
        assert_int_equal(count_kind(c.train, OP_BN_ACT), bn ? 5 : 0);
        assert_int_equal(count_kind(c.train, OP_BN_SUM_ACT), bn ? 3 : 0);
        net_case_close(&c);
    }
}

static void test_repeated_runs_give_the_same_bits(void **state)
{
    (void)state;
    for (int i = 0; impls[i]; i++) {
        struct trace a, b;
        open_trace(&a, impls[i], true, threads_available() < 2 ? 1 : 2, NET_CASE_ALL);
        open_trace(&b, impls[i], true, threads_available() < 2 ? 1 : 2, NET_CASE_ALL);
        struct tensor x = program_output(a.program, 0), y = program_output(b.program, 0);
        assert_memory_equal(x.data, y.data, tensor_count(&x) * sizeof(float));
        assert_int_equal(params_hash(a.c.net->params), params_hash(b.c.net->params));
        for (int k = 0; k < a.c.net->params->count; k++) {
            const struct net_param *p = a.c.net->params->list[k], *q = b.c.net->params->list[k];
            if (p->trainable)
                assert_memory_equal(p->p.grad, q->p.grad, p->p.count * sizeof(float));
        }
        close_trace(&a);
        close_trace(&b);
    }
}

/* Training steps between two evaluations: the second one must see the new weights. */
static void test_changed_weights_are_folded_anew(void **state)
{
    (void)state;
    for (int i = 0; impls[i]; i++) {
        struct trace got, due;
        open_trace(&due, impls[0], false, 1, INFER);
        open_trace(&got, impls[i], true, 1, INFER);
        for (int k = 0; k < due.c.net->params->count; k++) {
            struct trace *const both[] = {&got, &due};
            for (int side = 0; side < 2; side++) {
                struct param *p = &both[side]->c.net->params->list[k]->p;
                p->data[p->count / 2] *= 1.5f;
                p->version++;
                net_case_must(program_forward(both[side]->program));
            }
            compare_traces(&got, &due, false);
        }
        close_trace(&got);
        close_trace(&due);
    }
}

/* ---- published networks ---- */

static float *logits(const struct impl *impl, bool fused, const char *model, size_t *count)
{
    struct network n;
    network_open(&n, impl, model, "none", 10, 32, 32);
    struct program *program = network_infer(&n, fused ? n.inference : n.lowered, 2, NULL, 0);
    network_fill(program, 4);
    const float *values = network_run(program, 0);
    struct tensor out = program_output(program, 0);
    *count = tensor_count(&out);
    float *copy = malloc(*count * sizeof *copy);
    assert_non_null(copy);
    memcpy(copy, values, *count * sizeof *copy);
    program_free(program);
    network_close(&n);
    return copy;
}

static void check_model(const char *model)
{
    size_t count;
    float *due = logits(impls[0], false, model, &count);
    for (int i = 0; impls[i]; i++) {
        float *got = logits(impls[i], true, model, &count);
        double error = relative_error(got, due, count);
        free(got);
        if (!(error <= tolerance))
            fail_msg("%s, %s: logits differ by %.3g", model, impls[i]->name, error);
    }
    free(due);
}

static void test_fused_resnet_gives_the_same_logits(void **state)
{
    (void)state;
    check_model("resnet18:width=0.25");
    check_model("resnet20");
}

static void test_fused_vgg_gives_the_same_logits(void **state)
{
    (void)state;
    check_model("vgg16_bn:width=0.1:stem=small");
    check_model("vgg16:width=0.1:stem=small");
}

static void test_fused_densenet_gives_the_same_logits(void **state)
{
    (void)state;
    check_model("densenet121:width=0.25:stem=small");
}

int main(int argc, char **argv)
{
    (void)argc;
    threads_startup(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_pattern_is_fused),
        cmocka_unit_test(test_inference_equals_the_composition),
        cmocka_unit_test(test_training_equals_the_composition),
        cmocka_unit_test(test_training_with_fixed_statistics_equals_the_composition),
        cmocka_unit_test(test_repeated_runs_give_the_same_bits),
        cmocka_unit_test(test_changed_weights_are_folded_anew),
        cmocka_unit_test(test_fused_resnet_gives_the_same_logits),
        cmocka_unit_test(test_fused_vgg_gives_the_same_logits),
        cmocka_unit_test(test_fused_densenet_gives_the_same_logits),
    };
    return cmocka_run_group_tests_name("fused networks", tests, NULL, NULL);
}
