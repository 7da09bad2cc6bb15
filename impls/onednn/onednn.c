/* The oneDNN table: which operation is run by what. Where the library has no kernel, or only
 * reference code, the table names the naive entry, for good: nothing falls back at run time. */
#include "impls/onednn/onednn.h"

#include "impls/fused/bn_act.h"
#include "impls/fused/fused.h"
#include "impls/fused/isa.h"
#include "impls/naive/naive.h"
#include "impls/onednn/shim.h"

#include <stdio.h>
#include <string.h>

const char *onednn_isa(void)
{
    switch (dnnl_get_effective_cpu_isa()) {
    case dnnl_cpu_isa_sse41:
        return "sse41";
    case dnnl_cpu_isa_avx:
        return "avx";
    case dnnl_cpu_isa_avx2:
        return "avx2";
    case dnnl_cpu_isa_avx2_vnni:
        return "avx2_vnni";
    case dnnl_cpu_isa_avx512_core:
        return "avx512_core";
    case dnnl_cpu_isa_avx512_core_vnni:
        return "avx512_core_vnni";
    case dnnl_cpu_isa_avx512_core_bf16:
        return "avx512_core_bf16";
    case dnnl_cpu_isa_avx512_core_amx:
        return "avx512_core_amx";
    default:
        return "another one";
    }
}

void onednn_version(char *text, size_t size)
{
    const dnnl_version_t *v = dnnl_version();
    bool known = v->hash && *v->hash && strcmp(v->hash, "N/A") != 0;
    snprintf(text, size, "oneDNN %d.%d.%d%s%.8s%s", v->major, v->minor, v->patch,
             known ? " (" : "", known ? v->hash : "", known ? ")" : "");
}

static void version(char *text, size_t size)
{
    char library[64];
    onednn_version(library, sizeof library);
    snprintf(text, size, "%s, %s", library, onednn_isa());
}

/* Both the library's kernels and our own (fused/) need the instructions; each can be capped. */
static enum status offers_bf16(void)
{
    if (!fused_isa_has_bf16())
        return fail(ERR_UNSUPPORTED, "bf16 needs AVX512_BF16: this processor does not have it, or "
                    "CBAM_BENCH_ISA keeps it from being used");
    if ((dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core_bf16) !=
        dnnl_cpu_isa_avx512_core_bf16)
        return fail(ERR_UNSUPPORTED, "bf16 needs AVX512_BF16: oneDNN uses no more than %s "
                    "(ONEDNN_MAX_CPU_ISA?)", onednn_isa());
    return OK;
}

const struct impl impl_onednn = {
    .name = "onednn",
    .version = version,
    .open = shim_open,
    .close = shim_close,
    .bf16 = offers_bf16,
    .ops = {
        [OP_CONV2D] = &onednn_conv2d,
        [OP_LINEAR] = &onednn_linear,
        /* Not the library's, which adds up a channel in single precision: where the mean is a
         * thousand times the deviation, over 400,000 pixels, its results are wrong by two
         * deviations. Ours also is the faster one, by far where channels are few or no multiple
         * of 16. */
        [OP_BATCHNORM] = &fused_batchnorm,
        [OP_RELU] = &onednn_relu,
        [OP_SIGMOID] = &onednn_sigmoid,
        [OP_SCALE] = &naive_scale,
        [OP_ADD] = &onednn_add,
        [OP_MUL_CHANNEL] = &onednn_mul_channel,
        [OP_MUL_SPATIAL] = &onednn_mul_spatial,
        [OP_MAXPOOL] = &onednn_maxpool,
        [OP_AVGPOOL] = &onednn_avgpool,
        [OP_ADAPTIVE_AVGPOOL] = &naive_adaptive_avgpool,
        [OP_POOL_HW] = &onednn_pool_hw,
        [OP_POOL_C] = &naive_pool_c,
        [OP_CONCAT] = &naive_concat,
        [OP_SUBSAMPLE] = &naive_subsample,
        [OP_DROPOUT] = &naive_dropout,
        [OP_SOFTMAX_XENT] = &naive_softmax_xent,
        [OP_CONV_ACT] = &onednn_conv_act,
        [OP_CONV_SUM_ACT] = &onednn_conv_sum_act,
        [OP_BN_ACT] = &fused_bn_act,
        [OP_BN_SUM_ACT] = &fused_bn_sum_act,
        [OP_ATTENTION] = &fused_attention,
        [OP_ATTENTION_SUM] = &fused_attention_sum,
    },
};
