/* Private to this folder: what the kernels compute, as a table of functions that exists once for
 * each instruction set. A kernel works for one image on one thread; it knows no plan, no save area
 * and no other thread. Pixels p are counted within the image, channels i within the map. Vectors
 * over channels or pixels need no padding, unless it says so. */
#ifndef IMPLS_FUSED_KERNELS_H
#define IMPLS_FUSED_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Vectors that are said to be padded have a multiple of so many elements. */
enum { FUSED_PAD = 16 };

/* Pixels first .. last-1 of a map: channel i of pixel p is data[p*stride + i], of floats or
 * (fused_bf16) of bf16. */
struct fused_span {
    const void *data;
    size_t stride;
    int c, first, last;
};

/* Results over pixels, one a channel, padded. `run` holds a sum in single precision over a bounded
 * number of pixels before it is added to `sum`. */
struct fused_columns {
    double *sum;
    float *run, *max;
    int32_t *at; /* first pixel with the maximum; NULL: unwanted */
};

/* What a pixel's maximum gives back: value[p] to channel at[p]. Or a channel's, to a pixel. */
struct fused_peaks {
    const int32_t *at;
    const float *value;
};

/* dst = x (keep + mix channel spatial), then + shortcut, then relu: the last two where shortcut is
 * given. dst may be x. */
struct fused_apply {
    const void *x, *shortcut; /* as in a span */
    void *dst;
    size_t x_stride, shortcut_stride, dst_stride;
    const float *channel, *spatial; /* the gates */
    float keep, mix;
    int c, first, last;
};

/* First pass of backward. With g = dy, where dst is given masked by its relu, and t = g x:
 *   across[p] = sum over channels of t channel[i];   plain[p] = sum of t (NULL: unwanted)
 *   down.sum[i] = sum over pixels of t spatial[p];   shortcut = (or += with `add`) g. */
struct fused_grad {
    const float *x, *dy, *dst;
    float *shortcut;
    size_t x_stride, dy_stride, dst_stride, shortcut_stride;
    bool add;
    const float *channel, *spatial;
    float *across, *plain;
    struct fused_columns down; /* max and at unused */
    int c, first, last;
};

/* Last pass of backward: dx = (or += with `add`)
 *   g (keep + mix channel[i] spatial[p]) + of_channel[i] near[p] + of_pixel[p] lens[i],
 * and peaks.value[p] lens[at] in the channel at = peaks.at[p], and tops.value[i] near[p] in the
 * pixel p = tops.at[i]. of_channel, of_pixel, peaks.at, tops.at NULL: nothing of it; tops need
 * of_channel; near NULL: ones. */
struct fused_spread {
    const float *dy, *dst;
    float *dx;
    size_t dy_stride, dst_stride, dx_stride;
    bool add;
    const float *channel, *spatial;
    float keep, mix;
    const float *of_channel, *near, *of_pixel, *lens;
    struct fused_peaks peaks, tops;
    int c, first, last;
};

/* Products with `length` columns of a matrix, for rows first .. last-1, `step` floats apart, and
 * one or two vectors. */
struct fused_rows {
    const float *matrix;
    size_t step;
    int length, first, last;
};

/* One or two matrix products (`parts`) with the same right factor:
 * to[q][r*to_step + i] = (or += with `add`) the sum over t < length of
 *   left[q][r*left_row + t*left_step] * right[t*right_step + i]
 * for rows r from first to last-1, and i < columns; with `turned` the right factor is
 * right[i*right_step + t]. */
struct fused_product {
    int parts;
    const float *left[2], *right;
    float *to[2];
    size_t left_row, left_step, right_step, to_step;
    int first, last, length, columns;
    bool turned, add;
};

/* The planes of one image with zeros around: value (y,x) of plane q stands at
 * q*size + (y + pad)*pitch + x + pad, pitch = w + k - 1, pad = (k-1)/2. Moving the window by a tap
 * is adding an offset, for all pixels alike; taps outside low .. high-1 meet zeros alone. */
struct fused_window {
    int planes, h, w, k, pad, pitch;
    int low_y, high_y, low_x, high_x;
    size_t size; /* of a plane, with FUSED_SLACK floats to be read behind the last value */
};

enum { FUSED_SLACK = 80 };

/* The normalisation of logits before they are squashed: ((x - mean) - rest) * scale + shift. */
struct fused_norm {
    float mean, rest, scale, shift;
};

/* Count, mean and sum of squared deviations of a set of numbers. */
struct fused_moments {
    double count, mean, squares;
};

struct fused_kernels {
    /* ---- over pixels ---- */
    /* Sum and maximum of x * factor[p] (NULL: of x). A NaN shows in the sum alone; false: there is
     * none, or no finite sum. */
    bool (*pool_columns)(const struct fused_span *x, const float *factor,
                         struct fused_columns *to);
    /* sum[i] = sum over p of weight[p] x, and of peaks.value[p] x in channel peaks.at[p] alone. */
    void (*weigh_columns)(const struct fused_span *x, const float *weight,
                          const struct fused_peaks *peaks, struct fused_columns *to);

    /* ---- over channels ---- */
    /* Mean and maximum of x * lens[i], and the first channel that has it (at NULL: unwanted). */
    void (*pool_rows)(const struct fused_span *x, const float *lens, float *mean, float *max,
                      int32_t *at);
    void (*dot_rows)(const struct fused_span *x, const float *lens, float *to);

    /* ---- over the whole map ---- */
    void (*apply)(const struct fused_apply *a);
    void (*grad)(const struct fused_grad *g);
    void (*spread)(const struct fused_spread *s);

    /* ---- the MLP of one image; in1, out1 and coef1 may be NULL together ---- */
    /* out[r] = matrix[r] . in */
    void (*matvec)(const struct fused_rows *rows, const float *in0, const float *in1, float *out0,
                   float *out1);
    /* out[i] = sum over r of coef[r] matrix[r][i] */
    void (*combine)(const struct fused_rows *rows, const float *coef0, const float *coef1,
                    float *out0, float *out1);

    /* ---- the MLP of many images ---- */
    void (*product)(const struct fused_product *p);

    /* ---- the spatial gate ---- */
    /* to[(y - first) * pitch + x] = bias + the window at (y,x) times weight[planes][k][k], for rows
     * first .. last-1; `to` has FUSED_SLACK floats more. */
    void (*stencil)(const struct fused_window *window, const float *planes, const float *weight,
                    float bias, int first, int last, float *to);
    /* grad[q][i][j] = sum over pixels of diff * plane q moved by the tap (i,j), for the rows
     * first .. last-1 of [planes*k]; `diff` is one padded plane. */
    void (*stencil_weights)(const struct fused_window *window, const float *planes,
                            const float *diff, int first, int last, float *grad);
    /* to = factor * sigmoid(norm(from)); to may be from. */
    void (*squash)(const float *from, int count, const struct fused_norm *norm, float factor,
                   float *to);
    void (*moments)(const float *from, int count, struct fused_moments *to);
    /* sums[0] = sum of diff; sums[1] = sum of diff * norm(from). */
    void (*norm_sums)(const float *diff, const float *from, int count,
                      const struct fused_norm *norm, double sums[2]);
};

/* One for each form of isa.h, and one for inference on maps of bf16. */
extern const struct fused_kernels fused_baseline, fused_avx2, fused_avx512, fused_bf16;

#endif
