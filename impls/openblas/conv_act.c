/* Fused convolutions on OpenBLAS: the kernels of conv2d.h on folded weights (impls/fused/fold.h).
 * Inference only. Knows no kernel from inside. */
#include "impls/openblas/openblas.h"

#include "impls/base/memory.h"
#include "impls/fused/fold.h"
#include "impls/openblas/conv2d.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct conv_act {
    struct conv conv;
    struct fold fold;
    size_t kernel_scratch; /* the area for folding follows it */
};

static void release(struct op_plan *plan)
{
    struct conv_act *act = plan->priv;
    conv_release(&act->conv);
    fold_release(&act->fold);
    free(act);
}

/* "im2col+sgemm, folded bn, sum, relu" */
static void describe(const struct conv_act *act, struct op_plan *plan)
{
    const struct conv *conv = &act->conv;
    conv->kernel->describe(conv, plan->how, sizeof plan->how);
    size_t used = strlen(plan->how);
    snprintf(plan->how + used, sizeof plan->how - used, "%s%s%s",
             plan->desc.conv.with_bn ? ", folded bn" : "", conv->sum ? ", sum" : "",
             conv->relu ? ", relu" : "");
}

/* Weights that a kernel does not pack are read in their plain order at every call. */
static enum status make(struct conv_act *act, const struct op_desc *d)
{
    TRY(conv_make(&act->conv, d));
    enum status status = fold_make(&act->fold, d, act->conv.weights.packed == NULL);
    if (status != OK)
        conv_release(&act->conv);
    return status;
}

static enum status plan_conv_act(struct impl_ctx *ctx, struct op_plan *plan)
{
    (void)ctx;
    if (plan->desc.train)
        return fail(ERR_UNSUPPORTED, "a fused convolution has no backward pass");
    struct conv_act *act = calloc(1, sizeof *act);
    if (!act)
        return fail(ERR_MEMORY, "out of memory for a convolution plan");
    enum status status = make(act, &plan->desc);
    if (status != OK) {
        free(act);
        return status;
    }
    plan->priv = act;
    plan->packed = fold_packed(&plan->desc, act->conv.weights.packed != NULL);
    act->kernel_scratch = memory_round(act->conv.kernel->scratch(&act->conv, &plan->desc));
    plan->scratch_bytes = act->kernel_scratch + fold_area(&act->fold, &plan->desc);
    describe(act, plan);
    return OK;
}

static enum status forward(const struct op_plan *plan, const struct op_args *args)
{
    struct conv_act *act = plan->priv;
    const struct op_args folded =
        fold_use(&act->fold, &plan->desc, args, (char *)args->scratch + act->kernel_scratch);
    conv_forward(&act->conv, &folded);
    return OK;
}

const struct op_entry openblas_conv_act = {
    .name = "openblas conv_act",
    .strided = true,
    .plan = plan_conv_act,
    .forward = forward,
    .release = release,
};

const struct op_entry openblas_conv_sum_act = {
    .name = "openblas conv_sum_act",
    .strided = true,
    .plan = plan_conv_act,
    .forward = forward,
    .release = release,
};
