/* Making primitives with version 3 of the library: see shim.h. One call creates a primitive
 * descriptor, which then walks through the library's implementations itself; memory descriptors
 * are handles. */
#include "impls/onednn/shim.h"

#if DNNL_VERSION_MAJOR >= 3

#include <stdio.h>
#include <string.h>

enum { MOST_VIEWS = 4 };

/* Descriptors of the views of one operation; NULL for a view without sizes (no bias). */
struct descriptors {
    dnnl_memory_desc_t md[MOST_VIEWS];
};

static dnnl_status_t describe(const struct shim_view *const views[], int count,
                              struct descriptors *d)
{
    dnnl_status_t status = dnnl_success;
    *d = (struct descriptors){{NULL}};
    for (int i = 0; i < count && !status; i++) {
        const struct shim_view *v = views[i];
        const dnnl_data_type_t type = v->dtype == DTYPE_BF16 ? dnnl_bf16 : dnnl_f32;
        if (v->ndims == 0)
            continue;
        if (v->any)
            status = dnnl_memory_desc_create_with_tag(&d->md[i], v->ndims, v->dims, type,
                                                      dnnl_format_tag_any);
        else
            status = dnnl_memory_desc_create_with_strides(&d->md[i], v->ndims, v->dims, type,
                                                          v->strides);
    }
    return status;
}

static void forget(struct descriptors *d)
{
    for (int i = 0; i < MOST_VIEWS; i++)
        if (d->md[i])
            dnnl_memory_desc_destroy(d->md[i]);
}

/* Takes over `pd` at its first acceptable implementation. `status`: of creating it. */
static enum status pick(struct impl_ctx *ctx, dnnl_status_t status, dnnl_primitive_desc_t pd,
                        const char *what, const char *avoid, struct shim_prim *out)
{
    char last[48] = "none";
    if (status == dnnl_unimplemented)
        return shim_missing(what, last);
    if (status)
        return shim_failed(status, what);
    while (!shim_accepts(shim_name(pd), avoid)) {
        snprintf(last, sizeof last, "%s", shim_name(pd));
        if (dnnl_primitive_desc_next_impl(pd)) {
            dnnl_primitive_desc_destroy(pd);
            return shim_missing(what, last);
        }
    }
    return shim_adopt(ctx, pd, out);
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
    const char *what = "convolution forward";
    struct descriptors d;
    dnnl_primitive_desc_t pd = NULL;
    const struct shim_view *const views[] = {&conv->src, &conv->weights, &conv->bias, &conv->dst};
    dnnl_status_t status = describe(views, 4, &d);
    if (status) {
        what = "convolution";
    } else if (pass == SHIM_BACKWARD_DATA) {
        what = "convolution backward-data";
        status = dnnl_convolution_backward_data_primitive_desc_create(
            &pd, ctx->engine, alg, d.md[0], d.md[1], d.md[3], w->stride, w->dilation, w->before,
            w->after, forward->pd, ctx->attr);
    } else if (pass == SHIM_BACKWARD_WEIGHTS) {
        what = "convolution backward-weights";
        status = dnnl_convolution_backward_weights_primitive_desc_create(
            &pd, ctx->engine, alg, d.md[0], d.md[1], d.md[2], d.md[3], w->stride, w->dilation,
            w->before, w->after, forward->pd, ctx->attr);
    } else {
        status = dnnl_convolution_forward_primitive_desc_create(
            &pd, ctx->engine, prop(pass), alg, d.md[0], d.md[1], d.md[2], d.md[3], w->stride,
            w->dilation, w->before, w->after, ctx->attr);
    }
    forget(&d);
    return pick(ctx, status, pd, what, NULL, out);
}

enum status shim_make_linear(struct impl_ctx *ctx, enum shim_pass pass,
                             const struct shim_linear *linear, const struct shim_prim *forward,
                             struct shim_prim *out)
{
    const char *what = "inner product forward";
    struct descriptors d;
    dnnl_primitive_desc_t pd = NULL;
    const struct shim_view *const views[] = {&linear->src, &linear->weights, &linear->bias,
                                             &linear->dst};
    dnnl_status_t status = describe(views, 4, &d);
    if (status) {
        what = "inner product";
    } else if (pass == SHIM_BACKWARD_DATA) {
        what = "inner product backward-data";
        status = dnnl_inner_product_backward_data_primitive_desc_create(
            &pd, ctx->engine, d.md[0], d.md[1], d.md[3], forward->pd, ctx->attr);
    } else if (pass == SHIM_BACKWARD_WEIGHTS) {
        what = "inner product backward-weights";
        status = dnnl_inner_product_backward_weights_primitive_desc_create(
            &pd, ctx->engine, d.md[0], d.md[1], d.md[2], d.md[3], forward->pd, ctx->attr);
    } else {
        status = dnnl_inner_product_forward_primitive_desc_create(
            &pd, ctx->engine, prop(pass), d.md[0], d.md[1], d.md[2], d.md[3], ctx->attr);
    }
    forget(&d);
    return pick(ctx, status, pd, what, linear->avoid, out);
}

