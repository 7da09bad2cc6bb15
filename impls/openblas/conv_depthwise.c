/* Depthwise convolution (one input and one output channel a group) by direct loops over channels:
 * a matrix product would have one column and, per group, as many rows of overhead as of work.
 * Weights are [kh][kw][channels]. */
#include "impls/openblas/conv2d.h"
#include "impls/openblas/joint.h"

#include <stdio.h>
#include <string.h>

enum {
    WORTH_THREADS = 1 << 14, /* multiply-adds below which a parallel region costs too much */
    RUN = 512                /* pixels summed before they join a total: bounds rounding errors */
};

static int parts_of(const struct conv *conv)
{
    double work = (double)conv->pixels * conv->groups * conv->win.kh * conv->win.kw;
    return work < WORTH_THREADS || conv->pixels < conv->threads ? 1 : conv->threads;
}

/* sum += a * b, element by element. */
static void multiply_add(float *restrict sum, const float *restrict a, const float *restrict b,
                         int count)
{
    for (int i = 0; i < count; i++)
        sum[i] += a[i] * b[i];
}

static enum status init(struct conv *conv)
{
    return weights_init(&conv->weights, 1, conv->groups, conv->win.kh * conv->win.kw);
}

static size_t scratch(const struct conv *conv, const struct op_desc *desc)
{
    size_t parts = desc->want_diff_param & 1 ? (size_t)parts_of(conv) : 0;
    return 2 * parts * weights_count(&conv->weights) * sizeof(float);
}

/* What output pixel `pixel` sees through tap `tap` of the window; NULL outside the map. */
static const float *seen(const struct conv *conv, const float *src, int pixel, int tap)
{
    const struct window *win = &conv->win;
    int oy = pixel / win->ow % win->oh, ox = pixel % win->ow, image = pixel / (win->oh * win->ow);
    long iy = (long)oy * win->sh - win->ph + (long)(tap / win->kw) * win->dh;
    long ix = (long)ox * win->sw - win->pw + (long)(tap % win->kw) * win->dw;
    if (iy < 0 || iy >= win->ih || ix < 0 || ix >= win->iw)
        return NULL;
    return src + (size_t)(((long)image * win->ih + iy) * win->iw + ix) * (size_t)win->stride;
}

/* The gradient of the output pixel that sees input pixel `pixel` through tap `tap`; NULL when
 * there is none. */
static const float *seen_by(const struct conv *conv, const float *diff_dst, int pixel, int tap)
{
    const struct window *win = &conv->win;
    int iy = pixel / win->iw % win->ih, ix = pixel % win->iw, image = pixel / (win->ih * win->iw);
    long y = (long)iy + win->ph - (long)(tap / win->kw) * win->dh;
    long x = (long)ix + win->pw - (long)(tap % win->kw) * win->dw;
    if (y < 0 || x < 0 || y % win->sh || x % win->sw)
        return NULL;
    y /= win->sh;
    x /= win->sw;
    if (y >= win->oh || x >= win->ow)
        return NULL;
    return diff_dst + (size_t)(((long)image * win->oh + y) * win->ow + x) * (size_t)conv->ldy;
}

static void forward(const struct conv *conv, const float *weights, const struct op_args *args)
{
    int taps = conv->win.kh * conv->win.kw, channels = conv->groups, parts = parts_of(conv);
#pragma omp parallel for schedule(static) num_threads(parts) if (parts > 1)
    for (int pixel = 0; pixel < conv->pixels; pixel++) {
        float *y = (float *)args->dst.data + (size_t)pixel * (size_t)conv->ldy;
        if (joint_begin(conv, args, pixel, pixel + 1) == 0)
            memset(y, 0, (size_t)channels * sizeof *y);
        for (int tap = 0; tap < taps; tap++) {
            const float *x = seen(conv, args->src[0].data, pixel, tap);
            if (x)
                multiply_add(y, x, weights + (size_t)tap * (size_t)channels, channels);
        }
        joint_end(conv, args, pixel, pixel + 1);
    }
}

static void backward_data(const struct conv *conv, const float *weights,
                          const struct op_args *args)
{
    int taps = conv->win.kh * conv->win.kw, channels = conv->groups, parts = parts_of(conv);
    int pixels = conv->images * conv->win.ih * conv->win.iw;
#pragma omp parallel for schedule(static) num_threads(parts) if (parts > 1)
    for (int pixel = 0; pixel < pixels; pixel++) {
        float *dx = (float *)args->diff_src[0].data + (size_t)pixel * (size_t)conv->win.stride;
        if (!(args->add_diff_src & 1))
            memset(dx, 0, (size_t)channels * sizeof *dx);
        for (int tap = 0; tap < taps; tap++) {
            const float *dy = seen_by(conv, args->diff_dst.data, pixel, tap);
            if (dy)
                multiply_add(dx, dy, weights + (size_t)tap * (size_t)channels, channels);
        }
    }
}

/* Adds what output pixels from..to-1 contribute. */
static void add_run(const struct conv *conv, const struct op_args *args, int from, int to,
                    float *sum)
{
    int taps = conv->win.kh * conv->win.kw, channels = conv->groups;
    for (int pixel = from; pixel < to; pixel++) {
        const float *dy =
            (const float *)args->diff_dst.data + (size_t)pixel * (size_t)conv->ldy;
        for (int tap = 0; tap < taps; tap++) {
            const float *x = seen(conv, args->src[0].data, pixel, tap);
            if (x)
                multiply_add(sum + (size_t)tap * (size_t)channels, x, dy, channels);
        }
    }
}

/* `total` becomes the gradient from output pixels from..to-1; `run` is as large. */
static void weights_of_pixels(const struct conv *conv, const struct op_args *args, int from,
                              int to, float *restrict total, float *restrict run)
{
    size_t count = weights_count(&conv->weights);
    memset(total, 0, count * sizeof *total);
    for (int first = from; first < to; first += RUN) {
        memset(run, 0, count * sizeof *run);
        add_run(conv, args, first, first + RUN < to ? first + RUN : to, run);
        for (size_t i = 0; i < count; i++)
            total[i] += run[i];
    }
}

static void backward_weights(const struct conv *conv, const struct op_args *args)
{
    int parts = parts_of(conv);
    size_t count = weights_count(&conv->weights);
    float *totals = args->scratch, *runs = totals + (size_t)parts * count;
#pragma omp parallel for schedule(static) num_threads(parts) if (parts > 1)
    for (int part = 0; part < parts; part++)
        weights_of_pixels(conv, args, (int)((long)conv->pixels * part / parts),
                          (int)((long)conv->pixels * (part + 1) / parts),
                          totals + (size_t)part * count, runs + (size_t)part * count);
    weights_unpack_gradient(&conv->weights, totals, parts, args->add_diff_param & 1,
                            args->param[0]->grad, conv->threads);
}

static void describe(const struct conv *conv, char *text, size_t size)
{
    (void)conv;
    snprintf(text, size, "direct depthwise");
}

const struct conv_kernel conv_depthwise = {
    .init = init,
    .scratch = scratch,
    .forward = forward,
    .backward_data = backward_data,
    .backward_weights = backward_weights,
    .describe = describe,
};
