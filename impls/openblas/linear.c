/* Fully connected layer on OpenBLAS. The weights are used as they are, [out][c*h*w]: where the
 * source is a map, its features are brought from pixel order (NHWC) to channel order instead,
 * because a sample is far smaller than the weights. */
#include "impls/base/memory.h"
#include "impls/openblas/bias.h"
#include "impls/openblas/openblas.h"
#include "impls/openblas/product.h"

#include <limits.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

struct linear {
    struct product product;
    int pixels, channels; /* of a sample */
    int threads;
};

static size_t features_bytes(const struct linear *linear)
{
    return (size_t)linear->product.rows * (size_t)linear->product.in * sizeof(float);
}

static enum status plan_linear(struct impl_ctx *ctx, struct op_plan *plan)
{
    (void)ctx;
    const struct op_desc *desc = &plan->desc;
    const struct tensor *src = &desc->src[0];
    if (src->dtype != DTYPE_F32 || desc->dst.dtype != DTYPE_F32)
        return fail(ERR_UNSUPPORTED, "only f32 maps are offered");
    struct linear *linear = malloc(sizeof *linear);
    if (!linear)
        return fail(ERR_MEMORY, "out of memory for a linear plan");
    *linear = (struct linear){
        .product = {.rows = src->n, .in = src->h * src->w * src->c, .out = desc->linear.oc},
        .pixels = src->h * src->w, .channels = src->c, .threads = omp_get_max_threads()};
    plan->priv = linear;
    size_t features = linear->pixels > 1 && linear->channels > 1 ? features_bytes(linear) : 0;
    size_t bias = desc->want_diff_param & 2
                      ? bias_scratch(src->n, desc->linear.oc, linear->threads)
                      : 0;
    plan->scratch_bytes = features > bias ? features : bias;
    snprintf(plan->how, sizeof plan->how, "%s%s", features ? "permute+" : "",
             product_how(linear->product));
    return OK;
}

static void release(struct op_plan *plan)
{
    free(plan->priv);
}

/* Pixel order and channel order are the same. */
static bool plain_order(const struct linear *linear)
{
    return linear->pixels == 1 || linear->channels == 1;
}

/* The features in channel order: in scratch, or the source itself. */
static const float *channel_order(const struct linear *linear, const struct op_args *args)
{
    const float *src = args->src[0].data;
    if (plain_order(linear))
        return src;
    float *to = args->scratch;
    for (int n = 0; n < linear->product.rows; n++, src += linear->product.in)
        for (int c = 0; c < linear->channels; c++)
            for (int p = 0; p < linear->pixels; p++)
                *to++ = src[(size_t)p * (size_t)linear->channels + (size_t)c];
    return args->scratch;
}

/* Brings gradients of the features from channel order (in scratch) to the source's. */
static void pixel_order(const struct linear *linear, const struct op_args *args, bool add)
{
    const float *from = args->scratch;
    float *diff = args->diff_src[0].data;
    for (int n = 0; n < linear->product.rows; n++, from += linear->product.in)
        for (int p = 0; p < linear->pixels; p++)
            for (int c = 0; c < linear->channels; c++, diff++) {
                float value = from[(size_t)c * (size_t)linear->pixels + (size_t)p];
                *diff = add ? *diff + value : value;
            }
}

static enum status forward(const struct op_plan *plan, const struct op_args *args)
{
    const struct linear *linear = plan->priv;
    struct product product = linear->product;
    bool bias = plan->desc.linear.bias;
    if (bias)
        bias_spread(args->param[1]->data, product.rows, product.out, args->dst.data, product.out);
    product_y(product, channel_order(linear, args), product.in, args->param[0]->data,
              bias ? 1.0f : 0.0f, args->dst.data, product.out);
    return OK;
}

static void backward_data(const struct linear *linear, const struct op_args *args)
{
    struct product product = linear->product;
    bool add = args->add_diff_src & 1, plain = plain_order(linear);
    product_dx(product, args->diff_dst.data, product.out, args->param[0]->data,
               plain && add ? 1.0f : 0.0f, plain ? args->diff_src[0].data : args->scratch,
               product.in);
    if (!plain)
        pixel_order(linear, args, add);
}

static enum status backward(const struct op_plan *plan, const struct op_args *args)
{
    const struct linear *linear = plan->priv;
    const struct op_desc *desc = &plan->desc;
    struct product product = linear->product;
    if (desc->want_diff_src & 1)
        backward_data(linear, args);
    if (desc->want_diff_param & 1)
        product_dw(product, args->diff_dst.data, product.out, channel_order(linear, args),
                   product.in, args->add_diff_param & 1 ? 1.0f : 0.0f, args->param[0]->grad);
    if (desc->linear.bias && desc->want_diff_param & 2)
        bias_gradient(args->diff_dst.data, product.rows, product.out, product.out,
                      args->add_diff_param & 2, args->param[1]->grad, args->scratch,
                      linear->threads);
    return OK;
}

const struct op_entry openblas_linear = {
    .name = "openblas linear",
    .strided = false,
    .plan = plan_linear,
    .forward = forward,
    .backward = backward,
    .release = release,
};
