/* The loop over channels, compiled for AVX512_BF16: see bn_bf16_row.h. */
#pragma GCC target("avx512f,avx512vl,avx512dq,avx512bw,avx512bf16,avx2,fma")
#define LANES 16
#include "impls/fused/bn_bf16_row.h"
#include "impls/fused/simd_bf16.h"

#include <stddef.h>

INLINE void step(const struct bn_bf16_row *r, int i, int count)
{
    vec v = vec_fma(bf16_load_some(r->x + i, count), vec_load_some(r->scale + i, count),
                    vec_load_some(r->shift + i, count));
    if (r->shortcut)
        v += bf16_load_some(r->shortcut + i, count);
    if (r->relu)
        v = vec_max((vec){0}, v);
    bf16_store_some(r->y + i, v, count);
}

void bn_bf16_row(const struct bn_bf16_row *r)
{
    int i = 0;
    for (; i + LANES <= r->c; i += LANES)
        step(r, i, LANES);
    if (i < r->c)
        step(r, i, r->c - i);
}
