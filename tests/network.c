/* A whole network without data: see network.h. */
#include "tests/network.h"

#include "bench/net/fuse.h"
#include "impls/base/random.h"
#include "impls/base/threads.h"

#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void check(enum status status)
{
    if (status != OK)
        fail_msg("status %d: %s", (int)status, fail_text());
}

/* Values away from 0 and 1 for all of batch normalisation. */
static void vary_batchnorm(const struct net *net)
{
    for (int i = 0; i < net->params->count; i++) {
        struct net_param *param = net->params->list[i];
        const struct random_stream stream = {5, random_name(param->name)};
        if (param->kind != OP_BATCHNORM)
            continue;
        for (size_t k = 0; k < param->p.count; k++) {
            float u = random_uniform(stream, k);
            bool positive = param->slot == 0 || param->slot == 3;
            param->p.data[k] = positive ? 0.5f + u : 0.4f * u - 0.2f;
        }
        param->p.version++;
    }
}

void network_open(struct network *n, const struct impl *impl, const char *model,
                  const char *attention, int classes, int h, int w)
{
    *n = (struct network){.impl = impl};
    check(threads_set(1));
    check(impl->open(&n->ctx));
    check(model_parse(model, attention, &n->spec));
    n->spec.classes = classes;
    if (h > 0 && w > 0) {
        n->spec.input_h = h;
        n->spec.input_w = w;
    }
    check(model_build(&n->spec, &n->net));
    n->lowered = net_lower(n->net);
    n->inference = net_fuse(n->net, impl, n->ctx, false);
    n->train = net_fuse(n->net, impl, n->ctx, true);
    assert_true(n->lowered && n->inference && n->train);
    params_init(n->net->params, 1);
    vary_batchnorm(n->net);
}

void network_close(struct network *n)
{
    net_free(n->lowered);
    net_free(n->inference);
    net_free(n->train);
    net_free(n->net);
    n->impl->close(n->ctx);
}

struct program *network_infer(const struct network *n, const struct net *form, int batch,
                              const int *outputs, int count)
{
    struct program *program;
    const struct program_request request = {.impl = n->impl, .ctx = n->ctx, .net = form,
                                            .batch = batch, .outputs = count ? outputs : NULL,
                                            .output_count = count};
    check(program_compile(&program, &request));
    return program;
}

struct program *network_train(const struct network *n, const struct net *form, int batch)
{
    struct program *program;
    const struct program_request request = {.impl = n->impl, .ctx = n->ctx, .net = form,
                                            .batch = batch, .train = true, .loss = true};
    for (int i = 0; i < n->net->params->count; i++)
        n->net->params->list[i]->trainable = !n->net->params->list[i]->buffer;
    check(params_prepare_training(n->net->params));
    check(program_compile(&program, &request));
    return program;
}

void network_fill(struct program *program, uint64_t seed)
{
    struct tensor input = program_input(program, 0);
    const struct random_stream stream = {seed, random_name("network input")};
    for (size_t i = 0; i < tensor_count(&input); i++)
        ((float *)input.data)[i] = (float)random_normal(stream, i);
}

void network_label(const struct network *n, struct program *program, int batch)
{
    for (int i = 0; i < batch; i++)
        program_labels(program)[i] = i % n->spec.classes;
}

const float *network_run(struct program *program, int i)
{
    check(program_forward(program));
    return program_output(program, i).data;
}

int network_set(const struct network *n, const char *glob, float value)
{
    int count = 0;
    for (int i = 0; i < n->net->params->count; i++) {
        struct net_param *param = n->net->params->list[i];
        if (fnmatch(glob, param->name, 0) != 0)
            continue;
        for (size_t k = 0; k < param->p.count; k++)
            param->p.data[k] = value;
        param->p.version++;
        count++;
    }
    return count;
}
