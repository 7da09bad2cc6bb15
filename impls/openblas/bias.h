/* Biases of layers on OpenBLAS: spread over the rows before a product, summed for their gradient.
 * Knows rows and columns only. */
#ifndef IMPLS_OPENBLAS_BIAS_H
#define IMPLS_OPENBLAS_BIAS_H

#include <stdbool.h>
#include <stddef.h>

/* Sets each of `rows` rows of y, `ld` apart, to bias[columns]: the product then adds to it. */
void bias_spread(const float *bias, int rows, int columns, float *y, int ld);

/* Bytes of scratch that bias_gradient() needs for these sizes and this number of threads. */
size_t bias_scratch(int rows, int columns, int threads);

/* grad[columns] = sums over the rows of dy, or adds them when `add`; summed in double precision,
 * and in an order that depends only on the sizes and `threads` (the same as for bias_scratch()). */
void bias_gradient(const float *dy, int rows, int columns, int ld, bool add, float *grad,
                   double *scratch, int threads);

#endif
