/* Own loops of the oneDNN table: see own.h. */
#include "impls/onednn/own.h"

#include "impls/base/memory.h"
#include "impls/base/threads.h"

#include <string.h>

void dnn_own_add(float *dst, const float *src, size_t count)
{
#pragma omp parallel for schedule(static) if (threads_worth(count))
    for (size_t i = 0; i < count; i++)
        dst[i] += src[i];
}

void dnn_own_blend(float *dst, float a, const float *x, float b, const float *y, size_t count)
{
#pragma omp parallel for schedule(static) if (threads_worth(count))
    for (size_t i = 0; i < count; i++)
        dst[i] = a * x[i] + b * y[i];
}

void dnn_own_scale(float *dst, float a, const float *x, bool add, size_t count)
{
#pragma omp parallel for schedule(static) if (threads_worth(count))
    for (size_t i = 0; i < count; i++)
        dst[i] = add ? dst[i] + a * x[i] : a * x[i];
}

void dnn_own_gather(float *dst, const struct tensor *src, int sh, int sw, int oh, int ow)
{
    const float *data = src->data;
    size_t c = (size_t)src->c;
#pragma omp parallel for schedule(static) collapse(2) \
    if (threads_worth((size_t)src->n * (size_t)oh * (size_t)ow * c))
    for (int n = 0; n < src->n; n++)
        for (int y = 0; y < oh; y++)
            for (int x = 0; x < ow; x++) {
                size_t from = ((size_t)n * src->h + (size_t)y * sh) * src->w + (size_t)x * sw;
                size_t to = ((size_t)n * oh + y) * ow + x;
                memcpy(dst + to * c, data + from * c, c * sizeof(float));
            }
}

/* Each image is cut into this many runs of pixels at most, whatever the number of threads: the
 * partial sums are then the same for every number. */
enum { RUNS = 16 };

static size_t runs_of(size_t pixels)
{
    return pixels < RUNS ? pixels : RUNS;
}

size_t dnn_own_channel_scratch(int n, size_t pixels, int c)
{
    return (size_t)n * runs_of(pixels) * (size_t)c * sizeof(float);
}

/* sum[i] += dy[i] * x[i] */
static void add_products(float *restrict sum, const float *restrict dy, const float *restrict x,
                         int c)
{
    for (int i = 0; i < c; i++)
        sum[i] += dy[i] * x[i];
}

/* dx may be dy, not the gate. */
static void multiply(float *dx, const float *dy, const float *gate, bool add, int c)
{
    if (add)
        for (int i = 0; i < c; i++)
            dx[i] += dy[i] * gate[i];
    else
        for (int i = 0; i < c; i++)
            dx[i] = dy[i] * gate[i];
}

/* One run of pixels: its part of the sum, then dx, because dx may lie where dy is. */
static void run_backward(const struct dnn_gate_backward *g, size_t first, size_t last,
                         const float *gate, float *part)
{
    size_t c = (size_t)g->c;
    if (g->dgate)
        memset(part, 0, c * sizeof *part);
    for (size_t p = first; p < last; p++) {
        if (g->dgate)
            add_products(part, g->dy + p * c, g->x + p * c, g->c);
        if (g->dx)
            multiply(g->dx + p * c, g->dy + p * c, gate, g->add_dx, g->c);
    }
}

static void sum_runs(const struct dnn_gate_backward *g, size_t runs)
{
    size_t c = (size_t)g->c, count = (size_t)g->n * c;
#pragma omp parallel for schedule(static) if (threads_worth(count * runs))
    for (size_t i = 0; i < count; i++) {
        const float *part = g->scratch + i / c * runs * c + i % c;
        double sum = 0;
        for (size_t r = 0; r < runs; r++)
            sum += part[r * c];
        g->dgate[i] = g->add_dgate ? g->dgate[i] + (float)sum : (float)sum;
    }
}

void dnn_own_channel_backward(const struct dnn_gate_backward *g)
{
    size_t runs = runs_of(g->pixels), units = (size_t)g->n * runs, c = (size_t)g->c;
#pragma omp parallel for schedule(static) if (threads_worth((size_t)g->n * g->pixels * c))
    for (size_t u = 0; u < units; u++) {
        size_t image = u / runs, run = u % runs, start = image * g->pixels;
        run_backward(g, start + run * g->pixels / runs, start + (run + 1) * g->pixels / runs,
                     g->gate + image * c, g->dgate ? g->scratch + u * c : NULL);
    }
    if (g->dgate)
        sum_runs(g, runs);
}

/* Sum of a[i]*b[i] in eight interleaved partial sums, so that the compiler may use vectors. */
static float dot(const float *a, const float *b, int count)
{
    float part[8] = {0};
    int i = 0;
    for (; i + 8 <= count; i += 8)
        for (int k = 0; k < 8; k++)
            part[k] += a[i + k] * b[i + k];
    for (int k = 0; i < count; i++, k++)
        part[k] += a[i] * b[i];
    return ((part[0] + part[4]) + (part[1] + part[5])) +
           ((part[2] + part[6]) + (part[3] + part[7]));
}

static void scale_pixel(float *dx, const float *dy, float gate, bool add, int c)
{
    if (add)
        for (int i = 0; i < c; i++)
            dx[i] += dy[i] * gate;
    else
        for (int i = 0; i < c; i++)
            dx[i] = dy[i] * gate;
}

void dnn_own_spatial_backward(const struct dnn_gate_backward *g)
{
    size_t rows = (size_t)g->n * g->pixels, c = (size_t)g->c;
#pragma omp parallel for schedule(static) if (threads_worth(rows * c))
    for (size_t p = 0; p < rows; p++) {
        if (g->dgate) {
            float sum = dot(g->dy + p * c, g->x + p * c, g->c);
            g->dgate[p] = g->add_dgate ? g->dgate[p] + sum : sum;
        }
        if (g->dx)
            scale_pixel(g->dx + p * c, g->dy + p * c, g->gate[p], g->add_dx, g->c);
    }
}
