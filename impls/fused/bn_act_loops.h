/* The loops of bn_act_part.h, to be included by one source file per instruction set, which defines
 * BN_LOOPS as the name of its table. Plain loops over contiguous columns, for the compiler to turn
 * into vectors. `omp simd` says that two maps are the same memory or do not overlap: y may be x or
 * the shortcut. A column's operations and their order do not depend on the instruction set, and
 * ISO C forbids the compiler to contract them, so all tables give the same bits.
 *
 * Why one pass is enough for mean and variance: within a run of BN_RUN rows, values are taken
 * relative to the run's first row. With z that row, m the run's mean and n its rows, the sum of
 * (x-z)^2 is the wanted sum of (x-m)^2 plus n (m-z)^2; but z is itself one of the n values, so
 * (m-z)^2 is at most (n-1)/n of the wanted sum, and the difference loses at most a factor of n
 * however far the mean is from zero. Runs join in double precision. */
#include "impls/fused/bn_act_part.h"

#include <string.h>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

/* Rows whose statistics are added up together, for fewer loads and stores of the sums. In the sums
 * of the backward pass, which reads three maps, that many streams would slow down large maps. */
enum { TOGETHER = 4 };

static float *row_of(const struct bn_map *map, size_t row)
{
    return map->data + row * map->stride;
}

/* ---- statistics ---- */

static void add_four_rows(const float *x, size_t stride, const float *zero, size_t columns,
                          float *sum, float *squares)
{
#pragma omp simd
    for (size_t i = 0; i < columns; i++) {
        float a = x[i] - zero[i], b = x[stride + i] - zero[i];
        float c = x[2 * stride + i] - zero[i], d = x[3 * stride + i] - zero[i];
        sum[i] += (a + b) + (c + d);
        squares[i] += (a * a + b * b) + (c * c + d * d);
    }
}

static void add_row(const float *x, const float *zero, size_t columns, float *sum, float *squares)
{
#pragma omp simd
    for (size_t i = 0; i < columns; i++) {
        float a = x[i] - zero[i];
        sum[i] += a;
        squares[i] += a * a;
    }
}

/* A run's sums, relative to `zero`, join the totals, which are relative to the origin. */
static void join_run(const struct bn_part *p, const float *zero, size_t rows, const float *sum,
                     const float *squares)
{
    double *total = p->sum[0], *total_squares = p->sum[1], n = (double)rows;
    const float *origin = p->origin;
#pragma omp simd
    for (size_t i = 0; i < p->columns; i++) {
        double away = (double)zero[i] - (double)origin[i], s = (double)sum[i];
        total[i] += s + n * away;
        total_squares[i] += (double)squares[i] + away * (2 * s + n * away);
    }
}

static void statistics_run(const struct bn_part *p, size_t first, size_t rows)
{
    float sum[BN_COLUMNS], squares[BN_COLUMNS];
    const float *zero = row_of(&p->x, first);
    size_t r = 0;
    memset(sum, 0, p->columns * sizeof *sum);
    memset(squares, 0, p->columns * sizeof *squares);
    for (; r + TOGETHER <= rows; r += TOGETHER)
        add_four_rows(row_of(&p->x, first + r), p->x.stride, zero, p->columns, sum, squares);
    for (; r < rows; r++)
        add_row(row_of(&p->x, first + r), zero, p->columns, sum, squares);
    join_run(p, zero, rows, sum, squares);
}

static void statistics(const struct bn_part *p)
{
    for (size_t r = 0; r < p->rows; r += BN_RUN)
        statistics_run(p, r, p->rows - r < BN_RUN ? p->rows - r : BN_RUN);
}

/* ---- forward ---- */

static void forward_row(const struct bn_part *p, size_t row, float *y)
{
    const float *mean = p->mean, *scale = p->scale, *shift = p->shift, floor = p->floor;
    const float *x = row_of(&p->x, row), *shortcut = row_of(&p->shortcut, row);
#pragma omp simd
    for (size_t i = 0; i < p->columns; i++) {
        float v = ((x[i] - mean[i]) * scale[i] + shift[i]) + shortcut[i];
        y[i] = v <= floor ? floor : v;
    }
}

/* Writes a row without reading its cache lines first. Vectors of four are enough: the processor
 * gathers whole lines. */
static void stream_row(const float *from, size_t columns, float *to)
{
    size_t i = 0;
#ifdef __SSE__
    for (; i + 4 <= columns; i += 4)
        _mm_stream_ps(to + i, _mm_loadu_ps(from + i));
#endif
    for (; i < columns; i++)
        to[i] = from[i];
}

/* Streamed stores are not ordered with others: to be called before another thread may look. */
static void stream_end(void)
{
#ifdef __SSE__
    _mm_sfence();
#endif
}

static void forward(const struct bn_part *p)
{
    float row[BN_COLUMNS];
    for (size_t r = 0; r < p->rows; r++) {
        forward_row(p, r, p->stream ? row : row_of(&p->y, r));
        if (p->stream)
            stream_row(row, p->columns, row_of(&p->y, r));
    }
    if (p->stream)
        stream_end();
}

