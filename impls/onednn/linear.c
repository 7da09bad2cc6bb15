/* Fully connected layer by oneDNN's inner product: the features of an NHWC map against weights in
 * PyTorch's C,H,W order, which the library packs into the order it wants. */
#include "impls/onednn/onednn.h"

#include "impls/base/memory.h"
#include "impls/onednn/loops.h"
#include "impls/onednn/weights.h"
#include "impls/ops.h"

#include <stdio.h>
#include <stdlib.h>

struct linear {
    struct shim_prim forward, backward_data, backward_weights;
    struct pack forward_pack, backward_pack;
    struct unpack unpack;
    size_t lib_scratch;
};

static bool wants_bias(const struct op_desc *d)
{
    return d->linear.bias && (d->want_diff_param & 2u);
}

static bool wants_weights(const struct op_desc *d)
{
    return (d->want_diff_param & 1u) || wants_bias(d);
}

static struct shim_view weights_view(const struct op_desc *d)
{
    const struct tensor *s = &d->src[0];
    return shim_weights(1, d->linear.oc, s->c, s->h, s->w);
}

/* The result as a plain matrix: the library asks for two sizes there. */
static struct shim_view dst_view(const struct op_desc *d)
{
    return (struct shim_view){.ndims = 2, .dims = {d->src[0].n, d->linear.oc},
                              .strides = {d->linear.oc, 1}};
}

static struct shim_linear describe(const struct op_desc *d, bool bias)
{
    return (struct shim_linear){.src = shim_map(&d->src[0]), .weights = shim_any(weights_view(d)),
                                .bias = bias ? shim_vector(d->linear.oc) : (struct shim_view){0},
                                .dst = dst_view(d)};
}

/* Before 3.4 the brgemm kernel of the weight gradient has faults in the tails of the batch (library
 * commits caead724fc, 73bfaef8e8): the next kernel, a GEMM, runs instead. */
static enum status build_backward_weights(struct impl_ctx *ctx, const struct op_desc *d,
                                          struct linear *linear)
{
    struct shim_linear what = describe(d, wants_bias(d));
    struct shim_view plain = weights_view(d);
    what.avoid = shim_version() < 30400 ? "brgemm" : NULL;
    TRY(shim_make_linear(ctx, SHIM_BACKWARD_WEIGHTS, &what, &linear->forward,
                         &linear->backward_weights));
    return unpack_make(ctx, &plain, &linear->backward_weights, &linear->unpack);
}

static enum status build_prims(struct impl_ctx *ctx, const struct op_desc *d,
                               struct linear *linear)
{
    struct shim_linear what = describe(d, d->linear.bias);
    struct shim_view plain = weights_view(d);
    TRY(shim_make_linear(ctx, d->train ? SHIM_TRAINING : SHIM_INFERENCE, &what, NULL,
                         &linear->forward));
    TRY(pack_make(ctx, &plain, &linear->forward, &linear->forward_pack));
    if (d->want_diff_src & 1u) {
        TRY(shim_make_linear(ctx, SHIM_BACKWARD_DATA, &what, &linear->forward,
                             &linear->backward_data));
        TRY(pack_make(ctx, &plain, &linear->backward_data, &linear->backward_pack));
    }
    return wants_weights(d) ? build_backward_weights(ctx, d, linear) : OK;
}

static size_t largest_scratch(const struct linear *linear)
{
    const size_t bytes[] = {linear->forward.scratch_bytes,
                            linear->backward_data.scratch_bytes,
                            linear->backward_weights.scratch_bytes,
                            linear->forward_pack.reorder.scratch_bytes,
                            linear->backward_pack.reorder.scratch_bytes,
                            linear->unpack.reorder.scratch_bytes};
    size_t most = 0;
    for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++)
        most = bytes[i] > most ? bytes[i] : most;
    return memory_round(most);
}

static size_t own_scratch(const struct op_desc *d, const struct linear *linear)
{
    size_t data = 0, weights = 0;
    if (d->want_diff_src & 1u)
        data = memory_round(tensor_count(&d->src[0]) * sizeof(float));
    if (wants_weights(d))
        weights = unpack_area(&linear->unpack) +
                  memory_round((size_t)d->linear.oc * sizeof(float));
    return data > weights ? data : weights;
}

