/* MobileNet (Howard et al. 2017): a 3x3 convolution, 13 times a depthwise 3x3 and a pointwise 1x1,
 * each with batch normalisation and ReLU. Names as in the widely used PyTorch port: model.0.{0,1},
 * model.N.{0,1,3,4}, fc. alpha narrows all channels, truncated, as published (model_width() then
 * does nothing more unless width is given too). Attention stands after each of the 26 ReLUs of the
 * 13 blocks, under model.N.cbam1 (depthwise) and model.N.cbam2: our choice, for the paper does not
 * say where; with it the parameters of its table 5 come out.
 * stem=small: the first convolution has stride 1. */
#include "bench/models/builders.h"

#include <stdio.h>

static const struct block {
    int channels, stride;
} blocks[13] = {{64, 1},  {128, 2}, {128, 1}, {256, 2}, {256, 1}, {512, 2},  {512, 1},
                {512, 1}, {512, 1}, {512, 1}, {512, 1}, {1024, 2}, {1024, 1}};
static const int stage_blocks[5] = {1, 2, 2, 6, 2};
static const char *const stage_names[5] = {"model.1", "model.2-3", "model.4-5", "model.6-11",
                                           "model.12-13"};

static int width(const struct model_spec *spec, int channels)
{
    int narrowed = (int)(channels * spec->multiplier + 1e-9);
    return model_width(spec, narrowed < 1 ? 1 : narrowed);
}

static int conv_bn_relu(struct net *net, const char *conv, const char *bn, int x,
                        const struct op_desc *desc)
{
    return net_relu(net, net_batchnorm(net, bn, net_op(net, conv, desc, x, NO_NODE)));
}

static int add_block(struct net *net, const struct model_spec *spec, int x, const struct block *b)
{
    if (net->error != OK)
        return NO_NODE;
    int in = net_shape(net, x).c;
    struct op_desc deep = {.kind = OP_CONV2D,
                           .conv = {.oc = in, .kh = 3, .kw = 3, .sh = b->stride, .sw = b->stride,
                                    .ph = 1, .pw = 1, .dh = 1, .dw = 1, .groups = in}};
    struct op_desc point = {.kind = OP_CONV2D,
                            .conv = {.oc = width(spec, b->channels), .kh = 1, .kw = 1, .sh = 1,
                                     .sw = 1, .dh = 1, .dw = 1, .groups = 1}};
    bool everywhere = spec->attention.place == PLACE_BLOCK;
    x = conv_bn_relu(net, "0", "1", x, &deep);
    if (everywhere)
        x = attention_add(net, x, &spec->attention, "cbam1");
    x = conv_bn_relu(net, "3", "4", x, &point);
    return everywhere ? attention_add(net, x, &spec->attention, "cbam2") : x;
}

static int add_stage(struct net *net, const struct model_spec *spec, int x, int stage, int *number)
{
    char name[32];
    net_stage(net, stage_blocks[stage], "%s", stage_names[stage]);
    for (int i = 0; i < stage_blocks[stage]; i++, ++*number) {
        snprintf(name, sizeof name, "model.%d", *number + 1);
        net_push(net, name);
        x = add_block(net, spec, x, &blocks[*number]);
        net_pop(net);
    }
    snprintf(name, sizeof name, "cbam%d", stage + 1);
    return spec->attention.place == PLACE_STAGE ? attention_add(net, x, &spec->attention, name) : x;
}

int mobilenet_build(struct net *net, const struct model_spec *spec, int variant)
{
    (void)variant; /* there is one */
    int stride = spec->small_stem ? 1 : 2, number = 0;
    struct op_desc stem = {.kind = OP_CONV2D,
                           .conv = {.oc = width(spec, 32), .kh = 3, .kw = 3, .sh = stride,
                                    .sw = stride, .ph = 1, .pw = 1, .dh = 1, .dw = 1,
                                    .groups = 1}};
    int x = conv_bn_relu(net, "model.0.0", "model.0.1", net->input, &stem);
    for (int stage = 0; stage < 5; stage++)
        x = add_stage(net, spec, x, stage, &number);
    if (spec->attention.place == PLACE_HEAD)
        x = attention_add(net, x, &spec->attention, "cbam");
    return model_head(net, spec, x, "fc");
}
