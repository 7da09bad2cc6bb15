/* VGG-16 with and without batch normalisation (Simonyan and Zisserman 2015) in torchvision's layout
 * and names: features.N, classifier.{0,3,6}. Attention stands at the end of each of the five
 * stages, before its pool, under cbam1 .. cbam5, so that no index of features shifts.
 * stem=small (images of about 32 px): no fifth pool, global average pooling and one linear layer
 * "classifier". */
#include "bench/models/builders.h"

#include <stdio.h>

static const int stages[5][3] = {
    {64, 64, 0}, {128, 128, 0}, {256, 256, 256}, {512, 512, 512}, {512, 512, 512}};

/* Convolution, batch normalisation where asked for, ReLU; `index` counts features.N. */
static int add_layer(struct net *net, int x, int channels, bool bn, int *index)
{
    char name[32];
    struct op_desc conv = {.kind = OP_CONV2D,
                           .conv = {.oc = channels, .kh = 3, .kw = 3, .sh = 1, .sw = 1, .ph = 1,
                                    .pw = 1, .dh = 1, .dw = 1, .groups = 1, .bias = true}};
    snprintf(name, sizeof name, "features.%d", (*index)++);
    x = net_op(net, name, &conv, x, NO_NODE);
    if (bn) {
        snprintf(name, sizeof name, "features.%d", (*index)++);
        x = net_batchnorm(net, name, x);
    }
    (*index)++; /* the ReLU */
    return net_relu(net, x);
}

static int add_stage(struct net *net, const struct model_spec *spec, int x, int stage, bool bn,
                     int *index)
{
    struct op_desc pool = {.kind = OP_MAXPOOL, .pool = {2, 2, 2, 2, 0, 0}};
    char slot[16];
    for (int i = 0; i < 3 && stages[stage][i]; i++)
        x = add_layer(net, x, model_width(spec, stages[stage][i]), bn, index);
    snprintf(slot, sizeof slot, "cbam%d", stage + 1);
    if (spec->attention.place != PLACE_HEAD || stage == 4)
        x = attention_add(net, x, &spec->attention, slot);
    (*index)++; /* the pool */
    if (spec->small_stem && stage == 4)
        return x;
    return net_op(net, "pool", &pool, x, NO_NODE);
}

static int add_classifier(struct net *net, const struct model_spec *spec, int x)
{
    struct op_desc pool = {.kind = OP_ADAPTIVE_AVGPOOL, .adaptive = {7, 7}};
    struct op_desc dropout = {.kind = OP_DROPOUT, .dropout = {0.5f}};
    int hidden = model_width(spec, 4096);
    x = net_op(net, "avgpool", &pool, x, NO_NODE);
    x = net_relu(net, net_linear(net, "classifier.0", x, hidden));
    x = net_op(net, "classifier.2", &dropout, x, NO_NODE);
    x = net_relu(net, net_linear(net, "classifier.3", x, hidden));
    x = net_op(net, "classifier.5", &dropout, x, NO_NODE);
    net->features = x;
    net->part = PART_HEAD;
    return net_linear(net, "classifier.6", x, spec->classes);
}

/* Begins a stage: its layers by their names, the last one's with the hidden layers of the
 * classifier, which stand between it and the head. */
static void begin_stage(struct net *net, const struct model_spec *spec, int stage, bool bn,
                        int index)
{
    int convolutions = stages[stage][2] ? 3 : 2;
    bool classifier = stage == 4 && !spec->small_stem;
    net_stage(net, convolutions, "features.%d-%d%s", index,
              index + convolutions * (bn ? 3 : 2) - 1, classifier ? ", classifier.0-5" : "");
}

int vgg_build(struct net *net, const struct model_spec *spec, int variant)
{
    int x = net->input, index = 0;
    for (int stage = 0; stage < 5; stage++) {
        begin_stage(net, spec, stage, variant == VGG16_BN, index);
        x = add_stage(net, spec, x, stage, variant == VGG16_BN, &index);
    }
    return spec->small_stem ? model_head(net, spec, x, "classifier")
                            : add_classifier(net, spec, x);
}