static void say_how(struct op_plan *plan, const struct linear *linear)
{
    const char *data = linear->backward_data.name, *weights = linear->backward_weights.name;
    if (!*data && !*weights)
        snprintf(plan->how, sizeof plan->how, "%s", linear->forward.name);
    else
        snprintf(plan->how, sizeof plan->how, "fwd %s / bwd %s%s%s", linear->forward.name, data,
                 *data && *weights ? ", " : "", weights);
}

static enum status build(struct impl_ctx *ctx, struct op_plan *plan)
{
    struct linear *linear = plan->priv;
    TRY(build_prims(ctx, &plan->desc, linear));
    linear->lib_scratch = largest_scratch(linear);
    plan->scratch_bytes = linear->lib_scratch + own_scratch(&plan->desc, linear);
    say_how(plan, linear);
    return OK;
}

static void release(struct op_plan *plan)
{
    struct linear *linear = plan->priv;
    shim_release(&linear->forward);
    shim_release(&linear->backward_data);
    shim_release(&linear->backward_weights);
    pack_release(&linear->forward_pack);
    pack_release(&linear->backward_pack);
    unpack_release(&linear->unpack);
    free(linear);
}

static enum status plan_linear(struct impl_ctx *ctx, struct op_plan *plan)
{
    return shim_plan(ctx, plan, sizeof(struct linear), build, release);
}

static enum status forward(const struct op_plan *plan, const struct op_args *args)
{
    const struct op_desc *d = &plan->desc;
    struct linear *linear = plan->priv;
    float *weights;
    TRY(pack_use(&linear->forward_pack, d, args->param[0], args->scratch, &weights));
    const struct shim_bind binds[] = {
        {DNNL_ARG_SRC, args->src[0].data},
        {DNNL_ARG_WEIGHTS, weights},
        {DNNL_ARG_BIAS, d->linear.bias ? args->param[1]->data : NULL},
        {DNNL_ARG_DST, args->dst.data}};
    return shim_run(&linear->forward, d, args->scratch, binds, 4);
}

static enum status backward_data(const struct op_plan *plan, const struct op_args *args)
{
    const struct op_desc *d = &plan->desc;
    struct linear *linear = plan->priv;
    bool add = args->add_diff_src & 1u;
    void *own = (char *)args->scratch + linear->lib_scratch;
    float *weights, *target = add ? own : args->diff_src[0].data;
    TRY(pack_use(&linear->backward_pack, d, args->param[0], args->scratch, &weights));
    const struct shim_bind binds[] = {{DNNL_ARG_DIFF_DST, args->diff_dst.data},
                                      {DNNL_ARG_WEIGHTS, weights},
                                      {DNNL_ARG_DIFF_SRC, target}};
    TRY(shim_run(&linear->backward_data, d, args->scratch, binds, 3));
    if (add)
        loops_add(args->diff_src[0].data, target, tensor_count(&d->src[0]));
    return OK;
}

static enum status backward_weights(const struct op_plan *plan, const struct op_args *args)
{
    const struct op_desc *d = &plan->desc;
    const struct linear *linear = plan->priv;
    char *area = (char *)args->scratch + linear->lib_scratch;
    float *grad = d->want_diff_param & 1u ? args->param[0]->grad : NULL;
    bool add = args->add_diff_param & 1u, add_bias = args->add_diff_param & 2u;
    float *bias = wants_bias(d) ? args->param[1]->grad : NULL;
    float *bias_target = add_bias ? (float *)(area + unpack_area(&linear->unpack)) : bias;
    const struct shim_bind binds[] = {
        {DNNL_ARG_SRC, args->src[0].data},
        {DNNL_ARG_DIFF_DST, args->diff_dst.data},
        {DNNL_ARG_DIFF_WEIGHTS, unpack_target(&linear->unpack, grad, add, area)},
        {DNNL_ARG_DIFF_BIAS, bias ? bias_target : NULL}};
    TRY(shim_run(&linear->backward_weights, d, args->scratch, binds, 4));
    if (bias && add_bias)
        loops_add(bias, bias_target, (size_t)d->linear.oc);
    return unpack_finish(&linear->unpack, d, grad, add, area, args->scratch);
}

static enum status backward(const struct op_plan *plan, const struct op_args *args)
{
    if (plan->desc.want_diff_src & 1u)
        TRY(backward_data(plan, args));
    if (wants_weights(&plan->desc))
        TRY(backward_weights(plan, args));
    return OK;
}

const struct op_entry onednn_linear = {.name = "onednn linear", .plan = plan_linear,
                                       .forward = forward, .backward = backward,
                                       .release = release};
