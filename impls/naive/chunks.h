/* Private to tiles: cutting the pixels of a walk into chunks, and reaching the source through the
 * table of a chunk. */
#ifndef IMPLS_NAIVE_CHUNKS_H
#define IMPLS_NAIVE_CHUNKS_H

#include "impls/naive/tiles.h"

/* Bytes of a table for `taps` taps; a chunk whose table lies in `area`. */
size_t naive_chunk_bytes(int taps);
struct naive_chunk naive_chunk_in(void *area, int taps);

int naive_chunk_count(const struct naive_walk *walk);

/* Fills chunk `index` of `count`: whole tiles, evenly spread so that threads get equal shares. The
 * table is filled up to whole tiles with copies of its last pixel. */
void naive_chunk_fill(const struct naive_walk *walk, int taps, int index, int count,
                      struct naive_chunk *chunk);

/* Multiply-accumulates of a walk. */
size_t naive_walk_work(const struct naive_walk *walk, const struct naive_shape *shape);

/* Threads to run the walk with. */
int naive_walk_threads(const struct naive_walk *walk);

/* Channels of a source pixel from `offset` on; zeros for a pixel outside. */
static inline const float *naive_source(const struct naive_operand *source, int32_t pixel,
                                        size_t offset, const float *zeros)
{
    return pixel < 0 ? zeros : source->data + (size_t)pixel * source->pixel + offset;
}

/* sum[i] += x * w[i] over the columns of a panel. */
static inline void naive_add_scaled(float *restrict sum, float x, const float *restrict w)
{
#pragma omp simd
    for (int i = 0; i < NAIVE_COLS; i++)
        sum[i] += x * w[i];
}

/* sum[i] += x[i] * w[i] over `columns` columns. */
static inline __attribute__((always_inline)) void
naive_add_product(float *restrict sum, const float *restrict x, const float *restrict w,
                  const int columns)
{
#pragma omp simd
    for (int i = 0; i < columns; i++)
        sum[i] += x[i] * w[i];
}

#endif
