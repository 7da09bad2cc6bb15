/* Networks that other people trained, on the pictures they trained for, against what PyTorch makes
 * of the same files: ResNet-20, and a small network with two CBAM modules, tensor by tensor and as
 * a whole. Needs $CBAM_DATA with weights/ and cifar-10-lossless-bin/ (README there); skipped
 * without. */
#include "bench/net/attention.h"
#include "bench/transfer/evaluate.h"
#include "bench/transfer/session.h"
#include "impls/base/threads.h"
#include "tests/net_case.h"
#include "tests/ways.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IMAGES = 1000, CLASSES = 10, BATCH = 100, FIRST = 4, PATH = 512 };

/* $CBAM_DATA/NAME; skips the running test when the variable is not set. */
static const char *data_path(const char *name, char path[PATH])
{
    const char *root = getenv("CBAM_DATA");
    if (!root || !*root) {
        print_message("skipped: set CBAM_DATA to the folder that has weights/\n");
        skip();
    }
    snprintf(path, PATH, "%s/%s", root, name);
    return path;
}

static void open_file(struct safetensors *file, const char *name)
{
    char path[PATH];
    net_case_must(safetensors_open(file, data_path(name, path)));
}

/* A tensor of a file as floats; its size must be `count`. The caller frees it. */
static float *tensor(const struct safetensors *file, const char *name, size_t count)
{
    const struct safetensors_tensor *found = safetensors_find(file, name);
    float *values = calloc(count, sizeof *values);
    assert_non_null(values);
    if (!found)
        fail_msg("%s: no tensor %s", file->path, name);
    net_case_must(safetensors_copy_f32(file, found, values, count));
    return values;
}

static void open_cifar(struct dataset *ds)
{
    char text[PATH + 16], path[PATH];
    snprintf(text, sizeof text, "cifar10:%s", data_path("cifar-10-lossless-bin", path));
    net_case_must(dataset_open(ds, text));
    assert_int_equal(ds->test.n, IMAGES);
}

/* Compares logits and the number of right ones: the published number may be off by one, where two
 * classes are equally likely but for rounding. */
static void check_logits(const char *expected_file, const float *logits, const int32_t *labels,
                         int right)
{
    struct safetensors file;
    double most = 0;
    int count = 0;
    open_file(&file, expected_file);
    float *expected = tensor(&file, "logits", IMAGES * CLASSES);
    for (int i = 0; i < IMAGES; i++) {
        int best = 0;
        for (int k = 0; k < CLASSES; k++) {
            const float *at = logits + (size_t)i * CLASSES;
            best = at[k] > at[best] ? k : best;
            most = fmax(most, fabs((double)at[k] - (double)expected[i * CLASSES + k]));
        }
        count += best == labels[i];
    }
    free(expected);
    safetensors_close(&file);
    print_message("%d of %d right, logits within %.1e\n", count, IMAGES, most);
    if (count < right - 1 || count > right + 1)
        fail_msg("%d of %d are right, %d should be", count, IMAGES, right);
    if (!(most <= 1e-3))
        fail_msg("a logit is off by %g", most);
}

/* ---- ResNet-20 ---- */

static void open_resnet20(struct session *s, const struct impl *impl)
{
    char path[PATH], data[PATH + 16], weights[PATH];
    snprintf(data, sizeof data, "cifar10:%s", data_path("cifar-10-lossless-bin", path));
    const struct weights_request request = {
        .model = "resnet20", .attention = "none",
        .weights = data_path("weights/resnet20_cifar10.safetensors", weights)};
    net_case_must(session_open_impl(s, impl->name, threads_available() < 2 ? 1 : 2));
    net_case_must(session_open_data(s, data, 1));
    net_case_must(session_open_weights(s, &request));
}

static void test_resnet20(void **state)
{
    const struct way *way = *state;
    struct session s = {.compose = !way->fused};
    struct evaluation e;
    ways_skip_sanitized();
    open_resnet20(&s, way->impl);
    float *logits = calloc(IMAGES * CLASSES, sizeof *logits);
    assert_non_null(logits);
    net_case_must(evaluate(&s, &s.split.list[PART_TEST], BATCH, &e, NULL, logits));
    check_logits("weights/expected/resnet20_cifar10.safetensors", logits, s.data.test.labels, 915);
    assert_int_equal(e.n, IMAGES);
    assert_in_range(e.correct1, 914, 916);
    assert_true(fabs(evaluation_loss(&e) - 0.3842) < 1e-4);
    free(logits);
    session_close(&s);
}

