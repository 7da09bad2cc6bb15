/* Batch normalisation by oneDNN, over n,h,w of each channel. With batch statistics the library
 * normalises with the biased variance, which forward keeps for backward in `save` ([2][c]: mean,
 * variance); the running statistics are ours to update, with the unbiased one (as PyTorch). */
#include "impls/onednn/onednn.h"

#include "impls/base/memory.h"
#include "impls/onednn/own.h"
#include "impls/onednn/shim.h"
#include "impls/ops.h"

#include <stdlib.h>

enum { WEIGHT, BIAS, MEAN, VARIANCE };

struct batchnorm {
    struct shim_prim forward, backward;
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

static enum status make_backward(struct impl_ctx *ctx, struct op_plan *plan,
                                 const struct shim_batchnorm *what)
{
    const struct op_desc *d = &plan->desc;
    struct batchnorm *bn = plan->priv;
    bool params = d->want_diff_param & 3u;
    if (!params && !(d->want_diff_src & 1u))
        return OK;
    TRY(shim_make_batchnorm(ctx, params ? SHIM_BACKWARD : SHIM_BACKWARD_DATA, what, &bn->forward,
                            &bn->backward));
    if (bn->lib_scratch < memory_round(bn->backward.scratch_bytes))
        bn->lib_scratch = memory_round(bn->backward.scratch_bytes);
    /* The library writes all three gradients at once: room for those that are added or unwanted. */
    plan->scratch_bytes = bn->lib_scratch + 2 * vector_bytes(d) +
                          memory_round(tensor_count(&d->src[0]) * sizeof(float));
    return OK;
}

static enum status build(struct impl_ctx *ctx, struct op_plan *plan)
{
    const struct op_desc *d = &plan->desc;
    struct batchnorm *bn = plan->priv;
    struct shim_batchnorm what = {.map = shim_map(&d->src[0]), .eps = d->bn.eps,
                                  .fixed = !d->bn.batch_stats};
    bool training = d->bn.batch_stats || d->want_diff_src || d->want_diff_param;
    if (d->bn.batch_stats && values(d) < 2)
        return fail(ERR_USAGE, "batch normalisation needs more than one value per channel in "
                    "training");
    TRY(shim_make_batchnorm(ctx, training ? SHIM_TRAINING : SHIM_INFERENCE, &what, NULL,
                            &bn->forward));
    bn->lib_scratch = memory_round(bn->forward.scratch_bytes);
    plan->scratch_bytes = bn->lib_scratch;
    plan->save_bytes = d->bn.batch_stats ? 2 * vector_bytes(d) : 0;
    TRY(make_backward(ctx, plan, &what));
    shim_say(plan, *bn->backward.name ? "fwd %s / bwd %s" : "%s%s", bn->forward.name,
             bn->backward.name);
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
    bool batch = plan->desc.bn.batch_stats;
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
    if (plan->desc.bn.batch_stats)
        update_running(&plan->desc, args, mean, variance);
    return OK;
}

/* Where the library writes gradient `i`: straight to its place, or aside when it is to be added
 * or is not wanted. */
static float *param_target(const struct op_plan *plan, const struct op_args *args, int i,
                           float *aside)
{
    bool direct = (plan->desc.want_diff_param >> i & 1u) && !(args->add_diff_param >> i & 1u);
    return direct ? args->param[i]->grad : aside;
}

static void add_param(const struct op_plan *plan, const struct op_args *args, int i,
                      const float *aside)
{
    if ((plan->desc.want_diff_param >> i & 1u) && (args->add_diff_param >> i & 1u))
        dnn_own_add(args->param[i]->grad, aside, (size_t)plan->desc.src[0].c);
}

static enum status backward(const struct op_plan *plan, const struct op_args *args)
{
    const struct op_desc *d = &plan->desc;
    const struct batchnorm *bn = plan->priv;
    bool params = d->want_diff_param & 3u, want = d->want_diff_src & 1u;
    bool add = args->add_diff_src & 1u;
    char *own = (char *)args->scratch + bn->lib_scratch;
    float *weight = (float *)own, *bias = (float *)(own + vector_bytes(d));
    float *aside = (float *)(own + 2 * vector_bytes(d)), *mean, *variance;
    if (!params && !want)
        return OK;
    statistics(plan, args, &mean, &variance);
    const struct shim_bind binds[] = {
        {DNNL_ARG_SRC, args->src[0].data},
        {DNNL_ARG_MEAN, mean},
        {DNNL_ARG_VARIANCE, variance},
        {DNNL_ARG_DIFF_DST, args->diff_dst.data},
        {DNNL_ARG_SCALE, args->param[WEIGHT]->data},
        {DNNL_ARG_SHIFT, SHIM_BACKWARD_READS_SHIFT ? args->param[BIAS]->data : NULL},
        {DNNL_ARG_DIFF_SRC, want && !add ? args->diff_src[0].data : aside},
        {DNNL_ARG_DIFF_SCALE, params ? param_target(plan, args, WEIGHT, weight) : NULL},
        {DNNL_ARG_DIFF_SHIFT, params ? param_target(plan, args, BIAS, bias) : NULL}};
    TRY(shim_run(&bn->backward, d, args->scratch, binds, 9));
    add_param(plan, args, WEIGHT, weight);
    add_param(plan, args, BIAS, bias);
    if (want && add)
        dnn_own_add(args->diff_src[0].data, aside, tensor_count(&d->src[0]));
    return OK;
}

const struct op_entry onednn_batchnorm = {.name = "onednn batchnorm", .plan = plan_batchnorm,
                                          .forward = forward, .backward = backward,
                                          .release = release};
