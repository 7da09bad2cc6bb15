/* A network built by a test: see net_case.h. */
#include "tests/net_case.h"

#include "bench/net/fuse.h"
#include "impls/base/threads.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

void net_case_must(enum status status)
{
    if (status != OK)
        fail_msg("status %d: %s", (int)status, fail_text());
}

void net_case_open(struct net_case *c, const struct impl *impl, bool fused)
{
    *c = (struct net_case){.impl = impl, .fused = fused};
    net_case_must(threads_set(threads_available() < 2 ? 1 : 2));
    net_case_must(impl->open(&c->ctx));
    c->net = net_new();
    assert_non_null(c->net);
}

void net_case_close(struct net_case *c)
{
    net_free(c->infer);
    net_free(c->train);
    net_free(c->net);
    c->impl->close(c->ctx);
}

void net_case_finish(struct net_case *c)
{
    net_case_must(c->net->error);
    c->infer = c->fused ? net_fuse(c->net, c->impl, c->ctx, false) : net_lower(c->net);
    c->train = c->fused ? net_fuse(c->net, c->impl, c->ctx, true) : net_lower(c->net);
    if (!c->infer || !c->train)
        fail_msg("%s", fail_text());
}

bool net_case_is_fused(const struct net_case *c)
{
    for (int i = 0; i < c->train->count; i++)
        if (c->train->nodes[i].type == NODE_OP &&
            c->train->nodes[i].desc.kind >= OP_PRIMITIVES)
            return true;
    return false;
}

struct net_param *net_case_find(const struct net_case *c, const char *end)
{
    struct net_param *found = NULL;
    for (int i = 0; i < c->net->params->count; i++) {
        struct net_param *param = c->net->params->list[i];
        size_t length = strlen(param->name), tail = strlen(end);
        if (length < tail || strcmp(param->name + length - tail, end) != 0)
            continue;
        if (found)
            fail_msg("both %s and %s end in %s", found->name, param->name, end);
        found = param;
    }
    return found;
}

void net_case_set(struct net_param *param, const double *values, size_t count)
{
    assert_int_equal(param->p.count, count);
    for (size_t i = 0; i < count; i++)
        param->p.data[i] = (float)values[i];
    param->p.version++;
}

struct program *net_case_infer(const struct net_case *c, int batch, const int *outputs, int count)
{
    struct program *program;
    const struct program_request request = {.impl = c->impl, .ctx = c->ctx, .net = c->infer,
                                            .batch = batch, .outputs = count ? outputs : NULL,
                                            .output_count = count,
                                            .algorithms = c->algorithms};
    net_case_must(program_compile(&program, &request));
    return program;
}

struct program *net_case_train(const struct net_case *c, int batch, enum net_case_train what,
                               bool loss)
{
    struct program *program;
    const struct program_request request = {.impl = c->impl, .ctx = c->ctx, .net = c->train,
                                            .batch = batch, .train = true, .loss = loss,
                                            .input_gradients = true,
                                            .algorithms = c->algorithms};
    for (int i = 0; i < c->net->params->count; i++) {
        struct net_param *param = c->net->params->list[i];
        param->trainable = !param->buffer &&
                           (what == NET_CASE_ALL || param->kind != OP_BATCHNORM);
    }
    net_case_must(params_prepare_training(c->net->params));
    net_case_must(program_compile(&program, &request));
    return program;
}
