/* A small network of the regression check, compiled for one implementation. Its weights are drawn
 * so that no kernel can go wrong unnoticed: nothing stays at 0 or 1. Knows no clock. */
#ifndef BENCH_REGRESS_NETWORK_H
#define BENCH_REGRESS_NETWORK_H

#include "bench/models/model.h"
#include "bench/net/program.h"
#include "bench/regress/case.h"
#include "bench/regress/sketch.h"

struct regress_network {
    struct model_spec spec; /* the network points into it: the struct must stay where it is */
    struct net *net, *compiled;
    struct program *program;
    bool train;
    bool direct; /* by the direct algorithm alone */
    uint64_t step;
};

/* Describes, draws, fuses (unless `compose`) and compiles, and fills input and labels. Convolutions
 * run as `algorithms` says (NULL: direct), unless the case says it. regress_network_free() in every
 * case. */
enum status regress_network_make(struct regress_network *network,
                                 const struct regress_case *subject, const struct impl *impl,
                                 struct impl_ctx *ctx, struct algorithms *algorithms, bool train,
                                 bool compose);

/* A forward pass; in training also backward and an SGD update of a rate so small that weights stay
 * what they are through thousands of steps. */
enum status regress_network_run(struct regress_network *network);

/* Logits of the last run, or losses and gradients. */
void regress_network_sketch(const struct regress_network *network, struct sketch *sketch);

/* Compares a run of the network with the same one composed of primitives, all direct, on the first
 * implementation of this build, within five times sketch_bound(): the two are different code;
 * within twenty-five times where Winograd's algorithms may run: their transforms round (5e-4 of
 * logits).
 * ERR_NUMERIC says what differs; `error` is the largest relative difference. */
enum status regress_network_check(const struct regress_network *network,
                                  const struct regress_case *subject, double *error);
void regress_network_free(struct regress_network *network); /* a zeroed one is allowed */

#endif
