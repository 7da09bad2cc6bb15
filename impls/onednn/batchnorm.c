/* Batch normalisation by oneDNN, over n,h,w of each channel. With batch statistics the library
 * normalises with the biased variance, which forward keeps for backward in `save` ([2][c]: mean,
 * variance); the running statistics are ours to update, with the unbiased one (as PyTorch). */
#include "impls/onednn/onednn.h"

#include "impls/base/memory.h"
#include "impls/onednn/own.h"
#include "impls/onednn/shim.h"
#include "impls/ops.h"

#include <math.h>
#include <stdlib.h>

enum { WEIGHT, BIAS, MEAN, VARIANCE };

struct batchnorm {
    struct shim_prim forward;
    struct shim_prim backward; /* the library's, or, with scale_only, a multiplication */
    bool scale_only;
    size_t lib_scratch;
};

static size_t vector_bytes(const struct op_desc *d)
{
    return memory_round((size_t)d->src[0].c * sizeof(float));
}

static double values(const struct op_desc *d)
{
    return (double)d->src[0].n * d->src[0].h * d->src[0].w;
}

/* Statistics of this batch, or the running ones as constants. */
static bool uses_batch(const struct op_desc *d)
{
    return d->train && d->bn.batch_stats;
}

static bool wants_src(const struct op_desc *d)
{
    return d->want_diff_src & 1u;
}

static bool wants_params(const struct op_desc *d)
{
    return d->want_diff_param & 3u;
}

/* With constant statistics and no parameter to train, backward is a multiplication by one number
 * per channel; the library's own kernel would sum up unwanted gradients as well, in twice the
 * time. */
static enum status make_backward(struct impl_ctx *ctx, const struct op_desc *d,
                                 const struct shim_batchnorm *what, struct batchnorm *bn)
{
    bn->scale_only = what->fixed && !wants_params(d);
    if (!bn->scale_only)
        return shim_make_batchnorm(ctx, SHIM_BACKWARD, what, &bn->forward, &bn->backward);
    struct tensor factors = tensor_dense(NULL, 1, 1, 1, d->src[0].c);
    struct shim_view vector = shim_map(&factors);
    return shim_make_binary(ctx, dnnl_binary_mul, &what->map, &vector, &bn->backward);
}

static enum status build(struct impl_ctx *ctx, struct op_plan *plan)
{
    const struct op_desc *d = &plan->desc;
    struct batchnorm *bn = plan->priv;
    struct shim_batchnorm what = {.map = shim_map(&d->src[0]), .eps = d->bn.eps,
                                  .fixed = !uses_batch(d)};
    bool backward = wants_src(d) || wants_params(d);
    if (uses_batch(d) && values(d) < 2)
        return fail(ERR_USAGE, "batch normalisation needs more than one value per channel in "
                    "training");
    TRY(shim_make_batchnorm(ctx, uses_batch(d) || backward ? SHIM_TRAINING : SHIM_INFERENCE, &what,
                            NULL, &bn->forward));
    if (backward)
        TRY(make_backward(ctx, d, &what, bn));
    bn->lib_scratch = memory_round(bn->forward.scratch_bytes > bn->backward.scratch_bytes
                                       ? bn->forward.scratch_bytes
                                       : bn->backward.scratch_bytes);
    plan->save_bytes = uses_batch(d) ? 2 * vector_bytes(d) : 0;
    plan->scratch_bytes = bn->lib_scratch;
    /* Room for gradients that are added, or that the library writes although unwanted. */
    if (backward)
        plan->scratch_bytes +=
            2 * vector_bytes(d) + memory_round(tensor_count(&d->src[0]) * sizeof(float));
    shim_say(plan, backward ? "fwd %s / bwd %s%s" : "%s%s%s", bn->forward.name,
             bn->backward.name, bn->scale_only ? " times factors" : "");
    return OK;
}

static void release(struct op_plan *plan)
{
    struct batchnorm *bn = plan->priv;
    shim_release(&bn->forward);
    shim_release(&bn->backward);
    free(bn);
}

static enum status plan_batchnorm(struct impl_ctx *ctx, struct op_plan *plan)
{
    return shim_plan(ctx, plan, sizeof(struct batchnorm), build, release);
}

/* Where the statistics of a call are: in `save`, or, when fixed, the running ones. */
static void statistics(const struct op_plan *plan, const struct op_args *args, float **mean,
                       float **variance)
{
    bool batch = uses_batch(&plan->desc);
    *mean = batch ? args->save : args->param[MEAN]->data;
    *variance = batch ? (float *)((char *)args->save + vector_bytes(&plan->desc))
                      : args->param[VARIANCE]->data;
}

