/* Window pools: max, average, adaptive average. A result pixel is computed from a rectangle of the
 * source; the three differ in the rectangle and in what is done with it. */
#include "impls/naive/naive.h"

#include "impls/base/threads.h"
#include "impls/naive/loops.h"
#include "impls/ops.h"

#include <string.h>

/* Rows y0..y1-1 and columns x0..x1-1 of the source, without padding; never empty. */
struct window {
    int y0, y1, x0, x1;
    float divisor;
};

static inline int at_least(int a, int low)
{
    return a > low ? a : low;
}

static inline int at_most(int a, int high)
{
    return a < high ? a : high;
}

static struct window window_at(const struct op_desc *d, int oy, int ox)
{
    int h = d->src[0].h, w = d->src[0].w, y = oy * d->pool.sh - d->pool.ph;
    int x = ox * d->pool.sw - d->pool.pw;
    return (struct window){
        .y0 = at_least(y, 0),
        .y1 = at_most(y + d->pool.kh, h),
        .x0 = at_least(x, 0),
        .x1 = at_most(x + d->pool.kw, w),
        .divisor = (float)d->pool.kh * (float)d->pool.kw,
    };
}

static struct window bin_at(const struct op_desc *d, int oy, int ox)
{
    int64_t h = d->src[0].h, w = d->src[0].w, oh = d->adaptive.oh, ow = d->adaptive.ow;
    struct window win = {
        .y0 = (int)(oy * h / oh),
        .y1 = (int)(((oy + 1) * h + oh - 1) / oh),
        .x0 = (int)(ox * w / ow),
        .x1 = (int)(((ox + 1) * w + ow - 1) / ow),
    };
    win.divisor = (float)(win.y1 - win.y0) * (float)(win.x1 - win.x0);
    return win;
}

static struct window rectangle(const struct op_desc *d, int oy, int ox)
{
    return d->kind == OP_ADAPTIVE_AVGPOOL ? bin_at(d, oy, ox) : window_at(d, oy, ox);
}

/* A pixel of the result. */
struct place {
    int n, y, x;
};

static struct place place_of(const struct tensor *dst, size_t pixel)
{
    size_t w = (size_t)dst->w, h = (size_t)dst->h;
    return (struct place){(int)(pixel / w / h), (int)(pixel / w % h), (int)(pixel % w)};
}

/* Maximum so far of each channel. The first of equals stays; the first NaN stays for ever. */
static void keep_larger(const float *x, float *best, int c)
{
#pragma omp simd
    for (int i = 0; i < c; i++)
        best[i] = !(x[i] <= best[i]) && best[i] == best[i] ? x[i] : best[i];
}

static void keep_larger_at(const float *x, int32_t at, float *best, int32_t *arg, int c)
{
#pragma omp simd
    for (int i = 0; i < c; i++) {
        bool larger = !(x[i] <= best[i]) && best[i] == best[i];
        best[i] = larger ? x[i] : best[i];
        arg[i] = larger ? at : arg[i];
    }
}

/* `arg`: where to save the maximum's pixel in its image, y*w + x, or NULL. */
static void max_window(const struct tensor *src, int n, struct window win, float *best,
                       int32_t *arg)
{
    const int c = src->c;
    memcpy(best, naive_at(src, n, win.y0, win.x0), (size_t)c * sizeof *best);
    for (int i = 0; arg && i < c; i++)
        arg[i] = win.y0 * src->w + win.x0;
    for (int y = win.y0; y < win.y1; y++)
        for (int x = win.x0; x < win.x1; x++)
            if (arg)
                keep_larger_at(naive_at(src, n, y, x), y * src->w + x, best, arg, c);
            else
                keep_larger(naive_at(src, n, y, x), best, c);
}

static enum status max_plan(struct impl_ctx *ctx, struct op_plan *plan)
{
    TRY(naive_plan_loops(ctx, plan));
    if (plan->desc.train)
        plan->save_bytes = tensor_count(&plan->desc.dst) * sizeof(int32_t);
    return OK;
}

static enum status max_forward(const struct op_plan *plan, const struct op_args *args)
{
    int32_t *save = plan->desc.train ? args->save : NULL;
#pragma omp parallel for schedule(static) if (threads_worth(tensor_count(&args->src[0])))
    for (size_t p = 0; p < naive_pixels(&args->dst); p++) {
        struct place at = place_of(&args->dst, p);
        max_window(&args->src[0], at.n, window_at(&plan->desc, at.y, at.x),
                   naive_pixel(&args->dst, p), save ? save + p * (size_t)args->dst.c : NULL);
    }
    return OK;
}

/* A share of the data gradient that no other task touches: some channels of one image. Windows may
 * overlap, so the result's pixels cannot be shared out. */
struct share {
    int n, first, channels;
};

static size_t share_count(const struct tensor *t)
{
    return (size_t)t->n * (((size_t)t->c + NAIVE_LINE - 1) / NAIVE_LINE);
}

