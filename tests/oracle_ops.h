/* The operations of the oracle, by family: private to tests/oracle*.c. Each function reads the
 * operands of the oracle and adds terms into results that oracle.c has zeroed. */
#ifndef TESTS_ORACLE_OPS_H
#define TESTS_ORACLE_OPS_H

#include "tests/oracle.h"

#include <math.h>

/* Adds one term to a sum and its absolute value to the sum's size. */
static inline void oracle_term(struct oracle_num *sum, double term)
{
    sum->value += term;
    sum->size += fabs(term);
}

/* Index of element (n, y, x, c) of a dense map. */
static inline size_t oracle_at(const struct tensor *t, int n, int y, int x, int c)
{
    return (((size_t)n * (size_t)t->h + (size_t)y) * (size_t)t->w + (size_t)x) * (size_t)t->c +
           (size_t)c;
}

/* oracle_dense.c: operations with weights */
void oracle_conv2d_forward(struct oracle *o);
void oracle_conv2d_backward(struct oracle *o);
void oracle_linear_forward(struct oracle *o);
void oracle_linear_backward(struct oracle *o);
void oracle_batchnorm_forward(struct oracle *o);
void oracle_batchnorm_backward(struct oracle *o);

/* oracle_pool.c */
void oracle_maxpool_forward(struct oracle *o);
void oracle_maxpool_backward(struct oracle *o);
void oracle_avgpool_forward(struct oracle *o);
void oracle_avgpool_backward(struct oracle *o);
void oracle_adaptive_forward(struct oracle *o);
void oracle_adaptive_backward(struct oracle *o);
void oracle_pool_hw_forward(struct oracle *o);
void oracle_pool_hw_backward(struct oracle *o);
void oracle_pool_c_forward(struct oracle *o);
void oracle_pool_c_backward(struct oracle *o);

#endif
