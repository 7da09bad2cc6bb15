/* Vectors of LANES floats for the kernels of this folder, which are compiled once for each
 * instruction set: whoever includes this has defined LANES (16: AVX-512, 8: AVX2 with FMA, else 4:
 * whatever the compiler's baseline is) and set the target. Knows no attention. */
#ifndef IMPLS_FUSED_SIMD_H
#define IMPLS_FUSED_SIMD_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#if LANES > 4 || defined(__SSE2__)
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef float vec_anywhere __attribute__((vector_size(4 * LANES), may_alias, aligned(4)));
typedef int32_t ivec __attribute__((vector_size(4 * LANES)));
typedef int32_t ivec_anywhere __attribute__((vector_size(4 * LANES), may_alias, aligned(4)));
typedef uint32_t uvec __attribute__((vector_size(4 * LANES)));
typedef float quad __attribute__((vector_size(16)));
typedef int32_t iquad __attribute__((vector_size(16)));

INLINE vec vec_load(const float *from)
{
    return *(const vec_anywhere *)from;
}

INLINE void vec_store(float *to, vec v)
{
    *(vec_anywhere *)to = v;
}

INLINE vec vec_all(float x)
{
    return x - (vec){0};
}

/* Lane numbers 0, 1, ... */
INLINE ivec vec_lanes(void)
{
#if LANES == 16
    return (ivec){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#elif LANES == 8
    return (ivec){0, 1, 2, 3, 4, 5, 6, 7};
#else
    return (ivec){0, 1, 2, 3};
#endif
}

/* The lanes of `a` where `mask` is all ones, of `b` where it is zero. */
INLINE vec vec_pick(ivec mask, vec a, vec b)
{
    return (vec)((mask & (ivec)a) | (~mask & (ivec)b));
}

/* The first `count` floats, zeros behind them; nothing beyond is touched. */
INLINE vec vec_load_part(const float *from, int count)
{
#if LANES == 16
    return (vec)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), from);
#elif LANES == 8
    return (vec)_mm256_maskload_ps(from, (__m256i)(vec_lanes() < count));
#else
    vec v = {0};
    memcpy(&v, from, (size_t)count * sizeof *from);
    return v;
#endif
}

INLINE void vec_store_part(float *to, vec v, int count)
{
#if LANES == 16
    _mm512_mask_storeu_ps(to, (__mmask16)((1u << count) - 1), (__m512)v);
#elif LANES == 8
    _mm256_maskstore_ps(to, (__m256i)(vec_lanes() < count), (__m256)v);
#else
    memcpy(to, &v, (size_t)count * sizeof *to);
#endif
}

/* Whole vectors where count is LANES, which the compiler knows in the body of a loop. */
INLINE vec vec_load_some(const float *from, int count)
{
    return count == LANES ? vec_load(from) : vec_load_part(from, count);
}

INLINE void vec_store_some(float *to, vec v, int count)
{
    if (count == LANES)
        vec_store(to, v);
    else
        vec_store_part(to, v, count);
}

