/* The oracle's pooling: windows, adaptive bins, over H and W, over channels. Knows no
 * implementation; see oracle.h. */
#include "tests/oracle_ops.h"

/* A rectangle of one channel of one image: rows y0 <= y < y1, columns x0 <= x < x1. */
struct window {
    int n, c, y0, y1, x0, x1;
};

static double window_sum(const struct oracle *o, const struct window *w, double *size)
{
    double sum = 0;
    *size = 0;
    for (int y = w->y0; y < w->y1; y++)
        for (int x = w->x0; x < w->x1; x++) {
            double value = o->src[0][oracle_at(&o->desc.src[0], w->n, y, x, w->c)];
            sum += value;
            *size += fabs(value);
        }
    return sum;
}

/* Index of the greatest value, the first in row order among equals. */
static size_t window_argmax(const struct oracle *o, const struct window *w)
{
    size_t best = oracle_at(&o->desc.src[0], w->n, w->y0, w->x0, w->c);
    for (int y = w->y0; y < w->y1; y++)
        for (int x = w->x0; x < w->x1; x++) {
            size_t i = oracle_at(&o->desc.src[0], w->n, y, x, w->c);
            if (o->src[0][i] > o->src[0][best])
                best = i;
        }
    return best;
}

static void window_mean_forward(struct oracle *o, const struct window *w, size_t dst, int divisor)
{
    double size, sum = window_sum(o, w, &size);
    o->dst[dst] = (struct oracle_num){sum / divisor, size / divisor};
}

static void window_mean_backward(struct oracle *o, const struct window *w, size_t dst, int divisor)
{
    for (int y = w->y0; y < w->y1; y++)
        for (int x = w->x0; x < w->x1; x++)
            oracle_term(&o->diff_src[0][oracle_at(&o->desc.src[0], w->n, y, x, w->c)],
                        o->diff_dst[dst] / divisor);
}

static void window_max_forward(struct oracle *o, const struct window *w, size_t dst)
{
    oracle_term(&o->dst[dst], o->src[0][window_argmax(o, w)]);
}

static void window_max_backward(struct oracle *o, const struct window *w, size_t dst)
{
    oracle_term(&o->diff_src[0][window_argmax(o, w)], o->diff_dst[dst]);
}

/* What a pooling does with the window of one output element. */
typedef void window_use(struct oracle *o, const struct window *w, size_t dst);

static void for_each_output(struct oracle *o, window_use *use,
                            void (*rows)(const struct oracle *o, int i, int *from, int *to),
                            void (*columns)(const struct oracle *o, int i, int *from, int *to))
{
    const struct tensor *out = &o->desc.dst;
    for (int n = 0; n < out->n; n++)
        for (int y = 0; y < out->h; y++)
            for (int x = 0; x < out->w; x++)
                for (int c = 0; c < out->c; c++) {
                    struct window w = {.n = n, .c = c};
                    rows(o, y, &w.y0, &w.y1);
                    columns(o, x, &w.x0, &w.x1);
                    use(o, &w, oracle_at(out, n, y, x, c));
                }
}

/* The part of pooling window i that lies on the map: the padding takes part in nothing. */
static void clip(int i, int kernel, int stride, int pad, int length, int *from, int *to)
{
    *from = i * stride - pad;
    *to = *from + kernel;
    if (*from < 0)
        *from = 0;
    if (*to > length)
        *to = length;
}

static void pool_rows(const struct oracle *o, int i, int *from, int *to)
{
    clip(i, o->desc.pool.kh, o->desc.pool.sh, o->desc.pool.ph, o->desc.src[0].h, from, to);
}

static void pool_columns(const struct oracle *o, int i, int *from, int *to)
{
    clip(i, o->desc.pool.kw, o->desc.pool.sw, o->desc.pool.pw, o->desc.src[0].w, from, to);
}

void oracle_maxpool_forward(struct oracle *o)
{
    for_each_output(o, window_max_forward, pool_rows, pool_columns);
}

void oracle_maxpool_backward(struct oracle *o)
{
    for_each_output(o, window_max_backward, pool_rows, pool_columns);
}

static void avgpool_window_forward(struct oracle *o, const struct window *w, size_t dst)
{
    window_mean_forward(o, w, dst, o->desc.pool.kh * o->desc.pool.kw);
}

static void avgpool_window_backward(struct oracle *o, const struct window *w, size_t dst)
{
    window_mean_backward(o, w, dst, o->desc.pool.kh * o->desc.pool.kw);
}

void oracle_avgpool_forward(struct oracle *o)
{
    for_each_output(o, avgpool_window_forward, pool_rows, pool_columns);
}

