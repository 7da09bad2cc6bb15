/* Deciding by time which algorithm a convolution runs: every candidate is compared with the direct
 * one on random operands, and those whose error stays within DECIDE_BOUND are timed in turns, each
 * call with its weights out of the caches and its source in them, as a network meets them. */
#ifndef BENCH_MEASURE_DECIDE_H
#define BENCH_MEASURE_DECIDE_H

#include "bench/net/algorithms.h"

/* Largest error of a candidate, result and gradients, relative 2-norm of the difference from
 * direct. Over some 50 layers such errors add up to less than 5e-4 in the logits. */
#define DECIDE_BOUND 2e-5

enum { DECIDE_ROUNDS = 7 };

/* For algorithms->decide. Fills algorithm, ms and error: medians of DECIDE_ROUNDS calls (in
 * training: forward and the gradients asked for). An algorithm that cannot be planned is no
 * candidate. */
enum status decide_algorithm(const struct impl *impl, struct impl_ctx *ctx,
                             const struct op_desc *desc, struct decision *decision);

#endif
