/* The layer interface: what one implementation (naive C, OpenBLAS, oneDNN) must offer.
 *
 * Read this file first. Three stages, each with its own type:
 *   description  struct op_desc: a plain value, what the operation is and on which shapes;
 *   plan         struct op_plan: made once per description by one implementation; owns library
 *                handles and packed weights; says `how` it will run and what memory it needs;
 *   execution    forward() and backward() on struct op_args: borrow everything, allocate nothing.
 * What an operation *means* (shapes, parameters, MACs, text form) is in ops.h, once for all. */
#ifndef IMPLS_LAYER_H
#define IMPLS_LAYER_H

#include "impls/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dtype { DTYPE_F32, DTYPE_BF16 };

/* A borrowed view of a map in NHWC order: pixel (n,y,x) starts at element
 * ((n*h + y)*w + x)*stride, its c channels are contiguous. stride == c: dense; stride > c: a slice
 * of a wider map. In a description `data` is NULL. */
struct tensor {
    void *data;
    enum dtype dtype;
    int n, h, w, c;
    int stride;
};

/* A parameter, or a buffer such as running_mean, in PyTorch's order (OIHW, [out][in], [c]). */
struct param {
    const char *name; /* "layer1.0.conv1.weight"; borrowed */
    float *data;
    float *grad;      /* NULL when no gradient is wanted */
    size_t count;
    unsigned version; /* whoever writes `data` adds one; plans repack when it differs */
};

enum op_kind {
    OP_CONV2D,           /* param 0 weight [oc][c/groups][kh][kw], 1 bias [oc] */
    OP_LINEAR,           /* (n,h,w,c) -> (n,1,1,oc); weight [oc][c*h*w], features in C,H,W order */
    OP_BATCHNORM,        /* param 0 weight, 1 bias, 2 running_mean, 3 running_var, each [c] */
    OP_RELU,             /* backward reads dst; may work in place */
    OP_SIGMOID,          /* as OP_RELU */
    OP_SCALE,            /* y = factor * s * x; s is param 0 [1] when learned, else 1 */
    OP_ADD,              /* y = a*src0 + b*src1, equal shapes; dst may be src0 */
    OP_MUL_CHANNEL,      /* y = src0 * src1, src1 (n,1,1,c) */
    OP_MUL_SPATIAL,      /* y = src0 * src1, src1 (n,h,w,1) */
    OP_MAXPOOL,          /* padding never wins; ties: the first in row order */
    OP_AVGPOOL,          /* divisor kh*kw, padding counted as zeros (PyTorch's default) */
    OP_ADAPTIVE_AVGPOOL, /* to (oh, ow), bins floor(i*h/oh) .. ceil((i+1)*h/oh) */
    OP_POOL_HW,          /* mean or max over H,W -> (n,1,1,c); ties: the first */
    OP_POOL_C,           /* planes over C -> (n,h,w,1 or 2); ties: the first channel */
    OP_CONCAT,           /* channels of src0, then of src1 */
    OP_SUBSAMPLE,        /* every stride-th pixel, zero channels before and after (option A) */
    OP_DROPOUT,          /* training: x*mask/(1-rate); inference: identity; may work in place */
    OP_SOFTMAX_XENT,     /* dst (n,1,1,1): loss of each sample, against args.labels */
    OP_PRIMITIVES,       /* every table offers all above; those below are optional: each is
                            defined by its composition of primitives (README.md, "Fused") */
    OP_CONV_ACT = OP_PRIMITIVES, /* inference: conv, then BN and relu where attr says so */
    OP_CONV_SUM_ACT,     /* the same, + src1 before the relu; dst may be src1 */
    OP_BN_ACT,           /* batchnorm, then relu */
    OP_BN_SUM_ACT,       /* relu(batchnorm(src0) + src1) */
    OP_ATTENTION,        /* y = attention(x), one whole site */
    OP_ATTENTION_SUM,    /* y = relu(attention(src0) + src1) */
    OP_KINDS
};

enum pool_hw_mode { POOL_MEAN, POOL_MAX };
enum planes { PLANES_MAX_MEAN, PLANES_MEAN_MAX, PLANES_MAX, PLANES_MEAN, PLANES_HALF };
/* PLANES_HALF: one plane, 0.5 max + 0.5 mean */


/* How a convolution is computed: window by window, or by Winograd's F(2x2,3x3) or F(4x4,3x3), which
 * multiply less and round more (fused/winograd.h; 3x3 windows of stride 1 only). */
enum conv_algorithm { CONV_DIRECT, CONV_WINOGRAD2, CONV_WINOGRAD4, CONV_ALGORITHMS };

/* What an attention site computes (bench/net/attention.h has the names people use). */
enum attention_order { ORDER_CHANNEL_FIRST, ORDER_SPATIAL_FIRST, ORDER_PARALLEL };
enum attention_gate { GATE_SUM, GATE_ARTICLE };     /* sigmoid after the sum; in each branch */
enum attention_cpool { CPOOL_BOTH, CPOOL_AVG, CPOOL_MAX, CPOOL_HALF };
enum attention_spool { SPOOL_BOTH, SPOOL_CONV1X1, SPOOL_HALF };

enum { OP_MAX_SRC = 2, OP_MAX_PARAM = 12 };