enum status shim_make_pool(struct impl_ctx *ctx, enum shim_pass pass, const struct shim_pool *pool,
                           const struct shim_prim *forward, struct shim_prim *out)
{
    const struct shim_window *w = &pool->window;
    struct descriptors d;
    dnnl_primitive_desc_t pd = NULL;
    const struct shim_view *const views[] = {&pool->src, &pool->dst};
    dnnl_status_t status = describe(views, 2, &d);
    if (!status && pass == SHIM_BACKWARD_DATA)
        status = dnnl_pooling_backward_primitive_desc_create(
            &pd, ctx->engine, pool->alg, d.md[0], d.md[1], w->stride, w->kernel, w->dilation,
            w->before, w->after, forward->pd, ctx->attr);
    else if (!status)
        status = dnnl_pooling_forward_primitive_desc_create(
            &pd, ctx->engine, prop(pass), pool->alg, d.md[0], d.md[1], w->stride, w->kernel,
            w->dilation, w->before, w->after, ctx->attr);
    forget(&d);
    return pick(ctx, status, pd, forward ? "pooling backward" : "pooling forward", NULL, out);
}

enum status shim_make_eltwise(struct impl_ctx *ctx, enum shim_pass pass, dnnl_alg_kind_t alg,
                              const struct shim_view *map, const struct shim_prim *forward,
                              struct shim_prim *out)
{
    struct descriptors d;
    dnnl_primitive_desc_t pd = NULL;
    const struct shim_view *const views[] = {map};
    dnnl_status_t status = describe(views, 1, &d);
    if (!status && forward)
        status = dnnl_eltwise_backward_primitive_desc_create(&pd, ctx->engine, alg, d.md[0],
                                                             d.md[0], d.md[0], 0, 0, forward->pd,
                                                             ctx->attr);
    else if (!status)
        status = dnnl_eltwise_forward_primitive_desc_create(&pd, ctx->engine, prop(pass), alg,
                                                            d.md[0], d.md[0], 0, 0, ctx->attr);
    forget(&d);
    return pick(ctx, status, pd, forward ? "element-wise backward" : "element-wise forward", NULL,
                out);
}

enum status shim_make_binary(struct impl_ctx *ctx, dnnl_alg_kind_t alg,
                             const struct shim_view *src0, const struct shim_view *src1,
                             struct shim_prim *out)
{
    struct descriptors d;
    dnnl_primitive_desc_t pd = NULL;
    const struct shim_view *const views[] = {src0, src1};
    dnnl_status_t status = describe(views, 2, &d);
    if (!status)
        status = dnnl_binary_primitive_desc_create(&pd, ctx->engine, alg, d.md[0], d.md[1],
                                                   d.md[0], ctx->attr);
    forget(&d);
    return pick(ctx, status, pd, "binary operation", NULL, out);
}

enum status shim_make_reorder(struct impl_ctx *ctx, const struct shim_view *plain,
                              const struct shim_prim *user, int arg, bool outward,
                              struct shim_prim *out)
{
    struct descriptors d;
    dnnl_primitive_desc_t pd = NULL;
    const struct shim_view *const views[] = {plain};
    const_dnnl_memory_desc_t theirs =
        dnnl_primitive_desc_query_md(user->pd, dnnl_query_exec_arg_md, arg);
    dnnl_status_t status = describe(views, 1, &d);
    if (!status && !theirs)
        status = dnnl_invalid_arguments;
    if (!status)
        status = dnnl_reorder_primitive_desc_create(&pd, outward ? theirs : d.md[0], ctx->engine,
                                                    outward ? d.md[0] : theirs, ctx->engine,
                                                    ctx->attr);
    forget(&d);
    return status ? shim_failed(status, "reordering of weights") : shim_adopt_reorder(ctx, pd, out);
}

bool shim_order_of(const struct shim_prim *prim, int arg, struct shim_order *order)
{
    const_dnnl_memory_desc_t md =
        dnnl_primitive_desc_query_md(prim->pd, dnnl_query_exec_arg_md, arg);
    const dnnl_dims_t *dims, *strides, *block, *block_dim;
    dnnl_format_kind_t kind;
    dnnl_data_type_t type;
    dnnl_dim_t offset;
    if (!md || dnnl_memory_desc_query(md, dnnl_query_format_kind, &kind) || kind != dnnl_blocked ||
        dnnl_memory_desc_query(md, dnnl_query_data_type, &type) || type != dnnl_f32 ||
        dnnl_memory_desc_query(md, dnnl_query_submemory_offset_s64, &offset) || offset != 0 ||
        dnnl_memory_desc_query(md, dnnl_query_ndims_s32, &order->ndims) ||
        dnnl_memory_desc_query(md, dnnl_query_inner_nblks_s32, &order->blocks) ||
        dnnl_memory_desc_query(md, dnnl_query_dims, &dims) ||
        dnnl_memory_desc_query(md, dnnl_query_strides, &strides) ||
        dnnl_memory_desc_query(md, dnnl_query_inner_blks, &block) ||
        dnnl_memory_desc_query(md, dnnl_query_inner_idxs, &block_dim))
        return false;
    memcpy(order->dims, *dims, sizeof order->dims);
    memcpy(order->strides, *strides, sizeof order->strides);
    memcpy(order->block, *block, sizeof order->block);
    memcpy(order->block_dim, *block_dim, sizeof order->block_dim);
    return true;
}

#endif
