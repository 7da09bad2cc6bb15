/* What fused operations have to give: their composition, whole and in double precision, and the
 * derivative of it in one direction. Shares nothing with the implementations but ops.h. */
#ifndef BENCH_MEASURE_LAYER_FUSED_H
#define BENCH_MEASURE_LAYER_FUSED_H

#include "bench/measure/layer_truth.h"

/* Whether this file knows the operation: bn_act, bn_sum_act, attention, attention_sum. */
bool layer_fused_knows(enum op_kind kind);

/* The whole dst, dense, in double; dst[tensor_count]. ERR_MEMORY. */
enum status layer_fused_dst(const struct layer_operands *operands, double *dst);

/* The derivative of <diff_dst, dst> as all sources and trained parameters move at once, each in a
 * drawn direction: on the left from the run's gradients, on the right from differences of the
 * definition. After a forward and a backward pass on reals. ERR_MEMORY. */
enum status layer_fused_identity(const struct layer_run *run, uint64_t seed,
                                 struct layer_identity *identity);

#endif
