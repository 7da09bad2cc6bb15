/* What a fused convolution or batch normalisation has to give: its composition of primitives, each
 * by the double-precision oracle. Knows no implementation. */
#ifndef TESTS_COMPOSITION_H
#define TESTS_COMPOSITION_H

#include "tests/oracle.h"

/* `fused` was made by oracle_make() for OP_CONV_ACT, OP_CONV_SUM_ACT, OP_BN_ACT or OP_BN_SUM_ACT
 * and holds the operands. Fills dst[].value and, for normalisations, next[][].value. ERR_MEMORY. */
enum status composition_forward(struct oracle *fused);

/* For the normalisations: fills diff_src and diff_param (values alone). The relu passes a gradient
 * where `result` is above zero: given, because a value next to zero may round to either side. */
enum status composition_backward(struct oracle *fused, const float *result);

#endif
