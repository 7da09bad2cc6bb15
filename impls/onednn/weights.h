/* Weights between PyTorch's order, in which parameters are kept, and the order a primitive wants.
 * Packed copies live in the plan and are made anew only when a parameter's version changes. */
#ifndef IMPLS_ONEDNN_WEIGHTS_H
#define IMPLS_ONEDNN_WEIGHTS_H

#include "impls/onednn/order.h"
#include "impls/onednn/shim.h"

/* Weights on their way into a primitive. */
struct dnn_pack {
    bool same;               /* the primitive takes the plain order: nothing to pack */
    struct dnn_order order;  /* how our own kernels pack; rows 0: the library does, by `reorder` */
    struct shim_prim reorder;
    float *data;             /* the packed copy; owned */
    const float *source;     /* what was packed, and which version of it; NULL: nothing yet */
    unsigned version;
};

/* `plain` describes the parameter, `user` is the primitive that reads it as its weights. */
enum status dnn_pack_make(struct impl_ctx *ctx, const struct shim_view *plain,
                          const struct shim_prim *user, struct dnn_pack *pack);
/* *data: the weights as the primitive wants them, packed now if need be; borrowed until the next
 * call. scratch: pack->reorder.scratch_bytes. */
enum status dnn_pack_use(struct dnn_pack *pack, const struct op_desc *desc,
                         const struct param *weight, void *scratch, float **data);
void dnn_pack_release(struct dnn_pack *pack); /* a zeroed one is allowed */

/* A weight gradient on its way out of a primitive. */
struct dnn_unpack {
    bool same;
    struct dnn_order order;  /* as above */
    struct shim_prim reorder;
    size_t bytes; /* of the gradient in the primitive's order */
    size_t count; /* of its elements */
};

enum status dnn_unpack_make(struct impl_ctx *ctx, const struct shim_view *plain,
                            const struct shim_prim *user, struct dnn_unpack *unpack);
/* Bytes of the area that the two functions below need. */
size_t dnn_unpack_area(const struct dnn_unpack *unpack);
/* Where the primitive is to write: the gradient itself where possible, else into the area. */
float *dnn_unpack_target(const struct dnn_unpack *unpack, float *grad, bool add, void *area);
/* After the primitive has run: brings its result into (or adds it to) grad. NULL grad: not wanted.
 * scratch: unpack->reorder.scratch_bytes. */
enum status dnn_unpack_finish(const struct dnn_unpack *unpack, const struct op_desc *desc,
                              float *grad, bool add, void *area, void *scratch);
void dnn_unpack_release(struct dnn_unpack *unpack);

#endif
