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

/* The gates of a map x of n images, `pixels` pixels each, c channels: y = x * gate with gate
 * [n][c] (channel) or [n][pixels] (spatial). */

/* Where a gate's gradients go; NULL: not wanted. dx may be dy. */
struct dnn_gate_grads {
    float *dx, *dgate;
    bool add_dx, add_dgate;
};

/* Bytes of scratch for dnn_own_mul_channel_backward(). */
size_t dnn_own_mul_channel_scratch(int n, size_t pixels, int c);

/* dx = dy * gate; dgate = the sum of dy * x over pixels (channel gate), over channels (spatial). */
void dnn_own_mul_channel_backward(const struct dnn_gate_grads *grads, const float *dy, const float *x,
                                const float *gate, int n, size_t pixels, int c, float *scratch);
void dnn_own_mul_spatial_backward(const struct dnn_gate_grads *grads, const float *dy, const float *x,
                                const float *gate, int n, size_t pixels, int c);

#endif
