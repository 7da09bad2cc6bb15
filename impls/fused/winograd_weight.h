/* The gradient of the weight of a 3x3 convolution of stride 1 by Winograd's algorithm, on NHWC
 * maps: with V the transformed tiles of the source and M the tiles of the result before they are
 * transformed back, dU = sum over tiles of V^T dM for each frequency, dM = A dY A^T, and the
 * gradient is G^T dU G (winograd.h names the sources). The source is transformed anew: kept from
 * the forward pass it would be 36/16 of the map's memory. Block after block of tiles goes through
 * all threads, so results do not depend on their number. Knows no plan. */
#ifndef IMPLS_FUSED_WINOGRAD_WEIGHT_H
#define IMPLS_FUSED_WINOGRAD_WEIGHT_H

#include "impls/fused/winograd.h"

struct winograd_weight {
    struct winograd maps;     /* of the convolution; its weights and blocks are not used */
    int block;                /* tiles that are worked on together */
    int c_vectors, k_vectors; /* of source and result */
    size_t vector, v_frequency, d_frequency, u_frequency; /* floats from one to the next */
    size_t v_at, d_at, u_at, bytes; /* areas of scratch, behind the sums of the bias's gradient */
};

/* Prepares it for a convolution that op_fits_winograd(); its maps may be strided. ERR_MEMORY,
 * ERR_USAGE (isa.h). On failure nothing is left to release. */
enum status winograd_weight_make(struct winograd_weight *w, const struct op_desc *d, int m);
void winograd_weight_release(struct winograd_weight *w); /* a zeroed one is allowed */

/* Bytes that winograd_weight_run() needs as scratch. */
size_t winograd_weight_scratch(const struct winograd_weight *w);

struct winograd_weight_call {
    const struct tensor *src, *diff_dst;
    float *grad;             /* in PyTorch's order */
    float *bias;             /* gradient of the bias; NULL: not wanted */
    bool add, add_bias;      /* to what they hold */
    void *scratch;           /* 64-byte aligned */
};
void winograd_weight_run(const struct winograd_weight *w, const struct winograd_weight_call *call);

#endif
