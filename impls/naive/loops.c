/* Start of a plan and walks over maps: see loops.h. */
#include "impls/naive/loops.h"

#include "impls/ops.h"

#include <stdio.h>

enum { FLAT_WIDTH = 4096 }; /* elements: 16 KiB, long enough to hide the loop around it */

enum status naive_plan_begin(struct op_plan *plan, const char *how)
{
    const struct op_desc *desc = &plan->desc;
    if (desc->dst.dtype != DTYPE_F32 || desc->src[0].dtype != DTYPE_F32
        || (op_sources(desc->kind) > 1 && desc->src[1].dtype != DTYPE_F32))
        return fail(ERR_UNSUPPORTED, "naive %s: only f32 tensors are accepted",
                    op_name(desc->kind));
    plan->save_bytes = 0;
    plan->scratch_bytes = 0;
    plan->priv = NULL;
    snprintf(plan->how, sizeof plan->how, "%s", how);
    return OK;
}

enum status naive_plan_loops(struct impl_ctx *ctx, struct op_plan *plan)
{
    (void)ctx;
    return naive_plan_begin(plan, "naive loops");
}

size_t naive_pixels(const struct tensor *t)
{
    return (size_t)t->n * (size_t)t->h * (size_t)t->w;
}

struct naive_rows naive_rows_of(const struct tensor *const *list, int n)
{
    bool dense = true;
    for (int i = 0; i < n; i++)
        dense = dense && (!list[i]->data || list[i]->stride == list[i]->c);
    struct naive_rows rows = {
        .width = dense ? FLAT_WIDTH : (size_t)list[0]->c,
        .total = tensor_count(list[0]),
        .flat = dense,
    };
    rows.count = (rows.total + rows.width - 1) / rows.width;
    return rows;
}
