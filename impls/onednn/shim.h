/* The library's C API as this folder uses it: the only file that includes dnnl.h. Versions 2.6 and
 * 3.x name the same things differently; shim_v2.c and shim_v3.c hide that, shim.c holds what is
 * common. Nothing here knows what a convolution is for; nothing outside this folder includes it.
 *
 * A primitive is created once, with a memory object for every argument it has, and is then run on
 * pointers: shim_run() binds them and allocates nothing itself. (dnnl_primitive_execute() allocates
 * some hundred bytes of its own at each call, for its table of arguments: see README.md.) */
#ifndef IMPLS_ONEDNN_SHIM_H
#define IMPLS_ONEDNN_SHIM_H

#include "impls/layer.h"

#include <dnnl.h>

#if DNNL_VERSION_MAJOR < 3
typedef const dnnl_memory_desc_t *const_dnnl_memory_desc_t; /* the name version 3 gives it */
#endif

/* Whether backward batch normalisation reads the shift: a quirk of version 2. */
enum { SHIM_BACKWARD_READS_SHIFT = DNNL_VERSION_MAJOR < 3 };

struct impl_ctx {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_attr_t attr; /* the caller owns the scratchpad; f32 stays f32 */
};

/* Opens a CPU engine with one stream. ERR_LIBRARY when the library is older than 2.6.3 or does not
 * run on OpenMP (then the program's thread count would not reach it). */
enum status shim_open(struct impl_ctx **ctx);
void shim_close(struct impl_ctx *ctx); /* NULL is allowed */

/* The version as one number, 2.6.3 = 20603. */
int shim_version(void);

/* Memory in the library's words: logical sizes and element strides. */
struct shim_view {
    enum dtype dtype;
    int ndims;
    dnnl_dims_t dims, strides;
    bool any; /* the library chooses the order; strides are ignored */
};

struct shim_view shim_map(const struct tensor *t);  /* sizes N,C,H,W, the strides of t */
struct shim_view shim_vector(int count);
/* PyTorch's order: sizes O,I,H,W when groups == 1, else G,O/G,I/G,H,W. */
struct shim_view shim_weights(int groups, int oc, int ic, int kh, int kw);

/* The same sizes in any order, as weights for a source of that dtype: the library wants both
 * alike. */
struct shim_view shim_weights_for(struct shim_view weights, enum dtype src);

enum shim_pass {
    SHIM_INFERENCE,
    SHIM_TRAINING,
    SHIM_BACKWARD_DATA,
    SHIM_BACKWARD_WEIGHTS,
    SHIM_BACKWARD /* both at once: batch normalisation */
};

enum { SHIM_ARGS = 16 };

struct shim_prim {
    const struct impl_ctx *ctx;
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t prim;      /* NULL: not made */
    int count;
    dnnl_exec_arg_t arg[SHIM_ARGS];
    size_t scratch_bytes;
    char name[48];              /* the library's own name of the kernel: "jit:avx512_core" */
};

/* Sliding windows; [0] is height, [1] width; a dilation of 0 is none. */
struct shim_window {
    dnnl_dims_t kernel, stride, dilation, before, after;
};

/* The padding after the end that makes `out` windows fit into `in`; never negative. */
int shim_pad_after(int in, int out, int k, int stride, int dilation, int before);

struct shim_conv {
    struct shim_view src, weights, bias, dst; /* bias.ndims == 0: none */
    struct shim_window window;
};
struct shim_linear {
    struct shim_view src, weights, bias, dst;
    const char *avoid; /* names that begin so are passed over; NULL: none */
};
struct shim_pool {
    dnnl_alg_kind_t alg;
    struct shim_view src, dst;
    struct shim_window window;
};
/* Each makes the library's first implementation that is not its reference code. `forward` is the
 * forward primitive that a backward one belongs to; NULL for forward. On failure nothing is left to
 * release. ERR_UNSUPPORTED: the library has nothing, or nothing but reference code (shim_plan()
 * turns that into ERR_LIBRARY unless the plan has a kernel of its own); ERR_LIBRARY: a failure. */