void oracle_avgpool_backward(struct oracle *o)
{
    for_each_output(o, avgpool_window_backward, pool_rows, pool_columns);
}

/* Bin i of `bins` over `length`: from floor(i*length/bins) to ceil((i+1)*length/bins). */
static void bin(int i, int bins, int length, int *from, int *to)
{
    *from = (int)floor((double)i * length / bins);
    *to = (int)ceil((double)(i + 1) * length / bins);
}

static void adaptive_rows(const struct oracle *o, int i, int *from, int *to)
{
    bin(i, o->desc.adaptive.oh, o->desc.src[0].h, from, to);
}

static void adaptive_columns(const struct oracle *o, int i, int *from, int *to)
{
    bin(i, o->desc.adaptive.ow, o->desc.src[0].w, from, to);
}

static int window_area(const struct window *w)
{
    return (w->y1 - w->y0) * (w->x1 - w->x0);
}

static void area_mean_forward(struct oracle *o, const struct window *w, size_t dst)
{
    window_mean_forward(o, w, dst, window_area(w));
}

static void area_mean_backward(struct oracle *o, const struct window *w, size_t dst)
{
    window_mean_backward(o, w, dst, window_area(w));
}

void oracle_adaptive_forward(struct oracle *o)
{
    for_each_output(o, area_mean_forward, adaptive_rows, adaptive_columns);
}

void oracle_adaptive_backward(struct oracle *o)
{
    for_each_output(o, area_mean_backward, adaptive_rows, adaptive_columns);
}

static void all_rows(const struct oracle *o, int i, int *from, int *to)
{
    (void)i;
    *from = 0;
    *to = o->desc.src[0].h;
}

static void all_columns(const struct oracle *o, int i, int *from, int *to)
{
    (void)i;
    *from = 0;
    *to = o->desc.src[0].w;
}

void oracle_pool_hw_forward(struct oracle *o)
{
    window_use *use = o->desc.pool_hw.mode == POOL_MAX ? window_max_forward : area_mean_forward;
    for_each_output(o, use, all_rows, all_columns);
}

void oracle_pool_hw_backward(struct oracle *o)
{
    window_use *use = o->desc.pool_hw.mode == POOL_MAX ? window_max_backward : area_mean_backward;
    for_each_output(o, use, all_rows, all_columns);
}

/* How much of the maximum and of the mean over the channels goes into each plane. */
static const struct {
    double max[2], mean[2];
} plane_share[] = {
    [PLANES_MAX_MEAN] = {{1, 0}, {0, 1}},
    [PLANES_MEAN_MAX] = {{0, 1}, {1, 0}},
    [PLANES_MAX] = {{1}, {0}},
    [PLANES_MEAN] = {{0}, {1}},
    [PLANES_HALF] = {{0.5}, {0.5}},
};

/* The channel with the greatest value, the first among equals. */
static int argmax_channel(const double *x, int channels)
{
    int best = 0;
    for (int c = 1; c < channels; c++)
        if (x[c] > x[best])
            best = c;
    return best;
}

void oracle_pool_c_forward(struct oracle *o)
{
    int channels = o->desc.src[0].c, planes = o->desc.dst.c;
    for (size_t pixel = 0; pixel < o->count_dst / (size_t)planes; pixel++) {
        const double *x = o->src[0] + pixel * (size_t)channels;
        for (int p = 0; p < planes; p++) {
            struct oracle_num *y = &o->dst[pixel * (size_t)planes + (size_t)p];
            double max = plane_share[o->desc.pool_c.planes].max[p];
            double mean = plane_share[o->desc.pool_c.planes].mean[p];
            oracle_term(y, max * x[argmax_channel(x, channels)]);
            for (int c = 0; c < channels; c++)
                oracle_term(y, mean * x[c] / channels);
        }
    }
}

void oracle_pool_c_backward(struct oracle *o)
{
    int channels = o->desc.src[0].c, planes = o->desc.dst.c;
    for (size_t pixel = 0; pixel < o->count_dst / (size_t)planes; pixel++) {
        const double *x = o->src[0] + pixel * (size_t)channels;
        struct oracle_num *dx = o->diff_src[0] + pixel * (size_t)channels;
        for (int p = 0; p < planes; p++) {
            double dy = o->diff_dst[pixel * (size_t)planes + (size_t)p];
            double max = plane_share[o->desc.pool_c.planes].max[p];
            double mean = plane_share[o->desc.pool_c.planes].mean[p];
            oracle_term(&dx[argmax_channel(x, channels)], max * dy);
            for (int c = 0; c < channels; c++)
                oracle_term(&dx[c], mean * dy / channels);
        }
    }
}
