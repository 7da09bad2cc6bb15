/* The paper's numbers: see paper_values.h. */
#include "bench/report/paper_values.h"

#include <string.h>

/* Tables 1 to 3. The parameters and operations of the last two rows are not in the paper (they are
 * those of CBAM in table 4, of as many layers): 0. */
static const struct paper_value ablations[] = {
    {"1", "ResNet50", "resnet50:strides=v1", "none", 25.56, 3.858, 24.56, 7.5},
    {"1, 2, 3", "+ AvgPool (SE)", "resnet50:strides=v1", "se", 28.09, 3.86, 23.14, 6.7},
    {"1", "+ MaxPool", "resnet50:strides=v1", "cbam-channel:cpool=max", 28.09, 3.86, 23.2, 6.83},
    {"1, 2", "+ AvgPool & MaxPool", "resnet50:strides=v1", "cbam-channel", 28.09, 3.86, 22.8, 6.52},
    {"2", "+ spatial (1x1 conv, k=3)", "resnet50:strides=v1",
     "cbam:spool=conv1x1:k=3", 28.1, 3.862, 22.96, 6.64},
    {"2", "+ spatial (1x1 conv, k=7)", "resnet50:strides=v1",
     "cbam:spool=conv1x1", 28.1, 3.869, 22.9, 6.47},
    {"2", "+ spatial (avg & max, k=3)", "resnet50:strides=v1",
     "cbam:k=3", 28.09, 3.863, 22.68, 6.41},
    {"2, 3", "+ spatial (avg & max, k=7): channel, then spatial", "resnet50:strides=v1",
     "cbam", 28.09, 3.864, 22.66, 6.31},
    {"3", "spatial, then channel", "resnet50:strides=v1", "cbam-spatial-first", 0, 0, 22.78, 6.42},
    {"3", "channel and spatial in parallel", "resnet50:strides=v1",
     "cbam-parallel", 0, 0, 22.95, 6.59},
};

/* Tables 4 and 5: plain, with SE, with CBAM. */
static const struct paper_value networks[] = {
    {"4", "ResNet18", "resnet18", "none", 11.69, 1.814, 29.6, 10.55},
    {"4", "ResNet18 + SE", "resnet18", "se", 11.78, 1.814, 29.41, 10.22},
    {"4", "ResNet18 + CBAM", "resnet18", "cbam", 11.78, 1.815, 29.27, 10.09},
    {"4", "ResNet34", "resnet34", "none", 21.8, 3.664, 26.69, 8.6},
    {"4", "ResNet34 + SE", "resnet34", "se", 21.96, 3.664, 26.13, 8.35},
    {"4", "ResNet34 + CBAM", "resnet34", "cbam", 21.96, 3.665, 25.99, 8.24},
    {"4", "ResNet50", "resnet50:strides=v1", "none", 25.56, 3.858, 24.56, 7.5},
    {"4", "ResNet50 + SE", "resnet50:strides=v1", "se", 28.09, 3.86, 23.14, 6.7},
    {"4", "ResNet50 + CBAM", "resnet50:strides=v1", "cbam", 28.09, 3.864, 22.66, 6.31},
    {"4", "ResNet101", "resnet101:strides=v1", "none", 44.55, 7.57, 23.38, 6.88},
    {"4", "ResNet101 + SE", "resnet101:strides=v1", "se", 49.33, 7.575, 22.35, 6.19},
    {"4", "ResNet101 + CBAM", "resnet101:strides=v1", "cbam", 49.33, 7.581, 21.51, 5.69},
    {"4", "WideResNet18 (widen=1.5)", "wrn18:widen=1.5", "none", 25.88, 3.866, 26.85, 8.88},
    {"4", "WideResNet18 (widen=1.5) + SE", "wrn18:widen=1.5", "se", 26.07, 3.867, 26.21, 8.47},
    {"4", "WideResNet18 (widen=1.5) + CBAM", "wrn18:widen=1.5", "cbam", 26.08, 3.868, 26.1, 8.43},
    {"4", "WideResNet18 (widen=2.0)", "wrn18:widen=2", "none", 45.62, 6.696, 25.63, 8.2},
    {"4", "WideResNet18 (widen=2.0) + SE", "wrn18:widen=2", "se", 45.97, 6.696, 24.93, 7.65},
    {"4", "WideResNet18 (widen=2.0) + CBAM", "wrn18:widen=2", "cbam", 45.97, 6.697, 24.84, 7.63},
    {"4", "ResNeXt50 (32x4d)", "resnext50_32x4d:strides=v1", "none", 25.03, 3.768, 22.85, 6.48},
    {"4", "ResNeXt50 (32x4d) + SE", "resnext50_32x4d:strides=v1", "se", 27.56, 3.771, 21.91, 6.04},
    {"4", "ResNeXt50 (32x4d) + CBAM", "resnext50_32x4d:strides=v1",
     "cbam", 27.56, 3.774, 21.92, 5.91},
    {"4", "ResNeXt101 (32x4d)", "resnext101_32x4d:strides=v1", "none", 44.18, 7.508, 21.54, 5.75},
    {"4", "ResNeXt101 (32x4d) + SE", "resnext101_32x4d:strides=v1",
     "se", 48.96, 7.512, 21.17, 5.66},
    {"4", "ResNeXt101 (32x4d) + CBAM", "resnext101_32x4d:strides=v1",
     "cbam", 48.96, 7.519, 21.07, 5.59},
    {"5", "MobileNet alpha=0.7", "mobilenet:alpha=0.7", "none", 2.3, 0.283, 34.86, 13.69},
    {"5", "MobileNet alpha=0.7 + SE", "mobilenet:alpha=0.7", "se", 2.71, 0.283, 32.5, 12.49},
    {"5", "MobileNet alpha=0.7 + CBAM", "mobilenet:alpha=0.7", "cbam", 2.71, 0.289, 31.51, 11.48},
    {"5", "MobileNet", "mobilenet", "none", 4.23, 0.569, 31.39, 11.51},
    {"5", "MobileNet + SE", "mobilenet", "se", 5.07, 0.57, 29.97, 10.63},
    {"5", "MobileNet + CBAM", "mobilenet", "cbam", 5.07, 0.576, 29.01, 9.99},
};