enum status shim_make_conv(struct impl_ctx *ctx, enum shim_pass pass, const struct shim_conv *conv,
                           const struct shim_prim *forward, struct shim_prim *out);
enum status shim_make_linear(struct impl_ctx *ctx, enum shim_pass pass,
                             const struct shim_linear *linear, const struct shim_prim *forward,
                             struct shim_prim *out);
enum status shim_make_pool(struct impl_ctx *ctx, enum shim_pass pass, const struct shim_pool *pool,
                           const struct shim_prim *forward, struct shim_prim *out);
enum status shim_make_eltwise(struct impl_ctx *ctx, enum shim_pass pass, dnnl_alg_kind_t alg,
                              const struct shim_view *map, const struct shim_prim *forward,
                              struct shim_prim *out);
/* src1 is broadcast along the sizes where it is 1. */
enum status shim_make_binary(struct impl_ctx *ctx, dnnl_alg_kind_t alg,
                             const struct shim_view *src0, const struct shim_view *src1,
                             struct shim_prim *out);
/* From plain memory into what `user` has as its argument `arg`, or (outward) back. */
enum status shim_make_reorder(struct impl_ctx *ctx, const struct shim_view *plain,
                              const struct shim_prim *user, int arg, bool outward,
                              struct shim_prim *out);

/* The order in which a primitive has an argument: element x of size d is at
 * (x / inner) * strides[d], inner the product of its blocks, and within the inner blocks, outermost
 * first, at a digit of x % inner in each block of that size. */
struct shim_order {
    dnnl_dims_t dims, strides;
    dnnl_dims_t block, block_dim; /* sizes of the inner blocks, and of which size they are part */
    int ndims, blocks;
};

/* False when it has no such argument, or its order is not of this kind, or not of floats. */
bool shim_order_of(const struct shim_prim *prim, int arg, struct shim_order *order);

void shim_release(struct shim_prim *prim); /* a zeroed one is allowed */

/* Bytes of an argument in the order the primitive wants it; 0 when it has none such. */
size_t shim_bytes(const struct shim_prim *prim, int arg);

/* An argument (DNNL_ARG_...) and its memory; NULL data is skipped. */
struct shim_bind {
    int arg;
    void *data;
};

/* Runs a primitive and waits for it. scratch: prim->scratch_bytes. desc is for the message only. */
enum status shim_run(const struct shim_prim *prim, const struct op_desc *desc, void *scratch,
                     const struct shim_bind *binds, int count);

/* Makes a plan's private part: allocates `size` zeroed bytes, calls `build`, and releases again
 * when that fails. ERR_UNSUPPORTED where the library has no kernel for maps in bf16. */
enum status shim_plan(struct impl_ctx *ctx, struct op_plan *plan, size_t size,
                      enum status (*build)(struct impl_ctx *ctx, struct op_plan *plan),
                      void (*release)(struct op_plan *plan));

/* Writes plan->how, cut short where it must be. */
void shim_say(struct op_plan *plan, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Between shim.c and the two version files only. */

/* Whether a kernel of this name may run: not reference code, not what is to be avoided. */
bool shim_accepts(const char *name, const char *avoid);
/* Takes over pd: makes the primitive and its memory objects. */
enum status shim_adopt(struct impl_ctx *ctx, dnnl_primitive_desc_t pd, struct shim_prim *out);
/* The same for a reorder, which has no further implementations to choose from. */
enum status shim_adopt_reorder(struct impl_ctx *ctx, dnnl_primitive_desc_t pd,
                               struct shim_prim *out);
const char *shim_name(const_dnnl_primitive_desc_t pd);
enum status shim_failed(dnnl_status_t status, const char *what);
/* No kernel for it; `last` names what was passed over. */
enum status shim_missing(const char *what, const char *last);

#endif
