/* Batch normalisation alone and with what follows it in one pass: relu, or an addition and a
 * relu. Kernels of our own for any table, compiled for three instruction sets (isa.h). f32, or
 * bf16 maps in inference (bn_bf16.h); any strides; results do not depend on the number of
 * threads nor on the instruction set. */
#ifndef IMPLS_FUSED_BN_ACT_H
#define IMPLS_FUSED_BN_ACT_H

#include "impls/layer.h"

/* OP_BATCHNORM, OP_BN_ACT, OP_BN_SUM_ACT. Passes over the maps, with batch statistics: forward one
 * for the statistics and one that writes dst; backward one for the sums and one that writes
 * diff_src. With constant statistics forward is one pass, and so is backward when neither weight
 * nor bias wants a gradient. */
extern const struct op_entry fused_batchnorm, fused_bn_act, fused_bn_sum_act;

#endif
