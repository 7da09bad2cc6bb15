/* Convolution by oneDNN on NHWC maps. Which kernel runs is the library's choice, with two guards:
 * a faulty kernel is led round (needs_gather()), reference code is replaced (or_direct()). Running
 * the library is weighted.c's business. Winograd's algorithm, of the result and of both gradients,
 * is fused/winograd.h's and fused/winograd_weight.h's. */
#include "impls/onednn/onednn.h"

#include "impls/base/memory.h"
#include "impls/fused/winograd.h"
#include "impls/fused/winograd_act.h"
#include "impls/fused/winograd_weight.h"
#include "impls/onednn/conv2d.h"
#include "impls/onednn/direct.h"
#include "impls/onednn/pointwise.h"
#include "impls/onednn/weighted.h"
#include "impls/ops.h"

#include <stdio.h>
#include <stdlib.h>

struct conv {
    struct dnn_weighted lib;
    struct winograd result, source; /* u NULL: not used */
    struct winograd_weight weight;  /* block 0: not used */
    float *taps; /* weights for our own kernel, where it is used */
    const float *packed; /* what the taps were made from, and which version of it */
    unsigned version;
};

struct shim_view dnn_conv_weights(const struct op_desc *d)
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

enum { SMALL_MAP = 64 }; /* pixels; from 14 x 14 on nothing is gained */

/* The library deals with one image at a time, and with maps of a few pixels its kernels are mostly
 * idle. A 1x1 window without stride or padding does not see where an image ends: the images of a
 * dense batch are then one tall map. */
static struct op_desc as_one_image(const struct op_desc *d)
{
    struct op_desc one = *d;
    bool pointwise = d->conv.kh == 1 && d->conv.kw == 1 && d->conv.sh == 1 && d->conv.sw == 1 &&
                     d->conv.ph == 0 && d->conv.pw == 0;
    if (!pointwise || d->src[0].h * d->src[0].w > SMALL_MAP)
        return one;
    one.src[0].h *= d->src[0].n;
    one.dst.h *= d->src[0].n;
    one.src[0].n = one.dst.n = 1;
    return one;
}

