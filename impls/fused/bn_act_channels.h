/* What is computed once a channel in fused batch normalisation: factors from statistics, running
 * statistics, parameter gradients. Private to bn_act*.c. Works on the partial sums of
 * bn_act_layout.h and never looks at a map, but for its first row. */
#ifndef IMPLS_FUSED_BN_ACT_CHANNELS_H
#define IMPLS_FUSED_BN_ACT_CHANNELS_H

#include "impls/fused/bn_act_layout.h"

/* One value a column each, for the loops. */
struct bn_factors {
    float *mean, *scale, *shift, *slope;
};

/* Statistics that forward keeps for backward, one value a channel. A mean is the sum of two
 * floats, so that x - mean is exact where the mean is much larger than the deviation. */
struct bn_kept {
    float *mean, *rest, *inverse; /* inverse = 1 / sqrt(variance + eps) */
    float *scale, *shift;         /* forward's factors; NULL: not kept */
};

/* Batch statistics from the sums of bn_loops.statistics: fills `kept` and mean, scale and shift of
 * `factors`, and moves the running statistics (variance unbiased) without telling their versions.
 * For the channels of the thread's share. `origin`: the first row of the map. */
void bn_channels_batch(const struct bn_layout *l, const struct op_desc *d,
                       struct param *const *param, const double *sums, const float *origin,
                       struct bn_kept kept, struct bn_factors factors, struct bn_share share);

/* Running statistics as constants: fills mean, scale and shift, and kept.inverse, of all
 * channels. */
void bn_channels_fixed(const struct bn_layout *l, const struct op_desc *d,
                       struct param *const *param, float *inverse, struct bn_factors factors);

/* One value a channel into one a column. */
void bn_channels_spread(const struct bn_layout *l, const float *values, float *columns);

/* From the sums of bn_loops.sums: the gradients that the description wants into param->grad and,
 * unless `factors` is NULL, scale, shift and slope of bn_loops.backward for batch statistics.
 * kept.rest NULL: zeros. */
void bn_channels_backward(const struct bn_layout *l, const struct op_desc *d,
                          const struct op_args *args, const double *sums, struct bn_kept kept,
                          const struct bn_factors *factors, struct bn_share share);

#endif
