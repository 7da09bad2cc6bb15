/* Making primitives with version 2 of the library (2.6.3 and later): see shim.h. An operation is
 * described by a struct, and the library's implementations of it are walked with an iterator. */
#include "impls/onednn/shim.h"

#if DNNL_VERSION_MAJOR < 3

#include <stdio.h>
#include <string.h>

enum { MOST_VIEWS = 4 };

/* Turns views into descriptors; a view without sizes becomes an empty one (no bias). */
static dnnl_status_t describe(const struct shim_view *const views[], int count,
                              dnnl_memory_desc_t md[MOST_VIEWS])
{
    dnnl_status_t status = dnnl_success;
    for (int i = 0; i < count && !status; i++) {
        const struct shim_view *v = views[i];
        const dnnl_data_type_t type = v->dtype == DTYPE_BF16 ? dnnl_bf16 : dnnl_f32;
        md[i] = (dnnl_memory_desc_t){0};
        if (v->ndims == 0)
            continue;
        if (v->any)
            status = dnnl_memory_desc_init_by_tag(&md[i], v->ndims, v->dims, type,
                                                  dnnl_format_tag_any);
        else
            status = dnnl_memory_desc_init_by_strides(&md[i], v->ndims, v->dims, type,
                                                      v->strides);
    }
    return status;
}

static enum status walk(struct impl_ctx *ctx, dnnl_primitive_desc_iterator_t it, const char *what,
                        const char *avoid, struct shim_prim *out)
{
    char last[48] = "none";
    dnnl_status_t status;
    do {
        dnnl_primitive_desc_t pd = dnnl_primitive_desc_iterator_fetch(it);
        if (!pd)
            return shim_failed(dnnl_out_of_memory, what);
        if (shim_accepts(shim_name(pd), avoid))
            return shim_adopt(ctx, pd, out);
        snprintf(last, sizeof last, "%s", shim_name(pd));
        dnnl_primitive_desc_destroy(pd);
        status = dnnl_primitive_desc_iterator_next(it);
    } while (!status);
    return shim_missing(what, last);
}

/* The first acceptable implementation of an operation. `ready`: of describing it. */
static enum status pick(struct impl_ctx *ctx, dnnl_status_t ready, const_dnnl_op_desc_t op,
                        const struct shim_prim *forward, const char *what, const char *avoid,
                        struct shim_prim *out)
{
    dnnl_primitive_desc_iterator_t it = NULL;
    if (!ready)
        ready = dnnl_primitive_desc_iterator_create(&it, op, ctx->attr, ctx->engine,
                                                    forward ? forward->pd : NULL);
    if (ready)
        return ready == dnnl_unimplemented ? shim_missing(what, "none")
                                           : shim_failed(ready, what);
    enum status status = walk(ctx, it, what, avoid, out);
    dnnl_primitive_desc_iterator_destroy(it);
    return status;
}

static dnnl_prop_kind_t prop(enum shim_pass pass)
{
    switch (pass) {
    case SHIM_INFERENCE:
        return dnnl_forward_inference;
    case SHIM_TRAINING:
        return dnnl_forward_training;
    case SHIM_BACKWARD_DATA:
        return dnnl_backward_data;
    case SHIM_BACKWARD_WEIGHTS:
        return dnnl_backward_weights;
    default:
        return dnnl_backward;
    }
}

enum status shim_make_conv(struct impl_ctx *ctx, enum shim_pass pass, const struct shim_conv *conv,
                           const struct shim_prim *forward, struct shim_prim *out)
{
    const struct shim_window *w = &conv->window;
    const dnnl_alg_kind_t alg = dnnl_convolution_direct;
    dnnl_memory_desc_t md[MOST_VIEWS];
    dnnl_convolution_desc_t op;
    const struct shim_view *const views[] = {&conv->src, &conv->weights, &conv->bias, &conv->dst};
    dnnl_status_t status = describe(views, 4, md);
    if (status)
        return shim_failed(status, "convolution");
    if (pass == SHIM_BACKWARD_DATA) {
        status = dnnl_dilated_convolution_backward_data_desc_init(
            &op, alg, &md[0], &md[1], &md[3], w->stride, w->dilation, w->before, w->after);
        return pick(ctx, status, &op, forward, "convolution backward-data", NULL, out);
    }
    if (pass == SHIM_BACKWARD_WEIGHTS) {
        status = dnnl_dilated_convolution_backward_weights_desc_init(
            &op, alg, &md[0], &md[1], &md[2], &md[3], w->stride, w->dilation, w->before, w->after);
        return pick(ctx, status, &op, forward, "convolution backward-weights", NULL, out);
    }
    status = dnnl_dilated_convolution_forward_desc_init(&op, prop(pass), alg, &md[0], &md[1],
                                                        &md[2], &md[3], w->stride, w->dilation,
                                                        w->before, w->after);
    return pick(ctx, status, &op, NULL, "convolution forward", NULL, out);
}

