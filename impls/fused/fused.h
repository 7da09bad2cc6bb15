/* Attention kernels that any table may borrow: a whole site as one operation, in as few passes over
 * the map as its dependencies allow. They know no library and no network.
 *
 * Forms: both gates or one of them; every order, gate form, pool, plane and option of layer.h, with
 * an odd kernel size (k even: ERR_UNSUPPORTED). The result is that of the composition of primitives
 * up to rounding: a maximum is the first of equals, a NaN is larger than every number, batch
 * statistics normalise with the biased variance and store the unbiased one, and one value per
 * channel with batch statistics is ERR_USAGE. Strided views are accepted; maps are f32 or,
 * in inference where fused_isa_has_bf16(), bf16, with sums and gates in f32 all the same.
 *
 * Inference may work in place on src[0]. Passes over the map: one that pools all channels over the
 * pixels, one that pools all pixels over the channels, one that writes the result. The same number
 * of threads gives the same bits.
 *
 * The instruction set is the best that the processor has (how: "fused attention:avx512"); the
 * environment variable CBAM_BENCH_ISA=baseline|avx2|avx512 asks for one, ERR_USAGE when the
 * processor does not have it. */
#ifndef IMPLS_FUSED_FUSED_H
#define IMPLS_FUSED_FUSED_H

#include "impls/layer.h"

extern const struct op_entry fused_attention;     /* OP_ATTENTION */
extern const struct op_entry fused_attention_sum; /* OP_ATTENTION_SUM */

#endif
