/* Statistics of paired differences: see stats.h. Knows no study and no table. */
#include "bench/study/stats.h"
#include "bench/study/stats_patterns.h"
#include "impls/base/random.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct stats_summary stats_summarise(const double *x, int n)
{
    struct stats_summary s = {n, NAN, NAN};
    double sum = 0, squares = 0;
    if (n == 0)
        return s;
    for (int i = 0; i < n; i++)
        sum += x[i];
    s.mean = sum / n;
    for (int i = 0; i < n; i++)
        squares += (x[i] - s.mean) * (x[i] - s.mean);
    if (n > 1)
        s.sd = sqrt(squares / (n - 1));
    return s;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* A sorted copy of n values, allocated; NULL when n is 0 or there is no memory. */
static double *sorted(const double *x, int n)
{
    double *copy = n > 0 ? malloc((size_t)n * sizeof *copy) : NULL;
    if (!copy)
        return NULL;
    memcpy(copy, x, (size_t)n * sizeof *copy);
    qsort(copy, (size_t)n, sizeof *copy, compare);
    return copy;
}

double stats_median(const double *x, int n)
{
    double *order = sorted(x, n);
    double median = order ? (order[(n - 1) / 2] + order[n / 2]) / 2 : (double)NAN;
    free(order);
    return median;
}

double stats_improvement(const double *d, int n)
{
    double wins = 0;
    for (int i = 0; i < n; i++)
        wins += d[i] > 0 ? 1 : d[i] < 0 ? 0 : 0.5;
    return n > 0 ? wins / n : (double)NAN;
}

double stats_smallest_p(int n)
{
    return n == 0 ? 1 : ldexp(2, -n);
}

static double turned_sum(const struct stats_patterns *p, uint32_t k, const double *d)
{
    double sum = 0;
    for (int i = 0; i < p->n; i++)
        sum += stats_is_turned(p, k, i) ? -d[i] : d[i];
    return fabs(sum);
}

double stats_sign_flip_p(const double *d, int n)
{
    double sum = 0, size = 0;
    if (n == 0)
        return 1;
    for (int i = 0; i < n; i++) {
        sum += d[i];
        size += fabs(d[i]);
    }
    struct stats_patterns patterns = stats_patterns_of(n);
    uint32_t hits = 0;
    for (uint32_t k = 0; k < patterns.count; k++)
        hits += turned_sum(&patterns, k, d) >= fabs(sum) - STATS_TIE * size;
    return stats_share(&patterns, hits);
}

/* ---- interval ---- */

/* Mean of the differences in subset k (numbered from 1, bit i: difference i is in it); a drawn
 * subset that happens to be empty counts as the whole. */
static double subset_mean(const struct stats_patterns *p, uint32_t k, const double *d)
{
    double sum = 0, all = 0;
    int members = 0;
    for (int i = 0; i < p->n; i++) {
        all += d[i];
        if (stats_is_turned(p, k, i)) {
            sum += d[i];
            members++;
        }
    }
    return members ? sum / members : all / p->n;
}

bool stats_interval(const double *d, int n, double *low, double *high)
{
    *low = *high = NAN;
    if (n < STATS_INTERVAL_MIN)
        return false;
    struct stats_patterns subsets = stats_patterns_of(n);
    uint32_t count = subsets.exact ? (1u << n) - 1 : subsets.count;
    double *means = malloc(count * sizeof *means);
    if (!means) {
        fail(ERR_MEMORY, "no memory for the interval of %d differences", n);
        return false;
    }
    for (uint32_t k = 0; k < count; k++)
        means[k] = subset_mean(&subsets, k + 1, d);
    qsort(means, count, sizeof *means, compare);
    /* The p of a value with i subset means below it is 2 (i + 1) / 2^n: not rejected, and so in
     * the interval, from i = floor(0.025 * 2^n) on, and likewise from above. */
    uint32_t outside = (uint32_t)floor(0.025 * (count + 1.0));
    *low = means[outside - 1];
    *high = means[count - outside];
    free(means);
    return true;
}

/* ---- bootstrap ---- */

int *stats_resamples(int n)
{
    struct random_stream stream = {(uint64_t)n, random_name("bootstrap")};
    size_t count = (size_t)STATS_RESAMPLES * (size_t)n;
    int *index = malloc((count + 1) * sizeof *index);
    for (size_t i = 0; index && i < count; i++)
        index[i] = (int)random_below(stream, i, (uint32_t)n);
    return index;
}

/* The value below which a share q of sorted values lies, between two of them in proportion. */
static double quantile(const double *order, int n, double q)
{
    double at = q * (n - 1);
    int below = (int)floor(at);
    int above = below + 1 < n ? below + 1 : below;
    return order[below] + (at - below) * (order[above] - order[below]);
}

bool stats_bootstrap(const double *d, int n, const int *index, int resamples, double *low,
                     double *high)
{
    *low = *high = NAN;
    double *means = n > 0 ? malloc((size_t)resamples * sizeof *means) : NULL;
    if (!means)
        return false;
    for (int r = 0; r < resamples; r++) {
        double sum = 0;
        for (int i = 0; i < n; i++)
            sum += d[index[(size_t)r * (size_t)n + (size_t)i]];
        means[r] = sum / n;
    }
    qsort(means, (size_t)resamples, sizeof *means, compare);
    *low = quantile(means, resamples, 0.025);
    *high = quantile(means, resamples, 0.975);
    free(means);
    return true;
}
