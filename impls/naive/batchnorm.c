/* Batch normalisation with batch statistics or with running ones, forward and backward.
 * Statistics are two passes in double precision, and a mean is kept as the sum of two floats:
 * x - mean stays exact to the last bits of x even where the mean is much larger than the
 * deviation. */
#include "impls/naive/naive.h"

#include "impls/base/memory.h"
#include "impls/base/threads.h"
#include "impls/naive/columns.h"
#include "impls/naive/loops.h"
#include "impls/ops.h"

#include <math.h>

/* Normalised value: ((x - mean) - rest) * inverse. Each [c]. */
struct statistics {
    float *mean, *rest, *inverse;
};

/* Three factors per channel, computed before a pass over the map. Each [c]. */
struct factors {
    float *a, *b, *d;
};

static size_t vector_bytes(int c)
{
    return memory_round((size_t)c * sizeof(float));
}

static struct statistics statistics_in(void *area, int c)
{
    size_t step = vector_bytes(c) / sizeof(float);
    float *f = area;
    return (struct statistics){f, f + step, f + 2 * step};
}

static struct factors factors_in(void *area, int c)
{
    size_t step = vector_bytes(c) / sizeof(float);
    float *f = area;
    return (struct factors){f, f + step, f + 2 * step};
}

static bool uses_batch(const struct op_desc *desc)
{
    return desc->train && desc->bn.batch_stats;
}

/* Scratch: factors, statistics of inference, two sets of sums. */
static enum status plan_batchnorm(struct impl_ctx *ctx, struct op_plan *plan)
{
    (void)ctx;
    const struct op_desc *desc = &plan->desc;
    const size_t vectors = 3 * vector_bytes(desc->dst.c);
    TRY(naive_plan_begin(plan, "naive two-pass"));
    if (uses_batch(desc) && naive_pixels(&desc->dst) == 1)
        return fail(ERR_USAGE,
                    "batch normalisation needs more than one value per channel in training");
    plan->save_bytes = desc->train ? vectors : 0;
    plan->scratch_bytes = 2 * vectors;
    if (desc->train)
        plan->scratch_bytes += 2 * memory_round(naive_columns_bytes(&desc->dst, false));
    return OK;
}

static void *sums_area(const struct op_args *args, int which)
{
    size_t each = memory_round(naive_columns_bytes(&args->src[0], false));
    return (char *)args->scratch + 6 * vector_bytes(args->src[0].c) + (size_t)which * each;
}

static struct statistics statistics_of(const struct op_plan *plan, const struct op_args *args)
{
    int c = plan->desc.dst.c;
    void *area = plan->desc.train ? args->save
                                  : (void *)((char *)args->scratch + 3 * vector_bytes(c));
    return statistics_in(area, c);
}

static void update_running(const struct op_desc *desc, const struct op_args *args, int i,
                           double mean, double variance, double count)
{
    const double momentum = (double)desc->bn.momentum;
    float *running_mean = &args->param[2]->data[i], *running_var = &args->param[3]->data[i];
    double unbiased = variance * count / (count - 1);
    *running_mean = (float)((1 - momentum) * (double)*running_mean + momentum * mean);
    *running_var = (float)((1 - momentum) * (double)*running_var + momentum * unbiased);
}

static void measure_batch(const struct op_plan *plan, const struct op_args *args,
                          struct statistics s)
{
    const struct op_desc *desc = &plan->desc;
    const double count = (double)naive_pixels(&args->src[0]);
    struct naive_columns job = {.kind = NAIVE_SUM, .a = &args->src[0]};
    const double *sum = naive_columns_sum(&job, sums_area(args, 0));
    for (int i = 0; i < desc->dst.c; i++) {
        s.mean[i] = (float)(sum[i] / count);
        s.rest[i] = (float)(sum[i] / count - (double)s.mean[i]);
    }
    job = (struct naive_columns){NAIVE_SQUARES, &args->src[0], NULL, s.mean, s.rest, false};
    const double *squares = naive_columns_sum(&job, sums_area(args, 1));
    for (int i = 0; i < desc->dst.c; i++) {
        double variance = squares[i] / count;
        s.inverse[i] = (float)(1.0 / sqrt(variance + (double)desc->bn.eps));
        update_running(desc, args, i, sum[i] / count, variance, count);
    }
    args->param[2]->version++;
    args->param[3]->version++;
}

static void copy_running(const struct op_plan *plan, const struct op_args *args,
                         struct statistics s)
{
    for (int i = 0; i < plan->desc.dst.c; i++) {
        double variance = (double)args->param[3]->data[i];
        s.mean[i] = args->param[2]->data[i];
        s.rest[i] = 0;
        s.inverse[i] = (float)(1.0 / sqrt(variance + (double)plan->desc.bn.eps));
    }
}

