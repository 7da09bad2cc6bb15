/* Conversions round a kernel: see convert.h. */
#include "impls/convert.h"

#include "impls/base/bf16.h"
#include "impls/base/memory.h"
#include "impls/base/threads.h"
#include "impls/ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct around {
    struct op_plan inner;
    size_t src_at[OP_MAX_SRC], dst_at; /* of the converted maps in scratch */
    size_t scratch_at;                 /* of the inner plan's scratch */
};

/* ---- making ---- */

static bool differs(const struct tensor *outer, const struct tensor *inner)
{
    return outer->dtype != inner->dtype;
}

/* What is converted is dense. */
static void set_dtype(struct tensor *t, enum dtype dtype)
{
    if (t->dtype == dtype)
        return;
    t->dtype = dtype;
    t->stride = t->c;
}

static size_t reserve(size_t *total, const struct tensor *t)
{
    size_t here = *total;
    *total += memory_round(tensor_count(t) * dtype_bytes(t->dtype));
    return here;
}

static void place(struct op_plan *plan, struct around *around)
{
    const struct op_desc *outer = &plan->desc, *inner = &around->inner.desc;
    size_t total = 0;
    for (int i = 0; i < op_sources(outer->kind); i++)
        if (differs(&outer->src[i], &inner->src[i]))
            around->src_at[i] = reserve(&total, &inner->src[i]);
    if (differs(&outer->dst, &inner->dst))
        around->dst_at = reserve(&total, &inner->dst);
    around->scratch_at = total;
    plan->scratch_bytes = total + around->inner.scratch_bytes;
    plan->save_bytes = around->inner.save_bytes;
    plan->packed = around->inner.packed;
}

/* "bf16->f32, KERNEL, f32->bf16": what happens to sources, kernel, what happens to the result. */
static void describe(struct op_plan *plan, const struct around *around)
{
    const struct op_desc *outer = &plan->desc, *inner = &around->inner.desc;
    char before[16] = "", after[16] = "";
    for (int i = 0; i < op_sources(outer->kind); i++)
        if (differs(&outer->src[i], &inner->src[i]))
            snprintf(before, sizeof before, "%s->%s, ", dtype_name(outer->src[i].dtype),
                     dtype_name(inner->src[i].dtype));
    if (differs(&outer->dst, &inner->dst))
        snprintf(after, sizeof after, ", %s->%s", dtype_name(inner->dst.dtype),
                 dtype_name(outer->dst.dtype));
    snprintf(plan->how, sizeof plan->how, "%s%.64s%s", before, around->inner.how, after);
}

/* Not every kernel's name tells the dtype. */
static void name_dtype(struct op_plan *plan)
{
    const size_t used = strlen(plan->how);
    if (!strstr(plan->how, "bf16"))
        snprintf(plan->how + used, sizeof plan->how - used, ", bf16");
}

/* ---- running ---- */

static void convert_row(const void *from, enum dtype dtype, void *to, size_t count)
{
    if (dtype == DTYPE_BF16)
        bf16_widen(from, to, count);
    else
        bf16_narrow(from, to, count);
}

/* One map into another of the other dtype; either may be a strided view. */
static void convert_map(const struct tensor *from, const struct tensor *to)
{
    enum { LONG = 4096 };
    const size_t total = tensor_count(from);
    const bool dense = tensor_is_dense(from) && tensor_is_dense(to);
    const size_t width = dense ? LONG : (size_t)from->c, rows = (total + width - 1) / width;
    const size_t from_step = dense ? width : (size_t)from->stride;
    const size_t to_step = dense ? width : (size_t)to->stride;
#pragma omp parallel for schedule(static) if (threads_worth(total))
    for (size_t r = 0; r < rows; r++) {
        const size_t left = total - r * width;
        convert_row((const char *)from->data + r * from_step * dtype_bytes(from->dtype),
                    from->dtype, (char *)to->data + r * to_step * dtype_bytes(to->dtype),
                    left < width ? left : width);
    }
}

static enum status forward(const struct op_plan *plan, const struct op_args *args)
{
    const struct around *around = plan->priv;
    const struct op_desc *outer = &plan->desc, *inner = &around->inner.desc;
    char *scratch = args->scratch;
    struct op_args within = *args;
    within.scratch = scratch + around->scratch_at;
    for (int i = 0; i < op_sources(outer->kind); i++) {
        if (!differs(&outer->src[i], &inner->src[i]))
            continue;
        within.src[i] = inner->src[i];
        within.src[i].data = scratch + around->src_at[i];
        convert_map(&args->src[i], &within.src[i]);
    }
    if (!differs(&outer->dst, &inner->dst))
        return around->inner.entry->forward(&around->inner, &within);
    within.dst = inner->dst;
    within.dst.data = scratch + around->dst_at;
    TRY(around->inner.entry->forward(&around->inner, &within));
    convert_map(&within.dst, &args->dst);
    return OK;
}

static void release(struct op_plan *plan)
{
    struct around *around = plan->priv;
    plan_release(&around->inner);
    free(around);
}

static const struct op_entry converted = {
    .name = "converted", .strided = true, .forward = forward, .release = release};

/* ---- choosing ---- */

/* With every map of one dtype. */
static struct op_desc with_dtype(const struct op_desc *desc, enum dtype dtype)
{
    struct op_desc inner = *desc;
    for (int i = 0; i < op_sources(desc->kind); i++)
        set_dtype(&inner.src[i], dtype);
    set_dtype(&inner.dst, dtype);
    return inner;
}

static enum status plan_around(struct op_plan *plan, const struct impl *impl, struct impl_ctx *ctx,
                               const struct op_desc *desc, const struct op_desc *inner)
{
    struct around *around = calloc(1, sizeof *around);
    if (!around)
        return fail(ERR_MEMORY, "out of memory: %zu bytes were needed", sizeof *around);
    enum status status = plan_make_as_is(&around->inner, impl, ctx, inner);
    if (status != OK) {
        free(around);
        return status;
    }
    *plan = (struct op_plan){.entry = &converted, .desc = *desc, .priv = around};
    place(plan, around);
    describe(plan, around);
    return OK;
}

/* Whether a source in f32 may be rounded to bf16, as the weights are: that of the first layer. A
 * result or a gate in f32 is one because it is to be more exact. */
static bool may_narrow(const struct op_desc *desc)
{
    const bool weighted = op_is_conv(desc->kind) || desc->kind == OP_LINEAR;
    return weighted && desc->dst.dtype == DTYPE_BF16;
}

enum status convert_plan(struct op_plan *plan, const struct impl *impl, struct impl_ctx *ctx,
                         const struct op_desc *desc)
{
    enum status status = ERR_UNSUPPORTED;
    const struct op_desc narrow = with_dtype(desc, DTYPE_BF16);
    const struct op_desc wide = with_dtype(desc, DTYPE_F32);
    if (impl->ops[desc->kind]->bf16)
        status = plan_make_as_is(plan, impl, ctx, desc);
    if (status == OK)
        name_dtype(plan);
    if (status == ERR_UNSUPPORTED && impl->ops[desc->kind]->bf16 && may_narrow(desc))
        status = plan_around(plan, impl, ctx, desc, &narrow);
    if (status == ERR_UNSUPPORTED)
        status = plan_around(plan, impl, ctx, desc, &wide);
    return status;
}
