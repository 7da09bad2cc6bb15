/* Stochastic gradient descent exactly as PyTorch's torch.optim.SGD (dampening 0). */
#ifndef BENCH_NET_OPTIMIZER_H
#define BENCH_NET_OPTIMIZER_H

#include "bench/net/params.h"

struct sgd {
    double lr, momentum, weight_decay;
    bool nesterov;
    double backbone; /* the backbone's rate as a share of lr; 0: as all others */
};

/* One step over every trainable parameter, in single precision:
 *   d = grad + weight_decay*p;  v = momentum*v + d;  p -= lr*(nesterov ? d + momentum*v : v)
 * (v starts at zero, so the first v is d). Fixed parameters, their velocity and all buffers are
 * not touched: neither decay nor momentum moves them. Returns the first parameter that is no
 * longer finite, or NULL: some kernels turn a NaN into 0 on its way to the loss. */
const struct net_param *sgd_step(struct params *params, const struct sgd *sgd);

#endif
