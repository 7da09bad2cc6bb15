/* What the loop kernels of this folder share: the start of a plan, and walking over maps that may
 * be dense or strided. Knows no operation. */
#ifndef IMPLS_NAIVE_LOOPS_H
#define IMPLS_NAIVE_LOOPS_H

#include "impls/layer.h"

/* Channels one task keeps in local accumulators: one cache line of floats. */
enum { NAIVE_LINE = 16 };

/* Begins a plan: no memory, `how` as given. ERR_UNSUPPORTED when a tensor is not f32. */
enum status naive_plan_begin(struct op_plan *plan, const char *how);

/* A plan function for entries that need no memory at all; `how` is "naive loops". */
enum status naive_plan_loops(struct impl_ctx *ctx, struct op_plan *plan);

size_t naive_pixels(const struct tensor *t); /* n*h*w */

/* Channels of pixel `index` (0 .. n*h*w-1) of a map. */
static inline float *naive_pixel(const struct tensor *t, size_t index)
{
    return (float *)t->data + index * (size_t)t->stride;
}

/* Channels of pixel (n,y,x). */
static inline float *naive_at(const struct tensor *t, int n, int y, int x)
{
    return naive_pixel(t, ((size_t)n * (size_t)t->h + (size_t)y) * (size_t)t->w + (size_t)x);
}

/* A walk over the elements of tensors of equal shape in rows of contiguous memory: the pixels, or
 * longer runs when all of them are dense. Element i of row r has the dense NHWC index
 * r*width + i. */
struct naive_rows {
    size_t count, width, total;
    bool flat;
};

/* `list`: up to `n` tensors; those whose data is NULL do not count. */
struct naive_rows naive_rows_of(const struct tensor *const *list, int n);

static inline float *naive_row(const struct naive_rows *rows, const struct tensor *t, size_t r)
{
    return (float *)t->data + r * (rows->flat ? rows->width : (size_t)t->stride);
}

static inline size_t naive_row_width(const struct naive_rows *rows, size_t r)
{
    size_t left = rows->total - r * rows->width;
    return left < rows->width ? left : rows->width;
}

#endif