/* a*b + c, rounded once where the processor can. */
INLINE vec vec_fma(vec a, vec b, vec c)
{
#if LANES == 16
    return (vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif LANES == 8
    return (vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    return a * b + c;
#endif
}

/* a > b ? a : b, lane by lane: `b` where one of them is a NaN. */
INLINE vec vec_max(vec a, vec b)
{
#if LANES == 16
    return (vec)_mm512_max_ps((__m512)a, (__m512)b);
#elif LANES == 8
    return (vec)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
    return (vec)_mm_max_ps((__m128)a, (__m128)b);
#else
    return vec_pick(a > b, a, b);
#endif
}

/* `value` where `gate` is above zero or a NaN, else zero: the backward pass of relu. */
INLINE vec vec_where_passed(vec gate, vec value)
{
#if LANES == 16
    return (vec)_mm512_maskz_mov_ps(
        _mm512_cmp_ps_mask((__m512)gate, _mm512_setzero_ps(), _CMP_NLE_UQ), (__m512)value);
#else
    return (vec)(~(gate <= 0.0f) & (ivec)value);
#endif
}

/* Bit i: lanes i are equal. */
INLINE unsigned vec_equal_bits(vec a, vec b)
{
#if LANES == 16
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_EQ_OQ);
#elif LANES == 8
    return (unsigned)_mm256_movemask_ps(_mm256_cmp_ps((__m256)a, (__m256)b, _CMP_EQ_OQ));
#else
    unsigned bits = 0;
    for (int i = 0; i < LANES; i++)
        bits |= (unsigned)(a[i] == b[i]) << i;
    return bits;
#endif
}

/* Whether a lane is not zero. */
INLINE bool vec_any(ivec mask)
{
    int32_t any = 0;
    for (int i = 0; i < LANES; i++)
        any |= mask[i];
    return any != 0;
}

/* Four lanes that hold the sum, or the maximum, of all. */
INLINE quad vec_fold_sum(vec v)
{
#if LANES == 16
    __m256 half = _mm256_add_ps(_mm512_castps512_ps256((__m512)v),
                                _mm512_extractf32x8_ps((__m512)v, 1));
#elif LANES == 8
    __m256 half = (__m256)v;
#endif
#if LANES > 4
    return (quad)_mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
#else
    return (quad)v;
#endif
}

INLINE quad vec_fold_max(vec v)
{
#if LANES == 16
    __m256 half = _mm256_max_ps(_mm512_castps512_ps256((__m512)v),
                                _mm512_extractf32x8_ps((__m512)v, 1));
#elif LANES == 8
    __m256 half = (__m256)v;
#endif
#if LANES > 4
    return (quad)_mm_max_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
#else
    return (quad)v;
#endif
}

/* Whether none of four is a NaN. */
INLINE bool quad_is_numbers(quad v)
{
#if defined(__SSE2__)
    return _mm_movemask_ps((__m128)(v == v)) == 0xf;
#else
    iquad same = v == v;
    return same[0] & same[1] & same[2] & same[3];
#endif
}

INLINE void quad_store(float *to, quad v)
{
    memcpy(to, &v, sizeof v);
}

INLINE quad quad_max(quad a, quad b)
{
#if defined(__SSE2__)
    return (quad)_mm_max_ps((__m128)a, (__m128)b);
#else
    iquad larger = a > b;
    return (quad)((larger & (iquad)a) | (~larger & (iquad)b));
#endif
}

/* Lane i of the result: the sum, or the maximum, of the lanes of v[i]. Four at a time take half
 * the shuffles of one after the other. */
INLINE quad vec_sums(const vec v[4])
{
    const iquad low = {0, 4, 1, 5}, high = {2, 6, 3, 7}, even = {0, 1, 4, 5}, odd = {2, 3, 6, 7};
    quad a = vec_fold_sum(v[0]), b = vec_fold_sum(v[1]);
    quad c = vec_fold_sum(v[2]), d = vec_fold_sum(v[3]);
    quad ab = __builtin_shuffle(a, b, low) + __builtin_shuffle(a, b, high);
    quad cd = __builtin_shuffle(c, d, low) + __builtin_shuffle(c, d, high);
    return __builtin_shuffle(ab, cd, even) + __builtin_shuffle(ab, cd, odd);
}

INLINE quad vec_maxima(const vec v[4])
{
    const iquad low = {0, 4, 1, 5}, high = {2, 6, 3, 7}, even = {0, 1, 4, 5}, odd = {2, 3, 6, 7};
    quad a = vec_fold_max(v[0]), b = vec_fold_max(v[1]);
    quad c = vec_fold_max(v[2]), d = vec_fold_max(v[3]);
    quad ab = quad_max(__builtin_shuffle(a, b, low), __builtin_shuffle(a, b, high));
    quad cd = quad_max(__builtin_shuffle(c, d, low), __builtin_shuffle(c, d, high));
    return quad_max(__builtin_shuffle(ab, cd, even), __builtin_shuffle(ab, cd, odd));
}

/* Sum of all lanes. */
INLINE float vec_total(vec v)
{
    quad q = vec_fold_sum(v);
    return (q[0] + q[2]) + (q[1] + q[3]);
}

/* e^x for |x| <= 87: 2^n times a Taylor polynomial on |r| <= ln(2)/2, where x = n ln(2) + r with
 * ln(2) in two parts. Adding 1.5 * 2^23 rounds to the integer n, which then stands in the low
 * bits. A NaN stays one. Relative error: about 2^-23. */
INLINE vec vec_exp(vec x)
{
    const float rounder = 12582912.0f;
    vec shifted = vec_fma(x, vec_all(1.44269504f), vec_all(rounder));
    vec n = shifted - rounder;
    vec r = vec_fma(n, vec_all(-0.693359375f), x);
    r = vec_fma(n, vec_all(2.12194440e-4f), r);
    vec p = vec_all(1.0f / 5040);
    p = vec_fma(p, r, vec_all(1.0f / 720));
    p = vec_fma(p, r, vec_all(1.0f / 120));
    p = vec_fma(p, r, vec_all(1.0f / 24));
    p = vec_fma(p, r, vec_all(1.0f / 6));
    p = vec_fma(p, r, vec_all(0.5f));
    p = vec_fma(p, r, vec_all(1.0f));
    p = vec_fma(p, r, vec_all(1.0f));
    return (vec)((uvec)p + ((uvec)shifted << 23));
}

/* 1 / (1 + e^-x). The bounds keep the exponential finite; beyond them the result is 0 or 1 to
 * single precision. */
INLINE vec vec_sigmoid(vec x)
{
    vec bounded = -vec_max(vec_all(-87.0f), -vec_max(vec_all(-87.0f), x));
    return 1.0f / (1.0f + vec_exp(-bounded));
}

#endif
