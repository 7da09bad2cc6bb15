/* A batch normalisation with constant statistics folded into the convolution before it:
 *   bn(conv(x, w) + b) = conv(x, w * s) + (b - mean) * s + beta,  s = gamma / sqrt(var + eps)
 * one factor s an output channel, in double precision. For OP_CONV_ACT and OP_CONV_SUM_ACT of any
 * table: the kernels of a plain convolution then run on these parameters. Knows no kernel. */
#ifndef IMPLS_FUSED_FOLD_H
#define IMPLS_FUSED_FOLD_H

#include "impls/fused/versions.h"

struct fold {
    struct param_versions seen;
    struct param weight, bias; /* folded; a new version each time they are made anew */
    float *kept_weight;        /* owned; NULL when folded weights are not kept */
    float *kept_bias;          /* owned */
};

/* Prepares; nothing is needed without a batch normalisation in the description. `keep`: the kernel
 * reads the weights in their plain order at every call; else it packs them when they change, and
 * they are only there for that call. ERR_MEMORY. Released by fold_release(). */
enum status fold_make(struct fold *fold, const struct op_desc *d, bool keep);
void fold_release(struct fold *fold); /* a zeroed one is allowed */

/* Bytes of the area that fold_use() needs. */
size_t fold_area(const struct fold *fold, const struct op_desc *d);

/* Arguments for a plain convolution: those of `args`, with the folded weight and bias as params 0
 * and 1 where there is a batch normalisation. They are made anew only when one of all parameters
 * has changed; weight.data then lies in `area` (64-byte aligned) unless weights are kept. */
struct op_args fold_use(struct fold *fold, const struct op_desc *d, const struct op_args *args,
                        void *area);

/* op_plan's `packed` of a fused convolution: `weight_packed` tells whether its kernel packs the
 * weight that it is given. What is folded is never read again. */
unsigned fold_packed(const struct op_desc *d, bool weight_packed);

/* Whether the folded convolution has a bias. */
bool fold_has_bias(const struct op_desc *d);

#endif
