/* The double-precision oracle: what every primitive operation of impls/layer.h means, forward and
 * backward, written from the definitions with the plainest loops. It judges the implementations
 * and therefore shares nothing with them but the description (struct op_desc) and its rules
 * (impls/ops.h). It knows no plan, no stride and no float: all maps are dense, NHWC, double.
 *
 * Besides its value each result carries its size, the sum of the absolute values of all the terms
 * that were added up: rounding errors of any sane order of summation are proportional to it
 * (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1). */
#ifndef TESTS_ORACLE_H
#define TESTS_ORACLE_H

#include "impls/ops.h"

struct oracle_num {
    double value;
    double size; /* sum of |terms|, propagated through the steps of the formula */
};

/* One operation with all its operands. Everything below `desc` is owned by the oracle; the caller
 * fills the operands and reads the results. Parameters are in PyTorch's order. */
struct oracle {
    struct op_desc desc;           /* src and dst made dense */
    size_t count_src[OP_MAX_SRC], count_dst, count_param[OP_MAX_PARAM];
    int params;

    double *src[OP_MAX_SRC];       /* operands */
    double *param[OP_MAX_PARAM];
    double *diff_dst;
    int32_t *labels;               /* [n], OP_SOFTMAX_XENT */
    unsigned char *kept;           /* [count_dst], OP_DROPOUT: 1 where the mask keeps x */

    struct oracle_num *dst;        /* results of oracle_forward */
    struct oracle_num *next[OP_MAX_PARAM]; /* parameters after it: running_* of OP_BATCHNORM */
    struct oracle_num *diff_src[OP_MAX_SRC];    /* results of oracle_backward */
    struct oracle_num *diff_param[OP_MAX_PARAM];
};

/* Allocates (zeroed) what `desc` needs; its dst must be inferred. ERR_MEMORY. */
enum status oracle_make(struct oracle *o, const struct op_desc *desc);
void oracle_free(struct oracle *o); /* a zeroed oracle is allowed */

/* Computes dst and next from the operands. */
void oracle_forward(struct oracle *o);

/* Computes all gradients from the operands alone, whatever desc wants, overwriting. */
void oracle_backward(struct oracle *o);

#endif
