/* Gradients of weights as sums of outer products: see naive_outer_run() in tiles.h. */
#include "impls/naive/chunks.h"

#include "impls/base/memory.h"
#include "impls/base/threads.h"

#include <omp.h>

enum { DEPTH_TILE = 4 }; /* input channels whose gradients are summed in registers at once */

/* The work of one thread on one chunk. */
struct work {
    const struct naive_outer *outer;
    struct naive_chunk chunk;
    float *diff;  /* [block][NAIVE_CHUNK][NAIVE_COLS]: the chunk's diff, filled up with zeros */
    bool first;   /* first chunk: gradients are written, later ones added */
};

/* A slice: the gradients of a group at one tap, for a few input channels (depthwise: for the
 * channels of one block). Slices are what threads share out. */
struct slice {
    int group, tap, k;
};

static int depth_tiles(const struct naive_shape *shape)
{
    return (shape->depth + DEPTH_TILE - 1) / DEPTH_TILE;
}

static int slice_count(const struct naive_shape *shape)
{
    int groups = shape->depthwise ? naive_shape_blocks(shape) : shape->groups;
    return groups * shape->taps * depth_tiles(shape);
}

static struct slice slice_at(const struct naive_shape *shape, int index)
{
    int tiles = depth_tiles(shape);
    return (struct slice){
        .group = index / tiles / shape->taps,
        .tap = index / tiles % shape->taps,
        .k = index % tiles * DEPTH_TILE,
    };
}

static size_t diff_bytes(const struct naive_shape *shape)
{
    return (size_t)naive_shape_blocks(shape) * NAIVE_CHUNK * NAIVE_COLS * sizeof(float);
}

static void gather_diff(struct work *work)
{
    const struct naive_outer *outer = work->outer;
    const int per_group = naive_shape_blocks(&outer->shape) / outer->shape.groups;
    float *to = work->diff;
    for (int block = 0; block < naive_shape_blocks(&outer->shape); block++) {
        int first = block % per_group * NAIVE_COLS, left = outer->shape.width - first;
        const float *from = outer->diff.data + (size_t)(block / per_group) * outer->diff.group
                            + first;
        for (int row = 0; row < work->chunk.rows; row++) {
            const float *d = from + (size_t)work->chunk.target[row] * outer->diff.pixel;
            for (int i = 0; i < NAIVE_COLS; i++)
                to[(size_t)row * NAIVE_COLS + i] = i < left ? d[i] : 0.0f;
        }
        to += (size_t)NAIVE_CHUNK * NAIVE_COLS;
    }
}

/* Gradients of `count` input channels and one block of output channels. Inlined for each count,
 * so that the sums stay in registers. */
static inline __attribute__((always_inline)) void
sum_outer(const float *const *rows, int n, const float *diff, const int count, bool first,
          float *grad)
{
    float sum[DEPTH_TILE][NAIVE_COLS] = {{0}};
    for (int row = 0; row < n; row++, diff += NAIVE_COLS) {
        naive_add_scaled(sum[0], rows[row][0], diff);
        if (count > 1)
            naive_add_scaled(sum[1], rows[row][1], diff);
        if (count > 2)
            naive_add_scaled(sum[2], rows[row][2], diff);
        if (count > 3)
            naive_add_scaled(sum[3], rows[row][3], diff);
    }
    for (int k = 0; k < count; k++)
        for (int i = 0; i < NAIVE_COLS; i++, grad++)
            *grad = sum[k][i] + (first ? 0.0f : *grad);
}

static void sum_outer_any(const float *const *rows, int n, const float *diff, int count,
                          bool first, float *grad)
{
    if (count >= DEPTH_TILE)
        sum_outer(rows, n, diff, DEPTH_TILE, first, grad);
    else if (count == 3)
        sum_outer(rows, n, diff, 3, first, grad);
    else if (count == 2)
        sum_outer(rows, n, diff, 2, first, grad);
    else
        sum_outer(rows, n, diff, 1, first, grad);
}

