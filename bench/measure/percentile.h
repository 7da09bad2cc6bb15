/* Median, minimum and percentiles of samples, and how far they can be trusted. Distribution-free:
 * everything follows from the binomial distribution of the number of samples below a percentile.
 * Knows nothing of what the samples are.
 *
 * Percentile p is told from n samples only when the chance that fewer than two of them lie above
 * the true percentile is at most 1 %. That needs n >= 11 for p50, 64 for p90, 130 for p95 and 662
 * for p99: the early-stopping counts of MLPerf's load generator for one sample over the bound. */
#ifndef BENCH_MEASURE_PERCENTILE_H
#define BENCH_MEASURE_PERCENTILE_H

#include <stdbool.h>

/* Sorts ascending, in place. NaN must not occur. */
void percentile_sort(double *values, int n);

/* P(X <= k) for X binomial with n trials of probability p, 0 < p < 1; 0 for k < 0. */
double binomial_below(int k, int n, double p);

/* Samples needed before percentile p (0 < p < 1) is told: see above. */
int percentile_needs(double p);

/* Percentile p of n >= 1 ascending values, interpolated linearly between order statistics
 * (Hyndman and Fan 1996, type 7: what numpy and R do); NaN when n < percentile_needs(p). */
double percentile(const double *sorted, int n, double p);

/* The median of n >= 1 ascending values, whatever n is. */
double percentile_median(const double *sorted, int n);

/* The median of n >= 1 values in any order, which are left as they are. NaN when out of memory. */
double percentile_median_of(const double *values, int n);

/* Interval of order statistics that covers the true percentile p with at least the given
 * confidence, tails cut alike (David and Nagaraja, Order Statistics, section 7.1). False when n
 * samples cannot give one. */
bool percentile_interval(const double *sorted, int n, double p, double confidence, double *low,
                         double *high);

#endif
