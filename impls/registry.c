/* The implementations compiled in, and the making of plans. Knows none of them from inside. */
#include "impls/convert.h"
#include "impls/layer.h"
#include "impls/ops.h"

#include <stdio.h>
#include <string.h>

extern const struct impl impl_naive, impl_openblas, impl_onednn;

const struct impl *const impls[] = {
#ifdef HAVE_NAIVE
    &impl_naive,
#endif
#ifdef HAVE_OPENBLAS
    &impl_openblas,
#endif
#ifdef HAVE_ONEDNN
    &impl_onednn,
#endif
    NULL,
};

const struct impl *impl_find(const char *name)
{
    char known[128] = "";
    for (int i = 0; impls[i]; i++) {
        if (strcmp(impls[i]->name, name) == 0)
            return impls[i];
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", impls[i]->name);
    }
    fail(ERR_USAGE, "no implementation '%s' in this build; there are: %s", name, known);
    return NULL;
}

static bool has_strided_view(const struct op_desc *desc)
{
    bool strided = !tensor_is_dense(&desc->dst);
    for (int i = 0; i < op_sources(desc->kind); i++)
        strided = strided || !tensor_is_dense(&desc->src[i]);
    return strided;
}

static enum status check_algorithm(const struct op_entry *entry, const struct op_desc *desc)
{
    if (!op_is_conv(desc->kind) || desc->conv.algorithm == CONV_DIRECT)
        return OK;
    if (!entry->winograd)
        return fail(ERR_UNSUPPORTED, "%s does not offer Winograd's algorithm", entry->name);
    if (!op_fits_winograd(desc))
        return fail(ERR_UNSUPPORTED, "Winograd's algorithm is for 3x3 windows of stride 1");
    return OK;
}

enum status impl_offers_bf16(const struct impl *impl)
{
    if (!impl->bf16)
        return fail(ERR_UNSUPPORTED, "%s does not offer bf16: onednn does", impl->name);
    return impl->bf16();
}

static enum status check_bf16(const struct impl *impl, const struct op_desc *desc)
{
    if (desc->train)
        return fail(ERR_UNSUPPORTED, "bf16 is for inference: training stays in f32");
    if (op_is_conv(desc->kind) && desc->conv.algorithm != CONV_DIRECT)
        return fail(ERR_UNSUPPORTED, "Winograd's algorithm is not offered in bf16");
    return impl_offers_bf16(impl);
}

enum status plan_make(struct op_plan *plan, const struct impl *impl, struct impl_ctx *ctx,
                      const struct op_desc *desc)
{
    const struct op_entry *entry = impl->ops[desc->kind];
    CHECK(entry && desc->dst.c > 0);
    memset(plan, 0, sizeof *plan);
    if (op_has_bf16(desc)) {
        TRY(check_bf16(impl, desc));
        return convert_plan(plan, impl, ctx, desc);
    }
    return plan_make_as_is(plan, impl, ctx, desc);
}

enum status plan_make_as_is(struct op_plan *plan, const struct impl *impl, struct impl_ctx *ctx,
                            const struct op_desc *desc)
{
    const struct op_entry *entry = impl->ops[desc->kind];
    memset(plan, 0, sizeof *plan);
    if (has_strided_view(desc) && !entry->strided)
        return fail(ERR_UNSUPPORTED, "%s does not accept strided views", entry->name);
    TRY(check_algorithm(entry, desc));
    plan->entry = entry;
    plan->desc = *desc;
    enum status status = entry->plan(ctx, plan);
    if (status != OK) {
        char text[256];
        op_print(desc, text, sizeof text);
        memset(plan, 0, sizeof *plan);
        return fail_prefix(status, "%s, %s", impl->name, text);
    }
    return OK;
}

void plan_release(struct op_plan *plan)
{
    if (plan->entry && plan->entry->release)
        plan->entry->release(plan);
    memset(plan, 0, sizeof *plan);
}
