/* What the convolution kernels of this folder share: one plan's facts and the kernels' table.
 * Private to impls/openblas/. */
#ifndef IMPLS_OPENBLAS_CONV2D_H
#define IMPLS_OPENBLAS_CONV2D_H

#include "impls/layer.h"
#include "impls/openblas/im2col.h"
#include "impls/openblas/weights.h"

/* How a pass is cut up: `teams` blocks of `block` output pixels are worked on at a time, each by
 * threads/teams threads. One team: the threads share each product instead. */
struct split {
    int teams, block;
};

struct conv {
    const struct conv_kernel *kernel;
    struct window win; /* of one group: win.c input channels; win.stride is that of the source */
    struct weights weights;
    int images, pixels; /* pixels: of the output, over all images */
    int groups, oc;     /* oc: output channels of one group */
    int ldy;            /* pixel stride of the destination */
    bool bias;
    bool sum, relu;     /* of a fused convolution: src[1] joins the result, then a relu */
    int threads;
    struct split forward, data, weight; /* used by the matrix kernels alone */
};

/* Scratch of all passes starts at args->scratch. Biases: forward() adds them, as well as what a
 * fused convolution joins to the result; their gradient is none of a kernel's business. */
struct conv_kernel {
    /* Order of the packed weights, [batches][columns][rows] of weights.h. */
    enum status (*init)(struct conv *conv);
    /* Bytes that the largest of the passes needs. */
    size_t (*scratch)(const struct conv *conv, const struct op_desc *desc);
    void (*forward)(const struct conv *conv, const float *weights, const struct op_args *args);
    void (*backward_data)(const struct conv *conv, const float *weights,
                          const struct op_args *args);
    void (*backward_weights)(const struct conv *conv, const struct op_args *args);
    void (*describe)(const struct conv *conv, char *text, size_t size);
};

extern const struct conv_kernel conv_pixels;    /* 1x1, stride 1: a product without patches */
extern const struct conv_kernel conv_patches;   /* everything: im2col and products */
extern const struct conv_kernel conv_planes;    /* stride 1, few channels: direct loops */
extern const struct conv_kernel conv_depthwise; /* groups == channels: direct loops */

/* A convolution by shape, ready to run: kernel chosen, weights prepared. A fused one counts the
 * bias that its folded normalisation brings, and has conv->sum and conv->relu set where they are
 * due. ERR_UNSUPPORTED, ERR_MEMORY; nothing is left to release then. */
enum status conv_make(struct conv *conv, const struct op_desc *desc);
void conv_release(struct conv *conv);

/* The forward pass; args->param[0] and [1] are weight and bias of the convolution itself. */
void conv_forward(struct conv *conv, const struct op_args *args);

/* Whether args->param[1] is there and is to be added. NULL when not. */
static inline const float *conv_bias(const struct conv *conv, const struct op_args *args)
{
    return conv->bias ? args->param[1]->data : NULL;
}

#endif
