/* Elementwise operations: relu, sigmoid, scale, add. `omp simd` tells the compiler that
 * source and result are the same memory or do not overlap: relu, sigmoid and add may work in
 * place. */
#include "impls/naive/naive.h"

#include "impls/base/threads.h"
#include "impls/naive/columns.h"
#include "impls/naive/loops.h"

#include <math.h>

typedef void row_kernel(const float *from, float *to, size_t n);

/* Applies a kernel to all rows of src and dst. */
static void map_rows(const struct tensor *src, const struct tensor *dst, row_kernel *kernel)
{
    const struct tensor *list[] = {src, dst};
    const struct naive_rows rows = naive_rows_of(list, 2);
#pragma omp parallel for schedule(static) if (threads_worth(rows.total))
    for (size_t r = 0; r < rows.count; r++)
        kernel(naive_row(&rows, src, r), naive_row(&rows, dst, r), naive_row_width(&rows, r));
}

typedef void diff_kernel(const float *y, const float *dy, float *dx, size_t n, bool add);

/* Applies a gradient kernel that reads the result. */
static void map_diff(const struct op_args *args, diff_kernel *kernel)
{
    const struct tensor *y = &args->dst, *dy = &args->diff_dst, *dx = &args->diff_src[0];
    const struct tensor *list[] = {y, dy, dx};
    const struct naive_rows rows = naive_rows_of(list, 3);
    const bool add = args->add_diff_src & 1;
#pragma omp parallel for schedule(static) if (threads_worth(rows.total))
    for (size_t r = 0; r < rows.count; r++)
        kernel(naive_row(&rows, y, r), naive_row(&rows, dy, r), naive_row(&rows, dx, r),
               naive_row_width(&rows, r), add);
}

/* to = factor * from (+ to when add), row by row. */
static void scale_rows(const struct tensor *src, const struct tensor *dst, float factor, bool add)
{
    const struct tensor *list[] = {src, dst};
    const struct naive_rows rows = naive_rows_of(list, 2);
#pragma omp parallel for schedule(static) if (threads_worth(rows.total))
    for (size_t r = 0; r < rows.count; r++) {
        const float *from = naive_row(&rows, src, r);
        float *to = naive_row(&rows, dst, r);
        const size_t n = naive_row_width(&rows, r);
#pragma omp simd
        for (size_t i = 0; i < n; i++)
            to[i] = factor * from[i] + (add ? to[i] : 0.0f);
    }
}

/* A NaN passes, as in PyTorch: a diverged run must not look healthy. */
static void relu_row(const float *from, float *to, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        to[i] = from[i] <= 0.0f ? 0.0f : from[i];
}

static void relu_diff_row(const float *y, const float *dy, float *dx, size_t n, bool add)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        float g = dy[i], old = dx[i]; /* loaded in any case: no branch in the loop */
        dx[i] = (y[i] <= 0.0f ? 0.0f : g) + (add ? old : 0.0f);
    }
}

static enum status relu_forward(const struct op_plan *plan, const struct op_args *args)
{
    (void)plan;
    map_rows(&args->src[0], &args->dst, relu_row);
    return OK;
}

static enum status relu_backward(const struct op_plan *plan, const struct op_args *args)
{
    if (plan->desc.want_diff_src & 1)
        map_diff(args, relu_diff_row);
    return OK;
}

const struct op_entry naive_relu = {
    .name = "naive relu",
    .strided = true,
    .plan = naive_plan_loops,
    .forward = relu_forward,
    .backward = relu_backward,
};

/* The exponent is never positive: no overflow for either sign. */
static void sigmoid_row(const float *from, float *to, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float x = from[i], e = expf(-fabsf(x));
        to[i] = (x < 0 ? e : 1.0f) / (1.0f + e);
    }
}

static void sigmoid_diff_row(const float *y, const float *dy, float *dx, size_t n, bool add)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        dx[i] = dy[i] * y[i] * (1.0f - y[i]) + (add ? dx[i] : 0.0f);
}

