/* Pooling by oneDNN: max and average windows, and mean or max over whole images as a window of the
 * image's size. Max keeps the library's workspace (which pixel won: the first in row order) in
 * `save`. */
#include "impls/onednn/onednn.h"

#include "impls/base/memory.h"
#include "impls/onednn/own.h"
#include "impls/onednn/shim.h"
#include "impls/ops.h"

#include <stdlib.h>

struct pool {
    struct shim_prim forward, backward;
    size_t lib_scratch;
};

static struct shim_pool describe(const struct op_desc *d)
{
    const struct tensor *s = &d->src[0];
    struct shim_pool pool = {.src = shim_map(s), .dst = shim_map(&d->dst)};
    bool max = d->kind == OP_MAXPOOL || (d->kind == OP_POOL_HW && d->pool_hw.mode == POOL_MAX);
    pool.alg = max ? dnnl_pooling_max : dnnl_pooling_avg_include_padding;
    if (d->kind == OP_POOL_HW) {
        pool.window = (struct shim_window){.kernel = {s->h, s->w}, .stride = {1, 1}};
        return pool;
    }
    int kh = d->pool.kh, kw = d->pool.kw, sh = d->pool.sh, sw = d->pool.sw;
    pool.window = (struct shim_window){
        .kernel = {kh, kw},
        .stride = {sh, sw},
        .before = {d->pool.ph, d->pool.pw},
        .after = {shim_pad_after(s->h, d->dst.h, kh, sh, 1, d->pool.ph),
                  shim_pad_after(s->w, d->dst.w, kw, sw, 1, d->pool.pw)}};
    return pool;
}

static enum status build(struct impl_ctx *ctx, struct op_plan *plan)
{
    const struct op_desc *d = &plan->desc;
    struct pool *pool = plan->priv;
    struct shim_pool what = describe(d);
    bool want = d->want_diff_src & 1u;
    TRY(shim_make_pool(ctx, want ? SHIM_TRAINING : SHIM_INFERENCE, &what, NULL, &pool->forward));
    pool->lib_scratch = memory_round(pool->forward.scratch_bytes);
    plan->scratch_bytes = pool->lib_scratch;
    shim_say(plan, "%s", pool->forward.name);
    if (!want)
        return OK;
    plan->save_bytes = shim_bytes(&pool->forward, DNNL_ARG_WORKSPACE);
    TRY(shim_make_pool(ctx, SHIM_BACKWARD_DATA, &what, &pool->forward, &pool->backward));
    if (pool->lib_scratch < memory_round(pool->backward.scratch_bytes))
        pool->lib_scratch = memory_round(pool->backward.scratch_bytes);
    /* Room for a gradient that is to be added. */
    plan->scratch_bytes =
        pool->lib_scratch + memory_round(tensor_count(&d->src[0]) * sizeof(float));
    shim_say(plan, "fwd %s / bwd %s", pool->forward.name, pool->backward.name);
    return OK;
}

static void release(struct op_plan *plan)
{
    struct pool *pool = plan->priv;
    shim_release(&pool->forward);
    shim_release(&pool->backward);
    free(pool);
}

static enum status plan_pool(struct impl_ctx *ctx, struct op_plan *plan)
{
    return shim_plan(ctx, plan, sizeof(struct pool), build, release);
}

static enum status forward(const struct op_plan *plan, const struct op_args *args)
{
    const struct pool *pool = plan->priv;
    const struct shim_bind binds[] = {
        {DNNL_ARG_SRC, args->src[0].data},
        {DNNL_ARG_DST, args->dst.data},
        {DNNL_ARG_WORKSPACE, plan->save_bytes ? args->save : NULL}};
    return shim_run(&pool->forward, &plan->desc, args->scratch, binds, 3);
}

static enum status backward(const struct op_plan *plan, const struct op_args *args)
{
    const struct pool *pool = plan->priv;
    bool add = args->add_diff_src & 1u;
    float *aside = (float *)((char *)args->scratch + pool->lib_scratch);
    if (!(plan->desc.want_diff_src & 1u))
        return OK;
    const struct shim_bind binds[] = {
        {DNNL_ARG_DIFF_DST, args->diff_dst.data},
        {DNNL_ARG_DIFF_SRC, add ? aside : args->diff_src[0].data},
        {DNNL_ARG_WORKSPACE, plan->save_bytes ? args->save : NULL}};
    TRY(shim_run(&pool->backward, &plan->desc, args->scratch, binds, 3));
    if (add)
        dnn_own_add(args->diff_src[0].data, aside, tensor_count(&plan->desc.src[0]));
    return OK;
}

const struct op_entry onednn_maxpool = {.name = "onednn maxpool", .bf16 = true, .plan = plan_pool,
                                        .forward = forward, .backward = backward,
                                        .release = release};
const struct op_entry onednn_avgpool = {.name = "onednn avgpool", .bf16 = true, .plan = plan_pool,
                                        .forward = forward, .backward = backward,
                                        .release = release};
const struct op_entry onednn_pool_hw = {.name = "onednn pool_hw", .bf16 = true, .plan = plan_pool,
                                        .forward = forward, .backward = backward,
                                        .release = release};
