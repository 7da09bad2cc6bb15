/* Elements of the gradients of convolution and linear, straight from their definition in double
 * precision. What layer_truth.h asks for these two operations; shares nothing with the
 * implementations but ops.h. */
#ifndef BENCH_MEASURE_LAYER_WEIGHTED_H
#define BENCH_MEASURE_LAYER_WEIGHTED_H

#include "bench/measure/layer_truth.h"

/* Element `index` of the gradient of source 0, and of that of a parameter (0 weight, 1 bias). False
 * for other operations. */
bool layer_weighted_diff_src(const struct layer_operands *operands, size_t index,
                             struct layer_sum *sum);
bool layer_weighted_diff_param(const struct layer_operands *operands, int param, size_t index,
                               struct layer_sum *sum);

/* Terms that one element of a parameter's gradient adds up: what asking for it costs. */
size_t layer_weighted_terms(const struct op_desc *desc);

#endif
