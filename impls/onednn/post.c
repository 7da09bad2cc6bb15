/* Post-operations of the library, whose functions differ between its versions: see post.h. */
#include "impls/onednn/post.h"

static dnnl_status_t append_sum(dnnl_post_ops_t ops)
{
#if DNNL_VERSION_MAJOR < 3
    return dnnl_post_ops_append_sum(ops, 1);
#else
    return dnnl_post_ops_append_sum(ops, 1, 0, dnnl_data_type_undef); /* that of the result */
#endif
}

static dnnl_status_t append_relu(dnnl_post_ops_t ops)
{
#if DNNL_VERSION_MAJOR < 3
    return dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_relu, 0, 0);
#else
    return dnnl_post_ops_append_eltwise(ops, dnnl_eltwise_relu, 0, 0);
#endif
}

static dnnl_status_t attach(dnnl_primitive_attr_t attr, bool sum, bool relu)
{
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t status = dnnl_post_ops_create(&ops);
    if (status)
        return status;
    if (sum)
        status = append_sum(ops);
    if (!status && relu)
        status = append_relu(ops);
    if (!status)
        status = dnnl_primitive_attr_set_post_ops(attr, ops);
    dnnl_post_ops_destroy(ops);
    return status;
}

enum status dnn_post_make(const struct impl_ctx *ctx, bool sum, bool relu, struct impl_ctx *post)
{
    *post = *ctx;
    post->attr = NULL;
    dnnl_status_t status = dnnl_primitive_attr_clone(&post->attr, ctx->attr);
    if (!status)
        status = attach(post->attr, sum, relu);
    if (!status)
        return OK;
    dnn_post_release(post);
    return shim_failed(status, "post-operations");
}

void dnn_post_release(struct impl_ctx *post)
{
    if (post->attr)
        dnnl_primitive_attr_destroy(post->attr);
    *post = (struct impl_ctx){0};
}
