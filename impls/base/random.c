/* Counter-based random numbers: see random.h. */
#include "impls/base/random.h"

#include <Random123/philox.h>
#include <math.h>

uint64_t random_name(const char *name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const unsigned char *p = (const unsigned char *)name; *p; p++)
        hash = (hash ^ *p) * UINT64_C(0x100000001b3);
    return hash;
}

uint64_t random_mix(uint64_t a, uint64_t b)
{
    uint64_t z = a + UINT64_C(0x9e3779b97f4a7c15) * (b + 1);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void random_block(struct random_stream s, uint64_t index, uint32_t out[4])
{
    philox4x32_ctr_t counter = {{(uint32_t)index, (uint32_t)(index >> 32),
                                 (uint32_t)s.stream, (uint32_t)(s.stream >> 32)}};
    philox4x32_key_t key = {{(uint32_t)s.seed, (uint32_t)(s.seed >> 32)}};
    philox4x32_ctr_t block = philox4x32(counter, key);
    for (int i = 0; i < 4; i++)
        out[i] = block.v[i];
}

uint32_t random_u32(struct random_stream s, uint64_t index)
{
    uint32_t words[4];
    random_block(s, index / 4, words);
    return words[index % 4];
}

float random_uniform(struct random_stream s, uint64_t index)
{
    return (float)(random_u32(s, index) >> 8) * 0x1p-24f;
}

double random_normal(struct random_stream s, uint64_t index)
{
    uint32_t w[4];
    random_block(s, index, w);
    double u = ((double)w[0] + 0.5) * 0x1p-32;
    double v = ((double)w[1] + (double)w[2] * 0x1p-32) * 0x1p-32;
    return sqrt(-2.0 * log(u)) * cos(2.0 * M_PI * v);
}

uint32_t random_below(struct random_stream s, uint64_t index, uint32_t bound)
{
    /* Lemire 2019: reject the few low products that would favour small values. */
    uint32_t limit = (uint32_t)(-bound) % bound;
    for (uint64_t attempt = 0;; attempt++) {
        uint32_t words[4];
        random_block(s, index ^ (attempt << 48), words);
        for (int i = 0; i < 4; i++) {
            uint64_t product = (uint64_t)words[i] * bound;
            if ((uint32_t)product >= limit)
                return (uint32_t)(product >> 32);
        }
    }
}

void random_permutation(struct random_stream s, int n, int *out)
{
    for (int i = 0; i < n; i++)
        out[i] = i;
    for (int i = n - 1; i > 0; i--) {
        int j = (int)random_below(s, (uint64_t)i, (uint32_t)i + 1);
        int swap = out[i];
        out[i] = out[j];
        out[j] = swap;
    }
}
