/* Timing of a chain: calls that follow each other (the layers of a network), each timed where it
 * stands, so that it finds caches, weights and branch predictors as the chain leaves them. The
 * chain as one call takes its turn as well. Knows neither layers nor networks. */
#ifndef BENCH_MEASURE_CHAIN_H
#define BENCH_MEASURE_CHAIN_H

#include "bench/measure/sample.h"

/* Sample k of every link, of their sum and of the whole were taken in round k. Milliseconds. */
struct chain {
    int links, n;
    double *link;  /* [links][capacity] */
    double *sum;   /* [capacity] all links of a round together */
    double *whole; /* [capacity] the chain as one call */
    int capacity;
    double clock_ms; /* what reading the clock adds to every link, at most */
};

/* Runs rounds of `links[count]` in order, each timed apart, and of `whole`, which does the same in
 * one call; which of the two comes first alternates. As many rounds as settings->samples, fewer
 * when the links took settings->seconds, but at least settings->least. Both are run once before. To
 * be freed by chain_free() in every case. */
enum status chain_time(const struct sample_target *links, int count,
                       const struct sample_target *whole, const struct sample_settings *settings,
                       struct chain *chain);

/* The samples of one link, [chain->n]. */
const double *chain_link(const struct chain *chain, int link);

void chain_free(struct chain *chain); /* a zeroed one is allowed */

#endif
