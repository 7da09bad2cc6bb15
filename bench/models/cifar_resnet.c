/* CIFAR ResNet-20/32/44/56/110 (He et al. 2016, section 4.2) with option-A shortcuts: every second
 * pixel, zero channels before and after. Names as in the widely used PyTorch port: conv1, bn1,
 * layer1..3.N.{conv1,bn1,conv2,bn2}, linear. */
#include "bench/models/builders.h"

#include <stdio.h>

static int add_block(struct net *net, const struct model_spec *spec, int x, int in, int out,
                     int stride)
{
    struct op_desc shortcut = {.kind = OP_SUBSAMPLE,
                               .subsample = {stride, (out - in) / 2, out - in - (out - in) / 2}};
    int y = net_conv(net, "conv1", x, out, 3, stride, 1);
    y = net_relu(net, net_batchnorm(net, "bn1", y));
    y = net_conv(net, "conv2", y, out, 3, 1, 1);
    y = net_batchnorm(net, "bn2", y);
    if (spec->attention.place == PLACE_BLOCK)
        y = attention_add(net, y, &spec->attention, "");
    if (stride != 1 || in != out)
        x = net_op(net, "shortcut", &shortcut, x, NO_NODE);
    return net_relu(net, net_add(net, y, x));
}

int cifar_resnet_build(struct net *net, const struct model_spec *spec, int depth)
{
    char scope[32];
    int channels = model_width(spec, 16);
    int x = net_conv(net, "conv1", net->input, channels, 3, 1, 1);
    x = net_relu(net, net_batchnorm(net, "bn1", x));
    for (int stage = 0; stage < 3; stage++) {
        int out = model_width(spec, 16 << stage);
        net_stage(net, (depth - 2) / 6, "layer%d", stage + 1);
        for (int i = 0; i < (depth - 2) / 6; i++) {
            snprintf(scope, sizeof scope, "layer%d.%d", stage + 1, i);
            net_push(net, scope);
            x = add_block(net, spec, x, channels, out, i == 0 && stage > 0 ? 2 : 1);
            net_pop(net);
            channels = out;
        }
        if (spec->attention.place == PLACE_STAGE) {
            snprintf(scope, sizeof scope, "cbam%d", stage + 1);
            x = attention_add(net, x, &spec->attention, scope);
        }
    }
    if (spec->attention.place == PLACE_HEAD)
        x = attention_add(net, x, &spec->attention, "cbam");
    return model_head(net, spec, x, "linear");
}