enum {
    ABLATIONS = sizeof ablations / sizeof ablations[0],
    NETWORKS = sizeof networks / sizeof networks[0]
};

/* The text says it all but for options that are spelled out although they are the default. */
static bool same_attention(const struct attention_spec *a, const struct attention_spec *b)
{
    return a->channel == b->channel && a->spatial == b->spatial && a->control == b->control &&
           a->order == b->order && a->gate == b->gate && a->cpool == b->cpool &&
           a->spool == b->spool && (!a->channel || a->r == b->r) &&
           (!a->spatial || a->k == b->k) && a->mlp_bias == b->mlp_bias &&
           a->conv_bias == b->conv_bias && a->bn == b->bn && a->mean_first == b->mean_first &&
           a->round_hidden == b->round_hidden && a->inner == b->inner && a->twice == b->twice &&
           a->alpha == b->alpha && a->init == b->init && a->place == b->place;
}

static bool has_attention(const struct paper_value *value, const struct attention_spec *attention)
{
    struct attention_spec own;
    return attention_parse(value->attention, &own) == OK && same_attention(&own, attention);
}

static bool has_model(const struct paper_value *value, const struct model_spec *spec)
{
    struct model_spec own;
    return model_parse(value->model, "none", &own) == OK && strcmp(own.name, spec->name) == 0 &&
           own.multiplier == spec->multiplier;
}

bool paper_is_ablation(const struct attention_spec *attention)
{
    for (int i = 0; i < NETWORKS; i++)
        if (has_attention(&networks[i], attention))
            return false;
    for (int i = 0; i < ABLATIONS; i++)
        if (has_attention(&ablations[i], attention))
            return true;
    return false;
}

const struct paper_value *paper_find(const struct model_spec *spec, bool ablation)
{
    const struct paper_value *list = ablation ? ablations : networks;
    for (int i = 0; i < (ablation ? ABLATIONS : NETWORKS); i++)
        if (has_attention(&list[i], &spec->attention) && (ablation || has_model(&list[i], spec)))
            return &list[i];
    return NULL;
}
