/* Convolution by oneDNN on NHWC maps. Which kernel runs is the library's choice; the one exception
 * is the guard described at needs_gather(). Running is weighted.c's business. */
#include "impls/onednn/onednn.h"

#include "impls/onednn/weighted.h"
#include "impls/ops.h"

static struct shim_view weights_view(const struct op_desc *d)
{
    return shim_weights(d->conv.groups, d->conv.oc, d->src[0].c, d->conv.kh, d->conv.kw);
}

static struct shim_window window_of(const struct op_desc *d)
{
    const struct tensor *src = &d->src[0], *dst = &d->dst;
    int dh = d->conv.dh, dw = d->conv.dw, ph = d->conv.ph, pw = d->conv.pw;
    return (struct shim_window){
        .stride = {d->conv.sh, d->conv.sw},
        .dilation = {dh - 1, dw - 1},
        .before = {ph, pw},
        .after = {shim_pad_after(src->h, dst->h, d->conv.kh, d->conv.sh, dh, ph),
                  shim_pad_after(src->w, dst->w, d->conv.kw, d->conv.sw, dw, pw)}};
}

static struct shim_conv describe(const struct op_desc *d, bool bias)
{
    return (struct shim_conv){.src = shim_map(&d->src[0]), .weights = shim_any(weights_view(d)),
                              .bias = bias ? shim_vector(d->conv.oc) : (struct shim_view){0},
                              .dst = shim_map(&d->dst), .window = window_of(d)};
}

/* The library's backward-weights kernel for a 1x1 window with a stride gathers the strided source
 * itself, and with fewer channels than a vector holds writes past its workspace: wrong gradients
 * and crashes, open in every version (uxlfoundation/oneDNN#6035). For such shapes we gather, and
 * the library sees a window without a stride. */
static bool needs_gather(const struct op_desc *d)
{
    bool pointwise = d->conv.kh == 1 && d->conv.kw == 1 && d->conv.ph == 0 && d->conv.pw == 0;
    return pointwise && (d->conv.sh > 1 || d->conv.sw > 1) && d->src[0].c / d->conv.groups < 16;
}

static enum status make_backward_weights(struct impl_ctx *ctx, const struct op_desc *d,
                                         struct dnn_weighted *w)
{
    struct shim_conv what = describe(d, dnn_weighted_wants_bias(d, w->bias));
    if (!needs_gather(d))
        return shim_make_conv(ctx, SHIM_BACKWARD_WEIGHTS, &what, &w->forward,
                              &w->backward_weights);
    struct tensor gathered = tensor_dense(NULL, d->src[0].n, d->dst.h, d->dst.w, d->src[0].c);
    struct shim_prim hint = {0};
    w->gather = true;
    w->sh = d->conv.sh;
    w->sw = d->conv.sw;
    what.src = shim_map(&gathered);
    what.window = (struct shim_window){.stride = {1, 1}};
    TRY(shim_make_conv(ctx, SHIM_TRAINING, &what, NULL, &hint));
    enum status status =
        shim_make_conv(ctx, SHIM_BACKWARD_WEIGHTS, &what, &hint, &w->backward_weights);
    shim_release(&hint);
    return status;
}

static enum status build(struct impl_ctx *ctx, struct op_plan *plan)
{
    const struct op_desc *d = &plan->desc;
    struct dnn_weighted *w = plan->priv;
    struct shim_conv what = describe(d, d->conv.bias);
    w->bias = d->conv.bias;
    w->plain = weights_view(d);
    TRY(shim_make_conv(ctx, d->train ? SHIM_TRAINING : SHIM_INFERENCE, &what, NULL, &w->forward));
    if (dnn_weighted_wants_src(d))
        TRY(shim_make_conv(ctx, SHIM_BACKWARD_DATA, &what, &w->forward, &w->backward_data));
    if (dnn_weighted_wants_weights(d, w->bias))
        TRY(make_backward_weights(ctx, d, w));
    return dnn_weighted_finish(ctx, plan);
}

static enum status plan_conv(struct impl_ctx *ctx, struct op_plan *plan)
{
    return shim_plan(ctx, plan, sizeof(struct dnn_weighted), build, dnn_weighted_release);
}

const struct op_entry onednn_conv2d = {.name = "onednn conv2d", .plan = plan_conv,
                                       .forward = dnn_weighted_forward,
                                       .backward = dnn_weighted_backward,
                                       .release = dnn_weighted_release};
