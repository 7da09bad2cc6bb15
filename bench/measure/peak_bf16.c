/* The loop of peak_kernels.h that multiplies bf16, two products into each sum in f32, for
 * processors with AVX512_BF16, to be called only there. */
#pragma GCC target("avx512f,avx512vl,avx512dq,avx512bw,avx512bf16")
#include "bench/measure/peak_kernels.h"

#include <immintrin.h>

/* As many independent chains as the other loops have. */
enum { CHAINS = 12, PRODUCTS = 32 };

static float multiply(long iterations)
{
    const __m512bh factor = _mm512_cvtne2ps_pbh(_mm512_set1_ps(0.5f), _mm512_set1_ps(0.25f));
    const __m512bh other = _mm512_cvtne2ps_pbh(_mm512_set1_ps(0.001f), _mm512_set1_ps(0.002f));
    __m512 x[CHAINS], sum = _mm512_setzero_ps();
    for (int k = 0; k < CHAINS; k++)
        x[k] = _mm512_set1_ps(0.1f * (float)k);
    for (long i = 0; i < iterations; i++) {
#pragma GCC unroll 12
        for (int k = 0; k < CHAINS; k++)
            x[k] = _mm512_dpbf16_ps(x[k], factor, other);
    }
    for (int k = 0; k < CHAINS; k++)
        sum = _mm512_add_ps(sum, x[k]);
    return _mm512_reduce_add_ps(sum);
}

const struct peak_kernels peak_bf16 = {2.0 * CHAINS * PRODUCTS, multiply, NULL};
