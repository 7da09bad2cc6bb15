/* Rows of bf16: see bf16.h. */
#include "impls/base/bf16.h"

void bf16_widen(const uint16_t *restrict from, float *restrict to, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = bf16_to_float(from[i]);
}

void bf16_narrow(const float *restrict from, uint16_t *restrict to, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = bf16_of_float(from[i]);
}
