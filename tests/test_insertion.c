/* Attention inserted into a network that others trained without it (ResNet-20 of $CBAM_DATA, README
 * there): the forms that preserve the network change no prediction before training and have the
 * gradients of their definition there; the authors' form costs accuracy, and `eval` shows it.
 * Skipped without the data. */
#include "bench/transfer/evaluate.h"
#include "bench/transfer/session.h"
#include "impls/base/threads.h"
#include "tests/command.h"
#include "tests/net_case.h"
#include "tests/ways.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { IMAGES = 1000, CLASSES = 10, BATCH = 16, PATH = 512 };

static const char *data_path(const char *name, char path[PATH])
{
    const char *root = getenv("CBAM_DATA");
    snprintf(path, PATH, "%s/%s", root ? root : "", name);
    if (!root || access(path, R_OK) != 0) {
        print_message("skipped: $CBAM_DATA/%s is not there\n", name);
        skip();
    }
    return path;
}

/* The trained network with fresh attention in it, and the images it was meant for. */
static void open_session(struct session *s, const struct way *way, const char *attention)
{
    static const char *const missing[] = {"*cbam*", NULL};
    char data[PATH + 16], path[PATH], weights[PATH];
    snprintf(data, sizeof data, "cifar10:%s", data_path("cifar-10-lossless-bin", path));
    const struct weights_request request = {
        .model = "resnet20",
        .attention = attention,
        .rules = {.allow_missing = missing},
        .weights = data_path("weights/resnet20_cifar10.safetensors", weights),
        .seed = 5};
    *s = (struct session){.compose = !way->fused};
    net_case_must(session_open_impl(s, way->impl->name, threads_available() < 2 ? 1 : 2));
    net_case_must(session_open_data(s, data, 1));
    net_case_must(session_open_weights(s, &request));
}

/* ---- nothing changes before training ---- */

static int logits_of(const struct way *way, const char *attention, float *logits)
{
    struct session s;
    struct evaluation e;
    open_session(&s, way, attention);
    net_case_must(evaluate(&s, &s.split.list[PART_TEST], 100, &e, NULL, logits));
    assert_int_equal(e.n, IMAGES);
    session_close(&s);
    return e.correct1;
}

static void test_preserved(void **state)
{
    static const char *const forms[] = {"cbam:scale=2", "cbam:alpha"};
    const struct way *way = *state;
    ways_skip_sanitized();
    float *plain = calloc(IMAGES * CLASSES, sizeof *plain);
    float *inserted = calloc(IMAGES * CLASSES, sizeof *inserted);
    assert_true(plain && inserted);
    int right = logits_of(way, "none", plain);
    assert_in_range(right, 914, 916);
    for (int f = 0; f < 2; f++) {
        double error = 0, norm = 0;
        assert_int_equal(logits_of(way, forms[f], inserted), right);
        for (int i = 0; i < IMAGES * CLASSES; i++) {
            double d = (double)inserted[i] - (double)plain[i];
            error += d * d;
            norm += (double)plain[i] * (double)plain[i];
        }
        print_message("%s %s: %d right, logits within %.1e (relative 2-norm)\n", way->name,
                      forms[f], right, sqrt(error / norm));
        assert_true(sqrt(error / norm) <= 1e-6);
    }
    free(inserted);
    free(plain);
}

/* ---- gradients of the layer that starts at zero: the last of each gate, or `a` ---- */

/* A training program on the first images, in which everything trains. */
static struct program *training(struct session *s)
{
    const struct loader_config config = {.batch = BATCH,
                                         .order = ORDER_SEQUENTIAL,
                                         .h = 32,
                                         .w = 32,
                                         .channels = 3,
                                         .norm = &s->norm};
    const struct program_request request = {.impl = s->impl,
                                            .ctx = s->ctx,
                                            .net = s->lowered,
                                            .batch = BATCH,
                                            .train = true,
                                            .loss = true};
    struct program *program;
    struct loader loader;
    for (int i = 0; i < s->net->params->count; i++)
        s->net->params->list[i]->trainable = !s->net->params->list[i]->buffer;
    net_case_must(params_prepare_training(s->net->params));
    net_case_must(program_compile(&program, &request));
    net_case_must(loader_init(&loader, &s->data, &s->split.list[PART_TEST], &config));
    struct tensor input = program_input(program, 0);
    assert_int_equal(loader_fill(&loader, 0, input.data, program_labels(program)), BATCH);
    loader_free(&loader);
    return program;
}

