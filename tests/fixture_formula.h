/* The counter-based formula behind the fixtures of PyTorch: weights, images and labels as functions
 * of a name, a seed and an index, the same to the last bit as in tests/fixtures/torch_nets.py. It
 * shares nothing with the random numbers of the program. */
#ifndef TESTS_FIXTURE_FORMULA_H
#define TESTS_FIXTURE_FORMULA_H

#include "bench/net/params.h"

/* 64 bits for index i: splitmix64's finaliser over the FNV-1a hash of the name, the seed and i. */
uint64_t formula_word(const char *name, uint64_t seed, size_t i);

/* Uniform in [-1, 1), 24 bits. */
double formula_uniform(const char *name, uint64_t seed, size_t i);

/* +1 or -1 for element i of projection `which`, 0 to 2. */
double formula_sign(int which, size_t i);

/* Writes every parameter and buffer by its role, which its name and shape tell:
 *   convolution           sqrt(6/fan_in) u; of one output (the spatial gate) sqrt(1/fan_in) u
 *   linear                sqrt(1/fan_in) u
 *   biases, running_mean  u/10
 *   running_var           1 + u/2
 *   BN weight             0.75 + u/4; of the last BN of a bottleneck 0.2 + u/10 */
void formula_fill_params(struct params *params, uint64_t seed);

/* Images: element i of N,C,H,W is sqrt(3) u; written as N,H,W,C. */
void formula_fill_input(const struct tensor *input, uint64_t seed);

/* Labels 0 .. classes-1. */
void formula_fill_labels(int32_t *labels, int n, int classes, uint64_t seed);

/* What a fixture keeps of a tensor: 2-norm, sum, its projections on the three lists of signs. */
enum { FORMULA_NORM, FORMULA_SUM, FORMULA_SIGN0, FORMULA_SUMMARY = FORMULA_SIGN0 + 3 };
void formula_summary(const float *values, size_t count, double summary[FORMULA_SUMMARY]);

#endif
