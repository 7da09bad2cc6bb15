/* Fully connected layer by oneDNN's inner product: the features of an NHWC map against weights in
 * PyTorch's C,H,W order, which the library packs into the order it wants. Running is weighted.c's
 * business. */
#include "impls/onednn/onednn.h"

#include "impls/onednn/weighted.h"

#include <stdlib.h>

static struct shim_view weights_view(const struct op_desc *d)
{
    const struct tensor *s = &d->src[0];
    return shim_weights(1, d->linear.oc, s->c, s->h, s->w);
}

/* The result as a matrix: the library wants two sizes there, not four. */
static struct shim_view dst_view(const struct op_desc *d)
{
    return (struct shim_view){.dtype = d->dst.dtype,
                              .ndims = 2, .dims = {d->src[0].n, d->linear.oc},
                              .strides = {d->linear.oc, 1}};
}

static struct shim_linear describe(const struct op_desc *d, bool bias)
{
    return (struct shim_linear){.src = shim_map(&d->src[0]),
                                .weights = shim_weights_for(weights_view(d), d->src[0].dtype),
                                .bias = bias ? shim_vector(d->linear.oc) : (struct shim_view){0},
                                .dst = dst_view(d)};
}

/* Before 3.4 the brgemm kernel of the weight gradient has faults in the tails of the batch (library
 * commits caead724fc, 73bfaef8e8): the next kernel, a GEMM, runs instead. */
static enum status make_backward_weights(struct impl_ctx *ctx, const struct op_desc *d,
                                         struct dnn_weighted *w)
{
    struct shim_linear what = describe(d, dnn_weighted_wants_bias(d, w->bias));
    what.avoid = shim_version() < 30400 ? "brgemm" : NULL;
    return shim_make_linear(ctx, SHIM_BACKWARD_WEIGHTS, &what, &w->forward, &w->backward_weights);
}

static enum status build(struct impl_ctx *ctx, struct op_plan *plan)
{
    const struct op_desc *d = &plan->desc;
    struct dnn_weighted *w = plan->priv;
    struct shim_linear what = describe(d, d->linear.bias);
    w->bias = d->linear.bias;
    w->plain = weights_view(d);
    TRY(shim_make_linear(ctx, d->train ? SHIM_TRAINING : SHIM_INFERENCE, &what, NULL,
                         &w->forward));
    if (dnn_weighted_wants_src(d))
        TRY(shim_make_linear(ctx, SHIM_BACKWARD_DATA, &what, &w->forward, &w->backward_data));
    if (dnn_weighted_wants_weights(d, w->bias))
        TRY(make_backward_weights(ctx, d, w));
    return dnn_weighted_finish(ctx, plan, w);
}

static void release(struct op_plan *plan)
{
    dnn_weighted_release(plan->priv);
    free(plan->priv);
}

static enum status plan_linear(struct impl_ctx *ctx, struct op_plan *plan)
{
    return shim_plan(ctx, plan, sizeof(struct dnn_weighted), build, release);
}

static enum status forward(const struct op_plan *plan, const struct op_args *args)
{
    return dnn_weighted_forward(plan->priv, plan, args);
}

static enum status backward(const struct op_plan *plan, const struct op_args *args)
{
    if (dnn_weighted_wants_src(&plan->desc))
        TRY(dnn_weighted_backward_data(plan->priv, plan, args));
    if (dnn_weighted_wants_weights(&plan->desc, plan->desc.linear.bias))
        TRY(dnn_weighted_backward_weights(plan->priv, plan, args));
    return OK;
}

const struct op_entry onednn_linear = {.name = "onednn linear", .bf16 = true, .plan = plan_linear,
                                       .forward = forward, .backward = backward,
                                       .release = release};