static void find_rows(const struct work *work, int tap, size_t offset, const float **rows)
{
    const struct naive_outer *outer = work->outer;
    const int32_t *pixel = work->chunk.source + (size_t)tap * NAIVE_CHUNK;
    for (int row = 0; row < work->chunk.rows; row++)
        rows[row] = naive_source(&outer->source, pixel[row], offset, outer->zeros);
}

static void sum_slice(const struct work *work, struct slice s)
{
    const struct naive_outer *outer = work->outer;
    const struct naive_shape *shape = &outer->shape;
    const float *rows[NAIVE_CHUNK];
    find_rows(work, s.tap, (size_t)s.group * outer->source.group + (size_t)s.k, rows);
    int per_group = naive_shape_blocks(shape) / shape->groups;
    for (int b = s.group * per_group; b < (s.group + 1) * per_group; b++) {
        size_t at = ((size_t)b * (size_t)shape->taps + (size_t)s.tap) * (size_t)shape->depth
                    + (size_t)s.k;
        sum_outer_any(rows, work->chunk.rows,
                      work->diff + (size_t)b * NAIVE_CHUNK * NAIVE_COLS, shape->depth - s.k,
                      work->first, outer->panels + at * NAIVE_COLS);
    }
}

static inline __attribute__((always_inline)) void
sum_depthwise(const float *const *rows, int n, const float *diff, const int columns, bool first,
              float *grad)
{
    float sum[NAIVE_COLS] = {0};
    for (int row = 0; row < n; row++, diff += NAIVE_COLS)
        naive_add_product(sum, rows[row], diff, columns);
    for (int i = 0; i < NAIVE_COLS; i++)
        grad[i] = sum[i] + (first ? 0.0f : grad[i]);
}

/* As sum_slice(): s.group is the block, and channel i of the source meets channel i of diff. */
static void sum_slice_depthwise(const struct work *work, struct slice s)
{
    const struct naive_outer *outer = work->outer;
    const struct naive_shape *shape = &outer->shape;
    const float *rows[NAIVE_CHUNK];
    const float *diff = work->diff + (size_t)s.group * NAIVE_CHUNK * NAIVE_COLS;
    float *grad = outer->panels
                  + ((size_t)s.group * (size_t)shape->taps + (size_t)s.tap) * NAIVE_COLS;
    int left = shape->width - s.group * NAIVE_COLS;
    find_rows(work, s.tap, (size_t)s.group * NAIVE_COLS, rows);
    if (left >= NAIVE_COLS)
        sum_depthwise(rows, work->chunk.rows, diff, NAIVE_COLS, work->first, grad);
    else
        sum_depthwise(rows, work->chunk.rows, diff, left, work->first, grad);
}

size_t naive_outer_scratch(const struct naive_shape *shape, int threads)
{
    return (size_t)threads * (naive_chunk_bytes(shape->taps) + diff_bytes(shape));
}

/* Each thread owns the same slices in every chunk (static schedule, equal trip counts), so the
 * threads need not wait for each other between chunks. */
void naive_outer_run(const struct naive_walk *walk, const struct naive_outer *outer)
{
    const struct naive_shape *shape = &outer->shape;
    const size_t table = naive_chunk_bytes(shape->taps);
    const int slices = slice_count(shape), chunks = naive_chunk_count(walk);
#pragma omp parallel num_threads(naive_walk_threads(walk)) \
    if (threads_worth(naive_walk_work(walk, shape)))
    {
        char *area = (char *)walk->scratch
                     + (size_t)omp_get_thread_num() * (table + diff_bytes(shape));
        struct work work = {.outer = outer, .chunk = naive_chunk_in(area, shape->taps),
                            .diff = (float *)(area + table)};
        for (int c = 0; c < chunks; c++) {
            naive_chunk_fill(walk, shape->taps, c, chunks, &work.chunk);
            gather_diff(&work);
            work.first = c == 0;
#pragma omp for schedule(static) nowait
            for (int i = 0; i < slices; i++)
                if (shape->depthwise)
                    sum_slice_depthwise(&work, slice_at(shape, i));
                else
                    sum_slice(&work, slice_at(shape, i));
        }
    }
}
