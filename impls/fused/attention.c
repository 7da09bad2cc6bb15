/* The entries and their plan: which forms there are, which kernels this processor runs. */
#include "impls/fused/attention.h"
#include "impls/fused/fused.h"

#include "impls/base/threads.h"
#include "impls/fused/isa.h"
#include "impls/ops.h"

#include <stdio.h>
#include <stdlib.h>

enum { WORK = 16384 }; /* floats below which another thread costs more than it gains */

static const struct fused_kernels *const kernels[FUSED_ISAS] = {
    [FUSED_BASELINE] = &fused_baseline,
    [FUSED_AVX2] = &fused_avx2,
    [FUSED_AVX512] = &fused_avx512,
};

static enum status check_form(const struct op_desc *desc)
{
    const struct tensor *x = &desc->src[0];
    const int k = desc->attention.k;
    for (int i = 0; i < op_sources(desc->kind); i++)
        if (desc->src[i].dtype != desc->dst.dtype)
            return fail(ERR_UNSUPPORTED, "fused attention: maps of one dtype are accepted");
    if (!desc->attention.channel && !desc->attention.spatial)
        return fail(ERR_USAGE, "fused attention: there is no gate");
    if (desc->attention.channel && desc->attention.hidden < 1)
        return fail(ERR_USAGE, "fused attention: hidden width %d, at least 1 is needed",
                    desc->attention.hidden);
    if (desc->attention.spatial && (k < 1 || k > FUSED_WIDEST || k % 2 == 0))
        return fail(ERR_UNSUPPORTED, "fused attention: kernel size %d, odd ones up to %d are "
                    "accepted", k, FUSED_WIDEST);
    if (desc->train && desc->attention.with_bn && desc->attention.batch_stats &&
        x->n * x->h * x->w == 1)
        return fail(ERR_USAGE, "batch normalisation needs more than one value per channel in "
                    "training");
    return OK;
}

/* As many threads as have something to do. */
static int useful_threads(const struct op_desc *desc)
{
    const size_t weights = (size_t)desc->src[0].c * (size_t)desc->attention.hidden;
    const size_t work = tensor_count(&desc->src[0]) + weights;
    const size_t most = 1 + work / WORK;
    int threads = threads_get() < FUSED_THREADS ? threads_get() : FUSED_THREADS;
    return most < (size_t)threads ? (int)most : threads;
}

static enum status plan_attention(struct impl_ctx *ctx, struct op_plan *plan)
{
    enum fused_isa isa;
    (void)ctx;
    TRY(check_form(&plan->desc));
    TRY(fused_isa_choose(&isa));
    struct fused_site *site = calloc(1, sizeof *site);
    if (!site)
        return fail(ERR_MEMORY, "fused attention: out of memory");
    const bool bf16 = plan->desc.src[0].dtype == DTYPE_BF16;
    site->k = bf16 ? &fused_bf16 : kernels[isa];
    site->threads = useful_threads(&plan->desc);
    fused_site_init(site, &plan->desc);
    plan->priv = site;
    plan->save_bytes = site->save_bytes;
    plan->scratch_bytes = site->scratch_bytes;
    snprintf(plan->how, sizeof plan->how, "fused attention:%s%s", fused_isa_name(isa),
             bf16 ? "_bf16" : "");
    return OK;
}

static void release(struct op_plan *plan)
{
    free(plan->priv);
    plan->priv = NULL;
}

const struct op_entry fused_attention = {
    .name = "fused attention",
    .strided = true,
    .bf16 = true,
    .plan = plan_attention,
    .forward = fused_forward,
    .backward = fused_backward,
    .release = release,
};

const struct op_entry fused_attention_sum = {
    .name = "fused attention_sum",
    .strided = true,
    .bf16 = true,
    .plan = plan_attention,
    .forward = fused_forward,
    .backward = fused_backward,
    .release = release,
};
