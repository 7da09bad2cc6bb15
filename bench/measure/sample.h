/* Timing of any functions against each other: warm-up, calibration, rounds in which every target
 * takes its turn. All raw samples are kept; nothing is dropped as an outlier. Knows neither layers
 * nor networks. */
#ifndef BENCH_MEASURE_SAMPLE_H
#define BENCH_MEASURE_SAMPLE_H

#include "impls/base/status.h"

#include <stdbool.h>
#include <stdint.h>

/* One thing to time: a call of run(context). A status other than OK ends the measurement. */
struct sample_target {
    enum status (*run)(void *context);
    void *context;
};

/* A source of time; tests put their own in. */
struct sample_clock {
    int64_t (*now_ns)(void *context);
    void *context;
};

/* Who comes first within a round. Both orders are balanced: over each pair of rounds (2k, 2k+1)
 * every target stands before every other once. */
enum sample_order {
    SAMPLE_RANDOM, /* a random order, then its reverse, then another random order */
    SAMPLE_ABBA    /* as given, reversed, reversed, as given, and so on */
};

struct sample_settings {
    int samples;         /* rounds at most */
    int least;           /* samples that each target gets however slow it is */
    double seconds;      /* after so much time on one target it gets no more; 0: no limit */
    double sample_ms;    /* shorter calls are repeated until a sample lasts about so long */
    double warm_seconds; /* the warm-up of a target ends then, steady or not */
    enum sample_order order;
    uint64_t seed;       /* of SAMPLE_RANDOM */
    const struct sample_clock *clock; /* NULL: clock_now_ns() */
};

/* What was seen of one target. Sample i was taken in round i. */
struct sample_series {
    int n, capacity;
    double *ms;  /* [n], milliseconds of one call: the sample's time over `repeats`; owned */
    int repeats; /* calls in one sample */
    bool steady; /* the last two batches of the warm-up agreed within 5 % */
    double wall_seconds, cpu_seconds; /* of all samples; cpu: of all threads of the process */
};

/* 15 samples, at least 3, no time limit, 10 ms a sample, 1 s of warm-up, random order. */
struct sample_settings sample_defaults(void);

/* Warms one target up and calibrates series->repeats: batches are run until one lasts
 * sample_ms and agrees with the one before within 5 %, or warm_seconds are over. */
enum status sample_warm(const struct sample_target *target,
                        const struct sample_settings *settings, struct sample_series *series);

/* Order of `count` targets in `round`: fills order[count] with a permutation. */
void sample_fill_order(enum sample_order kind, uint64_t seed, int round, int count, int *order);

/* Warms all targets up, then takes the samples round by round. series[count] comes zeroed and is
 * to be freed by sample_free() in every case. On failure the samples so far are there. */
enum status sample_rounds(const struct sample_target *targets, int count,
                          const struct sample_settings *settings, struct sample_series *series);

void sample_free(struct sample_series *series);

/* In milliseconds of one call. NaN where n is too small (percentile.h), all NaN when n is 0. */
struct sample_summary {
    int n;
    double min, median;
    double low, high; /* 95 % interval of the median, of order statistics */
    double p50, p90, p95, p99;
};

enum status sample_summarise(const struct sample_series *series, struct sample_summary *summary);

#endif
