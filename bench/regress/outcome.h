/* The one record behind all outputs: what was measured, what was found, what made it. Writers
 * (write.h) only format it. */
#ifndef BENCH_REGRESS_OUTCOME_H
#define BENCH_REGRESS_OUTCOME_H

#include "bench/net/algorithms.h"
#include "bench/regress/judge.h"

#include <jansson.h>
#include <stddef.h>

/* One time in one round: of a call, in milliseconds. */
struct regress_sample {
    double ms, cpu_ms;
    int repeats;
};

struct regress_row {
    char name[400];     /* "onednn fwd conv2d ...", "onednn training resnet20 ..." */
    char impl[16], pass[16];
    const char *unit;   /* "ms", "instructions", "loss" */
    enum regress_state state;
    char reason[256];   /* why, when it is not ok; "" otherwise */
    char how_base[512], how_head[512]; /* kernels */
    double base, head;  /* NaN where there is none */
    double ratio;       /* head to base; of times the median of the rounds' ratios */
    double low, high;   /* 95 % interval of the ratio; NaN without pairs */
    double p;           /* exact sign-flip p of the logarithms of the ratios; NaN without pairs */
    double bound;       /* share above which it regresses */
    double allowed;     /* share that --allow granted; NaN: none */
    double difference;  /* relative, between the results of base and head; NaN: not told */
    bool results_allowed; /* --allow-results granted that they differ */
    double accuracy;    /* of a training run: share of the test images; NaN else */
    int rounds;
    struct regress_sample *base_rounds, *head_rounds; /* [rounds]; owned; NULL without pairs */
    double *ratio_rounds; /* [rounds]: head to base within each; owned; NULL without pairs */
};

struct regress_outcome {
    const char *gate;     /* "counts", "pair" */
    struct regress_row **rows; /* owned; stable addresses */
    int count, capacity;
    enum regress_verdict verdict;
    char reason[512];     /* of the verdict: names what regressed, or what differs */
    bool strict;
    json_t *base_key, *head_key; /* what made the two sides */
    uint64_t seed;
    /* pair */
    struct ratio control; /* n is 0 without pairs */
    double noise_floor;   /* NaN without pairs */
    double seconds;
    int threads;
    char algorithm[ALGORITHM_NAME]; /* that both sides' networks ran: algorithms_name() */
    /* counts */
    double mean_ratio;    /* geometric, of the cases on both sides with no allowance; NaN: none */
};

/* Everything NaN or empty. */
void outcome_start(struct regress_outcome *outcome, const char *gate);
void outcome_free(struct regress_outcome *outcome);

/* Appends an empty row and returns it; NULL, with a message, when there is no memory. */
struct regress_row *outcome_add(struct regress_outcome *outcome, const char *name,
                                const char *unit);

/* Draws the verdict from the rows:
 *   regressed         a row regressed or FAILED, or the geometric mean of the counts rose by more
 *                     than 0.5 %;
 *   nothing measured  no case has both sides (training runs aside);
 *   inconclusive      a row is;
 *   ok                else.
 * `incomparable` is said by the gates themselves, before anything is measured. */
void outcome_settle(struct regress_outcome *outcome);

/* Makes the outcome incomparable, with the message of the last failure as its reason. */
void outcome_refuse(struct regress_outcome *outcome);

/* The exit status of the verdict. */
int outcome_exit(const struct regress_outcome *outcome);

/* How many rows are in a state. */
int outcome_count(const struct regress_outcome *outcome, enum regress_state state);

#endif
