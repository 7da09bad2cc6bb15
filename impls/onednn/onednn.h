/* The oneDNN implementation: its table, its operations, and what `doctor` shows of the library.
 * Maps are plain NHWC, weights are packed inside the plans. Does not need dnnl.h to be included. */
#ifndef IMPLS_ONEDNN_ONEDNN_H
#define IMPLS_ONEDNN_ONEDNN_H

#include "impls/layer.h"

extern const struct impl impl_onednn;

/* Operations that oneDNN runs; the table takes the others from impls/naive. */
extern const struct op_entry onednn_conv2d, onednn_linear, onednn_relu, onednn_sigmoid, onednn_add,
    onednn_mul_channel, onednn_mul_spatial, onednn_maxpool, onednn_avgpool, onednn_pool_hw;

/* OP_CONV_ACT and OP_CONV_SUM_ACT, for inference. */
extern const struct op_entry onednn_conv_act, onednn_conv_sum_act;

/* "oneDNN 2.6.3 (52b5f107)": version of the loaded library and, where it knows it, its commit. */
void onednn_version(char *text, size_t size);

/* The instruction set that the library's kernels use on this processor, after ONEDNN_MAX_CPU_ISA:
 * "avx512_core_bf16". Static storage. */
const char *onednn_isa(void);

#endif
