/* bf16: the upper half of a float. Conversions of single numbers, and of rows of them. Rounds to
 * the nearest, ties to even; a NaN stays one. Knows no tensor. */
#ifndef IMPLS_BASE_BF16_H
#define IMPLS_BASE_BF16_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline float bf16_to_float(uint16_t x)
{
    const uint32_t bits = (uint32_t)x << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint16_t bf16_of_float(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    const uint32_t rounded = bits + 0x7fff + (bits >> 16 & 1);
    const int is_nan = (bits & 0x7fffffff) > 0x7f800000;
    return (uint16_t)((is_nan ? bits | 0x400000 : rounded) >> 16);
}

/* `count` numbers that lie one after the other; by one thread. */
void bf16_widen(const uint16_t *from, float *to, size_t count);
void bf16_narrow(const float *from, uint16_t *to, size_t count);

#endif