struct op_desc {
    enum op_kind kind;
    bool train;               /* keep in `save` what backward needs; BN and dropout see attr */
    unsigned want_diff_src;   /* bit i: backward is to give the gradient of src[i] */
    unsigned want_diff_param; /* bit i: backward is to give the gradient of param[i] */
    struct tensor src[OP_MAX_SRC], dst; /* shapes; dst is filled by op_infer() of ops.h */
    union {
        struct {
            int oc, kh, kw, sh, sw, ph, pw, dh, dw, groups; /* d: 1 = not dilated */
            bool bias;
            enum conv_algorithm algorithm;
            bool with_bn, with_relu; /* OP_CONV_ACT, OP_CONV_SUM_ACT: what follows */
            float eps;               /* of that batch normalisation */
        } conv;
        struct { int oc; bool bias; } linear;
        struct {
            float eps, momentum; /* running = (1-momentum)*running + momentum*batch */
            bool batch_stats;    /* with `train`: use the batch's statistics and update running_*
                                    (variance unbiased); else running_* are used as constants */
        } bn;
        struct { float factor; bool learned; } scale;
        struct { float a, b; } add;
        struct { int kh, kw, sh, sw, ph, pw; } pool;
        struct { int oh, ow; } adaptive;
        struct { enum pool_hw_mode mode; } pool_hw;
        struct { enum planes planes; } pool_c;
        struct { int stride, before, after; } subsample;
        struct { float rate; } dropout;
        struct { float smoothing; } xent; /* target = (1-s)*onehot + s/classes */
        struct {
            bool channel, spatial;        /* which gates there are */
            enum attention_order order;
            enum attention_gate gate;
            enum attention_cpool cpool;
            enum attention_spool spool;
            enum planes planes;           /* with SPOOL_BOTH or SPOOL_HALF */
            int hidden, k;
            bool mlp_bias, conv_bias, with_bn, batch_stats;
            float eps, momentum;          /* of the gate's batch normalisation */
            bool inner, twice, alpha;     /* x + x g; gates times 2; x + a (x g - x) */
        } attention;
    };
};

/* All borrowed for the call. diff_x has the shape and stride of x; for a kind that works in place
 * (relu, sigmoid, dropout) diff_src[0] may be the memory of diff_dst. */
struct op_args {
    struct tensor src[OP_MAX_SRC], dst;
    struct tensor diff_dst, diff_src[OP_MAX_SRC]; /* data NULL where not wanted */
    struct param *param[OP_MAX_PARAM];            /* gradients go to param[i]->grad */
    unsigned add_diff_src;   /* bit i: add into diff_src[i] instead of overwriting it */
    unsigned add_diff_param; /* bit i: add into param[i]->grad (the shared MLP of CBAM) */
    void *save;              /* plan->save_bytes, written by forward, read by backward */
    void *scratch;           /* plan->scratch_bytes, undefined between calls */
    const int32_t *labels;   /* OP_SOFTMAX_XENT: n class indices */
    uint64_t seed, step;     /* OP_DROPOUT: stream and position of its random numbers */
};

struct impl_ctx; /* engine, stream, ...: private to the implementation */
struct op_plan;

/* One operation of one implementation. Every function returns OK, or a status with a message. */
struct op_entry {
    const char *name;     /* "naive conv2d" */
    bool strided;         /* accepts src and dst with stride > c */
    bool winograd;        /* a convolution that offers Winograd's algorithms as well */
    bool bf16;            /* inference: has kernels that read or write bf16 maps; for what they do
                             not fit, plan() gives ERR_UNSUPPORTED. Others are converted round */
    /* Fills save_bytes, scratch_bytes, how and priv of a plan whose desc is set; may set entry to
     * another one of this table's implementation, which then runs and releases the plan. */
    enum status (*plan)(struct impl_ctx *ctx, struct op_plan *plan);
    enum status (*forward)(const struct op_plan *plan, const struct op_args *args);
    enum status (*backward)(const struct op_plan *plan, const struct op_args *args);
    void (*release)(struct op_plan *plan); /* NULL when priv needs nothing */
};

struct op_plan {
    const struct op_entry *entry;
    struct op_desc desc;
    size_t save_bytes, scratch_bytes; /* both areas come 64-byte aligned */
    unsigned packed; /* bit i: without backward, param[i]->data is read by the first forward pass
                        after its version changed and by no other */
    char how[96];                     /* "brgconv:avx512_core", "im2col+sgemm": in result rows */
    void *priv;                       /* owned by the plan; freed by release */
};

/* An implementation: a table of operations. It may name another's entry in its own table; there
 * is no fallback at run time. */
struct impl {
    const char *name;                              /* "naive", "openblas", "onednn" */
    void (*version)(char *text, size_t size);      /* library, version, kernel set */
    enum status (*open)(struct impl_ctx **ctx);    /* after threads_set() of base/threads.h */
    void (*close)(struct impl_ctx *ctx);
    /* OK where bf16 maps are offered on this machine; else ERR_UNSUPPORTED with what is missing.
     * NULL: they are not offered at all. */
    enum status (*bf16)(void);
    const struct op_entry *ops[OP_KINDS];
};

extern const struct impl *const impls[]; /* compiled in; NULL-terminated (registry.c) */

/* The implementation of that name; NULL, with a message that lists the names, when unknown. */
const struct impl *impl_find(const char *name);

/* Makes a plan: desc is copied; its dst must be inferred. ERR_UNSUPPORTED where a strided view,
 * an algorithm or bf16 is not accepted. Sources and dst may differ in dtype, in inference, where
 * bf16 is offered: what the entry has no kernel for runs in f32 with conversions round it
 * (convert.h), as `how` says. On failure nothing is left to release. */
enum status plan_make(struct op_plan *plan, const struct impl *impl, struct impl_ctx *ctx,
                      const struct op_desc *desc);
void plan_release(struct op_plan *plan); /* a zeroed plan is allowed */

/* Whether `impl` runs bf16 maps on this machine; ERR_UNSUPPORTED names what is missing. */
enum status impl_offers_bf16(const struct impl *impl);

#endif
