/* Plans of fused convolutions by Winograd's algorithm: see winograd_act.h. */
#include "impls/fused/winograd_act.h"

#include "impls/base/memory.h"
#include "impls/fused/fold.h"
#include "impls/fused/winograd.h"

#include <stdio.h>
#include <stdlib.h>

struct winograd_act {
    struct winograd winograd;
    struct fold fold;
    size_t fold_at; /* of the area of folding in scratch */
};

static bool is_fused(const struct op_desc *d)
{
    return d->kind != OP_CONV2D;
}

static void release(struct op_plan *plan)
{
    struct winograd_act *act = plan->priv;
    winograd_release(&act->winograd);
    fold_release(&act->fold);
    free(act);
}

static enum status build(struct op_plan *plan, struct winograd_act *act)
{
    const struct op_desc *d = &plan->desc;
    char name[48];
    TRY(winograd_make(&act->winograd, d, winograd_tile(d), false));
    if (is_fused(d))
        TRY(fold_make(&act->fold, d, false));
    act->fold_at = winograd_scratch(&act->winograd);
    plan->scratch_bytes = act->fold_at + (is_fused(d) ? fold_area(&act->fold, d) : 0);
    plan->packed = is_fused(d) ? fold_packed(d, true) : 1u;
    winograd_name(&act->winograd, name, sizeof name);
    snprintf(plan->how, sizeof plan->how, "%s%s%s%s", name,
             is_fused(d) && d->conv.with_bn ? ", folded bn" : "",
             d->kind == OP_CONV_SUM_ACT ? ", sum" : "",
             is_fused(d) && d->conv.with_relu ? ", relu" : "");
    return OK;
}

static enum status forward(const struct op_plan *plan, const struct op_args *args)
{
    struct winograd_act *act = plan->priv;
    const struct op_desc *d = &plan->desc;
    struct op_args folded = *args;
    if (is_fused(d))
        folded = fold_use(&act->fold, d, args, (char *)args->scratch + act->fold_at);
    winograd_use(&act->winograd, folded.param[0]);
    const bool bias = is_fused(d) ? fold_has_bias(d) : d->conv.bias;
    const struct winograd_call call = {
        .src = &args->src[0], .dst = &args->dst,
        .shortcut = d->kind == OP_CONV_SUM_ACT ? &args->src[1] : NULL,
        .bias = bias ? folded.param[1]->data : NULL,
        .relu = is_fused(d) && d->conv.with_relu, .scratch = args->scratch};
    winograd_run(&act->winograd, &call);
    return OK;
}

static const struct op_entry entry = {.name = "winograd conv_act", .strided = true,
                                      .winograd = true, .forward = forward, .release = release};

enum status winograd_act_plan(struct op_plan *plan)
{
    plan->priv = calloc(1, sizeof(struct winograd_act));
    if (!plan->priv)
        return fail(ERR_MEMORY, "out of memory: %zu bytes were needed",
                    sizeof(struct winograd_act));
    plan->entry = &entry;
    const enum status status = build(plan, plan->priv);
    if (status != OK)
        release(plan);
    return status;
}
