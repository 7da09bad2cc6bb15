/* Networks by name and their options: see model.h. */
#include "bench/models/builders.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int builder(struct net *net, const struct model_spec *spec, int variant);

static const struct model {
    const char *name, *title, *scheme;
    builder *build;
    int variant, input;
    bool has_stem, has_strides;     /* which options make sense */
} models[] = {
    {"resnet18", "ResNet-18", "torchvision", resnet_build, 18, 224, true, false},
    {"resnet34", "ResNet-34", "torchvision", resnet_build, 34, 224, true, false},
    {"resnet50", "ResNet-50", "torchvision", resnet_build, 50, 224, true, true},
    {"resnet101", "ResNet-101", "torchvision", resnet_build, 101, 224, true, true},
    {"resnet152", "ResNet-152", "torchvision", resnet_build, 152, 224, true, true},
    {"wrn18", "WideResNet-18", "torchvision", resnet_build, WIDE_RESNET18, 224, true, false},
    {"resnext50_32x4d", "ResNeXt-50 32x4d", "torchvision", resnet_build, RESNEXT50_32X4D, 224, true,
     true},
    {"resnext101_32x4d", "ResNeXt-101 32x4d", "torchvision", resnet_build, RESNEXT101_32X4D, 224,
     true, true},
    {"mobilenet", "MobileNet", "torchvision", mobilenet_build, 0, 224, true, false},
    {"vgg16", "VGG-16", "torchvision-vgg", vgg_build, VGG16, 224, true, false},
    {"vgg16_bn", "VGG-16-BN", "torchvision-vgg", vgg_build, VGG16_BN, 224, true, false},
    {"densenet121", "DenseNet-121", "torchvision-densenet", densenet_build, 121, 224, true, false},
    {"resnet20", "CIFAR ResNet-20", "kaiming", cifar_resnet_build, 20, 32, false, false},
    {"resnet32", "CIFAR ResNet-32", "kaiming", cifar_resnet_build, 32, 32, false, false},
    {"resnet44", "CIFAR ResNet-44", "kaiming", cifar_resnet_build, 44, 32, false, false},
    {"resnet56", "CIFAR ResNet-56", "kaiming", cifar_resnet_build, 56, 32, false, false},
    {"resnet110", "CIFAR ResNet-110", "kaiming", cifar_resnet_build, 110, 32, false, false},
};
enum { MODELS = sizeof models / sizeof models[0] };

/* Options of width that one network was published with. */
static const struct multiplier {
    const char *model, *name;
    double usual;
} multipliers[] = {{"wrn18", "widen", 1.5}, {"mobilenet", "alpha", 1}};

static const struct multiplier *find_multiplier(const char *model)
{
    for (size_t i = 0; i < sizeof multipliers / sizeof multipliers[0]; i++)
        if (strcmp(multipliers[i].model, model) == 0)
            return &multipliers[i];
    return NULL;
}

static const struct model *find(const char *name)
{
    for (int i = 0; i < MODELS; i++)
        if (strcmp(models[i].name, name) == 0)
            return &models[i];
    return NULL;
}

int model_width(const struct model_spec *spec, int channels)
{
    double scaled = channels * spec->width;
    if (spec->width == 1)
        return channels;
    int whole = scaled >= 16 ? 8 * (int)rint(scaled / 8) : (int)rint(scaled);
    return whole < 1 ? 1 : whole;
}

static enum status read_factor(const struct model_spec *spec, const char *name, const char *text,
                               double *factor)
{
    char *end;
    *factor = strtod(text, &end);
    if (*text && !*end && *factor >= 0.01 && *factor <= 8)
        return OK;
    return fail(ERR_USAGE, "--model %s: %s wants a number from 0.01 to 8", spec->text, name);
}

static enum status unknown_model(const char *text)
{
    char known[512] = "";
    for (int i = 0; i < MODELS; i++)
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "",
                 models[i].name);
    return fail(ERR_USAGE, "--model '%s': known are %s", text, known);
}

