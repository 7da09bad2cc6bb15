/* The table of the naive implementation. Knows no kernel, only their entries. */
#include "impls/naive/naive.h"

#include <stdio.h>

#if defined(__AVX512F__)
#define TARGET "avx512"
#elif defined(__AVX2__)
#define TARGET "avx2"
#elif defined(__SSE2__)
#define TARGET "sse2"
#else
#define TARGET "scalar"
#endif

static void describe_version(char *text, size_t size)
{
    snprintf(text, size, "plain C, compiler %s, %s", __VERSION__, TARGET);
}

static enum status open_context(struct impl_ctx **ctx)
{
    *ctx = NULL;
    return OK;
}

static void close_context(struct impl_ctx *ctx)
{
    (void)ctx;
}

const struct impl impl_naive = {
    .name = "naive",
    .version = describe_version,
    .open = open_context,
    .close = close_context,
    .ops = {
        [OP_CONV2D] = &naive_conv2d,
        [OP_LINEAR] = &naive_linear,
        [OP_BATCHNORM] = &naive_batchnorm,
        [OP_RELU] = &naive_relu,
        [OP_SIGMOID] = &naive_sigmoid,
        [OP_SCALE] = &naive_scale,
        [OP_ADD] = &naive_add,
        [OP_MUL_CHANNEL] = &naive_mul_channel,
        [OP_MUL_SPATIAL] = &naive_mul_spatial,
        [OP_MAXPOOL] = &naive_maxpool,
        [OP_AVGPOOL] = &naive_avgpool,
        [OP_ADAPTIVE_AVGPOOL] = &naive_adaptive_avgpool,
        [OP_POOL_HW] = &naive_pool_hw,
        [OP_POOL_C] = &naive_pool_c,
        [OP_CONCAT] = &naive_concat,
        [OP_SUBSAMPLE] = &naive_subsample,
        [OP_DROPOUT] = &naive_dropout,
        [OP_SOFTMAX_XENT] = &naive_softmax_xent,
    },
};
