/* Timing of a chain of calls: see chain.h. */
#include "bench/measure/chain.h"

#include "bench/measure/clock.h"

#include <stdlib.h>
#include <string.h>

static int64_t now_ns(const struct sample_settings *settings)
{
    const struct sample_clock *clock = settings->clock;
    return clock ? clock->now_ns(clock->context) : clock_now_ns();
}

static enum status grow(struct chain *chain)
{
    const int before = chain->capacity, capacity = before ? 2 * before : 64;
    const size_t links = (size_t)chain->links;
    double *all = malloc((links + 2) * (size_t)capacity * sizeof *all);
    if (!all)
        return fail(ERR_MEMORY, "no memory for %d samples of a chain", capacity);
    for (size_t i = 0; i < links + 2 && before > 0; i++)
        memcpy(all + i * (size_t)capacity, chain->link + i * (size_t)before,
               (size_t)before * sizeof *all);
    free(chain->link);
    chain->link = all;
    chain->capacity = capacity;
    chain->sum = all + links * (size_t)capacity;
    chain->whole = chain->sum + capacity;
    return OK;
}

/* Each reading of the clock ends one link and begins the next. */
static enum status run_links(const struct sample_target *links,
                             const struct sample_settings *settings, struct chain *chain)
{
    int64_t start = now_ns(settings), before = start;
    for (int i = 0; i < chain->links; i++) {
        TRY(links[i].run(links[i].context));
        int64_t after = now_ns(settings);
        chain->link[(size_t)i * (size_t)chain->capacity + (size_t)chain->n] =
            (double)(after - before) * 1e-6;
        before = after;
    }
    chain->sum[chain->n] = (double)(before - start) * 1e-6;
    return OK;
}

static enum status run_whole(const struct sample_target *whole,
                             const struct sample_settings *settings, struct chain *chain)
{
    int64_t start = now_ns(settings);
    TRY(whole->run(whole->context));
    chain->whole[chain->n] = (double)(now_ns(settings) - start) * 1e-6;
    return OK;
}

/* links, whole | whole, links | links, whole ...: each finds what the other left equally often. */
static enum status run_round(const struct sample_target *links, const struct sample_target *whole,
                             const struct sample_settings *settings, struct chain *chain)
{
    bool links_first = chain->n % 2 == 0;
    if (chain->n == chain->capacity)
        TRY(grow(chain));
    if (links_first)
        TRY(run_links(links, settings, chain));
    TRY(run_whole(whole, settings, chain));
    return links_first ? OK : run_links(links, settings, chain);
}

static void measure_clock(const struct sample_settings *settings, struct chain *chain)
{
    enum { READINGS = 1000 };
    int64_t start = now_ns(settings);
    for (int i = 0; i < READINGS; i++)
        now_ns(settings);
    chain->clock_ms = (double)(now_ns(settings) - start) * 1e-6 / READINGS;
}

enum status chain_time(const struct sample_target *links, int count,
                       const struct sample_target *whole, const struct sample_settings *settings,
                       struct chain *chain)
{
    double seconds = 0;
    *chain = (struct chain){.links = count};
    measure_clock(settings, chain);
    TRY(run_round(links, whole, settings, chain)); /* of the warm-up: overwritten */
    while (chain->n < settings->samples &&
           (chain->n < settings->least || settings->seconds <= 0 || seconds < settings->seconds)) {
        TRY(run_round(links, whole, settings, chain));
        seconds += chain->sum[chain->n++] * 1e-3;
    }
    return OK;
}

const double *chain_link(const struct chain *chain, int link)
{
    return chain->link + (size_t)link * (size_t)chain->capacity;
}

void chain_free(struct chain *chain)
{
    free(chain->link);
    *chain = (struct chain){0};
}
