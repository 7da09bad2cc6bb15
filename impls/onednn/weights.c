/* Packing weights and unpacking their gradients: see weights.h. */
#include "impls/onednn/weights.h"

#include "impls/base/memory.h"
#include "impls/onednn/own.h"

#include <string.h>

static size_t count_of(const struct shim_view *v)
{
    size_t count = 1;
    for (int i = 0; i < v->ndims; i++)
        count *= (size_t)v->dims[i];
    return count;
}

enum status dnn_pack_make(struct impl_ctx *ctx, const struct shim_view *plain,
                          const struct shim_prim *user, struct dnn_pack *pack)
{
    TRY(dnn_order_make(&pack->order, plain, user, DNNL_ARG_WEIGHTS, &pack->same));
    if (pack->same)
        return OK;
    if (pack->order.rows == 0)
        TRY(shim_make_reorder(ctx, plain, user, DNNL_ARG_WEIGHTS, false, &pack->reorder));
    pack->data = memory_alloc(shim_bytes(user, DNNL_ARG_WEIGHTS)); /* zero where it is padded */
    return pack->data ? OK : ERR_MEMORY;
}

enum status dnn_pack_use(struct dnn_pack *pack, const struct op_desc *desc,
                         const struct param *weight, void *scratch, float **data)
{
    *data = pack->same ? weight->data : pack->data;
    if (pack->same || (pack->source == weight->data && pack->version == weight->version))
        return OK;
    const struct shim_bind binds[] = {{DNNL_ARG_FROM, weight->data}, {DNNL_ARG_TO, pack->data}};
    if (pack->order.rows > 0)
        dnn_order_pack(&pack->order, weight->data, pack->data);
    else
        TRY(shim_run(&pack->reorder, desc, scratch, binds, 2));
    pack->source = weight->data;
    pack->version = weight->version;
    return OK;
}

void dnn_pack_release(struct dnn_pack *pack)
{
    dnn_order_release(&pack->order);
    shim_release(&pack->reorder);
    memory_free(pack->data);
    memset(pack, 0, sizeof *pack);
}

enum status dnn_unpack_make(struct impl_ctx *ctx, const struct shim_view *plain,
                            const struct shim_prim *user, struct dnn_unpack *unpack)
{
    unpack->bytes = shim_bytes(user, DNNL_ARG_DIFF_WEIGHTS);
    unpack->count = count_of(plain);
    TRY(dnn_order_make(&unpack->order, plain, user, DNNL_ARG_DIFF_WEIGHTS, &unpack->same));
    if (!unpack->order.across) /* what lies along rows comes back by the library */
        dnn_order_release(&unpack->order);
    if (unpack->same || unpack->order.rows > 0)
        return OK;
    return shim_make_reorder(ctx, plain, user, DNNL_ARG_DIFF_WEIGHTS, true, &unpack->reorder);
}

/* The area: the gradient in the primitive's order, then in plain order, to be added. */
size_t dnn_unpack_area(const struct dnn_unpack *unpack)
{
    size_t plain = unpack->same || unpack->order.rows > 0 ? 0 : unpack->count * sizeof(float);
    return memory_round(unpack->bytes) + memory_round(plain);
}

float *dnn_unpack_target(const struct dnn_unpack *unpack, float *grad, bool add, void *area)
{
    return unpack->same && grad && !add ? grad : area;
}

enum status dnn_unpack_finish(const struct dnn_unpack *unpack, const struct op_desc *desc,
                              float *grad, bool add, void *area, void *scratch)
{
    if (!grad || (unpack->same && !add))
        return OK;
    if (unpack->order.rows > 0) {
        dnn_order_unpack(&unpack->order, area, grad, add);
        return OK;
    }
    float *plain = area;
    if (!unpack->same) {
        plain = add ? (float *)((char *)area + memory_round(unpack->bytes)) : grad;
        const struct shim_bind binds[] = {{DNNL_ARG_FROM, area}, {DNNL_ARG_TO, plain}};
        TRY(shim_run(&unpack->reorder, desc, scratch, binds, 2));
    }
    if (add)
        dnn_own_add(grad, plain, unpack->count);
    return OK;
}

void dnn_unpack_release(struct dnn_unpack *unpack)
{
    dnn_order_release(&unpack->order);
    shim_release(&unpack->reorder);
    memset(unpack, 0, sizeof *unpack);
}
