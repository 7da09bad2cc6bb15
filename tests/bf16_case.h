/* What the tests of bf16 share: one planned operation on maps of chosen dtypes, with the
 * operands of operands.h made exact in bf16, so that only the kernels' own rounding is left.
 * Judges nothing. */
#ifndef TESTS_BF16_CASE_H
#define TESTS_BF16_CASE_H

#include "tests/guarded.h"
#include "tests/operands.h"

/* The implementation that offers bf16 here. NULL, with a message on why, where there is none. */
const struct impl *bf16_impl(void);

struct bf16_case {
    struct op_plan plan;
    struct op_desc desc; /* with its dtypes */
    struct param param[OP_MAX_PARAM];
    struct op_args args;
    struct guarded src[OP_MAX_SRC], dst, scratch;
    float *result;       /* dst as floats */
    size_t count;
};

/* Plans `desc` (f32; its dst inferred) with sources and destination of these dtypes. `in_place`:
 * dst is the memory of the source that op_overwrites() names. Operands are bell-shaped, or those
 * of `params` where given; a batch normalisation scales by powers of two. ERR_* of plan_make().
 * bf16_case_close() in every case. */
enum status bf16_case_open(struct bf16_case *c, const struct impl *impl, struct impl_ctx *ctx,
                           const struct op_desc *desc, const enum dtype src[OP_MAX_SRC],
                           enum dtype dst, bool in_place, struct param *const *params);

/* Fills the sources anew, runs, fills result. ERR_LIBRARY when something else was written. */
enum status bf16_case_run(struct bf16_case *c);
void bf16_case_close(struct bf16_case *c);

/* Element i of source k, or of parameter k, exact in bf16. */
float bf16_operand(const struct op_desc *desc, enum operand what, size_t i);

#endif
