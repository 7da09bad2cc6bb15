/* Batch normalisation of maps of bf16 in inference, with the shortcut and the relu that may follow:
 * for bn_act.c. Statistics, factors and arithmetic are f32; each result is rounded once. */
#ifndef IMPLS_FUSED_BN_BF16_H
#define IMPLS_FUSED_BN_BF16_H

#include "impls/layer.h"

/* Makes a plan of OP_BATCHNORM, OP_BN_ACT or OP_BN_SUM_ACT, not for training, and sets its
 * entry. The maps, which may be strided, are all bf16, else ERR_UNSUPPORTED. Only where
 * fused_isa_has_bf16(). */
enum status bn_bf16_plan(struct op_plan *plan);

#endif
