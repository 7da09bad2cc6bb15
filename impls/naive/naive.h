/* The naive implementation: every primitive in plain C, parallel with OpenMP, no library.
 * It is the readable definition of what each operation computes, and the bottom line of every
 * comparison. Other tables may name its entries: none of them looks at the impl_ctx it is given,
 * and none needs one. All entries compute in f32 and answer ERR_UNSUPPORTED to other types. */
#ifndef IMPLS_NAIVE_NAIVE_H
#define IMPLS_NAIVE_NAIVE_H

#include "impls/layer.h"

extern const struct impl impl_naive;

/* Multiply-accumulate layers: dense maps only; weights are packed inside the plan, once per
 * version of the parameter. */
extern const struct op_entry naive_conv2d;
extern const struct op_entry naive_linear;

/* Everything below but softmax_xent reads and writes strided views. */
extern const struct op_entry naive_batchnorm; /* plan: ERR_USAGE when a channel of a training
                                                 batch has a single value */
extern const struct op_entry naive_relu;
extern const struct op_entry naive_sigmoid;
extern const struct op_entry naive_scale;
extern const struct op_entry naive_add;
extern const struct op_entry naive_mul_channel;
extern const struct op_entry naive_mul_spatial;
extern const struct op_entry naive_maxpool;
extern const struct op_entry naive_avgpool;
extern const struct op_entry naive_adaptive_avgpool;
extern const struct op_entry naive_pool_hw;
extern const struct op_entry naive_pool_c;
extern const struct op_entry naive_concat;
extern const struct op_entry naive_subsample;
extern const struct op_entry naive_dropout;
extern const struct op_entry naive_softmax_xent; /* ERR_USAGE names a label out of range */

#endif
