/* Layers with weights: see weighted.h. */
#include "impls/onednn/weighted.h"

#include "impls/base/memory.h"
#include "impls/onednn/own.h"
#include "impls/ops.h"

bool dnn_weighted_wants_src(const struct op_desc *d)
{
    return d->want_diff_src & 1u;
}

bool dnn_weighted_wants_bias(const struct op_desc *d, bool bias)
{
    return bias && (d->want_diff_param & 2u);
}

/* The library gives the gradient of the bias together with that of the weight. */
bool dnn_weighted_wants_weights(const struct op_desc *d, bool bias)
{
    return (d->want_diff_param & 1u) || dnn_weighted_wants_bias(d, bias);
}

static size_t largest_scratch(const struct dnn_weighted *w)
{
    const size_t bytes[] = {w->forward.scratch_bytes,
                            w->backward_data.scratch_bytes,
                            w->backward_weights.scratch_bytes,
                            w->forward_pack.reorder.scratch_bytes,
                            w->backward_pack.reorder.scratch_bytes,
                            w->unpack.reorder.scratch_bytes};
    size_t most = 0;
    for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++)
        most = bytes[i] > most ? bytes[i] : most;
    return memory_round(most);
}

/* After the library's scratchpad: a source gradient that is to be added; or, in another call, a
 * gathered source, a weight gradient and a bias gradient. */
static size_t own_scratch(const struct op_desc *d, const struct dnn_weighted *w)
{
    size_t data = 0, weights = 0;
    if (w->backward_data.prim)
        data = memory_round(tensor_count(&d->src[0]) * sizeof(float));
    if (w->backward_weights.prim)
        weights = w->gather_bytes + dnn_unpack_area(&w->unpack) +
                  memory_round((size_t)d->dst.c * sizeof(float));
    return data > weights ? data : weights;
}

static void say_how(struct op_plan *plan, const struct dnn_weighted *w)
{
    const char *data = w->backward_data.name, *weights = w->backward_weights.name;
    bool both = *data && *weights;
    if (!*data && !*weights)
        shim_say(plan, "%s", w->forward.name);
    else
        shim_say(plan, "fwd %s / bwd %s%s%s%s", w->forward.name, data,
                 both ? ", " : "", w->gather ? "gather+" : "", weights);
}

enum status dnn_weighted_finish(struct impl_ctx *ctx, struct op_plan *plan,
                                struct dnn_weighted *w)
{
    const struct op_desc *d = &plan->desc;
    if (w->forward.prim)
        TRY(dnn_pack_make(ctx, &w->plain, &w->forward, &w->forward_pack));
    if (w->backward_data.prim)
        TRY(dnn_pack_make(ctx, &w->plain, &w->backward_data, &w->backward_pack));
    if (w->backward_weights.prim)
        TRY(dnn_unpack_make(ctx, &w->plain, &w->backward_weights, &w->unpack));
    if (w->gather) {
        size_t pixels = (size_t)d->dst.n * (size_t)d->dst.h * (size_t)d->dst.w;
        w->gather_bytes = memory_round(pixels * (size_t)d->src[0].c * sizeof(float));
    }
    plan->packed = w->forward.prim && !w->forward_pack.same;
    w->lib_scratch = largest_scratch(w);
    plan->scratch_bytes = w->lib_scratch + own_scratch(d, w);
    say_how(plan, w);
    return OK;
}

void dnn_weighted_release(struct dnn_weighted *w)
{
    shim_release(&w->forward);
    shim_release(&w->backward_data);
    shim_release(&w->backward_weights);
    dnn_pack_release(&w->forward_pack);
    dnn_pack_release(&w->backward_pack);
    dnn_unpack_release(&w->unpack);
}

enum status dnn_weighted_forward(struct dnn_weighted *w, const struct op_plan *plan,
                                 const struct op_args *args)
{
    float *weights;
    TRY(dnn_pack_use(&w->forward_pack, &plan->desc, args->param[0], args->scratch, &weights));
    const struct shim_bind binds[] = {{DNNL_ARG_SRC, args->src[0].data},
                                      {DNNL_ARG_WEIGHTS, weights},
                                      {DNNL_ARG_BIAS, w->bias ? args->param[1]->data : NULL},
                                      {DNNL_ARG_DST, args->dst.data}};
    return shim_run(&w->forward, &plan->desc, args->scratch, binds, 4);
}

enum status dnn_weighted_backward_data(struct dnn_weighted *w, const struct op_plan *plan,
                                       const struct op_args *args)
{
    bool add = args->add_diff_src & 1u;
    void *own = (char *)args->scratch + w->lib_scratch;
    float *weights, *target = add ? own : args->diff_src[0].data;
    TRY(dnn_pack_use(&w->backward_pack, &plan->desc, args->param[0], args->scratch, &weights));
    const struct shim_bind binds[] = {{DNNL_ARG_DIFF_DST, args->diff_dst.data},
                                      {DNNL_ARG_WEIGHTS, weights},
                                      {DNNL_ARG_DIFF_SRC, target}};
    TRY(shim_run(&w->backward_data, &plan->desc, args->scratch, binds, 3));
    if (add)
        dnn_own_add(args->diff_src[0].data, target, tensor_count(&plan->desc.src[0]));
    return OK;
}

enum status dnn_weighted_backward_weights(struct dnn_weighted *w, const struct op_plan *plan,
                                          const struct op_args *args)
{
    const struct op_desc *d = &plan->desc;
    char *own = (char *)args->scratch + w->lib_scratch, *area = own + w->gather_bytes;
    bool add = args->add_diff_param & 1u, add_bias = args->add_diff_param & 2u;
    float *grad = d->want_diff_param & 1u ? args->param[0]->grad : NULL;
    float *bias = dnn_weighted_wants_bias(d, w->bias) ? args->param[1]->grad : NULL;
    float *bias_target = add_bias ? (float *)(area + dnn_unpack_area(&w->unpack)) : bias;
    if (w->gather)
        dnn_own_gather((float *)own, &args->src[0], w->sh, w->sw, d->dst.h, d->dst.w);
    const struct shim_bind binds[] = {
        {DNNL_ARG_SRC, w->gather ? own : args->src[0].data},
        {DNNL_ARG_DIFF_DST, args->diff_dst.data},
        {DNNL_ARG_DIFF_WEIGHTS, dnn_unpack_target(&w->unpack, grad, add, area)},
        {DNNL_ARG_DIFF_BIAS, bias ? bias_target : NULL}};
    TRY(shim_run(&w->backward_weights, d, args->scratch, binds, 4));
    if (bias && add_bias)
        dnn_own_add(bias, bias_target, (size_t)d->dst.c);
    return dnn_unpack_finish(&w->unpack, d, grad, add, area, args->scratch);
}