/* In bf16 five of them may be others'. */
static void test_resnet20_in_bf16(void **state)
{
    const struct way *way = *state;
    struct session s = {.compose = !way->fused, .dtype = DTYPE_BF16};
    struct evaluation e;
    ways_skip_sanitized();
    if (impl_offers_bf16(way->impl) != OK) {
        print_message("skipped: %s\n", fail_text());
        skip();
    }
    open_resnet20(&s, way->impl);
    net_case_must(evaluate(&s, &s.split.list[PART_TEST], BATCH, &e, NULL, NULL));
    assert_int_equal(e.n, IMAGES);
    print_message("%d of %d, loss %.4f\n", e.correct1, e.n, evaluation_loss(&e));
    assert_in_range(e.correct1, 910, 920);
    assert_true(fabs(evaluation_loss(&e) - 0.3842) < 1e-2);
    session_close(&s);
}

/* ---- the network with two CBAM modules ---- */

static const char form[] = "cbam:bias=off:bn=off:planes=mean-max";

static void set_from(const struct net_case *c, const char *param_name,
                     const struct safetensors *file, const char *tensor_name)
{
    struct net_param *param = net_case_find(c, param_name);
    if (!param)
        fail_msg("no parameter %s", param_name);
    float *values = tensor(file, tensor_name, param->p.count);
    memcpy(param->p.data, values, param->p.count * sizeof *values);
    param->p.version++;
    free(values);
}

/* The file's 1x1 convolutions of the MLP are our linear layers: the same numbers in the same
 * order. */
static void set_module(const struct net_case *c, const struct safetensors *file, int number)
{
    static const char *const pairs[][2] = {
        {"ChannelGate.mlp.1.weight", "channel_attention.mlp.0.weight"},
        {"ChannelGate.mlp.3.weight", "channel_attention.mlp.2.weight"},
        {"SpatialGate.spatial.conv.weight", "spatial_attention.conv.weight"},
    };
    for (int i = 0; i < 3; i++) {
        char ours[64], theirs[64];
        snprintf(ours, sizeof ours, "cbam%d.%s", number, pairs[i][0]);
        snprintf(theirs, sizeof theirs, "cbam%d.%s", number, pairs[i][1]);
        set_from(c, ours, file, theirs);
    }
}

/* Compares n maps of the file, N,C,H,W, with ours, N,H,W,C. */
static void check_maps(const struct safetensors *file, int number, const char *what,
                       struct tensor ours)
{
    char name[64];
    size_t c = (size_t)ours.c, pixels = (size_t)ours.h * (size_t)ours.w;
    size_t count = (size_t)ours.n * c * pixels;
    snprintf(name, sizeof name, "first4.cbam%d.%s", number, what);
    float *expected = tensor(file, name, count);
    for (size_t i = 0; i < count; i++) {
        size_t n = i / (c * pixels), k = i / pixels % c, p = i % pixels;
        double value = (double)((const float *)ours.data)[(n * pixels + p) * c + k];
        if (!(fabs(value - (double)expected[i]) <= 1e-5))
            fail_msg("%s[%zu] is %.8g, not %.8g", name, i, value, (double)expected[i]);
    }
    free(expected);
}

static void fill_maps(const struct safetensors *file, int number, struct tensor input)
{
    char name[64];
    size_t c = (size_t)input.c, pixels = (size_t)input.h * (size_t)input.w;
    snprintf(name, sizeof name, "first4.cbam%d.input", number);
    float *values = tensor(file, name, tensor_count(&input));
    for (size_t i = 0; i < tensor_count(&input); i++) {
        size_t n = i / (c * pixels), k = i / pixels % c, p = i % pixels;
        ((float *)input.data)[(n * pixels + p) * c + k] = values[i];
    }
    free(values);
}

/* Module 1 has maps of 16x16x32, module 2 of 8x8x64. */
static void check_module(const struct way *way, int number)
{
    struct safetensors weights, expected;
    struct attention_spec spec;
    struct net_case c;
    char slot[16];
    open_file(&weights, "weights/cnn_cbam_cifar10.safetensors");
    open_file(&expected, "weights/expected/cnn_cbam_cifar10.safetensors");
    net_case_must(attention_parse(form, &spec));
    net_case_open(&c, way->impl, way->fused);
    net_input(c.net, 32 >> number, 32 >> number, 16 << number);
    snprintf(slot, sizeof slot, "cbam%d", number);
    c.net->output = attention_add(c.net, c.net->input, &spec, slot);
    net_case_finish(&c);
    set_module(&c, &weights, number);
    const struct net_site *site = &c.infer->sites[0];
    bool gates = site->channel_gate != NO_NODE && site->spatial_gate != NO_NODE;
    assert_true(gates || way->fused);
    const int outputs[3] = {c.infer->output, site->channel_gate, site->spatial_gate};
    struct program *program = net_case_infer(&c, FIRST, outputs, gates ? 3 : 1);
    fill_maps(&expected, number, program_input(program, 0));
    net_case_must(program_forward(program));
    check_maps(&expected, number, "output", program_output(program, 0));
    if (gates) {
        check_maps(&expected, number, "channel_attention", program_output(program, 1));
        check_maps(&expected, number, "spatial_attention", program_output(program, 2));
    }
    program_free(program);
    net_case_close(&c);
    safetensors_close(&expected);
    safetensors_close(&weights);
}

