/* Fused convolutions by oneDNN, for inference: the normalisation is folded into the packed weights
 * (impls/fused/fold.h), shortcut and relu are the library's post-operations. Where the library has
 * nothing but reference code, the direct convolution of direct.h runs, as in conv2d.c. Winograd's
 * algorithm is fused/winograd_act.h's: the library's own wants another layout of the maps. */
#include "impls/onednn/onednn.h"

#include "impls/base/memory.h"
#include "impls/base/threads.h"
#include "impls/fused/fold.h"
#include "impls/fused/winograd_act.h"
#include "impls/onednn/conv2d.h"
#include "impls/onednn/direct.h"
#include "impls/onednn/post.h"
#include "impls/onednn/weighted.h"
#include "impls/ops.h"

#include <stdlib.h>
#include <string.h>

struct conv_act {
    struct impl_ctx post;
    struct dnn_weighted lib; /* only its forward primitive */
    struct fold fold;
    size_t fold_at, direct_at; /* of our areas in scratch */
    float *taps; /* weights for our own kernel, where it is used */
    const float *packed; /* what the taps were made from, and which version of it */
    unsigned version;
};

static bool has_shortcut(const struct op_desc *d)
{
    return d->kind == OP_CONV_SUM_ACT;
}

static size_t map_bytes(const struct op_desc *d)
{
    return memory_round(tensor_count(&d->dst) * sizeof(float));
}

static enum status make_direct(const struct op_desc *d, struct conv_act *act)
{
    size_t weights = (size_t)d->conv.oc * (size_t)(d->src[0].c / d->conv.groups) *
                     (size_t)d->conv.kh * (size_t)d->conv.kw;
    act->taps = memory_alloc(weights * sizeof(float));
    return act->taps ? OK : ERR_MEMORY;
}

static void describe(struct op_plan *plan, const char *kernel)
{
    const struct op_desc *d = &plan->desc;
    shim_say(plan, "%s%s%s%s", kernel, d->conv.with_bn ? ", folded bn" : "",
             has_shortcut(d) ? ", sum" : "", d->conv.with_relu ? ", relu" : "");
}

static enum status build(struct impl_ctx *ctx, struct op_plan *plan)
{
    const struct op_desc *d = &plan->desc;
    struct conv_act *act = plan->priv;
    struct dnn_weighted *w = &act->lib;
    if (has_shortcut(d) && d->src[1].dtype != d->dst.dtype)
        return fail(ERR_UNSUPPORTED, "the shortcut is to have the dtype of the result");
    w->bias = fold_has_bias(d);
    w->plain = dnn_conv_weights(d);
    TRY(dnn_post_make(ctx, has_shortcut(d), d->conv.with_relu, &act->post));
    const struct shim_conv what = dnn_conv_describe(d, w->bias);
    enum status status = shim_make_conv(&act->post, SHIM_INFERENCE, &what, NULL, &w->forward);
    bool direct = status == ERR_UNSUPPORTED && !op_has_bf16(d);
    TRY(direct ? make_direct(d, act) : status);
    TRY(dnn_weighted_finish(ctx, plan, w));
    TRY(fold_make(&act->fold, d, !direct && w->forward_pack.same));
    plan->packed = fold_packed(d, direct || !w->forward_pack.same);
    act->fold_at = memory_round(plan->scratch_bytes);
    act->direct_at = act->fold_at + fold_area(&act->fold, d);
    plan->scratch_bytes = act->direct_at + (direct && has_shortcut(d) ? map_bytes(d) : 0);
    describe(plan, direct ? "own direct (guard: ref)" : w->forward.name);
    return OK;
}

static void release(struct op_plan *plan)
{
    struct conv_act *act = plan->priv;
    dnn_weighted_release(&act->lib);
    dnn_post_release(&act->post);
    fold_release(&act->fold);
    memory_free(act->taps);
    free(act);
}

static enum status plan_conv_act(struct impl_ctx *ctx, struct op_plan *plan)
{
    if (plan->desc.train)
        return fail(ERR_UNSUPPORTED, "a fused convolution has no backward pass");
    if (plan->desc.conv.algorithm != CONV_DIRECT)
        return winograd_act_plan(plan);
    return shim_plan(ctx, plan, sizeof(struct conv_act), build, release);
}

/* What follows our own kernel; y may be x or the shortcut. */
static void join(const float *x, const float *shortcut, bool relu, size_t count, float *y)
{
#pragma omp parallel for simd schedule(static) if (threads_worth(count))
    for (size_t i = 0; i < count; i++) {
        float v = shortcut ? x[i] + shortcut[i] : x[i];
        y[i] = relu && v <= 0.0f ? 0.0f : v;
    }
}

/* Our own kernel overwrites: where there is a shortcut, its result goes to scratch first. */
static void forward_direct(struct conv_act *act, const struct op_desc *d,
                           const struct op_args *args)
{
    const struct param *weight = args->param[0];
    float *y = args->dst.data;
    float *result = has_shortcut(d) ? (float *)((char *)args->scratch + act->direct_at) : y;
    if (act->packed != weight->data || act->version != weight->version) {
        dnn_direct_pack(d, weight->data, act->taps);
        act->packed = weight->data;
        act->version = weight->version;
    }
    dnn_direct_forward(d, args->src[0].data, act->taps, act->lib.bias ? args->param[1]->data : NULL,
                       result);
    if (has_shortcut(d) || d->conv.with_relu)
        join(result, has_shortcut(d) ? args->src[1].data : NULL, d->conv.with_relu,
             tensor_count(&d->dst), y);
}

/* The library adds to what the destination holds. Maps of any dtype, both dense. */
static void put_shortcut(const struct op_desc *d, const struct op_args *args)
{
    enum { PART = 16384 };
    const size_t bytes = tensor_count(&d->dst) * dtype_bytes(d->dst.dtype);
    if (!has_shortcut(d) || args->dst.data == args->src[1].data)
        return;
#pragma omp parallel for schedule(static) if (threads_worth(tensor_count(&d->dst)))
    for (size_t at = 0; at < bytes; at += PART)
        memcpy((char *)args->dst.data + at, (const char *)args->src[1].data + at,
               bytes - at < PART ? bytes - at : PART);
}

static enum status forward(const struct op_plan *plan, const struct op_args *args)
{
    struct conv_act *act = plan->priv;
    const struct op_desc *d = &plan->desc;
    const struct op_args folded =
        fold_use(&act->fold, d, args, (char *)args->scratch + act->fold_at);
    if (act->taps) {
        forward_direct(act, d, &folded);
        return OK;
    }
    put_shortcut(d, args);
    return dnn_weighted_forward(&act->lib, plan, &folded);
}

const struct op_entry onednn_conv_act = {.name = "onednn conv_act", .winograd = true, .bf16 = true,
                                         .plan = plan_conv_act, .forward = forward,
                                         .release = release};

const struct op_entry onednn_conv_sum_act = {.name = "onednn conv_sum_act", .winograd = true,
                                             .bf16 = true, .plan = plan_conv_act,
                                             .forward = forward, .release = release};
