/* Options of every verb that runs a network with trained weights: which network, which weights, how
 * strictly they must fit, on which implementation. Opens the session that they ask for. */
#ifndef BENCH_VERBS_NETWORK_OPTIONS_H
#define BENCH_VERBS_NETWORK_OPTIONS_H

#include "bench/transfer/session.h"

#include <argp.h>

enum { NETWORK_GLOBS = 8 };

struct network_options {
    const char *impl;
    int threads, batch;
    const char *algorithm;           /* of convolutions: "direct", "auto:FILE" */
    bool compose;                    /* primitive operations only */
    enum dtype dtype;                /* of maps between layers */
    struct weights_request request;  /* model, attention, weights and size; rules when opening */
    const char *missing[NETWORK_GLOBS + 1], *unexpected[NETWORK_GLOBS + 1];
};

/* ResNet-50 without attention, onednn, all threads. */
void network_options_default(struct network_options *options, int batch);

/* A parser for use as argp child; its input is a struct network_options. */
extern const struct argp network_argp;

/* Opens implementation and network in a session that may have its data already. --weights must be
 * there: ERR_USAGE. The struct must outlive the call only. The session is for one inference
 * program: weights that it has packed are given back. */
enum status network_options_open(struct network_options *options, struct session *session);

/* What a user is to know of the weights, on stderr: the load report, and the notes. */
void network_options_say(const struct network_options *options, const struct session *session);

#endif
