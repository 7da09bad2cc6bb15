/* Statistics of paired differences: what a study may claim, and what it may not.
 * The unit is the seed: difference number i is (value of one arm - value of the other) at seed i.
 * Under the hypothesis "no difference" each difference is as likely to be negative as positive, so
 * the exact distribution of any statistic follows from all 2^n ways of setting the signs (Fisher
 * 1935; Pitman 1937). Knows no study and no table. */
#ifndef BENCH_STUDY_STATS_H
#define BENCH_STUDY_STATS_H

#include "impls/base/status.h"

#include <stdbool.h>

enum {
    STATS_EXACT_MAX = 20, /* up to here all 2^n sign patterns are visited; above, STATS_DRAWS
                             patterns drawn from a fixed stream stand for them */
    STATS_DRAWS = 200000,
    STATS_RESAMPLES = 10000, /* of a bootstrap interval */
    STATS_INTERVAL_MIN = 6 /* pairs below which a 95 % interval is unbounded: 2/2^5 > 0.05 */
};

/* Mean and sample standard deviation (divisor n - 1) of n values; sd is NaN when n < 2, both are
 * when n is 0. */
struct stats_summary {
    int n;
    double mean, sd;
};
struct stats_summary stats_summarise(const double *x, int n);

/* The middle value, or the mean of the two in the middle; NaN when n is 0. ERR_MEMORY as NaN. */
double stats_median(const double *x, int n);

/* Probability of improvement: the share of pairs with a positive difference, those without any
 * counting half (Bouthillier et al. 2021, paired). NaN when n is 0. */
double stats_improvement(const double *d, int n);

/* Two-sided sign-flip p of the mean difference: share of the sign patterns whose |sum| is at least
 * the one seen. Exact for n <= STATS_EXACT_MAX, else (1 + hits) / (1 + draws). 1 when n is 0. */
double stats_sign_flip_p(const double *d, int n);

/* The smallest p that n pairs can reach: 2 / 2^n; 1 when n is 0. */
double stats_smallest_p(int n);

/* The 95 % interval of the mean difference: all values t for which the differences d - t are not
 * rejected by the sign-flip test at 0.05. Its ends are means of subsets of d (Hartigan 1969).
 * False, and NaNs, when n < STATS_INTERVAL_MIN. ERR_MEMORY is reported as false too. */
bool stats_interval(const double *d, int n, double *low, double *high);

/* 95 % percentile bootstrap interval of the mean (Efron 1979), an extra beside stats_interval():
 * too narrow for few pairs. index[r*n + i] is the pair that resample r has at place i. Quantiles
 * are interpolated linearly, as NumPy does it. False, and NaNs, when n is 0; ERR_MEMORY too. */
bool stats_bootstrap(const double *d, int n, const int *index, int resamples, double *low,
                     double *high);

/* STATS_RESAMPLES resamples of n pairs from a fixed stream; allocated: free(); NULL when there is
 * no memory. */
int *stats_resamples(int n);

/* Holm's step-down correction (1979) of m p values for the family-wise error. adjusted may be p. */
void stats_holm(const double *p, int m, double *adjusted);

/* Step-down max-T correction (Westfall and Young 1993) over sign flips shared by seed: of m
 * comparisons with n seeds each, d[j*n + i] is the difference of comparison j at seed i, NaN when
 * that pair is missing. The statistic is |t|. Uses that the comparisons move together, so it can
 * reach the smallest p where Holm cannot. A comparison without pairs, or with fewer than
 * STATS_INTERVAL_MIN where another has as many, takes no part and gets 1. */
enum status stats_max_t(const double *d, int m, int n, double *adjusted);

/* The smallest difference that could have been shown, for each comparison of a family: the least
 * mean at which, with the spread that its differences have and the others as they are, its
 * corrected p (max-T in one step, which is never smaller than step-down) would be below `level`.
 * INFINITY where no difference could be shown: too few pairs, or it takes no part. d as above. */
enum status stats_could_show(const double *d, int m, int n, double level, double *smallest);

#endif
