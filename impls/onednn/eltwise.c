/* ReLU and sigmoid by oneDNN, in the form whose backward reads the destination, so that both may
 * work in place. */
#include "impls/onednn/onednn.h"

#include "impls/base/memory.h"
#include "impls/onednn/own.h"
#include "impls/onednn/shim.h"
#include "impls/ops.h"

#include <stdlib.h>

struct eltwise {
    struct shim_prim forward, backward;
    size_t lib_scratch;
};

static enum status build(struct impl_ctx *ctx, struct op_plan *plan)
{
    const struct op_desc *d = &plan->desc;
    struct eltwise *e = plan->priv;
    struct shim_view map = shim_map(&d->src[0]);
    bool want = d->want_diff_src & 1u;
    if (d->dst.dtype != d->src[0].dtype)
        return fail(ERR_UNSUPPORTED, "no kernel for these dtypes");
    dnnl_alg_kind_t alg = d->kind == OP_RELU ? dnnl_eltwise_relu_use_dst_for_bwd
                                             : dnnl_eltwise_logistic_use_dst_for_bwd;
    TRY(shim_make_eltwise(ctx, want ? SHIM_TRAINING : SHIM_INFERENCE, alg, &map, NULL,
                          &e->forward));
    e->lib_scratch = memory_round(e->forward.scratch_bytes);
    plan->scratch_bytes = e->lib_scratch;
    shim_say(plan, "%s", e->forward.name);
    if (!want)
        return OK;
    TRY(shim_make_eltwise(ctx, SHIM_BACKWARD_DATA, alg, &map, &e->forward, &e->backward));
    if (e->lib_scratch < memory_round(e->backward.scratch_bytes))
        e->lib_scratch = memory_round(e->backward.scratch_bytes);
    /* Room for a gradient that is to be added. */
    plan->scratch_bytes = e->lib_scratch + memory_round(tensor_count(&d->src[0]) * sizeof(float));
    shim_say(plan, "fwd %s / bwd %s", e->forward.name, e->backward.name);
    return OK;
}

static void release(struct op_plan *plan)
{
    struct eltwise *e = plan->priv;
    shim_release(&e->forward);
    shim_release(&e->backward);
    free(e);
}

static enum status plan_eltwise(struct impl_ctx *ctx, struct op_plan *plan)
{
    return shim_plan(ctx, plan, sizeof(struct eltwise), build, release);
}

static enum status forward(const struct op_plan *plan, const struct op_args *args)
{
    const struct eltwise *e = plan->priv;
    const struct shim_bind binds[] = {{DNNL_ARG_SRC, args->src[0].data},
                                      {DNNL_ARG_DST, args->dst.data}};
    return shim_run(&e->forward, &plan->desc, args->scratch, binds, 2);
}

static enum status backward(const struct op_plan *plan, const struct op_args *args)
{
    const struct eltwise *e = plan->priv;
    bool add = args->add_diff_src & 1u;
    float *aside = (float *)((char *)args->scratch + e->lib_scratch);
    if (!(plan->desc.want_diff_src & 1u))
        return OK;
    const struct shim_bind binds[] = {{DNNL_ARG_DST, args->dst.data},
                                      {DNNL_ARG_DIFF_DST, args->diff_dst.data},
                                      {DNNL_ARG_DIFF_SRC, add ? aside : args->diff_src[0].data}};
    TRY(shim_run(&e->backward, &plan->desc, args->scratch, binds, 3));
    if (add)
        dnn_own_add(args->diff_src[0].data, aside, tensor_count(&plan->desc.src[0]));
    return OK;
}

const struct op_entry onednn_relu = {.name = "onednn relu", .bf16 = true, .plan = plan_eltwise,
                                     .forward = forward, .backward = backward, .release = release};
const struct op_entry onednn_sigmoid = {.name = "onednn sigmoid", .bf16 = true,
                                        .plan = plan_eltwise, .forward = forward,
                                        .backward = backward, .release = release};