static void test_trained_modules(void **state)
{
    check_module(*state, 1);
    check_module(*state, 2);
}

/* Convolution, normalisation, relu, pool, attention. */
static int add_block(struct net *net, const struct attention_spec *spec, int x, int number)
{
    struct op_desc pool = {.kind = OP_MAXPOOL, .pool = {2, 2, 2, 2, 0, 0}};
    char conv[32], bn[32], slot[16];
    snprintf(conv, sizeof conv, "block%d.0", number);
    snprintf(bn, sizeof bn, "block%d.1", number);
    snprintf(slot, sizeof slot, "cbam%d", number);
    x = net_relu(net, net_batchnorm(net, bn, net_conv(net, conv, x, 16 << number, 3, 1, 1)));
    return attention_add(net, net_op(net, "pool", &pool, x, NO_NODE), spec, slot);
}

static void build_network(struct net_case *c, const struct attention_spec *spec)
{
    struct safetensors file;
    int x = net_input(c->net, 32, 32, 3);
    x = add_block(c->net, spec, add_block(c->net, spec, x, 1), 2);
    x = net_relu(c->net, net_linear(c->net, "fc1", x, 128));
    c->net->output = net_linear(c->net, "fc2", x, CLASSES);
    net_case_finish(c);
    open_file(&file, "weights/cnn_cbam_cifar10.safetensors");
    for (int i = 0; i < c->net->params->count; i++)
        if (strncmp(c->net->params->list[i]->name, "cbam", 4) != 0)
            set_from(c, c->net->params->list[i]->name, &file, c->net->params->list[i]->name);
    set_module(c, &file, 1);
    set_module(c, &file, 2);
    safetensors_close(&file);
}

/* Logits of all images, in file order. */
static void run_network(const struct net_case *c, const struct loader *loader, float *logits)
{
    struct program *program = net_case_infer(c, BATCH, NULL, 0);
    struct tensor input = program_input(program, 0);
    int32_t labels[BATCH];
    for (int b = 0; b < IMAGES / BATCH; b++) {
        assert_int_equal(loader_fill(loader, b, input.data, labels), BATCH);
        net_case_must(program_forward(program));
        memcpy(logits + (size_t)b * BATCH * CLASSES, program_output(program, 0).data,
               BATCH * CLASSES * sizeof *logits);
    }
    program_free(program);
}

static void test_network_with_attention(void **state)
{
    static const struct normalisation norm = {"of this network", {0.4914f, 0.4822f, 0.4465f},
                                              {0.2470f, 0.2435f, 0.2616f}};
    const struct loader_config config = {.batch = BATCH, .order = ORDER_SEQUENTIAL, .h = 32,
                                         .w = 32, .channels = 3, .norm = &norm};
    const struct way *way = *state;
    struct attention_spec spec;
    struct net_case c;
    struct dataset ds;
    struct split split;
    struct loader loader;
    ways_skip_sanitized();
    open_cifar(&ds);
    net_case_must(split_make(&split, &ds, 1));
    net_case_must(loader_init(&loader, &ds, &split.list[PART_TEST], &config));
    net_case_must(attention_parse(form, &spec));
    net_case_open(&c, way->impl, way->fused);
    build_network(&c, &spec);
    float *logits = calloc(IMAGES * CLASSES, sizeof *logits);
    assert_non_null(logits);
    run_network(&c, &loader, logits);
    check_logits("weights/expected/cnn_cbam_cifar10.safetensors", logits, ds.test.labels, 782);
    free(logits);
    net_case_close(&c);
    loader_free(&loader);
    split_free(&split);
    dataset_close(&ds);
}

int main(int argc, char **argv)
{
    static const struct way_test tests[] = {
        {"trained modules", test_trained_modules, EACH_WAY, NULL},
        {"network with attention", test_network_with_attention, EACH_WAY, NULL},
        {"resnet20", test_resnet20, EACH_WAY, NULL},
        {"resnet20 in bf16", test_resnet20_in_bf16, EACH_WAY, NULL},
    };
    (void)argc;
    return ways_run(argv, "trained weights", tests, sizeof tests / sizeof tests[0]);
}
