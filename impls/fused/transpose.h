/* Sixteen rows of a matrix turned into columns and back: what packing weights into blocked orders
 * comes down to. Exists once for each instruction set (isa.h). Knows no weights and no plan. */
#ifndef IMPLS_FUSED_TRANSPOSE_H
#define IMPLS_FUSED_TRANSPOSE_H

#include "impls/fused/isa.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TRANSPOSE_ROWS = 16 };

/* Both work on one thread. `rows` holds TRANSPOSE_ROWS rows of `columns` floats, `step` floats from
 * one to the next; column j is TRANSPOSE_ROWS floats, one of each row, at `packed` + at[j]. Nothing
 * else is read or written. */
struct transpose {
    void (*pack)(const float *rows, size_t step, int columns, const uint32_t *at, float *packed);
    /* rows = packed, or += with `add` */
    void (*unpack)(const float *packed, const uint32_t *at, int columns, float *rows, size_t step,
                   bool add);
};

extern const struct transpose transpose_baseline, transpose_avx2, transpose_avx512;

/* The form for that instruction set; never NULL. */
const struct transpose *transpose_for(enum fused_isa isa);

#endif
