/* Plans of operations on bf16 maps, for an implementation that offers them: a kernel of the
 * entry's own where it has one for these dtypes, else conversions round it: round one for all
 * bf16, where that rounds nothing but the input of a layer with weights, or else, round one for
 * all f32. Knows no implementation from inside. For registry.c alone. */
#ifndef IMPLS_CONVERT_H
#define IMPLS_CONVERT_H

#include "impls/layer.h"

/* A plan of a description with bf16 in it, checked to be for inference. `how` names what is
 * converted ("bf16->f32, naive loops, f32->bf16"). Errors are those of the last attempt. */
enum status convert_plan(struct op_plan *plan, const struct impl *impl, struct impl_ctx *ctx,
                         const struct op_desc *desc);

/* As plan_make(), by the entry itself for the dtypes as they are. */
enum status plan_make_as_is(struct op_plan *plan, const struct impl *impl, struct impl_ctx *ctx,
                            const struct op_desc *desc);

#endif
