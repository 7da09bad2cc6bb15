/* Winograd's convolution F(m x m, 3 x 3) on NHWC maps: 3x3 windows of stride 1 with (m+2)^2 instead
 * of 9 m^2 multiplications for m^2 results; m is 2 or 4. Source tiles and weights are transformed,
 * multiplied frequency by frequency, and the products transformed back; bias, shortcut and relu are
 * applied while results are stored. A library's blocked layouts are not needed for any of it. Its
 * results do not depend on the number of threads. For convolutions of any table; knows no plan.
 *
 * (S. Winograd, "Arithmetic Complexity of Computations", 1980; A. Lavin, S. Gray, "Fast Algorithms
 * for Convolutional Neural Networks", CVPR 2016.) */
#ifndef IMPLS_FUSED_WINOGRAD_H
#define IMPLS_FUSED_WINOGRAD_H

#include "impls/fused/isa.h"
#include "impls/layer.h"

struct wino_kernels;

/* One convolution, or the gradient of a convolution's source, which is one as well. */
struct winograd {
    int m;                  /* side of an output tile */
    int n, h, w, c;         /* source */
    int oh, ow, k, ph, pw;  /* result, and the padding before it */
    bool gradient;          /* weights are those of the convolution that this is the gradient of */
    enum fused_isa isa;
    const struct wino_kernels *kernels;
    int frequencies, rows, columns, tiles; /* (m+2)^2; tiles of an image, down and across; all */
    int c_stride, k_stride; /* channels, rounded up to whole vectors */
    int threads, block;     /* most threads; tiles that are worked on together */
    bool alone;             /* each thread has blocks of its own; else all work on the same one */
    size_t v_frequency, m_frequency; /* floats of one frequency of a block */
    float *u;               /* owned: transformed weights */
    float *zeros;           /* owned: a pixel outside the map */
    const float *packed;    /* the weight that u was made from, and which version of it */
    unsigned version;
};

/* Prepares F(m x m, 3 x 3) for a convolution that op_fits_winograd() (its maps may be strided) or,
 * with `gradient`, for the gradient of its source. ERR_MEMORY, ERR_USAGE (see isa.h). On failure
 * nothing is left to release. */
enum status winograd_make(struct winograd *w, const struct op_desc *d, int m, bool gradient);
/* What winograd_make() does before it decides how tiles are worked on: kernels, maps and tiles. */
enum status winograd_measure(struct winograd *w, const struct op_desc *d, int m, bool gradient);

/* m of a description's algorithm. */
int winograd_tile(const struct op_desc *d);

/* "own winograd F(4x4,3x3) avx512": for `how`. */
void winograd_name(const struct winograd *w, char *text, size_t size);

void winograd_release(struct winograd *w); /* a zeroed one is allowed */

/* Bytes that winograd_run() needs as scratch. */
size_t winograd_scratch(const struct winograd *w);

/* The convolution's weight, in PyTorch's order, for the runs that follow: transformed where it is
 * another one, or another version, than the last. */
void winograd_use(struct winograd *w, const struct param *weight);

/* What one run works on. dst may be the memory of shortcut, not that of src. */
struct winograd_call {
    const struct tensor *src, *dst;
    const struct tensor *shortcut; /* added before relu; NULL: none */
    const float *bias;             /* NULL: none */
    bool relu;
    bool add;                      /* to what dst holds, after all else */
    void *scratch;                 /* 64-byte aligned */
};
void winograd_run(const struct winograd *w, const struct winograd_call *call);

#endif
