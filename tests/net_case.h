/* A network that a test builds by itself, on one implementation: opening, naming values, compiling
 * and running without ceremony. Every failure fails the running cmocka test with the library's own
 * message. Judges nothing. */
#ifndef TESTS_NET_CASE_H
#define TESTS_NET_CASE_H

/* cmocka.h defines a macro fail(): our headers must come before it. */
#include "bench/net/net.h"
#include "bench/net/program.h"

struct net_case {
    const struct impl *impl;
    bool fused;
    struct algorithms *algorithms; /* of convolutions, set before programs are made; NULL: direct */
    struct impl_ctx *ctx;
    struct net *net;           /* to be built by the test, owned */
    struct net *infer, *train; /* what runs, made by net_case_finish(): primitives alone, or with
                                  the fused operations that the implementation offers */
};

/* Fails the running test unless `status` is OK. */
void net_case_must(enum status status);

/* Opens the implementation with two threads (one on a machine that has no more) and an empty
 * network. */
void net_case_open(struct net_case *c, const struct impl *impl, bool fused);
void net_case_close(struct net_case *c);

/* After building: checks that nothing failed and makes the forms that run. */
void net_case_finish(struct net_case *c);

/* Whether a fused operation is in what runs in training. */
bool net_case_is_fused(const struct net_case *c);

/* The parameter whose name ends in `end`; NULL when there is none, a failure when two are. */
struct net_param *net_case_find(const struct net_case *c, const char *end);

/* Writes values into a parameter and tells the plans. `count` must be its size. */
void net_case_set(struct net_param *param, const double *values, size_t count);

/* Inference with values `outputs` of c->infer readable (count 0: its output). program_free() it. */
struct program *net_case_infer(const struct net_case *c, int batch, const int *outputs, int count);

enum net_case_train {
    NET_CASE_ALL,      /* every parameter trains, normalisation uses batch statistics */
    NET_CASE_FIXED_BN, /* all but the normalisation, which uses its running statistics */
};

/* A training program whose backward pass also goes down to the input; without a loss the test
 * fills program_output_gradient() first. */
struct program *net_case_train(const struct net_case *c, int batch, enum net_case_train what,
                               bool loss);

#endif
