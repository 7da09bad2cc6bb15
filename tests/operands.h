/* The operands of a checked operation: a pure function of what they are for and of the index, so
 * nothing has to be stored to know what a buffer held. */
#ifndef TESTS_OPERANDS_H
#define TESTS_OPERANDS_H

#include "tests/opcheck.h"
#include "tests/oracle.h"

enum operand {
    OPERAND_SRC,
    OPERAND_PARAM = OPERAND_SRC + OP_MAX_SRC,
    OPERAND_DIFF_DST = OPERAND_PARAM + OP_MAX_PARAM,
    OPERAND_OLD_SRC,                                   /* diff_src before it is added to */
    OPERAND_OLD_PARAM = OPERAND_OLD_SRC + OP_MAX_SRC   /* param grad before it is added to */
};

/* Element i of an operand (of src[k]: OPERAND_SRC + k); exactly a float. */
double operand_value(const struct op_desc *desc, enum opcheck_data data, uint64_t seed,
                     enum operand what, size_t i);

/* Fills src, param, diff_dst and labels of the oracle. */
void operands_fill(struct oracle *o, enum opcheck_data data, uint64_t seed);

/* Whether float sums of these operands are exact in any order: then so must be the results. */
bool operands_exact(const struct op_desc *desc, enum opcheck_data data);

#endif
