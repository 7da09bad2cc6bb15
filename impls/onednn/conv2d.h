/* A convolution in the library's words, for plain and fused ones. Private to this folder. */
#ifndef IMPLS_ONEDNN_CONV2D_H
#define IMPLS_ONEDNN_CONV2D_H

#include "impls/onednn/shim.h"

/* The weight in PyTorch's order. */
struct shim_view dnn_conv_weights(const struct op_desc *d);

/* Maps and window of the description; the library chooses the order of the weights. */
struct shim_conv dnn_conv_describe(const struct op_desc *d, bool bias);

#endif