static enum status forward(const struct op_plan *plan, const struct op_args *args)
{
    const int c = plan->desc.dst.c;
    const struct statistics s = statistics_of(plan, args);
    if (uses_batch(&plan->desc))
        measure_batch(plan, args, s);
    else
        copy_running(plan, args, s);
    float *scale = factors_in(args->scratch, c).a;
    for (int i = 0; i < c; i++)
        scale[i] = s.inverse[i] * args->param[0]->data[i];
    const float *mean = s.mean, *rest = s.rest, *shift = args->param[1]->data;
#pragma omp parallel for schedule(static) if (threads_worth(tensor_count(&args->dst)))
    for (size_t p = 0; p < naive_pixels(&args->dst); p++) {
        const float *x = naive_pixel(&args->src[0], p);
        float *y = naive_pixel(&args->dst, p);
#pragma omp simd
        for (int i = 0; i < c; i++)
            y[i] = ((x[i] - mean[i]) - rest[i]) * scale[i] + shift[i];
    }
    return OK;
}

/* With constant statistics: dx = scale * dy. */
static void backward_constant(const struct op_args *args, const float *scale)
{
    const int c = args->diff_dst.c;
    const bool add = args->add_diff_src & 1;
#pragma omp parallel for schedule(static) if (threads_worth(tensor_count(&args->diff_dst)))
    for (size_t p = 0; p < naive_pixels(&args->diff_dst); p++) {
        const float *dy = naive_pixel(&args->diff_dst, p);
        float *dx = naive_pixel(&args->diff_src[0], p);
#pragma omp simd
        for (int i = 0; i < c; i++)
            dx[i] = scale[i] * dy[i] + (add ? dx[i] : 0.0f);
    }
}

/* With batch statistics, xhat being the normalised value:
 * dx = scale * (dy - mean(dy) - xhat * mean(dy*xhat)) = a*dy - b - d*(x - mean). */
static void backward_batch(const struct op_args *args, struct statistics s, struct factors f)
{
    const int c = args->diff_dst.c;
    const bool add = args->add_diff_src & 1;
#pragma omp parallel for schedule(static) if (threads_worth(tensor_count(&args->diff_dst)))
    for (size_t p = 0; p < naive_pixels(&args->diff_dst); p++) {
        const float *x = naive_pixel(&args->src[0], p);
        const float *dy = naive_pixel(&args->diff_dst, p);
        float *dx = naive_pixel(&args->diff_src[0], p);
#pragma omp simd
        for (int i = 0; i < c; i++)
            dx[i] = f.a[i] * dy[i] - f.b[i] - f.d[i] * ((x[i] - s.mean[i]) - s.rest[i])
                    + (add ? dx[i] : 0.0f);
    }
}

/* Sums over the batch: of dy, and of dy * xhat. */
struct sums {
    const double *dy;
    double *dot;
};

static struct sums sum_batch(const struct op_args *args, struct statistics s)
{
    struct naive_columns job = {.kind = NAIVE_SUM, .a = &args->diff_dst};
    struct sums sums = {.dy = naive_columns_sum(&job, sums_area(args, 0)),
                        .dot = sums_area(args, 1)};
    job = (struct naive_columns){NAIVE_DOT, &args->diff_dst, &args->src[0], s.mean, s.rest, false};
    naive_columns_sum(&job, sums.dot);
    for (int i = 0; i < args->diff_dst.c; i++)
        sums.dot[i] *= (double)s.inverse[i];
    return sums;
}

static void store_factors(const struct op_args *args, struct statistics s, struct sums sums,
                          struct factors f)
{
    const double count = (double)naive_pixels(&args->diff_dst);
    for (int i = 0; i < args->diff_dst.c; i++) {
        double scale = (double)s.inverse[i] * (double)args->param[0]->data[i];
        f.a[i] = (float)scale;
        f.b[i] = (float)(scale * sums.dy[i] / count);
        f.d[i] = (float)(scale * (double)s.inverse[i] * sums.dot[i] / count);
    }
}

static enum status backward(const struct op_plan *plan, const struct op_args *args)
{
    const unsigned src = plan->desc.want_diff_src, param = plan->desc.want_diff_param;
    const bool batch = uses_batch(&plan->desc);
    const size_t c = (size_t)plan->desc.dst.c;
    const struct statistics s = statistics_of(plan, args);
    const struct factors f = factors_in(args->scratch, plan->desc.dst.c);
    struct sums sums = {0};
    if (param & 3 || (batch && src & 1))
        sums = sum_batch(args, s);
    if (param & 1)
        naive_columns_store(sums.dot, 1.0, c, args->param[0]->grad, args->add_diff_param & 1);
    if (param & 2)
        naive_columns_store(sums.dy, 1.0, c, args->param[1]->grad, args->add_diff_param & 2);
    if (src & 1 && batch) {
        store_factors(args, s, sums, f);
        backward_batch(args, s, f);
    } else if (src & 1) {
        for (size_t i = 0; i < c; i++)
            f.a[i] = s.inverse[i] * args->param[0]->data[i];
        backward_constant(args, f.a);
    }
    return OK;
}

const struct op_entry naive_batchnorm = {
    .name = "naive batchnorm",
    .strided = true,
    .plan = plan_batchnorm,
    .forward = forward,
    .backward = backward,
};
