/* Ratios of two things timed in the same rounds: formed pair by pair, so that a slow moment of the
 * machine hits both sides of a pair. Knows no clock. */
#ifndef BENCH_MEASURE_RATIO_H
#define BENCH_MEASURE_RATIO_H

#include "impls/base/status.h"

#include <stdint.h>

enum {
    RATIO_RESAMPLES = 2000,
    RATIO_PAIRS_MIN = 6 /* below it there is no interval: 2/2^5 is more than one in twenty */
};

/* The interval is a percentile bootstrap over the pairs at 95 %. */
struct ratio {
    int n;            /* pairs */
    double median;    /* NaN when there is no pair */
    double low, high; /* NaN below RATIO_PAIRS_MIN pairs */
};

/* Ratio of b to a: the median of b[i]/a[i] over i < n, with its interval. All a[i] > 0. The same
 * seed gives the same interval. ERR_MEMORY. */
enum status ratio_of_pairs(const double *a, const double *b, int n, uint64_t seed,
                           struct ratio *ratio);

/* The same of ratios that were formed already. */
enum status ratio_of_ratios(const double *ratios, int n, uint64_t seed, struct ratio *ratio);

/* Interval of the median of n >= 1 values at `confidence`: percentile bootstrap over the values,
 * RATIO_RESAMPLES resamples drawn from `seed` (Efron and Tibshirani, An Introduction to the
 * Bootstrap, section 13.3). ERR_MEMORY. */
enum status ratio_bootstrap_median(const double *values, int n, double confidence, uint64_t seed,
                                   double *low, double *high);

#endif
