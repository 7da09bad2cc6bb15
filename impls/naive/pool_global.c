/* The pools of an attention module: over H,W for each channel, and over C for each pixel. The
 * maximum is the first of equals; a NaN is larger than every number, and the first NaN wins. */
#include "impls/naive/naive.h"

#include "impls/base/threads.h"
#include "impls/naive/loops.h"
#include "impls/ops.h"

#include <string.h>

static inline bool is_larger(float x, float best)
{
    return !(x <= best) && best == best;
}

static enum status hw_plan(struct impl_ctx *ctx, struct op_plan *plan)
{
    TRY(naive_plan_loops(ctx, plan));
    if (plan->desc.train && plan->desc.pool_hw.mode == POOL_MAX)
        plan->save_bytes = tensor_count(&plan->desc.dst) * sizeof(int32_t);
    return OK;
}

static void mean_hw(const struct tensor *src, int n, int first, int channels, float *to)
{
    const int hw = src->h * src->w;
    const float *x = naive_at(src, n, 0, 0) + first;
    double sum[NAIVE_LINE] = {0};
    for (int p = 0; p < hw; p++, x += src->stride)
        for (int i = 0; i < channels; i++)
            sum[i] += (double)x[i];
    for (int i = 0; i < channels; i++)
        to[i] = (float)(sum[i] / hw);
}

/* `arg`: where to save the index y*w + x of each maximum, or NULL. */
static void max_hw(const struct tensor *src, int n, int first, int channels, float *to,
                   int32_t *arg)
{
    const int hw = src->h * src->w;
    const float *x = naive_at(src, n, 0, 0) + first;
    float best[NAIVE_LINE] = {0};
    int32_t at[NAIVE_LINE] = {0};
    memcpy(best, x, (size_t)channels * sizeof *best);
    for (int32_t p = 0; p < hw; p++, x += src->stride)
        for (int i = 0; i < channels; i++) {
            bool larger = is_larger(x[i], best[i]);
            best[i] = larger ? x[i] : best[i];
            at[i] = larger ? p : at[i];
        }
    memcpy(to, best, (size_t)channels * sizeof *best);
    if (arg)
        memcpy(arg, at, (size_t)channels * sizeof *at);
}

static enum status hw_forward(const struct op_plan *plan, const struct op_args *args)
{
    const struct tensor *dst = &args->dst;
    const bool mean = plan->desc.pool_hw.mode == POOL_MEAN;
    int32_t *save = plan->desc.train ? args->save : NULL;
#pragma omp parallel for schedule(static) collapse(2) \
    if (threads_worth(tensor_count(&args->src[0])))
    for (int n = 0; n < dst->n; n++)
        for (int first = 0; first < dst->c; first += NAIVE_LINE) {
            int left = dst->c - first, channels = left < NAIVE_LINE ? left : NAIVE_LINE;
            float *to = naive_pixel(dst, (size_t)n) + first;
            if (mean)
                mean_hw(&args->src[0], n, first, channels, to);
            else
                max_hw(&args->src[0], n, first, channels, to,
                       save ? save + (size_t)n * (size_t)dst->c + first : NULL);
        }
    return OK;
}

static void spread_mean(const float *g, float factor, float *to, int c, bool add)
{
#pragma omp simd
    for (int i = 0; i < c; i++)
        to[i] = g[i] * factor + (add ? to[i] : 0.0f);
}

static void spread_max(const float *g, const int32_t *arg, int32_t p, float *to, int c, bool add)
{
#pragma omp simd
    for (int i = 0; i < c; i++)
        to[i] = (arg[i] == p ? g[i] : 0.0f) + (add ? to[i] : 0.0f);
}

static enum status hw_backward(const struct op_plan *plan, const struct op_args *args)
{
    const struct tensor *dx = &args->diff_src[0];
    const size_t hw = (size_t)dx->h * (size_t)dx->w;
    const bool mean = plan->desc.pool_hw.mode == POOL_MEAN, add = args->add_diff_src & 1;
    const int32_t *save = args->save;
    if (!(plan->desc.want_diff_src & 1))
        return OK;
#pragma omp parallel for schedule(static) if (threads_worth(tensor_count(dx)))
    for (size_t p = 0; p < naive_pixels(dx); p++) {
        const float *g = naive_pixel(&args->diff_dst, p / hw);
        if (mean)
            spread_mean(g, 1.0f / (float)hw, naive_pixel(dx, p), dx->c, add);
        else
            spread_max(g, save + p / hw * (size_t)dx->c, (int32_t)(p % hw), naive_pixel(dx, p),
                       dx->c, add);
    }
    return OK;
}

const struct op_entry naive_pool_hw = {
    .name = "naive pool_hw",
    .strided = true,
    .plan = hw_plan,
    .forward = hw_forward,
    .backward = hw_backward,
};

static enum status c_plan(struct impl_ctx *ctx, struct op_plan *plan)
{
    TRY(naive_plan_loops(ctx, plan));
    if (plan->desc.train && plan->desc.pool_c.planes != PLANES_MEAN)
        plan->save_bytes = naive_pixels(&plan->desc.dst) * sizeof(int32_t);
    return OK;
}

