/* DenseNet-121 (Huang et al. 2017) in torchvision's layout and names. Attention stands after each
 * dense block, before the transition, and after block 4, under features.cbam1 .. cbam4.
 * stem=small: a 3x3 convolution with stride 1 and no pool. */
#include "bench/models/builders.h"

#include <stdio.h>

static const int blocks[4] = {6, 12, 24, 16};

static int bn_relu_conv(struct net *net, const char *norm, const char *conv, int x, int oc, int k)
{
    x = net_relu(net, net_batchnorm(net, norm, x));
    return net_conv(net, conv, x, oc, k, 1, k / 2);
}

static int add_layer(struct net *net, int x, int growth, int number)
{
    char scope[32];
    snprintf(scope, sizeof scope, "denselayer%d", number);
    net_push(net, scope);
    int y = bn_relu_conv(net, "norm1", "conv1", x, 4 * growth, 1);
    y = bn_relu_conv(net, "norm2", "conv2", y, growth, 3);
    x = net_op(net, "concat", &(struct op_desc){.kind = OP_CONCAT}, x, y);
    net_pop(net);
    return x;
}

static int add_transition(struct net *net, int x, int number)
{
    struct op_desc pool = {.kind = OP_AVGPOOL, .pool = {2, 2, 2, 2, 0, 0}};
    char scope[32];
    if (net->error != OK)
        return NO_NODE;
    int channels = net_shape(net, x).c / 2;
    snprintf(scope, sizeof scope, "transition%d", number);
    net_push(net, scope);
    x = bn_relu_conv(net, "norm", "conv", x, channels, 1);
    x = net_op(net, "pool", &pool, x, NO_NODE);
    net_pop(net);
    return x;
}

static int add_block(struct net *net, const struct model_spec *spec, int x, int block)
{
    char scope[32];
    if (block < 3)
        net_stage(net, blocks[block], "features.denseblock%d, transition%d", block + 1, block + 1);
    else
        net_stage(net, blocks[block], "features.denseblock4, norm5");
    snprintf(scope, sizeof scope, "denseblock%d", block + 1);
    net_push(net, scope);
    for (int i = 0; i < blocks[block]; i++)
        x = add_layer(net, x, model_width(spec, 32), i + 1);
    net_pop(net);
    snprintf(scope, sizeof scope, "cbam%d", block + 1);
    if (spec->attention.place != PLACE_HEAD || block == 3)
        x = attention_add(net, x, &spec->attention, scope);
    return block < 3 ? add_transition(net, x, block + 1) : x;
}

static int add_stem(struct net *net, const struct model_spec *spec, int x)
{
    struct op_desc pool = {.kind = OP_MAXPOOL, .pool = {3, 3, 2, 2, 1, 1}};
    int channels = model_width(spec, 64);
    x = spec->small_stem ? net_conv(net, "conv0", x, channels, 3, 1, 1)
                         : net_conv(net, "conv0", x, channels, 7, 2, 3);
    x = net_relu(net, net_batchnorm(net, "norm0", x));
    return spec->small_stem ? x : net_op(net, "pool0", &pool, x, NO_NODE);
}

int densenet_build(struct net *net, const struct model_spec *spec, int depth)
{
    (void)depth; /* one variant */
    net_push(net, "features");
    int x = add_stem(net, spec, net->input);
    for (int block = 0; block < 4; block++)
        x = add_block(net, spec, x, block);
    x = net_relu(net, net_batchnorm(net, "norm5", x));
    net_pop(net);
    return model_head(net, spec, x, "classifier");
}
