/* What an operation's results have to be, element by element, straight from its definition in
 * double precision: slow, so it is asked for a few elements only. Gradients are judged by
 * identities over all elements. Shares nothing with the implementations but ops.h. */
#ifndef BENCH_MEASURE_LAYER_TRUTH_H
#define BENCH_MEASURE_LAYER_TRUTH_H

#include "bench/measure/layer_run.h"

/* A sum and the sum of the absolute values of its terms, to which rounding errors are relative
 * (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1). */
struct layer_sum {
    double value, size;
};

/* Whether right implementations give the same bits on FILL_INTEGERS: nothing is divided and every
 * sum of the pass stays below 2^24. */
bool layer_is_exact(const struct layer_operands *operands);

/* Element `index` of dst. False when the definition alone does not tell (dropout in training), and
 * for what layer_fused.h knows. */
bool layer_truth_dst(const struct layer_operands *operands, size_t index, struct layer_sum *sum);

/* Element `index` of the gradient of source 0, for the operations that are neither linear nor
 * homogeneous (batchnorm, sigmoid, softmax_xent), and for convolution and linear. False for all
 * others: see below. Gradients of weights are layer_weighted.h. */
bool layer_truth_diff_src(const struct layer_operands *operands, size_t index,
                          struct layer_sum *sum);

/* Two sums that must be equal. */
struct layer_identity {
    const char *name; /* "<diff_src, src> = <diff_dst, dst>" */
    struct layer_sum left, right;
};
enum { LAYER_IDENTITIES = 3 };

/* Fills the identities that a run's gradients have to satisfy, by Euler's theorem on homogeneous
 * functions: if y(t x) = t y(x) then <dy, y> = <dx, x>, and the same for weights. Returns how many
 * there are. After a forward and a backward pass. */
int layer_identities(const struct layer_run *run, struct layer_identity list[LAYER_IDENTITIES]);

#endif
