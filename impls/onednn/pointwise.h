/* Convolutions that are a 1x1 window without a stride once their operands are laid out for it; the
 * library's own kernels for them work image by image on maps of a few pixels, mostly idle. */
#ifndef IMPLS_ONEDNN_POINTWISE_H
#define IMPLS_ONEDNN_POINTWISE_H

#include "impls/layer.h"

/* Whether an OP_CONV2D is one: a 3x3 window on maps of a few pixels, which then are the channels of
 * one (unfold.h); or a 1x1 window with a stride onto a small map. f32, one group. */
bool dnn_pointwise_fits(const struct op_desc *d);

/* Plans such a convolution and sets the plan's entry. As struct op_entry's plan(). */
enum status dnn_pointwise_plan(struct impl_ctx *ctx, struct op_plan *plan);

#endif