static double inner(const float *a, const float *b, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

enum { SITES = 9 };

/* The parameter of one name at all sites, as one long vector. */
struct layer {
    struct net_param *param[SITES];
    size_t count;
    float *start, *grad;
};

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

static void open_layer(struct layer *layer, const struct params *params, const char *end)
{
    int sites = 0;
    layer->count = 0;
    for (int i = 0; i < params->count; i++)
        if (ends_with(params->list[i]->name, end)) {
            assert_true(sites < SITES);
            layer->param[sites++] = params->list[i];
            layer->count += params->list[i]->p.count;
        }
    assert_int_equal(sites, SITES);
    layer->start = malloc(layer->count * sizeof *layer->start);
    layer->grad = malloc(layer->count * sizeof *layer->grad);
    assert_true(layer->start && layer->grad);
    for (size_t s = 0, at = 0; s < SITES; at += layer->param[s++]->p.count) {
        const struct param *p = &layer->param[s]->p;
        memcpy(layer->start + at, p->data, p->count * sizeof *p->data);
        memcpy(layer->grad + at, p->grad, p->count * sizeof *p->grad);
    }
}

static double loss_at(struct program *program, const struct layer *layer, const float *direction,
                      double step)
{
    double sum = 0;
    for (size_t s = 0, at = 0; s < SITES; s++) {
        struct param *p = &layer->param[s]->p;
        for (size_t i = 0; i < p->count; i++, at++)
            p->data[i] = (float)((double)layer->start[at] + step * (double)direction[at]);
        p->version++;
    }
    net_case_must(program_forward(program));
    for (int i = 0; i < BATCH; i++)
        sum += (double)program_losses(program)[i];
    return sum / BATCH;
}

/* The gradient along `direction` against a central difference whose step moves the loss by about
 * 0.001; off by at most 3 % of what the longest gradient of that size could give. (The network has
 * millions of ReLUs: no step is so small that none of them switches.) */
static void check_direction(struct program *program, const struct layer *layer, const char *name,
                            const float *direction)
{
    double length = sqrt(inner(direction, direction, layer->count));
    double reach = sqrt(inner(layer->grad, layer->grad, layer->count)) * length;
    double step = 1e-3 / reach, expected = inner(layer->grad, direction, layer->count);
    double slope =
        (loss_at(program, layer, direction, step) - loss_at(program, layer, direction, -step)) /
        (2 * step);
    loss_at(program, layer, direction, 0);
    if (!(fabs(slope - expected) <= 0.03 * reach))
        fail_msg("%s: the gradient along a direction is %g, the difference %g (of at most %g)",
                 name, expected, slope, reach);
}

/* Along the gradient itself, which no wrong factor survives, and along drawn signs, which see a
 * wrong element. */
static void check_layer(struct program *program, const struct params *params, const char *end)
{
    struct layer layer;
    open_layer(&layer, params, end);
    float *signs = malloc(layer.count * sizeof *signs);
    assert_non_null(signs);
    for (size_t i = 0; i < layer.count; i++)
        signs[i] = (i * 2654435761u >> 13) & 1 ? 1 : -1;
    check_direction(program, &layer, end, layer.grad);
    check_direction(program, &layer, end, signs);
    free(signs);
    free(layer.start);
    free(layer.grad);
}

static void check_gradients(const struct way *way, const char *form, const char *const *ends)
{
    struct session s;
    open_session(&s, way, form);
    struct program *program = training(&s);
    net_case_must(program_forward(program));
    net_case_must(program_backward(program));
    for (; *ends; ends++)
        check_layer(program, s.net->params, *ends);
    program_free(program);
    session_close(&s);
}

static void test_gradients(void **state)
{
    static const char *const last[] = {"ChannelGate.mlp.3.weight", "ChannelGate.mlp.3.bias",
                                       "SpatialGate.spatial.bn.weight",
                                       "SpatialGate.spatial.bn.bias", NULL};
    static const char *const alpha[] = {"cbam.alpha.weight", NULL};
    ways_skip_sanitized();
    check_gradients(*state, "cbam:scale=2", last);
    check_gradients(*state, "cbam:alpha", alpha);
}

/* ---- as a user sees it ---- */

static double accuracy(const char *attention)
{
    char path[PATH], weights[PATH];
    struct command c;
    command_need();
    command_ok(&c,
               "eval --model resnet20 --attention %s --weights %s --allow-missing '*cbam*' "
               "--data cifar10:%s --format json",
               attention, data_path("weights/resnet20_cifar10.safetensors", weights),
               data_path("cifar-10-lossless-bin", path));
    json_t *json = command_json(&c);
    double top1 = command_number(json, "top1");
    json_decref(json);
    command_free(&c);
    return top1;
}

static void test_eval_shows_what_is_lost(void **state)
{
    (void)state;
    ways_skip_sanitized();
    double preserved = accuracy("cbam:scale=2"), authors = accuracy("cbam");
    print_message("accuracy with cbam:scale=2 inserted %.3f, with cbam %.3f\n", preserved, authors);
    assert_true(fabs(preserved - 0.915) < 0.0015);
    assert_true(authors < 0.8);
}

int main(int argc, char **argv)
{
    static const struct way_test tests[] = {
        {"preserved", test_preserved, EACH_WAY, NULL},
        {"gradients", test_gradients, EACH_WAY, NULL},
        {"eval shows what is lost", test_eval_shows_what_is_lost, ONCE, NULL},
    };
    (void)argc;
    return ways_run(argv, "inserted attention", tests, sizeof tests / sizeof tests[0]);
}
