/* Sums over the pixels of a map, channel by channel, in double precision: statistics of batch
 * normalisation, gradients of biases and gates. The order of the additions depends on the shape
 * alone, so the result is the same for every number of threads. */
#ifndef IMPLS_NAIVE_COLUMNS_H
#define IMPLS_NAIVE_COLUMNS_H

#include "impls/layer.h"

/* What is summed, with d(x) = (x - shift) - rest: shift and rest together hold a mean more
 * exactly than one float. Both NULL: d(x) = x. */
enum naive_columns_kind {
    NAIVE_SUM,     /* a */
    NAIVE_DOT,     /* a * d(b) */
    NAIVE_SQUARES, /* d(a)^2 */
};

struct naive_columns {
    enum naive_columns_kind kind;
    const struct tensor *a, *b;
    const float *shift, *rest;
    bool per_sample; /* one sum for each n instead of one over all of them */
};

/* Scratch that naive_columns_sum() needs for a map of the shape of `t`. */
size_t naive_columns_bytes(const struct tensor *t, bool per_sample);

/* Returns the sums, [c] or [n][c], at the start of `scratch`. */
const double *naive_columns_sum(const struct naive_columns *job, void *scratch);

/* to[i] = factor * from[i] (+ to[i] when `add`). */
void naive_columns_store(const double *from, double factor, size_t count, float *to, bool add);

/* The gradient of a bias, param[1]: the sum of diff_dst over its pixels. Uses args->scratch. */
void naive_columns_bias(const struct op_args *args);

#endif
