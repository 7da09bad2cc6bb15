/* Timing of functions against each other: see sample.h. */
#include "bench/measure/sample.h"

#include "bench/measure/clock.h"
#include "bench/measure/percentile.h"
#include "impls/base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { REPEATS_MAX = 1 << 28, GROWTH_MAX = 10 };

struct sample_settings sample_defaults(void)
{
    return (struct sample_settings){.samples = 15,
                                    .least = 3,
                                    .sample_ms = 10,
                                    .warm_seconds = 1,
                                    .order = SAMPLE_RANDOM,
                                    .seed = 1};
}

static int64_t now_ns(const struct sample_settings *settings)
{
    const struct sample_clock *clock = settings->clock;
    return clock ? clock->now_ns(clock->context) : clock_now_ns();
}

/* Nanoseconds that `repeats` calls take together. */
static enum status time_batch(const struct sample_target *target,
                              const struct sample_settings *settings, int repeats, int64_t *ns)
{
    int64_t start = now_ns(settings);
    for (int i = 0; i < repeats; i++)
        TRY(target->run(target->context));
    *ns = now_ns(settings) - start;
    return OK;
}

/* More calls, after `repeats` of them took less time than a sample should. The growth is bounded
 * because a very short batch says little about the duration of a call. */
static int more_repeats(int repeats, double ns, double wanted_ns)
{
    double factor = ns > 0 ? 1.1 * wanted_ns / ns : GROWTH_MAX;
    double next = ceil(repeats * (factor < GROWTH_MAX ? factor : GROWTH_MAX));
    return next < REPEATS_MAX ? (int)next : REPEATS_MAX;
}

static bool agree(double a, double b)
{
    return fabs(a - b) <= 0.05 * (a < b ? a : b);
}

enum status sample_warm(const struct sample_target *target,
                        const struct sample_settings *settings, struct sample_series *series)
{
    const double wanted_ns = settings->sample_ms * 1e6;
    const int64_t start = now_ns(settings);
    double before = -1; /* of one call, in the last batch that was long enough */
    int repeats = 1;
    series->steady = false;
    do {
        int64_t ns;
        TRY(time_batch(target, settings, repeats, &ns));
        double call = (double)ns / repeats;
        bool enough = (double)ns >= wanted_ns || repeats == REPEATS_MAX;
        series->steady = enough && before >= 0 && agree(call, before);
        before = enough ? call : -1;
        if (!enough)
            repeats = more_repeats(repeats, (double)ns, wanted_ns);
    } while (!series->steady &&
             (double)(now_ns(settings) - start) < settings->warm_seconds * 1e9);
    series->repeats = repeats;
    return OK;
}

static void reverse(int *order, int count)
{
    for (int i = 0, j = count - 1; i < j; i++, j--) {
        int swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
}

void sample_fill_order(enum sample_order kind, uint64_t seed, int round, int count, int *order)
{
    int pair = round / 2;
    if (kind == SAMPLE_RANDOM) {
        uint64_t stream = random_mix(random_name("measure/order"), (uint64_t)pair);
        random_permutation((struct random_stream){seed, stream}, count, order);
    } else {
        for (int i = 0; i < count; i++)
            order[i] = i;
    }
    bool second = round % 2 != 0;
    bool swapped = kind == SAMPLE_ABBA && pair % 2 != 0; /* AB BA BA AB */
    if (second != swapped)
        reverse(order, count);
}

static enum status append(struct sample_series *series, double ms)
{
    if (series->n == series->capacity) {
        int capacity = series->capacity ? 2 * series->capacity : 64;
        double *grown = realloc(series->ms, (size_t)capacity * sizeof *grown);
        if (!grown)
            return fail(ERR_MEMORY, "no memory for %d samples", capacity);
        series->ms = grown;
        series->capacity = capacity;
    }
    series->ms[series->n++] = ms;
    return OK;
}

static enum status take(const struct sample_target *target,
                        const struct sample_settings *settings, struct sample_series *series)
{
    int64_t ns, cpu = clock_cpu_ns();
    TRY(time_batch(target, settings, series->repeats, &ns));
    series->cpu_seconds += (double)(clock_cpu_ns() - cpu) * 1e-9;
    series->wall_seconds += (double)ns * 1e-9;
    return append(series, (double)ns * 1e-6 / series->repeats);
}

/* A target out of time stays out: its samples are those of the first rounds. */
static bool wants_more(const struct sample_settings *settings, const struct sample_series *series)
{
    return series->n < settings->least || settings->seconds <= 0 ||
           series->wall_seconds < settings->seconds;
}

static enum status run_rounds(const struct sample_target *targets, int count,
                              const struct sample_settings *settings,
                              struct sample_series *series, int *order)
{
    bool active = true;
    for (int round = 0; active && round < settings->samples; round++) {
        active = false;
        sample_fill_order(settings->order, settings->seed, round, count, order);
        for (int k = 0; k < count; k++) {
            int i = order[k];
            if (series[i].n < round || !wants_more(settings, &series[i]))
                continue;
            active = true;
            TRY(take(&targets[i], settings, &series[i]));
        }
    }
    return OK;
}

enum status sample_rounds(const struct sample_target *targets, int count,
                          const struct sample_settings *settings, struct sample_series *series)
{
    for (int i = 0; i < count; i++)
        TRY(sample_warm(&targets[i], settings, &series[i]));
    int *order = calloc((size_t)count, sizeof *order);
    enum status status = order ? run_rounds(targets, count, settings, series, order)
                               : fail(ERR_MEMORY, "no memory for %d timings", count);
    free(order);
    return status;
}

void sample_free(struct sample_series *series)
{
    free(series->ms);
    *series = (struct sample_series){0};
}

enum status sample_summarise(const struct sample_series *series, struct sample_summary *summary)
{
    *summary = (struct sample_summary){.n = series->n, .min = NAN, .median = NAN, .low = NAN,
                                       .high = NAN, .p50 = NAN, .p90 = NAN, .p95 = NAN,
                                       .p99 = NAN};
    int n = series->n;
    if (n < 1)
        return OK;
    double *sorted = malloc((size_t)n * sizeof *sorted);
    if (!sorted)
        return fail(ERR_MEMORY, "no memory for %d samples", n);
    memcpy(sorted, series->ms, (size_t)n * sizeof *sorted);
    percentile_sort(sorted, n);
    summary->min = sorted[0];
    summary->median = percentile_median(sorted, n);
    percentile_interval(sorted, n, 0.5, 0.95, &summary->low, &summary->high);
    summary->p50 = percentile(sorted, n, 0.50);
    summary->p90 = percentile(sorted, n, 0.90);
    summary->p95 = percentile(sorted, n, 0.95);
    summary->p99 = percentile(sorted, n, 0.99);
    free(sorted);
    return OK;
}