static enum status sigmoid_forward(const struct op_plan *plan, const struct op_args *args)
{
    (void)plan;
    map_rows(&args->src[0], &args->dst, sigmoid_row);
    return OK;
}

static enum status sigmoid_backward(const struct op_plan *plan, const struct op_args *args)
{
    if (plan->desc.want_diff_src & 1)
        map_diff(args, sigmoid_diff_row);
    return OK;
}

const struct op_entry naive_sigmoid = {
    .name = "naive sigmoid",
    .strided = true,
    .plan = naive_plan_loops,
    .forward = sigmoid_forward,
    .backward = sigmoid_backward,
};

static float scale_factor(const struct op_plan *plan, const struct op_args *args)
{
    float learned = plan->desc.scale.learned ? args->param[0]->data[0] : 1.0f;
    return plan->desc.scale.factor * learned;
}

static enum status scale_plan(struct impl_ctx *ctx, struct op_plan *plan)
{
    TRY(naive_plan_loops(ctx, plan));
    if (plan->desc.scale.learned && plan->desc.want_diff_param & 1)
        plan->scratch_bytes = naive_columns_bytes(&plan->desc.dst, false);
    return OK;
}

static enum status scale_forward(const struct op_plan *plan, const struct op_args *args)
{
    scale_rows(&args->src[0], &args->dst, scale_factor(plan, args), false);
    return OK;
}

/* The gradient of the learned scalar comes first: diff_src may be the memory of diff_dst. */
static enum status scale_backward(const struct op_plan *plan, const struct op_args *args)
{
    if (plan->desc.scale.learned && plan->desc.want_diff_param & 1) {
        const struct naive_columns job = {
            .kind = NAIVE_DOT, .a = &args->diff_dst, .b = &args->src[0]};
        const double *sums = naive_columns_sum(&job, args->scratch);
        double total = 0;
        for (int i = 0; i < args->diff_dst.c; i++)
            total += sums[i];
        naive_columns_store(&total, (double)plan->desc.scale.factor, 1, args->param[0]->grad,
                            args->add_diff_param & 1);
    }
    if (plan->desc.want_diff_src & 1)
        scale_rows(&args->diff_dst, &args->diff_src[0], scale_factor(plan, args),
                   args->add_diff_src & 1);
    return OK;
}

const struct op_entry naive_scale = {
    .name = "naive scale",
    .strided = true,
    .plan = scale_plan,
    .forward = scale_forward,
    .backward = scale_backward,
};

static enum status add_forward(const struct op_plan *plan, const struct op_args *args)
{
    const float a = plan->desc.add.a, b = plan->desc.add.b;
    const struct tensor *list[] = {&args->src[0], &args->src[1], &args->dst};
    const struct naive_rows rows = naive_rows_of(list, 3);
#pragma omp parallel for schedule(static) if (threads_worth(rows.total))
    for (size_t r = 0; r < rows.count; r++) {
        const float *x = naive_row(&rows, list[0], r), *z = naive_row(&rows, list[1], r);
        float *y = naive_row(&rows, list[2], r);
        const size_t n = naive_row_width(&rows, r);
#pragma omp simd
        for (size_t i = 0; i < n; i++)
            y[i] = a * x[i] + b * z[i];
    }
    return OK;
}

/* Source 1 first: diff_src[0] may be the memory of diff_dst. */
static enum status add_backward(const struct op_plan *plan, const struct op_args *args)
{
    if (plan->desc.want_diff_src & 2)
        scale_rows(&args->diff_dst, &args->diff_src[1], plan->desc.add.b, args->add_diff_src & 2);
    if (plan->desc.want_diff_src & 1)
        scale_rows(&args->diff_dst, &args->diff_src[0], plan->desc.add.a, args->add_diff_src & 1);
    return OK;
}

const struct op_entry naive_add = {
    .name = "naive add",
    .strided = true,
    .plan = naive_plan_loops,
    .forward = add_forward,
    .backward = add_backward,
};
