/* One pixel of a batch normalisation in bf16. Private to bn_bf16*.c. */
#ifndef IMPLS_FUSED_BN_BF16_ROW_H
#define IMPLS_FUSED_BN_BF16_ROW_H

#include <stdbool.h>
#include <stdint.h>

/* y = relu(scale x + shift + shortcut) over c channels; y may be x or the shortcut. A NaN
 * passes. */
struct bn_bf16_row {
    const uint16_t *x, *shortcut; /* shortcut NULL: none */
    uint16_t *y;
    const float *scale, *shift;
    int c;
    bool relu;
};

/* For processors with AVX512_BF16 alone. */
void bn_bf16_row(const struct bn_bf16_row *row);

#endif