struct peak {
    float value;
    int32_t at;
};

/* Sum and maximum run in NAIVE_LINE lanes, which the compiler can vectorise; lane l sees the
 * channels l, l + NAIVE_LINE, ... The lanes are joined in a fixed order. */
static float mean_c(const float *x, int c)
{
    float lane[NAIVE_LINE] = {0};
    double sum = 0;
    int i = 0;
    for (; i + NAIVE_LINE <= c; i += NAIVE_LINE)
        for (int l = 0; l < NAIVE_LINE; l++)
            lane[l] += x[i + l];
    for (; i < c; i++)
        sum += (double)x[i];
    for (int l = 0; l < NAIVE_LINE; l++)
        sum += (double)lane[l];
    return (float)(sum / c);
}

static void join_peak(struct peak *best, float value, int32_t at)
{
    bool equal = value == best->value || (value != value && best->value != best->value);
    if (is_larger(value, best->value) || (equal && at < best->at))
        *best = (struct peak){value, at};
}

static struct peak max_c(const float *x, int c)
{
    float best[NAIVE_LINE];
    int32_t at[NAIVE_LINE] = {0};
    struct peak peak = {x[0], 0};
    int i = 0;
    for (int l = 0; l < NAIVE_LINE; l++)
        best[l] = x[0];
    for (; i + NAIVE_LINE <= c; i += NAIVE_LINE)
        for (int l = 0; l < NAIVE_LINE; l++) {
            bool larger = is_larger(x[i + l], best[l]);
            best[l] = larger ? x[i + l] : best[l];
            at[l] = larger ? i + l : at[l];
        }
    for (int l = 0; l < NAIVE_LINE; l++)
        join_peak(&peak, best[l], at[l]);
    for (; i < c; i++)
        join_peak(&peak, x[i], i);
    return peak;
}

/* `arg`: where to save the channel of the maximum, or NULL. */
static void planes_of(const float *x, int c, enum planes planes, float *to, int32_t *arg)
{
    const float mean = planes != PLANES_MAX ? mean_c(x, c) : 0;
    const struct peak peak = planes != PLANES_MEAN ? max_c(x, c) : (struct peak){0};
    switch (planes) {
    case PLANES_MAX_MEAN:
        to[0] = peak.value;
        to[1] = mean;
        break;
    case PLANES_MEAN_MAX:
        to[0] = mean;
        to[1] = peak.value;
        break;
    case PLANES_MAX:
        to[0] = peak.value;
        break;
    case PLANES_MEAN:
        to[0] = mean;
        break;
    case PLANES_HALF:
        to[0] = 0.5f * peak.value + 0.5f * mean;
        break;
    }
    if (arg)
        *arg = peak.at;
}

static enum status c_forward(const struct op_plan *plan, const struct op_args *args)
{
    const enum planes planes = plan->desc.pool_c.planes;
    int32_t *save = plan->desc.train && planes != PLANES_MEAN ? args->save : NULL;
#pragma omp parallel for schedule(static) if (threads_worth(tensor_count(&args->src[0])))
    for (size_t p = 0; p < naive_pixels(&args->dst); p++)
        planes_of(naive_pixel(&args->src[0], p), args->src[0].c, planes,
                  naive_pixel(&args->dst, p), save ? save + p : NULL);
    return OK;
}

/* Gradients of a pixel's maximum and mean, from those of its planes. */
struct split {
    float max, mean;
};

static struct split split_planes(const float *g, enum planes planes)
{
    switch (planes) {
    case PLANES_MAX_MEAN:
        return (struct split){g[0], g[1]};
    case PLANES_MEAN_MAX:
        return (struct split){g[1], g[0]};
    case PLANES_MAX:
        return (struct split){g[0], 0};
    case PLANES_MEAN:
        return (struct split){0, g[0]};
    case PLANES_HALF:
        break;
    }
    return (struct split){0.5f * g[0], 0.5f * g[0]};
}

static enum status c_backward(const struct op_plan *plan, const struct op_args *args)
{
    const struct tensor *dx = &args->diff_src[0];
    const enum planes planes = plan->desc.pool_c.planes;
    const bool add = args->add_diff_src & 1;
    const int32_t *save = args->save;
    if (!(plan->desc.want_diff_src & 1))
        return OK;
#pragma omp parallel for schedule(static) if (threads_worth(tensor_count(dx)))
    for (size_t p = 0; p < naive_pixels(dx); p++) {
        const struct split g = split_planes(naive_pixel(&args->diff_dst, p), planes);
        const float each = g.mean / (float)dx->c;
        float *to = naive_pixel(dx, p);
        for (int i = 0; i < dx->c; i++)
            to[i] = each + (add ? to[i] : 0.0f);
        if (planes != PLANES_MEAN)
            to[save[p]] += g.max;
    }
    return OK;
}

const struct op_entry naive_pool_c = {
    .name = "naive pool_c",
    .strided = true,
    .plan = c_plan,
    .forward = c_forward,
    .backward = c_backward,
};
