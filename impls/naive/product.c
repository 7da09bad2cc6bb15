/* Products of maps and weights, tile by tile: see naive_product_run() in tiles.h. */
#include "impls/naive/chunks.h"

#include "impls/base/threads.h"

#include <omp.h>

typedef float tile[NAIVE_ROWS][NAIVE_COLS];

/* What one call of a tile kernel works on. */
struct job {
    const struct naive_product *product;
    const int32_t *pixel; /* the tile's part of the table, at tap 0 */
    size_t offset;        /* of the block's source channels in a pixel */
    const float *panel;
    int columns;          /* of the block: fewer than NAIVE_COLS at the end of a group */
};

/* The source channels of the tile's pixels at one tap; false when all of them lie outside. */
static inline bool find_rows(const struct job *job, const int32_t *pixel,
                             const float *rows[NAIVE_ROWS])
{
    const struct naive_product *p = job->product;
    if (pixel[0] < 0 && pixel[1] < 0 && pixel[2] < 0 && pixel[3] < 0)
        return false;
    for (int r = 0; r < NAIVE_ROWS; r++)
        rows[r] = naive_source(&p->source, pixel[r], job->offset, p->zeros);
    return true;
}

/* The four rows are written out: GCC then keeps the sums in registers. */
static void sum_tile(const struct job *job, tile out)
{
    const int taps = job->product->shape.taps, depth = job->product->shape.depth;
    const float *w = job->panel, *rows[NAIVE_ROWS];
    tile sum = {{0}};
    for (int tap = 0; tap < taps; tap++) {
        if (!find_rows(job, job->pixel + (size_t)tap * NAIVE_CHUNK, rows)) {
            w += (size_t)depth * NAIVE_COLS;
            continue;
        }
        for (int k = 0; k < depth; k++, w += NAIVE_COLS) {
            naive_add_scaled(sum[0], rows[0][k], w);
            naive_add_scaled(sum[1], rows[1][k], w);
            naive_add_scaled(sum[2], rows[2][k], w);
            naive_add_scaled(sum[3], rows[3][k], w);
        }
    }
    for (int r = 0; r < NAIVE_ROWS; r++)
        for (int i = 0; i < NAIVE_COLS; i++)
            out[r][i] = sum[r][i];
}

/* Inlined for full blocks and for short ones, so that the former are constant-size loops. */
static inline __attribute__((always_inline)) void
sum_depthwise(const struct job *job, const int columns, tile out)
{
    const float *rows[NAIVE_ROWS];
    tile sum = {{0}};
    for (int tap = 0; tap < job->product->shape.taps; tap++) {
        const float *w = job->panel + (size_t)tap * NAIVE_COLS;
        if (!find_rows(job, job->pixel + (size_t)tap * NAIVE_CHUNK, rows))
            continue;
        naive_add_product(sum[0], rows[0], w, columns);
        naive_add_product(sum[1], rows[1], w, columns);
        naive_add_product(sum[2], rows[2], w, columns);
        naive_add_product(sum[3], rows[3], w, columns);
    }
    for (int r = 0; r < NAIVE_ROWS; r++)
        for (int i = 0; i < NAIVE_COLS; i++)
            out[r][i] = sum[r][i];
}

static void sum_any(const struct job *job, tile out)
{
    if (!job->product->shape.depthwise)
        sum_tile(job, out);
    else if (job->columns == NAIVE_COLS)
        sum_depthwise(job, NAIVE_COLS, out);
    else
        sum_depthwise(job, job->columns, out);
}

/* Stores the first `rows` pixels of a tile; `offset`: of the block's channels in the result. */
static void store_tile(const struct job *job, const int32_t *target, int rows, size_t offset,
                       const float *bias, tile sum)
{
    const struct naive_product *p = job->product;
    for (int r = 0; r < rows && r < NAIVE_ROWS; r++) {
        float *to = p->result.data + (size_t)target[r] * p->result.pixel + offset;
        for (int i = 0; i < job->columns; i++)
            to[i] = sum[r][i] + (bias ? bias[i] : 0.0f) + (p->add ? to[i] : 0.0f);
    }
}

/* All pixels of a chunk times one panel. */
static void multiply_block(const struct naive_product *p, const struct naive_chunk *chunk,
                           int block)
{
    const struct naive_shape *shape = &p->shape;
    int per_group = naive_shape_blocks(shape) / shape->groups;
    int group = block / per_group, first = block % per_group * NAIVE_COLS;
    int left = shape->width - first;
    const float *bias = p->bias ? p->bias + (size_t)group * (size_t)shape->width + first : NULL;
    struct job job = {
        .product = p,
        .offset = (size_t)group * p->source.group + (size_t)(shape->depthwise ? first : 0),
        .panel = p->panels + (size_t)block * naive_shape_block_floats(shape),
        .columns = left < NAIVE_COLS ? left : NAIVE_COLS,
    };
    for (int row = 0; row < chunk->rows; row += NAIVE_ROWS) {
        tile sum;
        job.pixel = chunk->source + row;
        sum_any(&job, sum);
        store_tile(&job, chunk->target + row, chunk->rows - row,
                   (size_t)group * p->result.group + (size_t)first, bias, sum);
    }
}

size_t naive_product_scratch(const struct naive_shape *shape, int threads)
{
    return (size_t)threads * naive_chunk_bytes(shape->taps);
}

void naive_product_run(const struct naive_walk *walk, const struct naive_product *product)
{
    const struct naive_shape *shape = &product->shape;
    int threads = naive_walk_threads(walk), chunks = naive_chunk_count(walk);
    int blocks = naive_shape_blocks(shape);
    /* Small maps have few chunks: then each chunk is shared out by blocks of channels too. */
    int parts = chunks < 4 * threads ? (4 * threads + chunks - 1) / chunks : 1;
    if (parts > blocks)
        parts = blocks;
#pragma omp parallel num_threads(threads) if (threads_worth(naive_walk_work(walk, shape)))
    {
        char *area = (char *)walk->scratch
                     + (size_t)omp_get_thread_num() * naive_chunk_bytes(shape->taps);
        struct naive_chunk chunk = naive_chunk_in(area, shape->taps);
#pragma omp for schedule(static)
        for (int64_t task = 0; task < (int64_t)chunks * parts; task++) {
            int64_t part = task % parts;
            naive_chunk_fill(walk, shape->taps, (int)(task / parts), chunks, &chunk);
            for (int64_t b = blocks * part / parts; b < blocks * (part + 1) / parts; b++)
                multiply_block(product, &chunk, (int)b);
        }
    }
}