static void update_running(const struct op_desc *d, const struct op_args *args, const float *mean,
                           const float *variance)
{
    float m = d->bn.momentum;
    float unbias = (float)(values(d) / (values(d) - 1));
    float *running_mean = args->param[MEAN]->data, *running_var = args->param[VARIANCE]->data;
    for (int i = 0; i < d->src[0].c; i++) {
        running_mean[i] = (1 - m) * running_mean[i] + m * mean[i];
        running_var[i] = (1 - m) * running_var[i] + m * (unbias * variance[i]);
    }
    args->param[MEAN]->version++;
    args->param[VARIANCE]->version++;
}

static enum status forward(const struct op_plan *plan, const struct op_args *args)
{
    const struct batchnorm *bn = plan->priv;
    float *mean, *variance;
    statistics(plan, args, &mean, &variance);
    const struct shim_bind binds[] = {{DNNL_ARG_SRC, args->src[0].data},
                                      {DNNL_ARG_DST, args->dst.data},
                                      {DNNL_ARG_MEAN, mean},
                                      {DNNL_ARG_VARIANCE, variance},
                                      {DNNL_ARG_SCALE, args->param[WEIGHT]->data},
                                      {DNNL_ARG_SHIFT, args->param[BIAS]->data}};
    TRY(shim_run(&bn->forward, &plan->desc, args->scratch, binds, 6));
    if (uses_batch(&plan->desc))
        update_running(&plan->desc, args, mean, variance);
    return OK;
}

static bool wants_param(const struct op_desc *d, int i)
{
    return d->want_diff_param >> i & 1u;
}

static bool adds_param(const struct op_args *args, int i)
{
    return args->add_diff_param >> i & 1u;
}

/* All three gradients at once: straight to their places, or aside where they are to be added or
 * are not wanted. */
static enum status backward_full(const struct op_plan *plan, const struct op_args *args,
                                 float *const aside[2], float *diff_src)
{
    const struct op_desc *d = &plan->desc;
    const struct batchnorm *bn = plan->priv;
    float *mean, *variance, *diff[2];
    statistics(plan, args, &mean, &variance);
    for (int i = 0; i < 2; i++)
        diff[i] = wants_param(d, i) && !adds_param(args, i) ? args->param[i]->grad : aside[i];
    const struct shim_bind binds[] = {
        {DNNL_ARG_SRC, args->src[0].data},
        {DNNL_ARG_MEAN, mean},
        {DNNL_ARG_VARIANCE, variance},
        {DNNL_ARG_DIFF_DST, args->diff_dst.data},
        {DNNL_ARG_SCALE, args->param[WEIGHT]->data},
        {DNNL_ARG_SHIFT, SHIM_BACKWARD_READS_SHIFT ? args->param[BIAS]->data : NULL},
        {DNNL_ARG_DIFF_SRC, diff_src},
        {DNNL_ARG_DIFF_SCALE, diff[WEIGHT]},
        {DNNL_ARG_DIFF_SHIFT, diff[BIAS]}};
    TRY(shim_run(&bn->backward, d, args->scratch, binds, 9));
    for (int i = 0; i < 2; i++)
        if (wants_param(d, i) && adds_param(args, i))
            dnn_own_add(args->param[i]->grad, aside[i], (size_t)d->src[0].c);
    return OK;
}

static enum status backward_scale(const struct op_plan *plan, const struct op_args *args,
                                  float *factors, float *diff_src)
{
    const struct op_desc *d = &plan->desc;
    const struct batchnorm *bn = plan->priv;
    const float *weight = args->param[WEIGHT]->data, *variance = args->param[VARIANCE]->data;
    for (int i = 0; i < d->src[0].c; i++)
        factors[i] = weight[i] / sqrtf(variance[i] + d->bn.eps);
    const struct shim_bind binds[] = {{DNNL_ARG_SRC_0, args->diff_dst.data},
                                      {DNNL_ARG_SRC_1, factors},
                                      {DNNL_ARG_DST, diff_src}};
    return shim_run(&bn->backward, d, args->scratch, binds, 3);
}

static enum status backward(const struct op_plan *plan, const struct op_args *args)
{
    const struct op_desc *d = &plan->desc;
    const struct batchnorm *bn = plan->priv;
    bool add = args->add_diff_src & 1u;
    char *own = (char *)args->scratch + bn->lib_scratch;
    float *const vectors[2] = {(float *)own, (float *)(own + vector_bytes(d))};
    float *aside = (float *)(own + 2 * vector_bytes(d));
    float *diff_src = wants_src(d) && !add ? args->diff_src[0].data : aside;
    if (!wants_src(d) && !wants_params(d))
        return OK;
    if (bn->scale_only)
        TRY(backward_scale(plan, args, vectors[0], diff_src));
    else
        TRY(backward_full(plan, args, vectors, diff_src));
    if (wants_src(d) && add)
        dnn_own_add(args->diff_src[0].data, aside, tensor_count(&d->src[0]));
    return OK;
}

const struct op_entry onednn_batchnorm = {.name = "onednn batchnorm", .plan = plan_batchnorm,
                                          .forward = forward, .backward = backward,
                                          .release = release};