static enum status set_option(struct model_spec *spec, const struct model *model, char *option)
{
    const struct multiplier *own = find_multiplier(model->name);
    size_t length = own ? strlen(own->name) : 0;
    if (strncmp(option, "width=", 6) == 0)
        return read_factor(spec, "width", option + 6, &spec->width);
    if (own && strncmp(option, own->name, length) == 0 && option[length] == '=')
        return read_factor(spec, own->name, option + length + 1, &spec->multiplier);
    if (strcmp(option, "stem=small") == 0 || strcmp(option, "stem=large") == 0) {
        if (!model->has_stem)
            return fail(ERR_USAGE, "--model %s: %s has no stem option", spec->text, model->name);
        spec->small_stem = option[5] == 's';
        return OK;
    }
    if (strcmp(option, "strides=v1") == 0 || strcmp(option, "strides=v1.5") == 0) {
        if (!model->has_strides)
            return fail(ERR_USAGE, "--model %s: %s has no bottleneck, strides change nothing",
                        spec->text, model->name);
        spec->v1 = option[10] == '\0';
        return OK;
    }
    return fail(ERR_USAGE, "--model %s: option '%s' is not known; known are width=X, "
                "stem=small|large, strides=v1|v1.5, widen=X (wrn18), alpha=X (mobilenet)",
                spec->text, option);
}

enum status model_parse(const char *text, const char *attention, struct model_spec *spec)
{
    char copy[sizeof spec->text], *rest;
    *spec = (struct model_spec){.classes = 1000, .input_c = 3, .width = 1,
                                 .multiplier = 1};
    if (strlen(text) >= sizeof copy)
        return fail(ERR_USAGE, "--model: more than %zu characters", sizeof copy - 1);
    strcpy(copy, text);
    strcpy(spec->text, text);
    char *name = strtok_r(copy, ":", &rest);
    const struct model *model = name ? find(name) : NULL;
    if (!model)
        return unknown_model(text);
    snprintf(spec->name, sizeof spec->name, "%s", name);
    const struct multiplier *own = find_multiplier(name);
    spec->multiplier = own ? own->usual : 1;
    for (char *option; (option = strtok_r(NULL, ":", &rest));)
        TRY(set_option(spec, model, option));
    spec->input_h = spec->input_w = spec->small_stem ? 32 : model->input;
    return attention_parse(attention, &spec->attention);
}

int model_head(struct net *net, const struct model_spec *spec, int x, const char *name)
{
    struct op_desc pool = {.kind = OP_POOL_HW, .pool_hw = {POOL_MEAN}};
    x = net_op(net, "avgpool", &pool, x, NO_NODE);
    net->features = x;
    net->part = PART_HEAD;
    return net_linear(net, name, x, spec->classes);
}

const char *model_default_scheme(const struct model_spec *spec)
{
    return find(spec->name)->scheme;
}

enum status model_build(const struct model_spec *spec, struct net **out)
{
    *out = NULL;
    if (spec->classes < 1 || spec->classes > 1000000)
        return fail(ERR_USAGE, "--classes %d: 1 to 1000000", spec->classes);
    struct net *net = net_new();
    if (!net)
        return ERR_MEMORY;
    const struct model *model = find(spec->name);
    if (net_input(net, spec->input_h, spec->input_w, spec->input_c) != NO_NODE)
        net->output = model->build(net, spec, model->variant);
    if (net->error != OK) {
        enum status status = net->error;
        net_free(net);
        return fail_prefix(status, "%s on %dx%d input", spec->name, spec->input_h, spec->input_w);
    }
    TRY(params_scheme(net->params, model->scheme));
    *out = net;
    return OK;
}

void model_title(const struct model_spec *spec, char *text, size_t size)
{
    const struct model *model = find(spec->name);
    char width[32] = "", multiplier[32] = "";
    const struct multiplier *own = find_multiplier(spec->name);
    if (own)
        snprintf(multiplier, sizeof multiplier, " %s=%g", own->name, spec->multiplier);
    if (spec->width != 1)
        snprintf(width, sizeof width, ", width %g", spec->width);
    snprintf(text, size, "%s%s%s%s%s", model->title, multiplier,
             !model->has_strides ? "" : spec->v1 ? " v1" : " v1.5", width,
             spec->small_stem ? ", small stem" : "");
}
