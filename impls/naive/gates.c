/* The two gates of an attention module: a map times one factor per channel, or per pixel. */
#include "impls/naive/naive.h"

#include "impls/base/threads.h"
#include "impls/naive/columns.h"
#include "impls/naive/loops.h"
#include "impls/ops.h"

/* to = from * gate of the channel (+ to when add). */
static void multiply_channels(const struct tensor *src, const struct tensor *gate,
                              const struct tensor *dst, bool add)
{
    const size_t hw = (size_t)dst->h * (size_t)dst->w;
    const int c = dst->c;
#pragma omp parallel for schedule(static) if (threads_worth(tensor_count(dst)))
    for (size_t p = 0; p < naive_pixels(dst); p++) {
        const float *x = naive_pixel(src, p), *g = naive_pixel(gate, p / hw);
        float *y = naive_pixel(dst, p);
#pragma omp simd
        for (int i = 0; i < c; i++)
            y[i] = x[i] * g[i] + (add ? y[i] : 0.0f);
    }
}

static enum status channel_plan(struct impl_ctx *ctx, struct op_plan *plan)
{
    TRY(naive_plan_loops(ctx, plan));
    if (plan->desc.want_diff_src & 2)
        plan->scratch_bytes = naive_columns_bytes(&plan->desc.dst, true);
    return OK;
}

static enum status channel_forward(const struct op_plan *plan, const struct op_args *args)
{
    (void)plan;
    multiply_channels(&args->src[0], &args->src[1], &args->dst, false);
    return OK;
}

/* The gate's gradient: sums over H,W of diff_dst * src0. */
static void channel_gate_diff(const struct op_args *args)
{
    const struct tensor *to = &args->diff_src[1];
    const struct naive_columns job = {
        .kind = NAIVE_DOT, .a = &args->diff_dst, .b = &args->src[0], .per_sample = true};
    const double *sums = naive_columns_sum(&job, args->scratch);
    for (int n = 0; n < to->n; n++)
        naive_columns_store(sums + (size_t)n * (size_t)to->c, 1.0, (size_t)to->c,
                            naive_pixel(to, (size_t)n), args->add_diff_src & 2);
}

/* The gate first: diff_src[0] may be the memory of diff_dst. */
static enum status channel_backward(const struct op_plan *plan, const struct op_args *args)
{
    if (plan->desc.want_diff_src & 2)
        channel_gate_diff(args);
    if (plan->desc.want_diff_src & 1)
        multiply_channels(&args->diff_dst, &args->src[1], &args->diff_src[0],
                          args->add_diff_src & 1);
    return OK;
}

const struct op_entry naive_mul_channel = {
    .name = "naive mul_channel",
    .strided = true,
    .plan = channel_plan,
    .forward = channel_forward,
    .backward = channel_backward,
};

/* to = from * gate of the pixel (+ to when add). */
static void multiply_pixels(const struct tensor *src, const struct tensor *gate,
                            const struct tensor *dst, bool add)
{
    const int c = dst->c;
#pragma omp parallel for schedule(static) if (threads_worth(tensor_count(dst)))
    for (size_t p = 0; p < naive_pixels(dst); p++) {
        const float *x = naive_pixel(src, p), g = *naive_pixel(gate, p);
        float *y = naive_pixel(dst, p);
#pragma omp simd
        for (int i = 0; i < c; i++)
            y[i] = x[i] * g + (add ? y[i] : 0.0f);
    }
}

static enum status spatial_forward(const struct op_plan *plan, const struct op_args *args)
{
    (void)plan;
    multiply_pixels(&args->src[0], &args->src[1], &args->dst, false);
    return OK;
}

/* Sum of products in lanes that the compiler can vectorise; the lanes are added in double. */
static float dot(const float *a, const float *b, int c)
{
    float lane[NAIVE_LINE] = {0};
    double sum = 0;
    int i = 0;
    for (; i + NAIVE_LINE <= c; i += NAIVE_LINE)
        for (int l = 0; l < NAIVE_LINE; l++)
            lane[l] += a[i + l] * b[i + l];
    for (; i < c; i++)
        sum += (double)a[i] * (double)b[i];
    for (int l = 0; l < NAIVE_LINE; l++)
        sum += (double)lane[l];
    return (float)sum;
}

/* The gate's gradient: sums over C of diff_dst * src0. */
static void spatial_gate_diff(const struct op_args *args)
{
    const bool add = args->add_diff_src & 2;
#pragma omp parallel for schedule(static) if (threads_worth(tensor_count(&args->diff_dst)))
    for (size_t p = 0; p < naive_pixels(&args->diff_dst); p++) {
        float *to = naive_pixel(&args->diff_src[1], p);
        float sum = dot(naive_pixel(&args->diff_dst, p), naive_pixel(&args->src[0], p),
                        args->diff_dst.c);
        *to = sum + (add ? *to : 0.0f);
    }
}

/* The gate first, as above. */
static enum status spatial_backward(const struct op_plan *plan, const struct op_args *args)
{
    if (plan->desc.want_diff_src & 2)
        spatial_gate_diff(args);
    if (plan->desc.want_diff_src & 1)
        multiply_pixels(&args->diff_dst, &args->src[1], &args->diff_src[0],
                        args->add_diff_src & 1);
    return OK;
}

const struct op_entry naive_mul_spatial = {
    .name = "naive mul_spatial",
    .strided = true,
    .plan = naive_plan_loops,
    .forward = spatial_forward,
    .backward = spatial_backward,
};
