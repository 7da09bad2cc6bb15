/* One planned operation with all its buffers, each guarded: runs forward and backward and finds
 * every breach of the memory rules of impls/layer.h. Does not judge the results. */
#ifndef TESTS_RIG_H
#define TESTS_RIG_H

#include "tests/guarded.h"
#include "tests/operands.h"

struct rig {
    const struct impl *impl;
    struct opcheck_variant variant;
    struct op_desc desc;
    struct op_plan plan;
    int params;
    struct param param[OP_MAX_PARAM];
    bool buffer[OP_MAX_PARAM]; /* running statistics */
    struct op_args args;
    /* owned */
    struct guarded src[OP_MAX_SRC], dst, diff_dst, diff_src[OP_MAX_SRC];
    struct guarded data[OP_MAX_PARAM], grad[OP_MAX_PARAM];
    struct guarded save, scratch, labels;
    char (*text)[OPCHECK_TEXT]; /* borrowed: takes the line of the first fault */
};

/* Plans the case as the variant says and allocates. False with a line in `text` on any failure;
 * rig_free is due in both cases. */
bool rig_make(struct rig *rig, const struct impl *impl, struct impl_ctx *ctx,
              const struct op_desc *desc, const struct opcheck_variant *variant,
              char (*text)[OPCHECK_TEXT]);
void rig_free(struct rig *rig);

/* Writes the operands of the oracle into the buffers; parameters that differ get a new version. */
void rig_load(struct rig *rig, const struct oracle *o);

/* Fills outputs, save and scratch with `poison` and runs forward; false and a line on a fault. */
bool rig_forward(struct rig *rig, int poison);

/* The same for backward. Gradients that are to be added to get operand_value()s first. With
 * `offer_all`, buffers of unwanted gradients are given too (and must stay as they are). */
bool rig_backward(struct rig *rig, int poison, bool offer_all);

/* Where the result of forward is: the buffer of dst, or of src[0] in place. */
struct guarded *rig_result(struct rig *rig);

/* Records "test_ops IMPL THREADS 'case' 'variant': " and the printf-formed rest; returns false. */
bool rig_fault(const struct rig *rig, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
