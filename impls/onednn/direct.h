/* A direct convolution of our own, for the shapes where the library has nothing but its reference
 * code: large windows onto few channels, or padding far beyond the map, for which its GEMM kernel
 * refuses the size of its work buffer. General (groups, dilation, any padding) and short rather
 * than fast. Dense f32 NHWC; deterministic for any number of threads. Knows no library. */
#ifndef IMPLS_ONEDNN_DIRECT_H
#define IMPLS_ONEDNN_DIRECT_H

#include "impls/layer.h"

/* Weights from PyTorch's order [oc][c/groups][kh][kw] into taps [kh][kw][oc][c/groups]. */
void dnn_direct_pack(const struct op_desc *d, const float *weight, float *taps);

/* bias: NULL for none. */
void dnn_direct_forward(const struct op_desc *d, const float *x, const float *taps,
                        const float *bias, float *y);
void dnn_direct_backward_src(const struct op_desc *d, const float *dy, const float *taps,
                             float *dx, bool add);
/* grad in PyTorch's order. */
void dnn_direct_backward_weight(const struct op_desc *d, const float *x, const float *dy,
                                float *grad, bool add);
void dnn_direct_backward_bias(const struct op_desc *d, const float *dy, float *grad, bool add);

#endif
