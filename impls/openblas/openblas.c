/* The OpenBLAS table: its operations, opening and version text. Knows no kernel from inside. */
#include "impls/openblas/openblas.h"

#include "impls/fused/bn_act.h"
#include "impls/fused/fused.h"
#include "impls/naive/naive.h"

#include <cblas.h>
#include <stdio.h>

const char *openblas_flavour(void)
{
    switch (openblas_get_parallel()) {
    case OPENBLAS_OPENMP:
        return "openmp";
    case OPENBLAS_THREAD:
        return "pthread";
    default:
        return "serial";
    }
}

const char *openblas_corename(void)
{
    return openblas_get_corename();
}

/* The library's configuration text starts with its name and version. */
static void version(char *text, size_t size)
{
    char name[32] = "OpenBLAS", number[32] = "?";
    sscanf(openblas_get_config(), "%31s %31s", name, number);
    snprintf(text, size, "%s %s %s %s", name, number, openblas_corename(), openblas_flavour());
}

/* There is no state: the library keeps its own, and plans hold the packed weights. */
static enum status open_library(struct impl_ctx **ctx)
{
    *ctx = NULL;
    if (openblas_get_parallel() != OPENBLAS_OPENMP)
        return fail(ERR_LIBRARY,
                    "the OpenBLAS that was loaded is the %s flavour, but the openmp flavour is "
                    "needed: install libopenblas-openmp-dev, and check LD_LIBRARY_PATH and "
                    "LD_PRELOAD", openblas_flavour());
    return OK;
}

static void close_library(struct impl_ctx *ctx)
{
    (void)ctx;
}

const struct impl impl_openblas = {
    .name = "openblas",
    .version = version,
    .open = open_library,
    .close = close_library,
    .ops = {
        [OP_CONV2D] = &openblas_conv2d,
        [OP_LINEAR] = &openblas_linear,
        [OP_BATCHNORM] = &fused_batchnorm,
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
        [OP_CONV_ACT] = &openblas_conv_act,
        [OP_CONV_SUM_ACT] = &openblas_conv_sum_act,
        [OP_BN_ACT] = &fused_bn_act,
        [OP_BN_SUM_ACT] = &fused_bn_sum_act,
        [OP_ATTENTION] = &fused_attention,
        [OP_ATTENTION_SUM] = &fused_attention_sum,
    },
};
