/* A whole network with fresh weights on one implementation, and programs compiled from it, without
 * any data. Fails the running cmocka test on any error. */
#ifndef TESTS_NETWORK_H
#define TESTS_NETWORK_H

/* cmocka.h defines a macro fail(): our headers must come before it. */
#include "bench/models/model.h"
#include "bench/net/program.h"

struct network {
    const struct impl *impl;
    struct impl_ctx *ctx;
    struct model_spec spec;
    struct net *net;
    struct net *lowered;          /* primitives alone */
    struct net *inference, *train; /* fused as far as the implementation offers that */
};

/* Weights of the model's own scheme, seed 1; h and w 0: the model's own input size. Biases of batch
 * normalisation and its running statistics get values of their own, so that nothing is 0 or 1 by
 * chance; the gate's own normalisation weight, 0 when fresh, too. One thread. */
void network_open(struct network *n, const struct impl *impl, const char *model,
                  const char *attention, int classes, int h, int w);
void network_close(struct network *n);

/* An inference program of a form of it, with these outputs (count 0: the logits); program_free()
 * it. */
struct program *network_infer(const struct network *n, const struct net *form, int batch,
                              const int *outputs, int count);

/* A training program with loss in which everything trains. */
struct program *network_train(const struct network *n, const struct net *form, int batch);

/* Normal numbers that depend on `seed` and position into the first input of a program. */
void network_fill(struct program *program, uint64_t seed);

/* Labels 0, 1, ... classes-1, 0, 1, ... for the whole batch. */
void network_label(const struct network *n, struct program *program, int batch);

/* Runs forward; the view of output i. */
const float *network_run(struct program *program, int i);

/* Sets all elements of every parameter whose name matches the glob; returns how many match. */
int network_set(const struct network *n, const char *glob, float value);

#endif
