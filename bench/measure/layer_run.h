/* One operation made ready to run: operands that all implementations share, and for each
 * implementation a plan with memory of its own. Knows neither clock nor comparison. */
#ifndef BENCH_MEASURE_LAYER_RUN_H
#define BENCH_MEASURE_LAYER_RUN_H

#include "impls/ops.h"

enum layer_pass { PASS_FWD, PASS_BWD, PASS_COUNT };

/* "fwd", "bwd". */
const char *layer_pass_name(enum layer_pass pass);

/* What an operation reads. Dense, NHWC and PyTorch's order, as in layer.h. */
struct layer_operands {
    struct op_desc desc; /* of inference, or of training when `pass` is PASS_BWD */
    enum layer_pass pass;
    float *src[OP_MAX_SRC], *diff_dst;
    int params;
    struct op_param_info info[OP_MAX_PARAM];
    float *param[OP_MAX_PARAM];
    size_t param_count[OP_MAX_PARAM]; /* 0: an empty slot, its pointer is NULL */
    int32_t *labels; /* of OP_SOFTMAX_XENT */
    bool exact_in_bf16; /* set by the caller: values filled in are rounded to what bf16 holds, so
                           that runs in f32 and in bf16 are given the same numbers */
};

/* Small integers (-2 .. 2): products and sums of them are exact in float, so every right
 * implementation gives the same bits. Reals: uniform in [-1, 1), no denormals. Running variances
 * are positive in both. */
enum layer_fill { FILL_INTEGERS, FILL_REALS };

/* Allocates for `desc`, whose dst is inferred. For PASS_BWD the description becomes one of
 * training that wants every gradient. ERR_MEMORY. Freed by layer_operands_free() in every case. */
enum status layer_operands_make(struct layer_operands *operands, const struct op_desc *desc,
                                enum layer_pass pass);
void layer_operands_fill(struct layer_operands *operands, enum layer_fill fill, uint64_t seed);
void layer_operands_free(struct layer_operands *operands);

/* The description with its maps in `dtype`. In bf16 stay f32, as in networks: a gate that multiplies
 * a map, and losses. */
struct op_desc layer_desc_in(const struct op_desc *desc, enum dtype dtype);

/* One implementation at work on operands, which it borrows. */
struct layer_run {
    const struct impl *impl;
    const struct layer_operands *operands;
    enum dtype dtype;   /* of its maps */
    struct op_plan plan;
    struct op_args args;
    struct param param[OP_MAX_PARAM]; /* own copies: running statistics are written to */
    void *half[OP_MAX_SRC];           /* own copies of sources in bf16; NULL: the operands' */
    float *wide;                      /* room for a dst in bf16 as floats */
};

/* Plans and allocates; both statuses and messages of a failed plan come through. Freed by
 * layer_run_free() in every case. */
enum status layer_run_make(struct layer_run *run, const struct impl *impl, struct impl_ctx *ctx,
                           const struct layer_operands *operands);

/* The same with maps of that dtype: bf16 is for a forward pass where the implementation offers it,
 * else ERR_UNSUPPORTED. */
enum status layer_run_make_in(struct layer_run *run, const struct impl *impl, struct impl_ctx *ctx,
                              const struct layer_operands *operands, enum dtype dtype);

/* Takes the operands' present values: copies parameters (their version changes, so plans pack
 * anew) and sources in bf16, and fills every output with NaN. */
void layer_run_reset(struct layer_run *run);

/* Runs a pass. Backward follows a forward pass; it may be repeated. */
enum status layer_run_forward(struct layer_run *run);
enum status layer_run_backward(struct layer_run *run);

/* What dst holds at this moment, as floats. */
const float *layer_run_dst(const struct layer_run *run);
void layer_run_free(struct layer_run *run);

/* Keeps outputs and frees what only a further pass would need; layer_run_free() still has to
 * follow. */
void layer_run_rest(struct layer_run *run);

/* Bytes that `runs` runs of an operation hold at once, operands included; scratch memory of the
 * implementation apart. */
double layer_run_memory(const struct op_desc *desc, enum layer_pass pass, int runs);

/* The outputs of the operands' pass: dst and the running statistics written in training, or the
 * gradients. False when there is no output number i. */
struct layer_output {
    char name[32]; /* "dst", "diff_src0", "diff_weight" */
    const float *data;
    size_t count;
};
bool layer_run_output(const struct layer_run *run, int i, struct layer_output *output);

/* Whether a forward pass takes statistics of the batch and writes running_*. */
bool layer_takes_statistics(const struct op_desc *desc);

/* Multiply-accumulates, floating-point operations (op_flops) and least bytes moved of the pass: of
 * a backward pass, one product for each gradient, every gradient written and everything that it
 * needs read once. */
double layer_pass_macs(const struct op_desc *desc, enum layer_pass pass);
double layer_pass_flops(const struct op_desc *desc, enum layer_pass pass);
double layer_pass_bytes(const struct op_desc *desc, enum layer_pass pass);

#endif
