/* A small network of the regression check: see network.h. */
#include "bench/regress/network.h"

#include "bench/net/fuse.h"
#include "bench/net/optimizer.h"
#include "bench/transfer/arm.h"
#include "impls/base/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEED = 1, SLACK = 5, SLACK_WINOGRAD = 25 };

/* What a scheme leaves at 0 or 1 (scales, shifts, running statistics) would hide a kernel that
 * forgets or swaps something: a fresh spatial gate, for example, has scale 0. */
static void wake(struct params *params)
{
    for (int i = 0; i < params->count; i++) {
        struct net_param *param = params->list[i];
        if (param->rule != INIT_ZERO && param->rule != INIT_ONE)
            continue;
        struct random_stream stream = {SEED, random_name(param->name)};
        bool variance = strstr(param->name, "running_var") != NULL;
        for (size_t k = 0; k < param->p.count; k++) {
            float drawn = 0.5f * random_uniform(stream, k);
            param->p.data[k] += variance ? drawn : 0.25f - drawn;
        }
        param->p.version++;
    }
}

static enum status describe(struct regress_network *network, const struct regress_case *subject)
{
    struct model_spec *spec = &network->spec;
    TRY(model_parse(subject->model, subject->attention, spec));
    spec->classes = subject->classes;
    spec->input_h = spec->input_w = subject->size;
    TRY(model_build(spec, &network->net));
    struct params *params = network->net->params;
    TRY(params_scheme(params, model_default_scheme(spec)));
    params_init(params, SEED);
    wake(params);
    if (!network->train)
        return OK;
    TRY(arm_apply(params, ARM_SCRATCH));
    return params_prepare_training(params);
}

static void fill_batch(struct program *program, int classes)
{
    struct tensor input = program_input(program, 0);
    float *data = input.data;
    struct random_stream pixels = {SEED, random_name("regress/pixels")};
    for (size_t i = 0; i < tensor_count(&input); i++)
        data[i] = 2 * random_uniform(pixels, i) - 1;
    int32_t *labels = program_labels(program);
    struct random_stream drawn = {SEED, random_name("regress/labels")};
    for (int i = 0; labels && i < input.n; i++)
        labels[i] = (int32_t)random_below(drawn, (uint64_t)i, (uint32_t)classes);
}

enum status regress_network_make(struct regress_network *network,
                                 const struct regress_case *subject, const struct impl *impl,
                                 struct impl_ctx *ctx, struct algorithms *algorithms, bool train,
                                 bool compose)
{
    struct algorithms winograd = {.rule = ALGORITHM_WINOGRAD};
    if (subject->winograd && !compose)
        algorithms = &winograd;
    *network = (struct regress_network){
        .train = train, .direct = !algorithms || algorithms->rule == ALGORITHM_DIRECT};
    TRY(describe(network, subject));
    network->compiled = compose ? net_lower(network->net)
                                : net_fuse(network->net, impl, ctx, train);
    if (!network->compiled)
        return ERR_MEMORY;
    struct program_request request = {.impl = impl, .ctx = ctx, .net = network->compiled,
                                      .batch = subject->batch, .train = train, .loss = train,
                                      .algorithms = algorithms};
    TRY(program_compile(&network->program, &request));
    fill_batch(network->program, subject->classes);
    return OK;
}

enum status regress_network_run(struct regress_network *network)
{
    static const struct sgd sgd = {.lr = 1e-7, .momentum = 0.9, .weight_decay = 1e-4};
    program_set_step(network->program, SEED, network->step++);
    TRY(program_forward(network->program));
    if (!network->train)
        return OK;
    TRY(program_backward(network->program));
    const struct net_param *broken = sgd_step(network->net->params, &sgd);
    return broken ? fail(ERR_NUMERIC, "%s is not finite after a step", broken->name) : OK;
}

/* All gradients behind each other; NULL when there is no memory. The caller frees them. */
static float *join_gradients(const struct params *params, size_t *count)
{
    size_t used = 0;
    *count = 0;
    for (int i = 0; i < params->count; i++)
        *count += params->list[i]->trainable ? params->list[i]->p.count : 0;
    float *all = malloc(*count * sizeof *all + 1);
    for (int i = 0; all && i < params->count; i++) {
        const struct net_param *param = params->list[i];
        if (!param->trainable)
            continue;
        memcpy(all + used, param->p.grad, param->p.count * sizeof *all);
        used += param->p.count;
    }
    return all;
}

void regress_network_sketch(const struct regress_network *network, struct sketch *sketch)
{
    struct tensor output = program_output(network->program, 0);
    *sketch = (struct sketch){0};
    sketch_add(sketch, "logits", output.data, tensor_count(&output));
    if (!network->train)
        return;
    sketch_add(sketch, "losses", program_losses(network->program), (size_t)output.n);
    size_t count;
    float *gradients = join_gradients(network->net->params, &count);
    sketch_add(sketch, "gradients", gradients, gradients ? count : 0);
    free(gradients);
}

static enum status run_reference(const struct regress_network *network,
                                 const struct regress_case *subject, struct sketch *due)
{
    struct impl_ctx *ctx;
    struct regress_network *other = calloc(1, sizeof *other);
    if (!other)
        return fail(ERR_MEMORY, "no memory for a network");
    enum status status = impls[0]->open(&ctx);
    if (status == OK) {
        status = regress_network_make(other, subject, impls[0], ctx, NULL, network->train, true);
        if (status == OK)
            status = regress_network_run(other);
        if (status == OK)
            regress_network_sketch(other, due);
        regress_network_free(other);
        impls[0]->close(ctx);
    }
    free(other);
    return status;
}

enum status regress_network_check(const struct regress_network *network,
                                  const struct regress_case *subject, double *error)
{
    struct sketch due, seen;
    char reason[160];
    TRY(run_reference(network, subject, &due));
    regress_network_sketch(network, &seen);
    const char *broken = sketch_nonfinite(&seen);
    if (broken)
        return fail(ERR_NUMERIC, "%s are not finite", broken);
    const double slack = network->direct ? SLACK : SLACK_WINOGRAD;
    if (!sketch_agree(&due, &seen, slack, error, reason, sizeof reason))
        return fail(ERR_NUMERIC, "against primitives on %s: %s", impls[0]->name, reason);
    return OK;
}

void regress_network_free(struct regress_network *network)
{
    program_free(network->program);
    net_free(network->compiled);
    net_free(network->net);
    network->program = NULL;
    network->compiled = network->net = NULL;
}