enum status shim_make_linear(struct impl_ctx *ctx, enum shim_pass pass,
                             const struct shim_linear *linear, const struct shim_prim *forward,
                             struct shim_prim *out)
{
    dnnl_memory_desc_t md[MOST_VIEWS];
    dnnl_inner_product_desc_t op;
    const struct shim_view *const views[] = {&linear->src, &linear->weights, &linear->bias,
                                             &linear->dst};
    const char *what = "inner product forward";
    dnnl_status_t status = describe(views, 4, md);
    if (status)
        return shim_failed(status, "inner product");
    if (pass == SHIM_BACKWARD_DATA) {
        what = "inner product backward-data";
        status = dnnl_inner_product_backward_data_desc_init(&op, &md[0], &md[1], &md[3]);
    } else if (pass == SHIM_BACKWARD_WEIGHTS) {
        what = "inner product backward-weights";
        status = dnnl_inner_product_backward_weights_desc_init(&op, &md[0], &md[1], &md[2],
                                                               &md[3]);
    } else {
        status = dnnl_inner_product_forward_desc_init(&op, prop(pass), &md[0], &md[1], &md[2],
                                                      &md[3]);
    }
    return pick(ctx, status, &op, forward, what, linear->avoid, out);
}

enum status shim_make_pool(struct impl_ctx *ctx, enum shim_pass pass, const struct shim_pool *pool,
                           const struct shim_prim *forward, struct shim_prim *out)
{
    const struct shim_window *w = &pool->window;
    dnnl_memory_desc_t md[MOST_VIEWS];
    dnnl_pooling_v2_desc_t op;
    const struct shim_view *const views[] = {&pool->src, &pool->dst};
    dnnl_status_t status = describe(views, 2, md);
    if (status)
        return shim_failed(status, "pooling");
    if (pass == SHIM_BACKWARD_DATA) {
        status = dnnl_pooling_v2_backward_desc_init(&op, pool->alg, &md[0], &md[1], w->stride,
                                                    w->kernel, w->dilation, w->before, w->after);
        return pick(ctx, status, &op, forward, "pooling backward", NULL, out);
    }
    status = dnnl_pooling_v2_forward_desc_init(&op, prop(pass), pool->alg, &md[0], &md[1],
                                               w->stride, w->kernel, w->dilation, w->before,
                                               w->after);
    return pick(ctx, status, &op, NULL, "pooling forward", NULL, out);
}

enum status shim_make_eltwise(struct impl_ctx *ctx, enum shim_pass pass, dnnl_alg_kind_t alg,
                              const struct shim_view *map, const struct shim_prim *forward,
                              struct shim_prim *out)
{
    dnnl_memory_desc_t md[MOST_VIEWS];
    dnnl_eltwise_desc_t op;
    const struct shim_view *const views[] = {map};
    dnnl_status_t status = describe(views, 1, md);
    if (status)
        return shim_failed(status, "element-wise operation");
    if (forward) {
        status = dnnl_eltwise_backward_desc_init(&op, alg, &md[0], &md[0], 0, 0);
        return pick(ctx, status, &op, forward, "element-wise backward", NULL, out);
    }
    status = dnnl_eltwise_forward_desc_init(&op, prop(pass), alg, &md[0], 0, 0);
    return pick(ctx, status, &op, NULL, "element-wise forward", NULL, out);
}

enum status shim_make_binary(struct impl_ctx *ctx, dnnl_alg_kind_t alg,
                             const struct shim_view *src0, const struct shim_view *src1,
                             struct shim_prim *out)
{
    dnnl_memory_desc_t md[MOST_VIEWS];
    dnnl_binary_desc_t op;
    const struct shim_view *const views[] = {src0, src1};
    dnnl_status_t status = describe(views, 2, md);
    if (!status)
        status = dnnl_binary_desc_init(&op, alg, &md[0], &md[1], &md[0]);
    return pick(ctx, status, &op, NULL, "binary operation", NULL, out);
}

enum status shim_make_reorder(struct impl_ctx *ctx, const struct shim_view *plain,
                              const struct shim_prim *user, int arg, bool outward,
                              struct shim_prim *out)
{
    dnnl_memory_desc_t md[MOST_VIEWS];
    const struct shim_view *const views[] = {plain};
    const_dnnl_memory_desc_t theirs =
        dnnl_primitive_desc_query_md(user->pd, dnnl_query_exec_arg_md, arg);
    dnnl_status_t status = theirs ? describe(views, 1, md) : dnnl_invalid_arguments;
    if (status)
        return shim_failed(status, "reordering of weights");
    dnnl_primitive_desc_t pd = NULL;
    status = dnnl_reorder_primitive_desc_create(&pd, outward ? theirs : &md[0], ctx->engine,
                                                outward ? &md[0] : theirs, ctx->engine, ctx->attr);
    return status ? shim_failed(status, "reordering of weights") : shim_adopt_reorder(ctx, pd, out);
}

bool shim_order_of(const struct shim_prim *prim, int arg, struct shim_order *order)
{
    const_dnnl_memory_desc_t md =
        dnnl_primitive_desc_query_md(prim->pd, dnnl_query_exec_arg_md, arg);
    if (!md || md->format_kind != dnnl_blocked || md->data_type != dnnl_f32 || md->offset0 != 0 ||
        md->extra.flags != 0)
        return false;
    const dnnl_blocking_desc_t *b = &md->format_desc.blocking;
    order->ndims = md->ndims;
    order->blocks = b->inner_nblks;
    memcpy(order->dims, md->dims, sizeof order->dims);
    memcpy(order->strides, b->strides, sizeof order->strides);
    memcpy(order->block, b->inner_blks, sizeof order->block);
    memcpy(order->block_dim, b->inner_idxs, sizeof order->block_dim);
    return true;
}

#endif
