/* This folder's own loops, for what the library does not offer: sums of gradients, backward of
 * the gates, gathering. Dense f32 only; parallel over independent work, and a sum's order does not
 * depend on the number of threads. They know nothing of the library. */
#ifndef IMPLS_ONEDNN_OWN_H
#define IMPLS_ONEDNN_OWN_H

#include "impls/layer.h"

/* dst[i] += src[i] */
void dnn_own_add(float *dst, const float *src, size_t count);

/* dst[i] = a*x[i] + b*y[i]; dst may be x or y. */
void dnn_own_blend(float *dst, float a, const float *x, float b, const float *y, size_t count);

/* dst[i] = a*x[i], or += with `add`; dst may be x. */
void dnn_own_scale(float *dst, float a, const float *x, bool add, size_t count);

/* Every sh-th row and sw-th pixel of a dense map: oh x ow pixels of each image, dense. */
void dnn_own_gather(float *dst, const struct tensor *src, int sh, int sw, int oh, int ow);

/* Backward of a gate y = x * gate, for a map x of n images, `pixels` pixels each, c channels, and
 * a gate [n][c] (channel) or [n][pixels] (spatial): dx = dy * gate, and dgate = the sum of dy * x
 * over pixels (channel gate) or over channels (spatial gate). */
struct dnn_gate_backward {
    int n, c;
    size_t pixels;
    const float *dy, *x, *gate;
    float *dx, *dgate; /* NULL: not wanted */
    bool add_dx, add_dgate;
    float *scratch; /* channel gate with dgate: dnn_own_channel_scratch() bytes */
};

size_t dnn_own_channel_scratch(int n, size_t pixels, int c);
void dnn_own_channel_backward(const struct dnn_gate_backward *g);
void dnn_own_spatial_backward(const struct dnn_gate_backward *g);

#endif
