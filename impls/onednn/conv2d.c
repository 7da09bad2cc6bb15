/* Convolution by oneDNN on NHWC maps: three primitives (forward, backward-data, backward-weights),
 * each with weights in the order it chose. Which kernel runs is the library's choice; the one
 * exception is the guard described at needs_gather(). */
#include "impls/onednn/onednn.h"

#include "impls/base/memory.h"
#include "impls/onednn/loops.h"
#include "impls/onednn/weights.h"
#include "impls/ops.h"

#include <stdio.h>
#include <stdlib.h>

struct conv {
    struct shim_prim forward, backward_data, backward_weights;
    struct pack forward_pack, backward_pack;
    struct unpack unpack;
    bool gather;
    size_t lib_scratch; /* the largest scratchpad of all primitives; our own areas follow it */
};

static bool wants_bias(const struct op_desc *d)
{
    return d->conv.bias && (d->want_diff_param & 2u);
}

static bool wants_weights(const struct op_desc *d)
{
    return (d->want_diff_param & 1u) || wants_bias(d);
}

static struct shim_view weights_view(const struct op_desc *d)
{
    return shim_weights(d->conv.groups, d->conv.oc, d->src[0].c, d->conv.kh, d->conv.kw);
}

static struct shim_conv describe(const struct op_desc *d, bool bias)
{
    const struct tensor *src = &d->src[0], *dst = &d->dst;
    int dh = d->conv.dh, dw = d->conv.dw;
    struct shim_window window = {
        .stride = {d->conv.sh, d->conv.sw},
        .dilation = {dh - 1, dw - 1},
        .before = {d->conv.ph, d->conv.pw},
        .after = {shim_pad_after(src->h, dst->h, d->conv.kh, d->conv.sh, dh, d->conv.ph),
                  shim_pad_after(src->w, dst->w, d->conv.kw, d->conv.sw, dw, d->conv.pw)}};
    return (struct shim_conv){.src = shim_map(src), .weights = shim_any(weights_view(d)),
                              .bias = bias ? shim_vector(d->conv.oc) : (struct shim_view){0},
                              .dst = shim_map(dst), .window = window};
}

/* The library's backward-weights kernel for a 1x1 window with a stride gathers the strided source
 * itself, and with fewer channels than a vector holds writes past its workspace (wrong gradients
 * and crashes in every version up to 3.x; uxlfoundation/oneDNN#6035). For such shapes we gather,
 * and the library sees a window without a stride. */
static bool needs_gather(const struct op_desc *d)
{
    bool pointwise = d->conv.kh == 1 && d->conv.kw == 1 && d->conv.ph == 0 && d->conv.pw == 0;
    return pointwise && (d->conv.sh > 1 || d->conv.sw > 1) && d->src[0].c / d->conv.groups < 16;
}

static enum status build_backward_weights(struct impl_ctx *ctx, const struct op_desc *d,
                                          struct conv *conv)
{
    struct shim_conv what = describe(d, wants_bias(d));
    struct shim_view plain = weights_view(d);
    struct shim_prim hint = {0};
    conv->gather = needs_gather(d);
    if (conv->gather) {
        struct tensor gathered = tensor_dense(NULL, d->src[0].n, d->dst.h, d->dst.w, d->src[0].c);
        what.src = shim_map(&gathered);
        what.window = (struct shim_window){.stride = {1, 1}};
        TRY(shim_make_conv(ctx, SHIM_TRAINING, &what, NULL, &hint));
    }
    enum status status =
        shim_make_conv(ctx, SHIM_BACKWARD_WEIGHTS, &what, conv->gather ? &hint : &conv->forward,
                       &conv->backward_weights);
    shim_release(&hint);
    TRY(status);
    return unpack_make(ctx, &plain, &conv->backward_weights, &conv->unpack);
}

static enum status build_prims(struct impl_ctx *ctx, const struct op_desc *d, struct conv *conv)
{
    struct shim_conv what = describe(d, d->conv.bias);
    struct shim_view plain = weights_view(d);
    TRY(shim_make_conv(ctx, d->train ? SHIM_TRAINING : SHIM_INFERENCE, &what, NULL,
                       &conv->forward));
    TRY(pack_make(ctx, &plain, &conv->forward, &conv->forward_pack));
    if (d->want_diff_src & 1u) {
        TRY(shim_make_conv(ctx, SHIM_BACKWARD_DATA, &what, &conv->forward, &conv->backward_data));
        TRY(pack_make(ctx, &plain, &conv->backward_data, &conv->backward_pack));
    }
    return wants_weights(d) ? build_backward_weights(ctx, d, conv) : OK;
}

static size_t largest_scratch(const struct conv *conv)
{
    const size_t bytes[] = {conv->forward.scratch_bytes,
                            conv->backward_data.scratch_bytes,
                            conv->backward_weights.scratch_bytes,
                            conv->forward_pack.reorder.scratch_bytes,
                            conv->backward_pack.reorder.scratch_bytes,
                            conv->unpack.reorder.scratch_bytes};
    size_t most = 0;
    for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++)
        most = bytes[i] > most ? bytes[i] : most;
    return memory_round(most);
}

static size_t gather_bytes(const struct op_desc *d, const struct conv *conv)
{
    size_t pixels = (size_t)d->dst.n * d->dst.h * d->dst.w;
    return conv->gather ? memory_round(pixels * d->src[0].c * sizeof(float)) : 0;
}

/* After the library's scratchpad: a source gradient that is to be added, or (one at a time) a
 * gathered source, a weight gradient and a bias gradient. */