struct shim_conv dnn_conv_describe(const struct op_desc *desc, bool bias)
{
    const struct op_desc one = as_one_image(desc), *d = &one;
    return (struct shim_conv){.src = shim_map(&d->src[0]),
                              .weights = shim_weights_for(dnn_conv_weights(d), d->src[0].dtype),
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
    struct shim_conv what = dnn_conv_describe(d, dnn_weighted_wants_bias(d, w->bias));
    if (!needs_gather(d))
        return shim_make_conv(ctx, SHIM_BACKWARD_WEIGHTS, &what, &w->forward,
                              &w->backward_weights);
    struct tensor gathered = tensor_dense(NULL, d->src[0].n, d->dst.h, d->dst.w, d->src[0].c);
    struct shim_prim hint = {0};
    w->sh = d->conv.sh;
    w->sw = d->conv.sw;
    what.src = shim_map(&gathered);
    what.window = (struct shim_window){.stride = {1, 1}};
    TRY(shim_make_conv(ctx, SHIM_TRAINING, &what, NULL, &hint));
    enum status status =
        shim_make_conv(ctx, SHIM_BACKWARD_WEIGHTS, &what, &hint, &w->backward_weights);
    shim_release(&hint);
    w->gather = status == OK;
    return status;
}

/* Where the library has nothing but reference code, the pass is ours: the primitive stays unmade
 * and its name says so. */
static enum status or_direct(enum status status, struct shim_prim *prim)
{
    if (status != ERR_UNSUPPORTED)
        return status;
    snprintf(prim->name, sizeof prim->name, "own direct (guard: none fit)");
    return OK;
}

static enum status make_prims(struct impl_ctx *ctx, const struct op_desc *d,
                              struct dnn_weighted *w)
{
    struct shim_conv what = dnn_conv_describe(d, d->conv.bias);
    enum status status =
        shim_make_conv(ctx, d->train ? SHIM_TRAINING : SHIM_INFERENCE, &what, NULL, &w->forward);
    if (op_has_bf16(d)) /* for inference, and our own kernel reads f32 */
        return status;
    TRY(or_direct(status, &w->forward));
    /* Without a forward primitive the library makes no backward ones. */
    bool none = !w->forward.prim;
    if (dnn_weighted_wants_src(d)) {
        status = none ? ERR_UNSUPPORTED
                      : shim_make_conv(ctx, SHIM_BACKWARD_DATA, &what, &w->forward,
                                       &w->backward_data);
        TRY(or_direct(status, &w->backward_data));
    }
    if (dnn_weighted_wants_weights(d, w->bias)) {
        status = none ? ERR_UNSUPPORTED : make_backward_weights(ctx, d, w);
        TRY(or_direct(status, &w->backward_weights));
    }
    return OK;
}

static size_t weight_count(const struct op_desc *d)
{
    return (size_t)d->conv.oc * (size_t)(d->src[0].c / d->conv.groups) * (size_t)d->conv.kh *
           (size_t)d->conv.kw;
}

/* In place of the library's: what is made here, and named. */
static enum status make_winograd(struct op_plan *plan, struct conv *conv)
{
    const struct op_desc *d = &plan->desc;
    struct dnn_weighted *w = &conv->lib;
    const int m = winograd_tile(d);
    TRY(winograd_make(&conv->result, d, m, false));
    winograd_name(&conv->result, w->forward.name, sizeof w->forward.name);
    if (dnn_weighted_wants_src(d)) {
        TRY(winograd_make(&conv->source, d, m, true));
        snprintf(w->backward_data.name, sizeof w->backward_data.name, "the same");
    }
    if (d->want_diff_param & 1u) {
        TRY(winograd_weight_make(&conv->weight, d, m));
        snprintf(w->backward_weights.name, sizeof w->backward_weights.name, "the same");
    } else if (dnn_weighted_wants_bias(d, w->bias)) {
        snprintf(w->backward_weights.name, sizeof w->backward_weights.name, "own direct");
    }
    return OK;
}

static enum status make_taps(const struct op_desc *d, struct conv *conv)
{
    const struct dnn_weighted *w = &conv->lib;
    if (w->forward.prim && (!dnn_weighted_wants_src(d) || w->backward_data.prim))
        return OK;
    conv->taps = memory_alloc(weight_count(d) * sizeof(float));
    return conv->taps ? OK : ERR_MEMORY;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static enum status build(struct impl_ctx *ctx, struct op_plan *plan)
{
    const struct op_desc *d = &plan->desc;
    struct conv *conv = plan->priv;
    struct dnn_weighted *w = &conv->lib;
    w->bias = d->conv.bias;
    w->plain = dnn_conv_weights(d);
    if (d->conv.algorithm == CONV_DIRECT) {
        TRY(make_prims(ctx, d, w));
        TRY(make_taps(d, conv));
    } else {
        TRY(make_winograd(plan, conv));
    }
    TRY(dnn_weighted_finish(ctx, plan, w));
    plan->packed |= !w->forward.prim; /* into taps */
    if (conv->result.u)
        plan->scratch_bytes = larger(plan->scratch_bytes, winograd_scratch(&conv->result));
    if (conv->source.u)
        plan->scratch_bytes = larger(plan->scratch_bytes, winograd_scratch(&conv->source));
    if (conv->weight.block)
        plan->scratch_bytes = larger(plan->scratch_bytes, winograd_weight_scratch(&conv->weight));
    return OK;
}

static void release(struct op_plan *plan)
{
    struct conv *conv = plan->priv;
    dnn_weighted_release(&conv->lib);
    winograd_release(&conv->result);
    winograd_release(&conv->source);
    winograd_weight_release(&conv->weight);
    memory_free(conv->taps);
    free(conv);
}

static enum status plan_conv(struct impl_ctx *ctx, struct op_plan *plan)
{
    if (plan->desc.conv.algorithm != CONV_DIRECT && !plan->desc.train)
        return winograd_act_plan(plan);
    if (dnn_pointwise_fits(&plan->desc))
        return dnn_pointwise_plan(ctx, plan);
    return shim_plan(ctx, plan, sizeof(struct conv), build, release);
}

static const float *taps_of(const struct op_plan *plan, const struct param *weight)
{
    struct conv *conv = plan->priv;
    if (conv->packed != weight->data || conv->version != weight->version) {
        dnn_direct_pack(&plan->desc, weight->data, conv->taps);
        conv->packed = weight->data;
        conv->version = weight->version;
    }
    return conv->taps;
}

static enum status forward(const struct op_plan *plan, const struct op_args *args)
{
    struct conv *conv = plan->priv;
    if (conv->lib.forward.prim)
        return dnn_weighted_forward(&conv->lib, plan, args);
    if (conv->result.u) {
        const struct winograd_call call = {
            .src = &args->src[0], .dst = &args->dst, .scratch = args->scratch,
            .bias = conv->lib.bias ? args->param[1]->data : NULL};
        winograd_use(&conv->result, args->param[0]);
        winograd_run(&conv->result, &call);
        return OK;
    }
    dnn_direct_forward(&plan->desc, args->src[0].data, taps_of(plan, args->param[0]),
                       conv->lib.bias ? args->param[1]->data : NULL, args->dst.data);
    return OK;
}

static enum status backward_data(const struct op_plan *plan, const struct op_args *args)
{
    struct conv *conv = plan->priv;
    if (conv->lib.backward_data.prim)
        return dnn_weighted_backward_data(&conv->lib, plan, args);
    if (conv->source.u) {
        const struct winograd_call call = {
            .src = &args->diff_dst, .dst = &args->diff_src[0], .scratch = args->scratch,
            .add = args->add_diff_src & 1u};
        winograd_use(&conv->source, args->param[0]);
        winograd_run(&conv->source, &call);
        return OK;
    }
    dnn_direct_backward_src(&plan->desc, args->diff_dst.data, taps_of(plan, args->param[0]),
                            args->diff_src[0].data, args->add_diff_src & 1u);
    return OK;
}

static enum status backward_weights(const struct op_plan *plan, const struct op_args *args)
{
    const struct op_desc *d = &plan->desc;
    struct conv *conv = plan->priv;
    if (conv->lib.backward_weights.prim)
        return dnn_weighted_backward_weights(&conv->lib, plan, args);
    if (conv->weight.block) {
        const bool bias = dnn_weighted_wants_bias(d, d->conv.bias);
        const struct winograd_weight_call call = {
            .src = &args->src[0], .diff_dst = &args->diff_dst, .grad = args->param[0]->grad,
            .bias = bias ? args->param[1]->grad : NULL, .scratch = args->scratch,
            .add = args->add_diff_param & 1u, .add_bias = args->add_diff_param & 2u};
        winograd_weight_run(&conv->weight, &call);
        return OK;
    }
    if (d->want_diff_param & 1u)
        dnn_direct_backward_weight(d, args->src[0].data, args->diff_dst.data,
                                   args->param[0]->grad, args->add_diff_param & 1u);
    if (dnn_weighted_wants_bias(d, d->conv.bias))
        dnn_direct_backward_bias(d, args->diff_dst.data, args->param[1]->grad,
                                 args->add_diff_param & 2u);
    return OK;
}

static enum status backward(const struct op_plan *plan, const struct op_args *args)
{
    if (dnn_weighted_wants_src(&plan->desc))
        TRY(backward_data(plan, args));
    if (dnn_weighted_wants_weights(&plan->desc, plan->desc.conv.bias))
        TRY(backward_weights(plan, args));
    return OK;
}

const struct op_entry onednn_conv2d = {.name = "onednn conv2d", .winograd = true, .bf16 = true,
                                       .plan = plan_conv, .forward = forward, .backward = backward,
                                       .release = release};
