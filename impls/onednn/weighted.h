/* What convolution and the fully connected layer share: three primitives (forward, backward-data,
 * backward-weights), weights packed for each of the first two, a weight gradient to bring back, a
 * bias, gradients that overwrite or add. conv2d.c and linear.c only say which primitives. */
#ifndef IMPLS_ONEDNN_WEIGHTED_H
#define IMPLS_ONEDNN_WEIGHTED_H

#include "impls/onednn/weights.h"

struct dnn_weighted {
    /* Set by the operation before dnn_weighted_finish(). */
    bool bias;            /* there is one */
    struct shim_view plain;    /* the weight in PyTorch's order */
    struct shim_prim forward, backward_data, backward_weights; /* the last two where wanted */
    bool gather;          /* backward-weights reads every sh-th row and sw-th pixel, made dense */
    int sh, sw;
    /* Set by dnn_weighted_finish(). */
    struct dnn_pack forward_pack, backward_pack;
    struct dnn_unpack unpack;
    size_t lib_scratch;   /* the largest scratchpad of all primitives; our own areas follow it */
    size_t gather_bytes;
};

/* Which gradients a description asks for. */
bool dnn_weighted_wants_src(const struct op_desc *d);
bool dnn_weighted_wants_bias(const struct op_desc *d, bool bias);
bool dnn_weighted_wants_weights(const struct op_desc *d, bool bias);

/* Packing, scratch size and `how` of a plan whose priv is a struct dnn_weighted with its primitives. */
enum status dnn_weighted_finish(struct impl_ctx *ctx, struct op_plan *plan);

/* The functions of an entry. */
enum status dnn_weighted_forward(const struct op_plan *plan, const struct op_args *args);
enum status dnn_weighted_backward(const struct op_plan *plan, const struct op_args *args);
void dnn_weighted_release(struct op_plan *plan);

#endif
