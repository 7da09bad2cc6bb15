/* Networks by name: "resnet50:stem=small:width=0.25". */
#ifndef BENCH_MODELS_MODEL_H
#define BENCH_MODELS_MODEL_H

#include "bench/net/attention.h"

struct model_spec {
    char text[128];              /* as given */
    char name[32];               /* "resnet50" */
    struct attention_spec attention;
    int classes;
    int input_h, input_w, input_c;
    double width;                /* 1: as published */
    bool small_stem;             /* 3x3 stride 1, no pool: for images of about 32 px */
    bool v1;                     /* stride on the first 1x1 convolution instead of the 3x3 */
    double multiplier;           /* wrn18: widen=, of the four stages; mobilenet: alpha=, of all
                                    channels, as published; else 1 */
};

/* Parses the model and the attention text; classes, input sizes are set by the caller (defaults
 * 1000 and the network's usual size). ERR_USAGE lists what is known. */
enum status model_parse(const char *model, const char *attention, struct model_spec *spec);

/* Builds the description. The spec is copied into the network's care (net->sites point into it):
 * it must outlive the network. ERR_USAGE when the input is too small for the network. */
enum status model_build(const struct model_spec *spec, struct net **net);

/* Initialisation scheme a model uses when none is asked for: "torchvision" or "kaiming". */
const char *model_default_scheme(const struct model_spec *spec);

/* "ResNet-50 v1.5, width 0.25, small stem": a narrow or small-image network is printed as what it
 * is. */
void model_title(const struct model_spec *spec, char *text, size_t size);

#endif
