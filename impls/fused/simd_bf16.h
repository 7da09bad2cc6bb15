/* Rows of bf16 as vectors of floats, for kernels that read or write maps of bf16: simd.h's 16
 * lanes, and a target with AVX512_BF16. Rounds as base/bf16.h does, but for denormals, which
 * become zero. */
#ifndef IMPLS_FUSED_SIMD_BF16_H
#define IMPLS_FUSED_SIMD_BF16_H

#include "impls/fused/simd.h"

INLINE vec bf16_load(const uint16_t *from)
{
    const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i_u *)from));
    return (vec)_mm512_slli_epi32(wide, 16);
}

/* The first `count`, zeros behind them; nothing beyond is touched. */
INLINE vec bf16_load_some(const uint16_t *from, int count)
{
    if (count == LANES)
        return bf16_load(from);
    const __m256i some = _mm256_maskz_loadu_epi16((__mmask16)((1u << count) - 1), from);
    return (vec)_mm512_slli_epi32(_mm512_cvtepu16_epi32(some), 16);
}

INLINE void bf16_store_some(uint16_t *to, vec v, int count)
{
    const __m256i halves = (__m256i)_mm512_cvtneps_pbh((__m512)v);
    if (count == LANES)
        _mm256_storeu_si256((__m256i_u *)to, halves);
    else
        _mm256_mask_storeu_epi16(to, (__mmask16)((1u << count) - 1), halves);
}

#endif
