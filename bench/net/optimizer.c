/* SGD: see optimizer.h. */
#include "bench/net/optimizer.h"

#include <omp.h>

static void update(struct net_param *param, size_t begin, size_t end, const struct sgd *sgd)
{
    float *restrict p = param->p.data;
    float *restrict v = param->velocity;
    const float *restrict grad = param->p.grad;
    float lr = (float)sgd->lr, momentum = (float)sgd->momentum;
    float decay = (float)sgd->weight_decay;
    for (size_t i = begin; i < end; i++) {
        float d = grad[i] + decay * p[i];
        v[i] = momentum * v[i] + d;
        p[i] -= lr * (sgd->nesterov ? d + momentum * v[i] : v[i]);
    }
}

void sgd_step(struct params *params, const struct sgd *sgd)
{
    /* One parallel region; each thread takes its share of every parameter. */
#pragma omp parallel
    {
        size_t threads = (size_t)omp_get_num_threads(), me = (size_t)omp_get_thread_num();
        for (int i = 0; i < params->count; i++) {
            struct net_param *param = params->list[i];
            if (!param->trainable)
                continue;
            size_t count = param->p.count;
            update(param, count * me / threads, count * (me + 1) / threads, sgd);
        }
    }
    for (int i = 0; i < params->count; i++)
        if (params->list[i]->trainable)
            params->list[i]->p.version++;
}
