/* Own loops of the oneDNN table: see own.h. */
#include "impls/onednn/own.h"

#include "impls/base/memory.h"

#include <string.h>

void dnn_own_add(float *dst, const float *src, size_t count)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < count; i++)
        dst[i] += src[i];
}

void dnn_own_blend(float *dst, float a, const float *x, float b, const float *y, size_t count)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < count; i++)
        dst[i] = a * x[i] + b * y[i];
}

void dnn_own_scale(float *dst, float a, const float *x, bool add, size_t count)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < count; i++)
        dst[i] = add ? dst[i] + a * x[i] : a * x[i];
}

void dnn_own_gather(float *dst, const struct tensor *src, int sh, int sw, int oh, int ow)
{
    const float *data = src->data;
    size_t c = (size_t)src->c;
#pragma omp parallel for schedule(static) collapse(2)
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

size_t dnn_own_mul_channel_scratch(int n, size_t pixels, int c)
{
    return (size_t)n * runs_of(pixels) * (size_t)c * sizeof(float);
}

/* One run: part[c] = sum of dy * x; dx where wanted. dy is read before dx is written. */
static void run_backward(const struct dnn_gate_grads *grads, const float *dy, const float *x,
                         const float *gate, size_t first, size_t last, int c, float *part)
{
    if (part)
        memset(part, 0, (size_t)c * sizeof *part);
    for (size_t p = first; p < last; p++) {
        const float *d = dy + p * c, *s = x + p * c;
        float *dx = grads->dx ? grads->dx + p * c : NULL;
        if (part)
            for (int i = 0; i < c; i++)
                part[i] += d[i] * s[i];
        if (dx && grads->add_dx)
            for (int i = 0; i < c; i++)
                dx[i] += d[i] * gate[i];
        else if (dx)
            for (int i = 0; i < c; i++)
                dx[i] = d[i] * gate[i];
    }
}

static void sum_runs(const struct dnn_gate_grads *grads, const float *parts, int n, size_t runs, int c)
{
#pragma omp parallel for schedule(static)
    for (int b = 0; b < n; b++)
        for (int i = 0; i < c; i++) {
            double sum = 0;
            for (size_t r = 0; r < runs; r++)
                sum += parts[((size_t)b * runs + r) * c + i];
            float *to = grads->dgate + (size_t)b * c + i;
            *to = grads->add_dgate ? *to + (float)sum : (float)sum;
        }
}

void dnn_own_mul_channel_backward(const struct dnn_gate_grads *grads, const float *dy, const float *x,
                                const float *gate, int n, size_t pixels, int c, float *scratch)
{
    size_t runs = runs_of(pixels), units = (size_t)n * runs;
#pragma omp parallel for schedule(static)
    for (size_t u = 0; u < units; u++) {
        size_t image = u / runs, run = u % runs;
        size_t first = image * pixels + run * pixels / runs;
        size_t last = image * pixels + (run + 1) * pixels / runs;
        run_backward(grads, dy, x, gate + image * c, first, last, c,
                     grads->dgate ? scratch + u * c : NULL);
    }
    if (grads->dgate)
        sum_runs(grads, scratch, n, runs, c);
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

void dnn_own_mul_spatial_backward(const struct dnn_gate_grads *grads, const float *dy, const float *x,
                                const float *gate, int n, size_t pixels, int c)
{
    size_t rows = (size_t)n * pixels;
#pragma omp parallel for schedule(static)
    for (size_t p = 0; p < rows; p++) {
        const float *d = dy + p * c;
        if (grads->dgate) {
            float sum = dot(d, x + p * c, c);
            grads->dgate[p] = grads->add_dgate ? grads->dgate[p] + sum : sum;
        }
        for (int i = 0; grads->dx && i < c; i++) {
            float v = d[i] * gate[p];
            grads->dx[p * c + i] = grads->add_dx ? grads->dx[p * c + i] + v : v;
        }
    }
}
