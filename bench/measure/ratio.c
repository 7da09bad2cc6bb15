/* Ratios formed pair by pair: see ratio.h. */
#include "bench/measure/ratio.h"

#include "bench/measure/percentile.h"
#include "impls/base/random.h"

#include <math.h>
#include <stdlib.h>

static double resampled_median(const double *values, int n, struct random_stream stream,
                               double *drawn)
{
    for (int i = 0; i < n; i++)
        drawn[i] = values[random_below(stream, (uint64_t)i, (uint32_t)n)];
    percentile_sort(drawn, n);
    return percentile_median(drawn, n);
}

enum status ratio_bootstrap_median(const double *values, int n, double confidence, uint64_t seed,
                                   double *low, double *high)
{
    double *medians = malloc(RATIO_RESAMPLES * sizeof *medians);
    double *drawn = malloc((size_t)n * sizeof *drawn);
    if (medians && drawn) {
        uint64_t purpose = random_name("measure/bootstrap");
        for (int r = 0; r < RATIO_RESAMPLES; r++) {
            struct random_stream stream = {seed, random_mix(purpose, (uint64_t)r)};
            medians[r] = resampled_median(values, n, stream, drawn);
        }
        percentile_sort(medians, RATIO_RESAMPLES);
        *low = percentile(medians, RATIO_RESAMPLES, (1 - confidence) / 2);
        *high = percentile(medians, RATIO_RESAMPLES, (1 + confidence) / 2);
    }
    bool enough = medians && drawn;
    free(medians);
    free(drawn);
    return enough ? OK : fail(ERR_MEMORY, "no memory for resampling %d values", n);
}

enum status ratio_of_ratios(const double *ratios, int n, uint64_t seed, struct ratio *ratio)
{
    *ratio = (struct ratio){.n = n, .median = NAN, .low = NAN, .high = NAN};
    if (n < 1)
        return OK;
    ratio->median = percentile_median_of(ratios, n);
    if (n < RATIO_PAIRS_MIN)
        return OK;
    return ratio_bootstrap_median(ratios, n, 0.95, seed, &ratio->low, &ratio->high);
}

enum status ratio_of_pairs(const double *a, const double *b, int n, uint64_t seed,
                           struct ratio *ratio)
{
    double *ratios = malloc(((size_t)n + 1) * sizeof *ratios);
    if (!ratios)
        return fail(ERR_MEMORY, "no memory for %d ratios", n);
    for (int i = 0; i < n; i++)
        ratios[i] = b[i] / a[i];
    enum status status = ratio_of_ratios(ratios, n, seed, ratio);
    free(ratios);
    return status;
}
