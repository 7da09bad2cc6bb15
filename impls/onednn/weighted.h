/* What convolution and the fully connected layer share: three primitives (forward, backward-data,
 * backward-weights), weights packed for each of the first two, a weight gradient to bring back, a
 * bias, gradients that overwrite or add. conv2d.c and linear.c only say which primitives. */
#ifndef IMPLS_ONEDNN_WEIGHTED_H
#define IMPLS_ONEDNN_WEIGHTED_H

#include "impls/onednn/weights.h"

struct dnn_weighted {
    /* Set by the operation before dnn_weighted_finish(). A primitive that is not made (not wanted,
     * or run by other means) may still have a name, to be shown. */
    bool bias; /* there is one */
    struct shim_view plain; /* the weight in PyTorch's order */
    struct shim_prim forward, backward_data, backward_weights;
    bool gather; /* backward-weights reads every sh-th row and sw-th pixel, made dense */
    int sh, sw;
    /* Set by dnn_weighted_finish(). */
    struct dnn_pack forward_pack, backward_pack;
    struct dnn_unpack unpack;
    size_t lib_scratch; /* the largest scratchpad of all primitives; our own areas follow it */
    size_t gather_bytes;
};

/* Which gradients a description asks for. */
bool dnn_weighted_wants_src(const struct op_desc *d);
bool dnn_weighted_wants_bias(const struct op_desc *d, bool bias);
bool dnn_weighted_wants_weights(const struct op_desc *d, bool bias);

/* Packing for the primitives that are made, scratch size and `how` of the plan. */
enum status dnn_weighted_finish(struct impl_ctx *ctx, struct op_plan *plan,
                                struct dnn_weighted *w);

/* The three passes; each needs its primitive. */
enum status dnn_weighted_forward(struct dnn_weighted *w, const struct op_plan *plan,
                                 const struct op_args *args);
enum status dnn_weighted_backward_data(struct dnn_weighted *w, const struct op_plan *plan,
                                       const struct op_args *args);
enum status dnn_weighted_backward_weights(struct dnn_weighted *w, const struct op_plan *plan,
                                          const struct op_args *args);

/* Releases what w holds, not w itself. */
void dnn_weighted_release(struct dnn_weighted *w);

#endif
