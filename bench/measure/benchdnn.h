/* The problem descriptors of benchdnn, oneDNN's own tester ("g32mb2ic64ih56oc64oh56kh3ph1n\"a\""),
 * as operations of ours: convolution, pooling, inner product, batch normalisation, in one or two
 * dimensions. What its entries and options mean was taken from oneDNN's tests/benchdnn/doc. Knows
 * one descriptor at a time; options and files are benchdnn_reader.h. */
#ifndef BENCH_MEASURE_BENCHDNN_H
#define BENCH_MEASURE_BENCHDNN_H

#include "impls/ops.h"

enum benchdnn_driver {
    BENCHDNN_ANY, /* to be told from the entries */
    BENCHDNN_CONV,
    BENCHDNN_POOL,
    BENCHDNN_IP,
    BENCHDNN_BNORM,
    BENCHDNN_OTHER, /* a driver whose problems are out of scope */
    BENCHDNN_DRIVERS
};

/* "conv", "pool", "ip", "bnorm"; BENCHDNN_OTHER for the other drivers of benchdnn; BENCHDNN_ANY
 * when the word (of `length` characters) is no driver. */
enum benchdnn_driver benchdnn_driver_find(const char *word, size_t length);

enum benchdnn_alg { BENCHDNN_MAX, BENCHDNN_AVG_P, BENCHDNN_AVG_NP, BENCHDNN_ALGS };

/* What options say about a problem, beside its descriptor. */
struct benchdnn_form {
    enum benchdnn_driver driver;
    int mb;                /* 0: as in the descriptor */
    bool bias;             /* convolution, inner product */
    enum benchdnn_alg alg; /* pooling */
    bool global_stats;     /* batch normalisation: statistics are constants */
    bool fused;            /* batch normalisation with ReLU or addition: out of scope */
};

enum { BENCHDNN_NAME = 64 };

/* Whether a word begins as a descriptor does: an entry and its number. */
bool benchdnn_starts(const char *word);

/* The driver whose problems have the entries of this descriptor: `asked`, unless that is
 * BENCHDNN_ANY. ERR_FORMAT when it cannot be read. */
enum status benchdnn_tell(const char *text, enum benchdnn_driver asked,
                          enum benchdnn_driver *driver);

/* The operation that a descriptor describes under a form, its dst inferred; `name` is what stands
 * behind the entry n, without quotes, "" when there is none. Missing entries are filled in as
 * benchdnn does: mb 2, strides 1, dilation 0, eps 1/16; width as height where only a height is
 * given; a width alone is a map of one row; output from padding (default 0), or padding from
 * output.
 * ERR_FORMAT for what benchdnn would refuse. OK with *out_of_scope set to a short reason (static),
 * and no description, for what our operations cannot express. */
enum status benchdnn_parse(const char *text, const struct benchdnn_form *form,
                           struct op_desc *desc, char name[BENCHDNN_NAME],
                           const char **out_of_scope);

#endif
