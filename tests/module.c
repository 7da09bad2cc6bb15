/* One attention module by itself: see module.h. */
#include "tests/module.h"

#include "bench/net/fuse.h"
#include "impls/base/random.h"
#include "impls/base/threads.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { RESULT, CHANNEL_GATE, SPATIAL_GATE, OUTPUTS };

static void check(enum status status)
{
    if (status != OK)
        fail_msg("status %d: %s", (int)status, fail_text());
}

static void compile(struct module *m, bool train, bool fused)
{
    const struct net_site *site = module_site(m);
    /* Where a gate is absent its place holds the result, so that the numbers stay the same. */
    const int outputs[OUTPUTS] = {
        m->lowered->output,
        site->channel_gate == NO_NODE ? m->lowered->output : site->channel_gate,
        site->spatial_gate == NO_NODE ? m->lowered->output : site->spatial_gate};
    struct program_request request = {.impl = m->impl, .ctx = m->ctx, .net = m->lowered,
                                      .batch = m->n, .outputs = outputs,
                                      .output_count = train || fused ? 1 : OUTPUTS,
                                      .train = train,
                                      .input_gradients = train};
    for (int i = 0; i < m->net->params->count; i++) {
        struct net_param *param = m->net->params->list[i];
        param->trainable = train && !param->buffer && param->kind != OP_BATCHNORM;
    }
    check(params_prepare_training(m->net->params));
    check(program_compile(&m->program, &request));
}

void module_open(struct module *m, const struct impl *impl, const char *spec, int n, int h, int w,
                 int c, enum module_pass pass)
{
    *m = (struct module){.impl = impl, .n = n, .h = h, .w = w, .c = c};
    check(threads_set(1));
    check(impl->open(&m->ctx));
    check(attention_parse(spec, &m->spec));
    m->net = net_new();
    assert_non_null(m->net);
    int input = net_input(m->net, h, w, c);
    m->net->output = attention_add(m->net, input, &m->spec, "");
    check(m->net->error);
    bool fused = pass == MODULE_FORWARD_FUSED || pass == MODULE_BACKWARD_FUSED;
    bool train = pass == MODULE_BACKWARD || pass == MODULE_BACKWARD_FUSED;
    m->lowered = fused ? net_fuse(m->net, impl, m->ctx, train) : net_lower(m->net);
    assert_non_null(m->lowered);
    params_init(m->net->params, 1);
    compile(m, train, fused);
}

void module_close(struct module *m)
{
    program_free(m->program);
    net_free(m->lowered);
    net_free(m->net);
    m->impl->close(m->ctx);
}

const struct net_site *module_site(const struct module *m)
{
    assert_int_equal(m->lowered->site_count, 1);
    return &m->lowered->sites[0];
}

struct net_param *module_param(const struct module *m, const char *end)
{
    struct net_param *found = NULL;
    for (int i = 0; i < m->net->params->count; i++) {
        struct net_param *param = m->net->params->list[i];
        size_t length = strlen(param->name), tail = strlen(end);
        if (length >= tail && strcmp(param->name + length - tail, end) == 0) {
            assert_null(found);
            found = param;
        }
    }
    if (!found)
        fail_msg("no parameter ends in '%s'", end);
    return found;
}

static void set_param(struct net_param *param, float value)
{
    for (size_t i = 0; i < param->p.count; i++)
        param->p.data[i] = value;
    param->p.version++;
}

void module_set(const struct module *m, const char *end, float value)
{
    set_param(module_param(m, end), value);
}

void module_set_all(const struct module *m, float value)
{
    for (int i = 0; i < m->net->params->count; i++)
        set_param(m->net->params->list[i], value);
}

size_t module_count(const struct module *m)
{
    return (size_t)m->n * (size_t)m->h * (size_t)m->w * (size_t)m->c;
}

float *module_input(const struct module *m)
{
    return program_input(m->program, 0).data;
}

void module_fill(const struct module *m, float scale)
{
    const struct random_stream stream = {3, random_name("module input")};
    for (size_t i = 0; i < module_count(m); i++)
        module_input(m)[i] = scale * (2 * random_uniform(stream, i) - 1);
}

const float *module_forward(const struct module *m)
{
    check(program_forward(m->program));
    return program_output(m->program, RESULT).data;
}

const float *module_channel_gate(const struct module *m)
{
    assert_int_not_equal(module_site(m)->channel_gate, NO_NODE);
    return program_output(m->program, CHANNEL_GATE).data;
}

const float *module_spatial_gate(const struct module *m)
{
    assert_int_not_equal(module_site(m)->spatial_gate, NO_NODE);
    return program_output(m->program, SPATIAL_GATE).data;
}

const float *module_backward(const struct module *m, const float *gradient)
{
    module_forward(m);
    memcpy(program_output_gradient(m->program).data, gradient, module_count(m) * sizeof *gradient);
    check(program_backward(m->program));
    return program_input_gradient(m->program, 0).data;
}
