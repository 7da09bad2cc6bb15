/* Direct convolution: see direct.h. */
#include "impls/onednn/direct.h"

#include <string.h>

enum { BLOCK = 16 };

/* Channels of a group, in and out. */
static int group_in(const struct op_desc *d)
{
    return d->src[0].c / d->conv.groups;
}

static int group_out(const struct op_desc *d)
{
    return d->conv.oc / d->conv.groups;
}

/* First element of pixel (n,y,x). */
static size_t at(const struct tensor *t, int n, int y, int x)
{
    return (((size_t)n * t->h + y) * t->w + x) * t->c;
}

void dnn_direct_pack(const struct op_desc *d, const float *weight, float *taps)
{
    int window = d->conv.kh * d->conv.kw, in = group_in(d), oc = d->conv.oc;
    for (int o = 0; o < oc; o++)
        for (int i = 0; i < in; i++)
            for (int t = 0; t < window; t++)
                taps[((size_t)t * oc + o) * in + i] = weight[((size_t)o * in + i) * window + t];
}

static float dot(const float *a, const float *b, int count)
{
    float sum = 0;
    for (int i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

/* One tap of one pixel: y[oc] += x[c] * taps[oc][c], group by group. */
static void tap_forward(const struct op_desc *d, const float *x, const float *taps, float *y)
{
    int in = group_in(d), out = group_out(d);
    for (int o = 0; o < d->conv.oc; o++)
        y[o] += dot(x + o / out * in, taps + (size_t)o * in, in);
}

static void pixel_forward(const struct op_desc *d, const float *x, const float *taps, int n, int oy,
                          int ox, float *y)
{
    const struct tensor *s = &d->src[0];
    size_t tap_size = (size_t)d->conv.oc * group_in(d);
    for (int ky = 0; ky < d->conv.kh; ky++)
        for (int kx = 0; kx < d->conv.kw; kx++) {
            int iy = oy * d->conv.sh - d->conv.ph + ky * d->conv.dh;
            int ix = ox * d->conv.sw - d->conv.pw + kx * d->conv.dw;
            if (iy >= 0 && iy < s->h && ix >= 0 && ix < s->w)
                tap_forward(d, x + at(s, n, iy, ix),
                            taps + (size_t)(ky * d->conv.kw + kx) * tap_size, y);
        }
}

void dnn_direct_forward(const struct op_desc *d, const float *x, const float *taps,
                        const float *bias, float *y)
{
    const struct tensor *t = &d->dst;
#pragma omp parallel for schedule(static) collapse(2)
    for (int n = 0; n < t->n; n++)
        for (int oy = 0; oy < t->h; oy++)
            for (int ox = 0; ox < t->w; ox++) {
                float *pixel = y + at(t, n, oy, ox);
                for (int o = 0; o < t->c; o++)
                    pixel[o] = bias ? bias[o] : 0;
                pixel_forward(d, x, taps, n, oy, ox, pixel);
            }
}

/* Which output position read input `i` through tap `k`; -1 when none did. */
static int reader(int i, int k, int stride, int pad, int dilation, int outputs)
{
    int from = i + pad - k * dilation;
    return from >= 0 && from % stride == 0 && from / stride < outputs ? from / stride : -1;
}

/* One tap of one pixel: dx[c] += dy[oc] * taps[oc][c]. */
static void tap_backward(const struct op_desc *d, const float *dy, const float *taps, float *dx)
{
    int in = group_in(d), out = group_out(d);
    for (int o = 0; o < d->conv.oc; o++) {
        float *to = dx + o / out * in;
        for (int i = 0; i < in; i++)
            to[i] += dy[o] * taps[(size_t)o * in + i];
    }
}

static void pixel_backward(const struct op_desc *d, const float *dy, const float *taps, int n,
                           int iy, int ix, float *dx)
{
    size_t tap_size = (size_t)d->conv.oc * group_in(d);
    for (int ky = 0; ky < d->conv.kh; ky++)
        for (int kx = 0; kx < d->conv.kw; kx++) {
            int oy = reader(iy, ky, d->conv.sh, d->conv.ph, d->conv.dh, d->dst.h);
            int ox = reader(ix, kx, d->conv.sw, d->conv.pw, d->conv.dw, d->dst.w);
            if (oy >= 0 && ox >= 0)
                tap_backward(d, dy + at(&d->dst, n, oy, ox),
                             taps + (size_t)(ky * d->conv.kw + kx) * tap_size, dx);
        }
}

void dnn_direct_backward_src(const struct op_desc *d, const float *dy, const float *taps,
                             float *dx, bool add)
{
    const struct tensor *s = &d->src[0];
#pragma omp parallel for schedule(static) collapse(2)
    for (int n = 0; n < s->n; n++)
        for (int iy = 0; iy < s->h; iy++)
            for (int ix = 0; ix < s->w; ix++) {
                float *pixel = dx + at(s, n, iy, ix);
                if (!add)
                    memset(pixel, 0, (size_t)s->c * sizeof *pixel);
                pixel_backward(d, dy, taps, n, iy, ix, pixel);
            }
}

/* A weight's place: output channel, window position, and up to BLOCK input channels. */
struct spot {
    int oc, ky, kx, first, count;
};

/* sum[i] += dy * x over one image, for the channels of a spot. */
static void image_weight(const struct op_desc *d, const float *x, const float *dy, int n,
                         const struct spot *spot, float sum[BLOCK])
{
    const struct tensor *s = &d->src[0], *t = &d->dst;
    int channel = spot->oc / group_out(d) * group_in(d) + spot->first;
    for (int oy = 0; oy < t->h; oy++) {
        int iy = oy * d->conv.sh - d->conv.ph + spot->ky * d->conv.dh;
        for (int ox = 0; iy >= 0 && iy < s->h && ox < t->w; ox++) {
            int ix = ox * d->conv.sw - d->conv.pw + spot->kx * d->conv.dw;
            if (ix < 0 || ix >= s->w)
                continue;
            float g = dy[at(t, n, oy, ox) + (size_t)spot->oc];
            const float *from = x + at(s, n, iy, ix) + channel;
            for (int i = 0; i < spot->count; i++)
                sum[i] += g * from[i];
        }
    }
}

/* Single precision within an image, double across images: a sum over a large batch stays exact. */
static void spot_weight(const struct op_desc *d, const float *x, const float *dy,
                        const struct spot *spot, float *grad, bool add)
{
    double total[BLOCK] = {0};
    int in = group_in(d), window = d->conv.kh * d->conv.kw;
    for (int n = 0; n < d->dst.n; n++) {
        float sum[BLOCK] = {0};
        image_weight(d, x, dy, n, spot, sum);
        for (int i = 0; i < spot->count; i++)
            total[i] += sum[i];
    }
    for (int i = 0; i < spot->count; i++) {
        size_t place = ((size_t)spot->oc * in + spot->first + i) * window;
        float *to = grad + place + spot->ky * d->conv.kw + spot->kx;
        *to = add ? *to + (float)total[i] : (float)total[i];
    }
}

void dnn_direct_backward_weight(const struct op_desc *d, const float *x, const float *dy,
                                float *grad, bool add)
{
    int in = group_in(d), blocks = (in + BLOCK - 1) / BLOCK;
#pragma omp parallel for schedule(static) collapse(4)
    for (int o = 0; o < d->conv.oc; o++)
        for (int ky = 0; ky < d->conv.kh; ky++)
            for (int kx = 0; kx < d->conv.kw; kx++)
                for (int b = 0; b < blocks; b++) {
                    int left = in - b * BLOCK;
                    const struct spot spot = {o, ky, kx, b * BLOCK, left < BLOCK ? left : BLOCK};
                    spot_weight(d, x, dy, &spot, grad, add);
                }
}

void dnn_direct_backward_bias(const struct op_desc *d, const float *dy, float *grad, bool add)
{
    size_t pixels = (size_t)d->dst.n * d->dst.h * d->dst.w, oc = (size_t)d->conv.oc;
#pragma omp parallel for schedule(static)
    for (size_t o = 0; o < oc; o++) {
        double sum = 0;
        for (size_t p = 0; p < pixels; p++)
            sum += dy[p * oc + o];
        grad[o] = add ? grad[o] + (float)sum : (float)sum;
    }
}
