/* Plan and threads of batch normalisation in bf16: see bn_bf16.h. */
#include "impls/fused/bn_bf16.h"

#include "impls/base/memory.h"
#include "impls/base/threads.h"
#include "impls/fused/bn_bf16_row.h"
#include "impls/fused/versions.h"
#include "impls/ops.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { WEIGHT, SHIFT, MEAN, VARIANCE, PARAMS };

struct bn {
    struct param_versions seen;
    float *scale, *shift; /* y = scale x + shift; one block, owned by scale */
};

/* In double precision, as where it is folded into a convolution. */
static void make_factors(struct bn *bn, const struct op_desc *d, struct param *const *param)
{
    if (!param_versions_changed(&bn->seen, param, PARAMS))
        return;
    for (int i = 0; i < d->src[0].c; i++) {
        const double factor = (double)param[WEIGHT]->data[i] /
                              sqrt((double)param[VARIANCE]->data[i] + (double)d->bn.eps);
        bn->scale[i] = (float)factor;
        bn->shift[i] = (float)((double)param[SHIFT]->data[i] -
                               (double)param[MEAN]->data[i] * factor);
    }
}

static const uint16_t *pixel(const struct tensor *t, size_t p)
{
    return (const uint16_t *)t->data + p * (size_t)t->stride;
}

static enum status forward(const struct op_plan *plan, const struct op_args *args)
{
    const struct op_desc *d = &plan->desc;
    struct bn *bn = plan->priv;
    const size_t pixels = (size_t)d->dst.n * (size_t)d->dst.h * (size_t)d->dst.w;
    const bool sum = d->kind == OP_BN_SUM_ACT;
    make_factors(bn, d, args->param);
#pragma omp parallel for schedule(static) if (threads_worth(tensor_count(&d->dst)))
    for (size_t p = 0; p < pixels; p++)
        bn_bf16_row(&(struct bn_bf16_row){
            .x = pixel(&args->src[0], p), .shortcut = sum ? pixel(&args->src[1], p) : NULL,
            .y = (uint16_t *)args->dst.data + p * (size_t)args->dst.stride, .scale = bn->scale,
            .shift = bn->shift, .c = d->dst.c, .relu = d->kind != OP_BATCHNORM});
    return OK;
}

static void release(struct op_plan *plan)
{
    struct bn *bn = plan->priv;
    memory_free(bn->scale);
    free(bn);
}

static const struct op_entry bn_bf16 = {
    .name = "fused bn, bf16", .strided = true, .bf16 = true, .forward = forward,
    .release = release};

enum status bn_bf16_plan(struct op_plan *plan)
{
    const struct op_desc *d = &plan->desc;
    const size_t bytes = memory_round((size_t)d->src[0].c * sizeof(float));
    for (int i = 0; i < op_sources(d->kind); i++)
        if (d->src[i].dtype != DTYPE_BF16 || d->dst.dtype != DTYPE_BF16)
            return fail(ERR_UNSUPPORTED, "fused %s: maps of one dtype are accepted",
                        op_name(d->kind));
    struct bn *bn = calloc(1, sizeof *bn);
    if (!bn || !(bn->scale = memory_alloc(2 * bytes))) {
        free(bn);
        return fail(ERR_MEMORY, "out of memory for a plan of %s", op_name(d->kind));
    }
    bn->shift = bn->scale + bytes / sizeof(float);
    plan->priv = bn;
    plan->entry = &bn_bf16;
    snprintf(plan->how, sizeof plan->how, "fused bn%s:avx512_bf16",
             d->kind == OP_BATCHNORM ? "" : d->kind == OP_BN_ACT ? "+relu" : "+sum+relu");
    return OK;
}