static struct share share_at(const struct tensor *t, size_t index)
{
    size_t lines = ((size_t)t->c + NAIVE_LINE - 1) / NAIVE_LINE;
    int first = (int)(index % lines) * NAIVE_LINE;
    return (struct share){(int)(index / lines), first, at_most(t->c - first, NAIVE_LINE)};
}

static void clear_share(const struct tensor *diff, struct share s)
{
    for (int y = 0; y < diff->h; y++)
        for (int x = 0; x < diff->w; x++)
            memset(naive_at(diff, s.n, y, x) + s.first, 0, (size_t)s.channels * sizeof(float));
}

static void scatter_max(const struct op_args *args, struct share s)
{
    const struct tensor *dy = &args->diff_dst, *dx = &args->diff_src[0];
    const size_t pixels = (size_t)dy->h * (size_t)dy->w, start = (size_t)s.n * pixels;
    const size_t c = (size_t)dy->c, first = (size_t)s.first;
    float *image = naive_at(dx, s.n, 0, 0) + s.first;
    for (size_t p = start; p < start + pixels; p++) {
        const float *g = naive_pixel(dy, p) + s.first;
        const int32_t *arg = (const int32_t *)args->save + p * c + first;
        for (int i = 0; i < s.channels; i++)
            image[(size_t)arg[i] * (size_t)dx->stride + (size_t)i] += g[i];
    }
}

static enum status max_backward(const struct op_plan *plan, const struct op_args *args)
{
    const struct tensor *dx = &args->diff_src[0];
    if (!(plan->desc.want_diff_src & 1))
        return OK;
#pragma omp parallel for schedule(static) if (threads_worth(tensor_count(dx)))
    for (size_t task = 0; task < share_count(dx); task++) {
        struct share s = share_at(dx, task);
        if (!(args->add_diff_src & 1))
            clear_share(dx, s);
        scatter_max(args, s);
    }
    return OK;
}

const struct op_entry naive_maxpool = {
    .name = "naive maxpool",
    .strided = true,
    .plan = max_plan,
    .forward = max_forward,
    .backward = max_backward,
};

/* Means of up to NAIVE_LINE channels over a window; in double, for a bin may be the whole map. */
static void mean_window(const struct tensor *src, int n, struct window win, int first,
                        int channels, float *to)
{
    double sum[NAIVE_LINE] = {0};
    for (int y = win.y0; y < win.y1; y++)
        for (int x = win.x0; x < win.x1; x++) {
            const float *from = naive_at(src, n, y, x) + first;
            for (int i = 0; i < channels; i++)
                sum[i] += (double)from[i];
        }
    for (int i = 0; i < channels; i++)
        to[i] = (float)(sum[i] / (double)win.divisor);
}

static enum status average_forward(const struct op_plan *plan, const struct op_args *args)
{
    const struct tensor *dst = &args->dst;
#pragma omp parallel for schedule(static) collapse(2) \
    if (threads_worth(tensor_count(&args->src[0])))
    for (size_t p = 0; p < naive_pixels(dst); p++)
        for (int first = 0; first < dst->c; first += NAIVE_LINE) {
            struct place at = place_of(dst, p);
            mean_window(&args->src[0], at.n, rectangle(&plan->desc, at.y, at.x), first,
                        at_most(dst->c - first, NAIVE_LINE), naive_pixel(dst, p) + first);
        }
    return OK;
}

static void scatter_mean(const struct op_plan *plan, const struct op_args *args, struct share s)
{
    const struct tensor *dy = &args->diff_dst, *dx = &args->diff_src[0];
    for (int oy = 0; oy < dy->h; oy++)
        for (int ox = 0; ox < dy->w; ox++) {
            const struct window win = rectangle(&plan->desc, oy, ox);
            const float *g = naive_at(dy, s.n, oy, ox) + s.first;
            for (int y = win.y0; y < win.y1; y++)
                for (int x = win.x0; x < win.x1; x++) {
                    float *to = naive_at(dx, s.n, y, x) + s.first;
                    for (int i = 0; i < s.channels; i++)
                        to[i] += g[i] / win.divisor;
                }
        }
}

static enum status average_backward(const struct op_plan *plan, const struct op_args *args)
{
    const struct tensor *dx = &args->diff_src[0];
    if (!(plan->desc.want_diff_src & 1))
        return OK;
#pragma omp parallel for schedule(static) if (threads_worth(tensor_count(dx)))
    for (size_t task = 0; task < share_count(dx); task++) {
        struct share s = share_at(dx, task);
        if (!(args->add_diff_src & 1))
            clear_share(dx, s);
        scatter_mean(plan, args, s);
    }
    return OK;
}

const struct op_entry naive_avgpool = {
    .name = "naive avgpool",
    .strided = true,
    .plan = naive_plan_loops,
    .forward = average_forward,
    .backward = average_backward,
};

const struct op_entry naive_adaptive_avgpool = {
    .name = "naive adaptive_avgpool",
    .strided = true,
    .plan = naive_plan_loops,
    .forward = average_forward,
    .backward = average_backward,
};
