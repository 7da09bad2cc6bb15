/* SGD: see optimizer.h. */
#include "bench/net/optimizer.h"

#include <omp.h>

/* Updates a part of a parameter; returns whether all of it is finite. */
static bool update(struct net_param *param, size_t begin, size_t end, const struct sgd *sgd)
{
    bool slower = sgd->backbone > 0 && param->part == PART_BACKBONE;
    float *restrict p = param->p.data;
    float *restrict v = param->velocity;
    const float *restrict grad = param->p.grad;
    float lr = (float)(slower ? sgd->lr * sgd->backbone : sgd->lr), momentum = (float)sgd->momentum;
    float decay = (float)sgd->weight_decay;
    uint32_t most = 0; /* largest exponent field; all ones for NaN and infinity */
    for (size_t i = begin; i < end; i++) {
        float d = grad[i] + decay * p[i];
        v[i] = momentum * v[i] + d;
        p[i] -= lr * (sgd->nesterov ? d + momentum * v[i] : v[i]);
        union {
            float f;
            uint32_t u;
        } bits = {p[i]};
        uint32_t exponent = bits.u & UINT32_C(0x7f800000);
        most = exponent > most ? exponent : most;
    }
    return most != UINT32_C(0x7f800000);
}

const struct net_param *sgd_step(struct params *params, const struct sgd *sgd)
{
    int first = params->count;
    /* One parallel region; each thread takes its share of every parameter. */
#pragma omp parallel reduction(min : first)
    {
        size_t threads = (size_t)omp_get_num_threads(), me = (size_t)omp_get_thread_num();
        for (int i = 0; i < params->count; i++) {
            struct net_param *param = params->list[i];
            if (!param->trainable)
                continue;
            size_t count = param->p.count;
            if (!update(param, count * me / threads, count * (me + 1) / threads, sgd))
                first = i < first ? i : first;
        }
    }
    for (int i = 0; i < params->count; i++)
        if (params->list[i]->trainable)
            params->list[i]->p.version++;
    return first < params->count ? params->list[first] : NULL;
}
