/* Folding a batch normalisation into a convolution: see fold.h. */
#include "impls/fused/fold.h"

#include "impls/base/memory.h"

#include <math.h>

enum { WEIGHT, BIAS, BN_WEIGHT, BN_BIAS, BN_MEAN, BN_VARIANCE, PARAMS };

/* Below this many weights a parallel region costs more than the products. */
enum { WORTH_THREADS = 1 << 15 };

static size_t per_channel(const struct op_desc *d)
{
    return (size_t)(d->src[0].c / d->conv.groups) * (size_t)d->conv.kh * (size_t)d->conv.kw;
}

static size_t weight_bytes(const struct op_desc *d)
{
    return memory_round((size_t)d->conv.oc * per_channel(d) * sizeof(float));
}

bool fold_has_bias(const struct op_desc *d)
{
    return d->conv.bias || d->conv.with_bn;
}

unsigned fold_packed(const struct op_desc *d, bool weight_packed)
{
    return d->conv.with_bn ? (1u << PARAMS) - 1 : weight_packed;
}

enum status fold_make(struct fold *fold, const struct op_desc *d, bool keep)
{
    *fold = (struct fold){0};
    if (!d->conv.with_bn)
        return OK;
    fold->kept_bias = memory_alloc((size_t)d->conv.oc * sizeof(float));
    if (keep)
        fold->kept_weight = memory_alloc(weight_bytes(d));
    if (fold->kept_bias && (fold->kept_weight || !keep))
        return OK;
    fold_release(fold);
    return ERR_MEMORY;
}

void fold_release(struct fold *fold)
{
    memory_free(fold->kept_weight);
    memory_free(fold->kept_bias);
    *fold = (struct fold){0};
}

size_t fold_area(const struct fold *fold, const struct op_desc *d)
{
    return d->conv.with_bn && !fold->kept_weight ? weight_bytes(d) : 0;
}

static void fold_channel(const struct op_desc *d, struct param *const *param, int o, float *weight,
                         float *bias)
{
    const size_t count = per_channel(d);
    const float *from = param[WEIGHT]->data + (size_t)o * count;
    float *to = weight + (size_t)o * count;
    double variance = (double)param[BN_VARIANCE]->data[o];
    double factor = (double)param[BN_WEIGHT]->data[o] / sqrt(variance + (double)d->conv.eps);
    double before = d->conv.bias ? (double)param[BIAS]->data[o] : 0;
    for (size_t i = 0; i < count; i++)
        to[i] = (float)((double)from[i] * factor);
    bias[o] = (float)((before - (double)param[BN_MEAN]->data[o]) * factor +
                      (double)param[BN_BIAS]->data[o]);
}

/* Where weights are not kept, the old address stays when nothing has changed: whoever packed from
 * it compares address and version, and reads neither again. */
struct op_args fold_use(struct fold *fold, const struct op_desc *d, const struct op_args *args,
                        void *area)
{
    struct op_args out = *args;
    if (!d->conv.with_bn)
        return out;
    if (param_versions_changed(&fold->seen, args->param, PARAMS)) {
        float *weight = fold->kept_weight ? fold->kept_weight : area;
        bool shared = (size_t)d->conv.oc * per_channel(d) >= WORTH_THREADS;
#pragma omp parallel for schedule(static) if (shared)
        for (int o = 0; o < d->conv.oc; o++)
            fold_channel(d, args->param, o, weight, fold->kept_bias);
        unsigned version = fold->weight.version + 1;
        fold->weight = (struct param){.name = args->param[WEIGHT]->name, .data = weight,
                                      .count = args->param[WEIGHT]->count, .version = version};
        fold->bias = (struct param){.name = args->param[WEIGHT]->name, .data = fold->kept_bias,
                                    .count = (size_t)d->conv.oc, .version = version};
    }
    out.param[WEIGHT] = &fold->weight;
    out.param[BIAS] = &fold->bias;
    return out;
}
