/* Convolution of stride 1 between maps of few channels, such as CBAM's spatial gate (2 -> 1, 7x7),
 * without a matrix product: as a product it would have one or two columns, and writing the patches
 * would cost far more than multiplying them.
 *
 * A band of rows of one image is laid out as one zero-padded plane a channel. In a plane, moving
 * the window by one tap is adding an offset, for all pixels of all rows alike; so a tap is
 * sum[t] += weight * plane[t + offset] over one long run of t. Knows no plan. */
#ifndef IMPLS_OPENBLAS_STENCIL_H
#define IMPLS_OPENBLAS_STENCIL_H

#include <stdbool.h>
#include <stddef.h>

/* `in` channels of a map ih x iw (pixels `in_stride` floats apart) give `out` channels of a map
 * oh x ow (pixels `out_stride` apart). Padding may be negative: the window then starts inside. */
struct stencil {
    int images;
    int in, ih, iw, in_stride;
    int out, oh, ow, out_stride;
    int kh, kw, dh, dw, ph, pw;
    int threads; /* most that are used */
};

/* The stencil of the gradient of the input: its weights are stencil_turn()'s. */
struct stencil stencil_backward(const struct stencil *s);

/* Weights [out][in][kh][kw] of `s` into those of stencil_backward(s): in and out exchanged, both
 * window axes reversed. */
void stencil_turn(const struct stencil *s, const float *weights, float *turned);

size_t stencil_weights(const struct stencil *s); /* out*in*kh*kw */

/* to = stencil of from, plus bias[out] unless NULL; added to what `to` holds when `add`.
 * `weights` are [out][in][kh][kw]; scratch: stencil_scratch() bytes, 64-byte aligned. Results do
 * not depend on the number of threads. */
size_t stencil_scratch(const struct stencil *s);
void stencil_run(const struct stencil *s, const float *from, const float *weights,
                 const float *bias, bool add, float *to, void *scratch);

/* grad[out][in][kh][kw] = (or += when `add`) the gradient of the weights, for the source `from`
 * and the gradient `diff` of the result. */
size_t stencil_weights_scratch(const struct stencil *s);
void stencil_run_weights(const struct stencil *s, const float *from, const float *diff, bool add,
                         float *grad, void *scratch);

#endif
