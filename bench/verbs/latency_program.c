/* Networks and programs for `latency`: see latency_work.h. */
#include "bench/verbs/latency_work.h"

#include "bench/measure/clock.h"
#include "bench/net/fuse.h"
#include "bench/transfer/arm.h"
#include "impls/base/random.h"

#include <stdio.h>
#include <string.h>

static double ms_since(int64_t start)
{
    return (double)(clock_now_ns() - start) * 1e-6;
}

static enum status make_network(struct latency_network *network, const char *model,
                                const struct latency_shape *shape)
{
    struct model_spec *spec = &network->spec;
    TRY(model_parse(model, network->attention, spec));
    spec->classes = shape->classes;
    if (shape->input_h > 0) {
        spec->input_h = shape->input_h;
        spec->input_w = shape->input_w;
    }
    TRY(model_build(spec, &network->net));
    struct params *params = network->net->params;
    TRY(params_scheme(params, model_default_scheme(spec)));
    params_init(params, shape->seed);
    if (!shape->train)
        return OK;
    TRY(arm_apply(params, ARM_SCRATCH));
    return params_prepare_training(params);
}

enum status latency_network_make(struct latency_network *network, const char *model,
                                 const char *attention, const struct latency_shape *shape)
{
    int64_t start = clock_now_ns();
    *network = (struct latency_network){.attention = attention};
    enum status status = make_network(network, model, shape);
    network->load_ms = ms_since(start);
    return status;
}

void latency_network_free(struct latency_network *network)
{
    net_free(network->net);
    network->net = NULL;
}

/* Standard normal pixels and any class: speed does not depend on which. */
static void fill_batch(struct program *program, const struct latency_shape *shape)
{
    struct tensor input = program_input(program, 0);
    float *data = input.data;
    struct random_stream pixels = {shape->seed, random_name("latency/pixels")};
    for (size_t i = 0; i < tensor_count(&input); i++)
        data[i] = (float)random_normal(pixels, i);
    int32_t *labels = program_labels(program);
    struct random_stream classes = {shape->seed, random_name("latency/labels")};
    for (int i = 0; labels && i < shape->batch; i++)
        labels[i] = (int32_t)random_below(classes, (uint64_t)i, (uint32_t)shape->classes);
}

enum status latency_program_make(struct latency_program *program,
                                 const struct latency_network *network, const struct impl *impl,
                                 struct impl_ctx *ctx, const struct latency_shape *shape)
{
    *program = (struct latency_program){.network = network, .impl = impl, .shape = shape};
    int64_t start = clock_now_ns();
    program->net = shape->compose ? net_lower(network->net)
                                  : net_fuse(network->net, impl, ctx, shape->train);
    if (!program->net)
        return ERR_MEMORY;
    struct program_request request = {.impl = impl, .ctx = ctx, .net = program->net,
                                      .batch = shape->batch, .train = shape->train,
                                      .loss = shape->train,
                                      .drop_weights = shape->drop_weights,
                                      .dtype = shape->dtype,
                                      .algorithms = shape->algorithms};
    TRY(program_compile(&program->program, &request));
    program->compile_ms = ms_since(start);
    program_kernels(program->program, program->how, sizeof program->how);
    fill_batch(program->program, shape);
    program_set_step(program->program, shape->seed, 0);
    return OK;
}

enum status latency_program_update(struct latency_program *p)
{
    /* So small a rate that weights stay as they were drawn through thousands of steps. */
    static const struct sgd sgd = {.lr = 1e-7, .momentum = 0.9, .weight_decay = 1e-4};
    sgd_step(p->network->net->params, &sgd);
    program_set_step(p->program, p->shape->seed, ++p->step);
    return OK;
}

enum status latency_program_run(void *context)
{
    struct latency_program *p = context;
    TRY(program_forward(p->program));
    if (!p->shape->train)
        return OK;
    TRY(program_backward(p->program));
    return latency_program_update(p);
}

void latency_program_free(struct latency_program *program)
{
    program_free(program->program);
    net_free(program->net);
    program->program = NULL;
    program->net = NULL;
}