/* ---- backward ---- */

static void add_gradient_row(const struct bn_part *p, size_t row, float *sum, float *dot)
{
    const float *x = row_of(&p->x, row), *y = row_of(&p->y, row), *dy = row_of(&p->dy, row);
    const float *mean = p->mean, floor = p->floor;
#pragma omp simd
    for (size_t i = 0; i < p->columns; i++) {
        float g = y[i] <= floor ? 0.0f : dy[i];
        sum[i] += g;
        dot[i] += g * (x[i] - mean[i]);
    }
}

/* The same with y made anew from x. */
static void add_gated_row(const struct bn_part *p, size_t row, float *sum, float *dot)
{
    const float *x = row_of(&p->x, row), *dy = row_of(&p->dy, row), *mean = p->mean;
    const float *scale = p->gate_scale, *shift = p->gate_shift, floor = p->floor;
#pragma omp simd
    for (size_t i = 0; i < p->columns; i++) {
        float away = x[i] - mean[i];
        float g = away * scale[i] + shift[i] <= floor ? 0.0f : dy[i];
        sum[i] += g;
        dot[i] += g * away;
    }
}

static void mask_row(const float *y, const float *dy, const float *old, float floor,
                     size_t columns, float *to)
{
#pragma omp simd
    for (size_t i = 0; i < columns; i++)
        to[i] = (y[i] <= floor ? 0.0f : dy[i]) + old[i];
}

static void sums_run(const struct bn_part *p, size_t first, size_t rows)
{
    float sum[BN_COLUMNS], dot[BN_COLUMNS];
    memset(sum, 0, p->columns * sizeof *sum);
    memset(dot, 0, p->columns * sizeof *dot);
    for (size_t r = first; r < first + rows; r++) {
        if (p->gate_scale)
            add_gated_row(p, r, sum, dot);
        else
            add_gradient_row(p, r, sum, dot);
        if (p->masked.data)
            mask_row(row_of(&p->y, r), row_of(&p->dy, r), row_of(&p->old_dshortcut, r), p->floor,
                     p->columns, row_of(&p->masked, r));
    }
    double *total = p->sum[0], *total_dot = p->sum[1];
#pragma omp simd
    for (size_t i = 0; i < p->columns; i++) {
        total[i] += (double)sum[i];
        total_dot[i] += (double)dot[i];
    }
}

static void sums(const struct bn_part *p)
{
    for (size_t r = 0; r < p->rows; r += BN_RUN)
        sums_run(p, r, p->rows - r < BN_RUN ? p->rows - r : BN_RUN);
}

static void backward_row(const struct bn_part *p, size_t row, float *dx)
{
    const float *mean = p->mean, *scale = p->scale, *shift = p->shift, *slope = p->slope;
    const float *x = row_of(&p->x, row), *y = row_of(&p->y, row), *dy = row_of(&p->dy, row);
    const float *old = row_of(&p->old_dx, row), floor = p->floor;
#pragma omp simd
    for (size_t i = 0; i < p->columns; i++) {
        float g = y[i] <= floor ? 0.0f : dy[i];
        dx[i] = ((scale[i] * g - slope[i] * (x[i] - mean[i])) + shift[i]) + old[i];
    }
}

static void backward_gated_row(const struct bn_part *p, size_t row, float *dx)
{
    const float *mean = p->mean, *scale = p->scale, *shift = p->shift, *slope = p->slope;
    const float *gate_scale = p->gate_scale, *gate_shift = p->gate_shift, floor = p->floor;
    const float *x = row_of(&p->x, row), *dy = row_of(&p->dy, row), *old = row_of(&p->old_dx, row);
#pragma omp simd
    for (size_t i = 0; i < p->columns; i++) {
        float away = x[i] - mean[i];
        float g = away * gate_scale[i] + gate_shift[i] <= floor ? 0.0f : dy[i];
        dx[i] = ((scale[i] * g - slope[i] * away) + shift[i]) + old[i];
    }
}

/* Row by row, because dshortcut may be dx (x + bn(x)): then it is added to what was just written,
 * and what was just read is still in the first-level cache. */
static void backward(const struct bn_part *p)
{
    float row[BN_COLUMNS];
    for (size_t r = 0; r < p->rows; r++) {
        float *dx = p->stream ? row : row_of(&p->dx, r);
        if (p->dx.data && p->gate_scale)
            backward_gated_row(p, r, dx);
        else if (p->dx.data)
            backward_row(p, r, dx);
        if (p->dx.data && p->stream)
            stream_row(row, p->columns, row_of(&p->dx, r));
        if (p->dshortcut.data)
            mask_row(row_of(&p->y, r), row_of(&p->dy, r), row_of(&p->old_dshortcut, r), p->floor,
                     p->columns, row_of(&p->dshortcut, r));
    }
    if (p->stream)
        stream_end();
}

const struct bn_loops BN_LOOPS = {
    .statistics = statistics,
    .forward = forward,
    .sums = sums,
    .backward = backward,
};
