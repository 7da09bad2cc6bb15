/* The weights of a 3x3 window over maps of a few pixels as one matrix: from every channel of every
 * pixel of the source to every channel of every pixel of the result. Over 2x2 pixels that is 4
 * products an output pixel, where window by window it is 9, most of them with padding. Knows no
 * library and no plan. */
#ifndef IMPLS_ONEDNN_UNFOLD_H
#define IMPLS_ONEDNN_UNFOLD_H

#include "impls/fused/transpose.h"
#include "impls/layer.h"

enum { UNFOLD_TAPS = 9, UNFOLD_PIXELS = 4 };

struct unfold {
    int c, oc, in, out; /* channels of source and result, pixels of each */
    signed char tap[UNFOLD_PIXELS][UNFOLD_PIXELS]; /* of result pixel, source pixel */
    const struct transpose *kernel;
};

/* Whether an OP_CONV2D is worth it: 3x3, one group, no bias that would have to be repeated, maps of
 * at most UNFOLD_PIXELS pixels, every one of which every result pixel sees, and images enough where
 * the matrix is larger than the weights. */
bool unfold_fits(const struct op_desc *d);

/* ERR_USAGE: CBAM_BENCH_ISA. */
enum status unfold_make(struct unfold *u, const struct op_desc *d);

/* Floats of the matrix, [out*oc][in*c]. */
size_t unfold_count(const struct unfold *u);

/* Fills the matrix from weight [oc][c][3][3], with all threads. To be called once for each version
 * of the weight. */
void unfold_weight(const struct unfold *u, const float *weight, float *matrix);

/* From the matrix's gradient to the weight's, with all threads: grad =, or += with `add`. */
void unfold_gradient(const struct unfold *u, const float *matrix, float *grad, bool add);

#endif
