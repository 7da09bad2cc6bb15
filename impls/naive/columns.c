/* Sums over pixels: see columns.h. Knows no operation. */
#include "impls/naive/columns.h"

#include "impls/base/threads.h"
#include "impls/naive/loops.h"
#include "impls/ops.h"

#include <string.h>

/* Each sample (or the whole batch) is cut into slices; a task sums one slice. */
struct cut {
    size_t groups, pixels, slices, c;
};

static struct cut cut_of(const struct tensor *t, bool per_sample)
{
    enum { SLICE_ELEMENTS = 16384, MOST_SLICES = 32 };
    struct cut cut = {.groups = per_sample ? (size_t)t->n : 1, .c = (size_t)t->c};
    cut.pixels = naive_pixels(t) / cut.groups;
    size_t wanted = cut.pixels * cut.c / SLICE_ELEMENTS;
    size_t most = cut.groups < MOST_SLICES ? MOST_SLICES / cut.groups : 1;
    cut.slices = wanted < most ? wanted : most;
    if (cut.slices < 1)
        cut.slices = 1;
    return cut;
}

size_t naive_columns_bytes(const struct tensor *t, bool per_sample)
{
    struct cut cut = cut_of(t, per_sample);
    return cut.groups * (cut.slices + 1) * cut.c * sizeof(double);
}

static void add_sum(double *restrict sum, const float *restrict a, size_t c)
{
    for (size_t i = 0; i < c; i++)
        sum[i] += (double)a[i];
}

static void add_dot(double *restrict sum, const float *a, const float *b, size_t c)
{
    for (size_t i = 0; i < c; i++)
        sum[i] += (double)a[i] * (double)b[i];
}

static void add_dot_shifted(double *restrict sum, const float *a, const float *b,
                            const struct naive_columns *job, size_t c)
{
    const float *shift = job->shift, *rest = job->rest;
    for (size_t i = 0; i < c; i++)
        sum[i] += (double)a[i] * (double)((b[i] - shift[i]) - rest[i]);
}

static void add_squares(double *restrict sum, const float *a, const struct naive_columns *job,
                        size_t c)
{
    const float *shift = job->shift, *rest = job->rest;
    for (size_t i = 0; i < c; i++) {
        double d = (double)((a[i] - shift[i]) - rest[i]);
        sum[i] += d * d;
    }
}

static void sum_pixels(const struct naive_columns *job, size_t first, size_t last, double *sum)
{
    size_t c = (size_t)job->a->c;
    memset(sum, 0, c * sizeof *sum);
    for (size_t p = first; p < last; p++) {
        const float *a = naive_pixel(job->a, p);
        if (job->kind == NAIVE_SUM)
            add_sum(sum, a, c);
        else if (job->kind == NAIVE_SQUARES)
            add_squares(sum, a, job, c);
        else if (job->shift)
            add_dot_shifted(sum, a, naive_pixel(job->b, p), job, c);
        else
            add_dot(sum, a, naive_pixel(job->b, p), c);
    }
}

const double *naive_columns_sum(const struct naive_columns *job, void *scratch)
{
    const struct cut cut = cut_of(job->a, job->per_sample);
    double *sums = scratch, *parts = sums + cut.groups * cut.c;
#pragma omp parallel for schedule(static) if (threads_worth(tensor_count(job->a)))
    for (size_t task = 0; task < cut.groups * cut.slices; task++) {
        size_t start = task / cut.slices * cut.pixels, slice = task % cut.slices;
        sum_pixels(job, start + cut.pixels * slice / cut.slices,
                   start + cut.pixels * (slice + 1) / cut.slices, parts + task * cut.c);
    }
    memset(sums, 0, cut.groups * cut.c * sizeof *sums);
    for (size_t task = 0; task < cut.groups * cut.slices; task++)
        for (size_t i = 0; i < cut.c; i++)
            sums[task / cut.slices * cut.c + i] += parts[task * cut.c + i];
    return sums;
}

void naive_columns_store(const double *from, double factor, size_t count, float *to, bool add)
{
    for (size_t i = 0; i < count; i++)
        to[i] = (float)(factor * from[i] + (add ? (double)to[i] : 0.0));
}

void naive_columns_bias(const struct op_args *args)
{
    const struct naive_columns job = {.kind = NAIVE_SUM, .a = &args->diff_dst};
    naive_columns_store(naive_columns_sum(&job, args->scratch), 1.0, (size_t)args->diff_dst.c,
                        args->param[1]->grad, args->add_diff_param & 2);
}
