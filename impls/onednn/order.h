/* Weights between PyTorch's order and a blocked one by kernels of our own (fused/transpose.h). The
 * library's reorders take up to four nanoseconds an element where rows lie a power of two apart:
 * without them a training step of ResNet-50 on 32x32 images takes 0.95 of the time. Knows no
 * operation. */
#ifndef IMPLS_ONEDNN_ORDER_H
#define IMPLS_ONEDNN_ORDER_H

#include "impls/fused/transpose.h"
#include "impls/onednn/shim.h"

/* The plain weights are a matrix: a row for each output channel, in a row `taps` floats for each
 * input channel. Element (r,j) is at row[r] + column[j] in the blocked order. */
struct dnn_order {
    int rows, columns, taps; /* rows 0: not one of ours */
    bool across;             /* sixteen rows lie together; else sixteen channels of a row do */
    uint32_t *row, *column;  /* owned */
    const struct transpose *kernel;
};

/* How argument `arg` of `user` is ordered, where `plain` is PyTorch's order of the same weights.
 * *same: the orders agree, and nothing is made. Where our kernels do not fit, order->rows stays 0.
 * ERR_MEMORY, ERR_USAGE (CBAM_BENCH_ISA). */
enum status dnn_order_make(struct dnn_order *order, const struct shim_view *plain,
                           const struct shim_prim *user, int arg, bool *same);
/* Frees what it holds, not itself; a zeroed one is allowed. */
void dnn_order_release(struct dnn_order *order);

/* Writes every element of `blocked` but padding, which stays as it is. */
void dnn_order_pack(const struct dnn_order *order, const float *plain, float *blocked);

/* plain = blocked, or += with `add`. */
void dnn_order_unpack(const struct dnn_order *order, const float *blocked, float *plain, bool add);

#endif
