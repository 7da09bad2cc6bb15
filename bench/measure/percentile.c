/* Median, minimum and percentiles of samples: see percentile.h. */
#include "bench/measure/percentile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void percentile_sort(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, compare);
}

double binomial_below(int k, int n, double p)
{
    if (k < 0)
        return 0;
    if (k >= n)
        return 1;
    double sum = 0, yes = log(p), no = log1p(-p);
    for (int i = 0; i <= k; i++)
        sum += exp(lgamma(n + 1.0) - lgamma(i + 1.0) - lgamma(n - i + 1.0) + i * yes +
                   (n - i) * no);
    return sum < 1 ? sum : 1;
}

int percentile_needs(double p)
{
    const double doubt = 0.01;
    int high = 2;
    while (binomial_below(1, high, 1 - p) > doubt && high < 1 << 28)
        high *= 2;
    int low = high / 2;
    while (low + 1 < high) {
        int middle = low + (high - low) / 2;
        if (binomial_below(1, middle, 1 - p) > doubt)
            low = middle;
        else
            high = middle;
    }
    return high;
}

static double interpolate(const double *sorted, int n, double p)
{
    double place = p * (n - 1);
    int below = (int)place;
    if (below >= n - 1)
        return sorted[n - 1];
    return sorted[below] + (place - below) * (sorted[below + 1] - sorted[below]);
}

double percentile(const double *sorted, int n, double p)
{
    return n < percentile_needs(p) ? NAN : interpolate(sorted, n, p);
}

double percentile_median(const double *sorted, int n)
{
    return interpolate(sorted, n, 0.5);
}

double percentile_median_of(const double *values, int n)
{
    double *copy = malloc((size_t)n * sizeof *copy);
    if (!copy)
        return NAN;
    memcpy(copy, values, (size_t)n * sizeof *copy);
    percentile_sort(copy, n);
    double median = percentile_median(copy, n);
    free(copy);
    return median;
}

bool percentile_interval(const double *sorted, int n, double p, double confidence, double *low,
                         double *high)
{
    double tail = (1 - confidence) / 2;
    /* The r-th smallest (from 1) lies above the percentile when fewer than r samples lie below. */
    int first = 0;
    while (first < n && binomial_below(first, n, p) <= tail)
        first++;
    int last = n + 1;
    while (last > 0 && 1 - binomial_below(last - 2, n, p) <= tail)
        last--;
    if (first < 1 || last > n)
        return false;
    *low = sorted[first - 1];
    *high = sorted[last - 1];
    return true;
}
