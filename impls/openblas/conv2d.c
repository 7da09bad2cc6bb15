/* Convolution on OpenBLAS: the choice of a kernel by shape, and what all kernels have in common
 * (packed weights, bias gradients, what is wanted). Knows no kernel from inside. */
#include "impls/openblas/conv2d.h"

#include "impls/openblas/bias.h"
#include "impls/openblas/openblas.h"

#include <limits.h>
#include <omp.h>
#include <stdlib.h>

/* Channels up to which direct loops over planes beat im2col and a product of so few columns. */
enum { FEW_IN = 8, FEW_OUT = 2, SHORT = 64 };

static struct conv conv_of(const struct op_desc *desc)
{
    const struct tensor *src = &desc->src[0], *dst = &desc->dst;
    bool fused = desc->kind != OP_CONV2D;
    return (struct conv){
        .win = {.ih = src->h, .iw = src->w, .c = src->c / desc->conv.groups,
                .stride = src->stride, .kh = desc->conv.kh, .kw = desc->conv.kw,
                .sh = desc->conv.sh, .sw = desc->conv.sw, .ph = desc->conv.ph,
                .pw = desc->conv.pw, .dh = desc->conv.dh, .dw = desc->conv.dw,
                .oh = dst->h, .ow = dst->w},
        .images = src->n, .pixels = dst->n * dst->h * dst->w,
        .groups = desc->conv.groups, .oc = desc->conv.oc / desc->conv.groups,
        .ldy = dst->stride, .bias = desc->conv.bias || (fused && desc->conv.with_bn),
        .sum = desc->kind == OP_CONV_SUM_ACT, .relu = fused && desc->conv.with_relu,
        .threads = omp_get_max_threads(),
    };
}

/* A window is short when its taps are not spread over far more than the map: the planes of
 * stencil.h span all of it. */
static bool window_is_short(const struct window *win)
{
    return (long)(win->kh - 1) * win->dh < SHORT && (long)(win->kw - 1) * win->dw < SHORT;
}

static const struct conv_kernel *choose(const struct conv *conv)
{
    const struct window *win = &conv->win;
    if (conv->groups > 1 && win->c == 1 && conv->oc == 1)
        return &conv_depthwise;
    bool one = win->kh == 1 && win->kw == 1, every = win->sh == 1 && win->sw == 1;
    if (one && every && win->ph == 0 && win->pw == 0)
        return &conv_pixels;
    bool few = conv->groups == 1 && conv->oc <= FEW_OUT && win->c <= FEW_IN;
    return few && every && window_is_short(win) ? &conv_planes : &conv_patches;
}

static enum status check(const struct op_desc *desc)
{
    if (desc->src[0].dtype != DTYPE_F32 || desc->dst.dtype != DTYPE_F32)
        return fail(ERR_UNSUPPORTED, "only f32 maps are offered");
    double weights = (double)desc->conv.oc * (desc->src[0].c / desc->conv.groups) *
                     desc->conv.kh * desc->conv.kw;
    if (weights > INT_MAX)
        return fail(ERR_UNSUPPORTED, "%.0f weights are more than 2^31-1", weights);
    return OK;
}

enum status conv_make(struct conv *conv, const struct op_desc *desc)
{
    TRY(check(desc));
    *conv = conv_of(desc);
    conv->kernel = choose(conv);
    return conv->kernel->init(conv);
}

void conv_release(struct conv *conv)
{
    weights_release(&conv->weights);
}

void conv_forward(struct conv *conv, const struct op_args *args)
{
    const float *weights = weights_get(&conv->weights, args->param[0], conv->threads);
    conv->kernel->forward(conv, weights, args);
}

static void release(struct op_plan *plan)
{
    conv_release(plan->priv);
    free(plan->priv);
}

static enum status plan_conv(struct impl_ctx *ctx, struct op_plan *plan)
{
    (void)ctx;
    struct conv *conv = malloc(sizeof *conv);
    if (!conv)
        return fail(ERR_MEMORY, "out of memory for a convolution plan");
    enum status status = conv_make(conv, &plan->desc);
    if (status != OK) {
        free(conv);
        return status;
    }
    plan->priv = conv;
    plan->packed = conv->weights.packed != NULL;
    conv->kernel->describe(conv, plan->how, sizeof plan->how);
    size_t kernel = conv->kernel->scratch(conv, &plan->desc);
    size_t bias = plan->desc.want_diff_param & 2
                      ? bias_scratch(conv->pixels, plan->desc.dst.c, conv->threads)
                      : 0;
    plan->scratch_bytes = kernel > bias ? kernel : bias;
    return OK;
}

static enum status forward(const struct op_plan *plan, const struct op_args *args)
{
    conv_forward(plan->priv, args);
    return OK;
}

static enum status backward(const struct op_plan *plan, const struct op_args *args)
{
    struct conv *conv = plan->priv;
    const struct op_desc *desc = &plan->desc;
    if (desc->want_diff_src & 1)
        conv->kernel->backward_data(
            conv, weights_get(&conv->weights, args->param[0], conv->threads), args);
    if (desc->want_diff_param & 1)
        conv->kernel->backward_weights(conv, args);
    if (conv->bias && desc->want_diff_param & 2)
        bias_gradient(args->diff_dst.data, conv->pixels, desc->dst.c, conv->ldy,
                      args->add_diff_param & 2, args->param[1]->grad, args->scratch,
                      conv->threads);
    return OK;
}

const struct op_entry openblas_conv2d = {
    .name = "openblas conv2d",
    .strided = true,
    .plan = plan_conv,
    .forward = forward,
    .backward = backward,
    .release = release,
};