static size_t own_scratch(const struct op_desc *d, const struct conv *conv)
{
    size_t data = 0, weights = 0;
    if (d->want_diff_src & 1u)
        data = memory_round(tensor_count(&d->src[0]) * sizeof(float));
    if (wants_weights(d))
        weights = gather_bytes(d, conv) + unpack_area(&conv->unpack) +
                  memory_round((size_t)d->conv.oc * sizeof(float));
    return data > weights ? data : weights;
}

static void say_how(struct op_plan *plan, const struct conv *conv)
{
    const char *data = conv->backward_data.name, *weights = conv->backward_weights.name;
    const char *guard = conv->gather ? "gather+" : "";
    if (!*data && !*weights)
        snprintf(plan->how, sizeof plan->how, "%s", conv->forward.name);
    else if (!*data || !*weights)
        snprintf(plan->how, sizeof plan->how, "fwd %s / bwd %s%s", conv->forward.name, guard,
                 *data ? data : weights);
    else
        snprintf(plan->how, sizeof plan->how, "fwd %s / bwd %s, %s%s", conv->forward.name, data,
                 guard, weights);
}

static enum status build(struct impl_ctx *ctx, struct op_plan *plan)
{
    struct conv *conv = plan->priv;
    TRY(build_prims(ctx, &plan->desc, conv));
    conv->lib_scratch = largest_scratch(conv);
    plan->scratch_bytes = conv->lib_scratch + own_scratch(&plan->desc, conv);
    say_how(plan, conv);
    return OK;
}

static void release(struct op_plan *plan)
{
    struct conv *conv = plan->priv;
    shim_release(&conv->forward);
    shim_release(&conv->backward_data);
    shim_release(&conv->backward_weights);
    pack_release(&conv->forward_pack);
    pack_release(&conv->backward_pack);
    unpack_release(&conv->unpack);
    free(conv);
}

static enum status plan_conv(struct impl_ctx *ctx, struct op_plan *plan)
{
    return shim_plan(ctx, plan, sizeof(struct conv), build, release);
}

static enum status forward(const struct op_plan *plan, const struct op_args *args)
{
    const struct op_desc *d = &plan->desc;
    struct conv *conv = plan->priv;
    float *weights;
    TRY(pack_use(&conv->forward_pack, d, args->param[0], args->scratch, &weights));
    const struct shim_bind binds[] = {{DNNL_ARG_SRC, args->src[0].data},
                                      {DNNL_ARG_WEIGHTS, weights},
                                      {DNNL_ARG_BIAS, d->conv.bias ? args->param[1]->data : NULL},
                                      {DNNL_ARG_DST, args->dst.data}};
    return shim_run(&conv->forward, d, args->scratch, binds, 4);
}

static enum status backward_data(const struct op_plan *plan, const struct op_args *args)
{
    const struct op_desc *d = &plan->desc;
    struct conv *conv = plan->priv;
    bool add = args->add_diff_src & 1u;
    void *own = (char *)args->scratch + conv->lib_scratch;
    float *weights, *target = add ? own : args->diff_src[0].data;
    TRY(pack_use(&conv->backward_pack, d, args->param[0], args->scratch, &weights));
    const struct shim_bind binds[] = {{DNNL_ARG_DIFF_DST, args->diff_dst.data},
                                      {DNNL_ARG_WEIGHTS, weights},
                                      {DNNL_ARG_DIFF_SRC, target}};
    TRY(shim_run(&conv->backward_data, d, args->scratch, binds, 3));
    if (add)
        loops_add(args->diff_src[0].data, target, tensor_count(&d->src[0]));
    return OK;
}

static enum status backward_weights(const struct op_plan *plan, const struct op_args *args)
{
    const struct op_desc *d = &plan->desc;
    const struct conv *conv = plan->priv;
    char *own = (char *)args->scratch + conv->lib_scratch;
    char *area = own + gather_bytes(d, conv);
    float *grad = d->want_diff_param & 1u ? args->param[0]->grad : NULL;
    bool add = args->add_diff_param & 1u, add_bias = args->add_diff_param & 2u;
    float *bias = wants_bias(d) ? args->param[1]->grad : NULL;
    float *bias_target = add_bias ? (float *)(area + unpack_area(&conv->unpack)) : bias;
    if (conv->gather)
        loops_gather((float *)own, &args->src[0], d->conv.sh, d->conv.sw, d->dst.h, d->dst.w);
    const struct shim_bind binds[] = {
        {DNNL_ARG_SRC, conv->gather ? own : args->src[0].data},
        {DNNL_ARG_DIFF_DST, args->diff_dst.data},
        {DNNL_ARG_DIFF_WEIGHTS, unpack_target(&conv->unpack, grad, add, area)},
        {DNNL_ARG_DIFF_BIAS, bias ? bias_target : NULL}};
    TRY(shim_run(&conv->backward_weights, d, args->scratch, binds, 4));
    if (bias && add_bias)
        loops_add(bias, bias_target, (size_t)d->conv.oc);
    return unpack_finish(&conv->unpack, d, grad, add, area, args->scratch);
}

static enum status backward(const struct op_plan *plan, const struct op_args *args)
{
    if (plan->desc.want_diff_src & 1u)
        TRY(backward_data(plan, args));
    if (wants_weights(&plan->desc))
        TRY(backward_weights(plan, args));
    return OK;
}

const struct op_entry onednn_conv2d = {.name = "onednn conv2d", .plan = plan_conv,
                                       .forward = forward, .backward = backward,
                                       .release = release};
