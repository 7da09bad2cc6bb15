/* ResNet-18/34/50/101/152 (He et al. 2016), ResNeXt-50/101 32x4d (Xie et al. 2017) and
 * WideResNet-18 (stages widened, the stem not: Woo et al. 2018, table 4) in torchvision's layout
 * and names, v1.5 unless v1. A ResNeXt narrowed by width keeps the width of a group and has fewer
 * groups. Attention stands in every block after the last BN and before the addition (Woo et al.
 * 2018). */
#include "bench/models/builders.h"

#include <math.h>
#include <stdio.h>

static const struct variant {
    int depth, blocks[4];
    bool bottleneck;
    int groups; /* ResNeXt: cardinality, with 4 channels a group in the first stage; else 0 */
} variants[] = {
    {18, {2, 2, 2, 2}, false, 0},
    {34, {3, 4, 6, 3}, false, 0},
    {50, {3, 4, 6, 3}, true, 0},
    {101, {3, 4, 23, 3}, true, 0},
    {152, {3, 8, 36, 3}, true, 0},
    {WIDE_RESNET18, {2, 2, 2, 2}, false, 0},
    {RESNEXT50_32X4D, {3, 4, 6, 3}, true, 32},
    {RESNEXT101_32X4D, {3, 4, 23, 3}, true, 32},
};

struct block {
    int in, mid, out, stride, groups;
};

static int conv_bn(struct net *net, const char *conv, const char *bn, int x, int oc, int k,
                   int stride)
{
    x = net_conv(net, conv, x, oc, k, stride, k / 2);
    return net_batchnorm(net, bn, x);
}

static int basic_branch(struct net *net, int x, struct block b)
{
    x = net_relu(net, conv_bn(net, "conv1", "bn1", x, b.out, 3, b.stride));
    return conv_bn(net, "conv2", "bn2", x, b.out, 3, 1);
}

/* A 3x3 convolution in groups, and its batch normalisation. */
static int grouped_bn(struct net *net, int x, int oc, int stride, int groups)
{
    struct op_desc conv = {.kind = OP_CONV2D,
                           .conv = {.oc = oc, .kh = 3, .kw = 3, .sh = stride, .sw = stride,
                                    .ph = 1, .pw = 1, .dh = 1, .dw = 1, .groups = groups}};
    return net_batchnorm(net, "bn2", net_op(net, "conv2", &conv, x, NO_NODE));
}

static int bottleneck_branch(struct net *net, int x, struct block b, bool v1)
{
    x = net_relu(net, conv_bn(net, "conv1", "bn1", x, b.mid, 1, v1 ? b.stride : 1));
    x = net_relu(net, grouped_bn(net, x, b.mid, v1 ? 1 : b.stride, b.groups));
    return conv_bn(net, "conv3", "bn3", x, b.out, 1, 1);
}

static int add_block(struct net *net, const struct model_spec *spec, int x, struct block b,
                     bool bottleneck)
{
    int shortcut = x;
    int y = bottleneck ? bottleneck_branch(net, x, b, spec->v1) : basic_branch(net, x, b);
    if (spec->attention.place == PLACE_BLOCK)
        y = attention_add(net, y, &spec->attention, "");
    if (b.stride != 1 || b.in != b.out)
        shortcut = conv_bn(net, "downsample.0", "downsample.1", x, b.out, 1, b.stride);
    return net_relu(net, net_add(net, y, shortcut));
}

/* Widths of a stage's blocks. */
static struct block stage_block(const struct model_spec *spec, const struct variant *v, int stage)
{
    int planes = model_width(spec, (int)lrint((64 << stage) * spec->multiplier));
    struct block b = {.mid = planes, .out = v->bottleneck ? 4 * planes : planes, .groups = 1};
    if (v->groups > 0) {
        int groups = (int)lrint(v->groups * spec->width);
        b.groups = groups < 1 ? 1 : groups;
        b.mid = b.groups * (4 << stage);
    }
    return b;
}

static int add_stage(struct net *net, const struct model_spec *spec, int x,
                     const struct variant *v, int stage, int *channels)
{
    char scope[32];
    struct block b = stage_block(spec, v, stage);
    for (int i = 0; i < v->blocks[stage]; i++) {
        b.in = *channels;
        b.stride = i == 0 && stage > 0 ? 2 : 1;
        snprintf(scope, sizeof scope, "layer%d.%d", stage + 1, i);
        net_push(net, scope);
        x = add_block(net, spec, x, b, v->bottleneck);
        net_pop(net);
        *channels = b.out;
    }
    if (spec->attention.place == PLACE_STAGE) {
        snprintf(scope, sizeof scope, "cbam%d", stage + 1);
        x = attention_add(net, x, &spec->attention, scope);
    }
    return x;
}

static int add_stem(struct net *net, const struct model_spec *spec, int x)
{
    struct op_desc pool = {.kind = OP_MAXPOOL, .pool = {3, 3, 2, 2, 1, 1}};
    int channels = model_width(spec, 64);
    if (spec->small_stem) {
        x = net_conv(net, "conv1", x, channels, 3, 1, 1);
        return net_relu(net, net_batchnorm(net, "bn1", x));
    }
    x = net_conv(net, "conv1", x, channels, 7, 2, 3);
    x = net_relu(net, net_batchnorm(net, "bn1", x));
    return net_op(net, "maxpool", &pool, x, NO_NODE);
}

int resnet_build(struct net *net, const struct model_spec *spec, int depth)
{
    const struct variant *v = variants;
    while (v->depth != depth)
        v++;
    int x = add_stem(net, spec, net->input);
    int channels = model_width(spec, 64);
    for (int stage = 0; stage < 4; stage++) {
        net_stage(net, v->blocks[stage], "layer%d", stage + 1);
        x = add_stage(net, spec, x, v, stage, &channels);
    }
    if (spec->attention.place == PLACE_HEAD)
        x = attention_add(net, x, &spec->attention, "cbam");
    return model_head(net, spec, x, "fc");
}
