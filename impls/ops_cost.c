/* What operations cost: multiply-accumulates, arithmetic operations, bytes. See ops.h. */
#include "impls/ops.h"

static int planes_count(enum planes planes)
{
    return planes == PLANES_MAX_MEAN || planes == PLANES_MEAN_MAX ? 2 : 1;
}

/* Both passes of the MLP, and the convolution of the planes (cbam.md's rule of counting). */
static double attention_macs(const struct op_desc *d)
{
    const struct tensor *s = &d->src[0];
    double pixels = (double)s->n * s->h * s->w, k = d->attention.k;
    bool reduce = d->attention.spool == SPOOL_CONV1X1;
    double passes = d->attention.cpool == CPOOL_BOTH ? 2 : 1, macs = 0;
    if (d->attention.channel)
        macs += passes * s->n * 2.0 * s->c * d->attention.hidden;
    if (d->attention.spatial)
        macs += pixels * (k * k * (reduce ? 1 : planes_count(d->attention.planes)) +
                          (reduce ? s->c : 0));
    return macs;
}

double op_macs(const struct op_desc *d)
{
    const struct tensor *s = &d->src[0];
    if (d->kind == OP_CONV2D || d->kind == OP_CONV_ACT || d->kind == OP_CONV_SUM_ACT)
        return (double)tensor_count(&d->dst) * (s->c / d->conv.groups) * d->conv.kh * d->conv.kw;
    if (d->kind == OP_LINEAR)
        return (double)s->n * s->h * s->w * s->c * d->linear.oc;
    if (d->kind == OP_ATTENTION || d->kind == OP_ATTENTION_SUM)
        return attention_macs(d);
    return 0;
}

double op_bytes(const struct op_desc *d)
{
    double bytes = (double)tensor_count(&d->dst) * (double)dtype_bytes(d->dst.dtype), elements = 0;
    for (int i = 0; i < op_sources(d->kind); i++)
        bytes += (double)tensor_count(&d->src[i]) * (double)dtype_bytes(d->src[i].dtype);
    struct op_param_info info[OP_MAX_PARAM];
    int count = op_params(d, info);
    for (int i = 0; i < count; i++) {
        double size = 1;
        for (int k = 0; k < info[i].ndim; k++)
            size *= info[i].dim[k];
        elements += info[i].ndim ? size : 0;
    }
    const bool half = (op_is_conv(d->kind) || d->kind == OP_LINEAR) && op_has_bf16(d);
    return bytes + elements * (double)dtype_bytes(half ? DTYPE_BF16 : DTYPE_F32);
}

/* Of one gated map: poolings, products and what is optional, each once an element. */
static double attention_passes(const struct op_desc *d)
{
    double passes = 0;
    if (d->attention.channel)
        passes += 1 + (d->attention.cpool == CPOOL_BOTH || d->attention.cpool == CPOOL_HALF);
    if (d->attention.spatial && d->attention.spool != SPOOL_CONV1X1)
        passes += 1 + (d->attention.planes != PLANES_MAX && d->attention.planes != PLANES_MEAN);
    passes += d->attention.channel + d->attention.spatial; /* the products */
    return passes + d->attention.inner + d->attention.alpha;
}

/* Arithmetic beside multiply-accumulates: operations on an element of dst. */
static double flops_per_output(const struct op_desc *d)
{
    switch (d->kind) {
    case OP_CONV_ACT:
    case OP_CONV_SUM_ACT:
        return (d->conv.bias || d->conv.with_bn) + d->conv.with_relu + (d->kind == OP_CONV_SUM_ACT);
    case OP_BATCHNORM:
        return 2;
    case OP_BN_ACT:
        return 3;
    case OP_BN_SUM_ACT:
    case OP_SIGMOID:
        return 4;
    case OP_ATTENTION:
        return attention_passes(d);
    case OP_ATTENTION_SUM:
        return attention_passes(d) + 2;
    case OP_MAXPOOL:
    case OP_AVGPOOL:
        return d->pool.kh * d->pool.kw;
    case OP_CONCAT:
    case OP_SUBSAMPLE:
    case OP_DROPOUT:
    case OP_CONV2D:
    case OP_LINEAR:
        return 0;
    default:
        return 1;
    }
}

double op_flops(const struct op_desc *d)
{
    double source = (double)tensor_count(&d->src[0]), flops = 2 * op_macs(d);
    if (d->kind == OP_POOL_HW || d->kind == OP_ADAPTIVE_AVGPOOL)
        return source;
    if (d->kind == OP_POOL_C)
        return source * (d->pool_c.planes == PLANES_MAX || d->pool_c.planes == PLANES_MEAN ? 1 : 2);
    if (d->kind == OP_SOFTMAX_XENT)
        return 4 * source;
    return flops + flops_per_output(d) * (double)tensor_count(&d->dst);
}
