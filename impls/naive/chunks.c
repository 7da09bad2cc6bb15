/* Chunks of pixels: see chunks.h. Knows neither padding nor strides: the walk's fill function
 * does. */
#include "impls/naive/chunks.h"

#include "impls/base/memory.h"

#include <omp.h>

size_t naive_chunk_bytes(int taps)
{
    return memory_round((size_t)(taps + 1) * NAIVE_CHUNK * sizeof(int32_t));
}

struct naive_chunk naive_chunk_in(void *area, int taps)
{
    int32_t *table = area;
    return (struct naive_chunk){.source = table, .target = table + (size_t)taps * NAIVE_CHUNK};
}

int naive_chunk_count(const struct naive_walk *walk)
{
    return (int)(((int64_t)walk->pixels + NAIVE_CHUNK - 1) / NAIVE_CHUNK);
}

void naive_chunk_fill(const struct naive_walk *walk, int taps, int index, int count,
                      struct naive_chunk *chunk)
{
    int64_t tiles = ((int64_t)walk->pixels + NAIVE_ROWS - 1) / NAIVE_ROWS;
    int64_t first = tiles * index / count * NAIVE_ROWS;
    int64_t last = tiles * (index + 1) / count * NAIVE_ROWS;
    chunk->rows = (int)((last < walk->pixels ? last : walk->pixels) - first);
    walk->fill(walk->plan, (int)first, chunk);
    for (int tap = 0; tap < taps; tap++) {
        int32_t *source = chunk->source + (size_t)tap * NAIVE_CHUNK;
        for (int row = chunk->rows; row % NAIVE_ROWS; row++)
            source[row] = source[chunk->rows - 1];
    }
}

size_t naive_walk_work(const struct naive_walk *walk, const struct naive_shape *shape)
{
    return (size_t)walk->pixels * (size_t)shape->groups * (size_t)shape->taps *
           (size_t)shape->depth * (size_t)shape->width;
}

int naive_walk_threads(const struct naive_walk *walk)
{
    int most = omp_get_max_threads();
    return walk->threads < most ? walk->threads : most;
}
