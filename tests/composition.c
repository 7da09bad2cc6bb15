/* Fused operations as chains of oracles: see composition.h. */
#include "tests/composition.h"

#include <string.h>

/* An oracle of one link of the chain; its parameters are slots `first`.. of the fused one. */
static enum status make_link(struct oracle *link, const struct oracle *fused,
                             const struct op_desc *desc, int first)
{
    struct op_desc d = *desc;
    d.dst = (struct tensor){0};
    TRY(op_infer(&d));
    TRY(oracle_make(link, &d));
    for (int i = 0; i < link->params; i++)
        memcpy(link->param[i], fused->param[first + i],
               link->count_param[i] * sizeof *link->param[i]);
    return OK;
}

static bool is_convolution(const struct oracle *fused)
{
    return fused->desc.kind == OP_CONV_ACT || fused->desc.kind == OP_CONV_SUM_ACT;
}

static struct op_desc convolution_of(const struct oracle *fused)
{
    struct op_desc d = fused->desc;
    d.kind = OP_CONV2D;
    return d;
}

/* The normalisation of a fused convolution uses its running statistics. */
static struct op_desc normalisation_of(const struct oracle *fused)
{
    struct op_desc d = fused->desc;
    d.kind = OP_BATCHNORM;
    if (is_convolution(fused)) {
        d = (struct op_desc){.kind = OP_BATCHNORM};
        d.src[0] = fused->desc.dst;
        d.bn.eps = fused->desc.conv.eps;
    }
    return d;
}

static void values_of(const struct oracle_num *from, size_t count, double *to)
{
    for (size_t i = 0; i < count; i++)
        to[i] = from[i].value;
}

static void give_values(const struct oracle_num *from, size_t count, struct oracle_num *to)
{
    for (size_t i = 0; i < count; i++)
        to[i].value = from[i].value;
}

static enum status convolve(struct oracle *fused)
{
    struct oracle link;
    const struct op_desc d = convolution_of(fused);
    TRY(make_link(&link, fused, &d, 0));
    memcpy(link.src[0], fused->src[0], link.count_src[0] * sizeof *link.src[0]);
    oracle_forward(&link);
    give_values(link.dst, link.count_dst, fused->dst);
    oracle_free(&link);
    return OK;
}

/* Of a convolution's result, which is in fused->dst, or of the source. */
static enum status normalise(struct oracle *fused)
{
    struct oracle link;
    const struct op_desc d = normalisation_of(fused);
    bool after = is_convolution(fused);
    TRY(make_link(&link, fused, &d, after ? 2 : 0));
    if (after)
        values_of(fused->dst, link.count_src[0], link.src[0]);
    else
        memcpy(link.src[0], fused->src[0], link.count_src[0] * sizeof *link.src[0]);
    oracle_forward(&link);
    give_values(link.dst, link.count_dst, fused->dst);
    for (int i = 0; !after && i < link.params; i++)
        give_values(link.next[i], link.count_param[i], fused->next[i]);
    oracle_free(&link);
    return OK;
}

enum status composition_forward(struct oracle *fused)
{
    const struct op_desc *d = &fused->desc;
    bool convolution = is_convolution(fused);
    if (convolution)
        TRY(convolve(fused));
    if (!convolution || d->conv.with_bn)
        TRY(normalise(fused));
    for (size_t i = 0; i < fused->count_dst; i++) {
        double value = fused->dst[i].value;
        if (op_sources(d->kind) > 1)
            value += fused->src[1][i];
        if (!convolution || d->conv.with_relu)
            value = value > 0 ? value : 0;
        fused->dst[i].value = value;
    }
    return OK;
}

enum status composition_backward(struct oracle *fused, const float *result)
{
    struct oracle link;
    const struct op_desc d = normalisation_of(fused);
    TRY(make_link(&link, fused, &d, 0));
    memcpy(link.src[0], fused->src[0], link.count_src[0] * sizeof *link.src[0]);
    for (size_t i = 0; i < link.count_dst; i++) {
        link.diff_dst[i] = result[i] > 0 ? fused->diff_dst[i] : 0;
        if (op_sources(fused->desc.kind) > 1)
            fused->diff_src[1][i].value = link.diff_dst[i];
    }
    oracle_backward(&link);
    give_values(link.diff_src[0], link.count_src[0], fused->diff_src[0]);
    for (int i = 0; i < link.params; i++)
        give_values(link.diff_param[i], link.count_param[i], fused->diff_param[i]);
    oracle_free(&link);
    return OK;
}
