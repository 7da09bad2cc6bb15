/* One builder a family of networks; model.c chooses among them by name. */
#ifndef BENCH_MODELS_BUILDERS_H
#define BENCH_MODELS_BUILDERS_H

#include "bench/models/model.h"

/* Channels after the width option: `channels` times width, at least 1, rounded to whole eights
 * from 16 up so that vector loops have no tails. width 1 changes nothing. */
int model_width(const struct model_spec *spec, int channels);

/* Each appends the whole network on net->input and returns the id of the logits.
 * `depth` is the number in the name, or one of resnet_variant. */
enum resnet_variant { WIDE_RESNET18 = 1018, RESNEXT50_32X4D = 2050, RESNEXT101_32X4D = 2101 };
int resnet_build(struct net *net, const struct model_spec *spec, int depth);
int cifar_resnet_build(struct net *net, const struct model_spec *spec, int depth);
int densenet_build(struct net *net, const struct model_spec *spec, int depth);
int mobilenet_build(struct net *net, const struct model_spec *spec, int variant);

enum vgg_variant { VGG16, VGG16_BN };
int vgg_build(struct net *net, const struct model_spec *spec, int variant);

/* Global average pooling and the classifier "fc", marked as the head. */
int model_head(struct net *net, const struct model_spec *spec, int x, const char *name);

#endif
