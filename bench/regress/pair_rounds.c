/* One round of the pair gate: see pair_work.h. */
#include "bench/regress/pair_work.h"

#include "bench/measure/sample.h"
#include "impls/base/random.h"

#include <stdio.h>
#include <stdlib.h>

enum { BASE, HEAD, AGAIN, PLACES };

/* Another size of the environment for every process: it moves the stack, and with it what depends on
 * addresses (Mytkowicz et al., ASPLOS 2009). */
static int draw_padding(const struct pair_work *work, int index, int place)
{
    uint64_t purpose = random_mix(random_name("regress/padding"), (uint64_t)index);
    struct random_stream stream = {work->settings->seed, purpose};
    return (int)random_below(stream, (uint64_t)(work->rounds * PLACES + place), 4096);
}

static struct side_settings sampling(const struct pair_work *work, int index, int place)
{
    const struct regress_settings *s = work->settings;
    return (struct side_settings){.threads = s->threads, .samples = s->samples,
                                  .sample_ms = s->sample_ms, .warm_seconds = s->warm_seconds,
                                  .padding = draw_padding(work, index, place),
                                  .selftest = s->selftest,
                                  .planted = place == HEAD ? s->planted : NULL};
}

/* Takes a case out of the comparison when a process did not give a time. */
static void give_up(struct pair_entry *entry, int place, const struct side_time *time)
{
    struct regress_row *row = entry->row;
    entry->measured = false;
    row->state = place == HEAD ? REGRESS_FAILED : REGRESS_ADDED;
    row->rounds = 0;
    snprintf(row->reason, sizeof row->reason, "%s%.230s", place == HEAD ? "" : "fails in base: ",
             time->reason);
}

static void keep_time(struct pair_entry *entry, int place, const struct side_time *time)
{
    struct regress_sample sample = {time->median_ms, time->cpu_ms, time->repeats};
    if (place == AGAIN)
        entry->again[entry->again_count++] = time->median_ms;
    else if (place == HEAD)
        entry->row->head_rounds[entry->row->rounds] = sample;
    else
        entry->row->base_rounds[entry->row->rounds] = sample;
}

/* base, head, base again in even rounds of a pair, the mirror image in odd ones: AB BA BA AB. */
static void fill_places(int round, int order[PLACES])
{
    int pair[2];
    sample_fill_order(SAMPLE_ABBA, 0, round, 2, pair);
    for (int k = 0; k < PLACES; k++)
        order[k] = pair[0] == 0 ? k : PLACES - 1 - k;
    if (pair[0] != 0) { /* head, base: base again comes before them */
        order[0] = AGAIN;
        order[1] = HEAD;
        order[2] = BASE;
    }
}

static enum status measure_entry(struct pair_work *work, struct pair_entry *entry, int index)
{
    int order[PLACES];
    fill_places(work->rounds, order);
    for (int k = 0; k < PLACES && entry->measured; k++) {
        int place = order[k];
        if (place == AGAIN && !entry->again)
            continue;
        struct side_settings settings = sampling(work, index, place);
        struct side_time time;
        TRY(side_time(place == HEAD ? &work->head : &work->base, entry->target, &settings, &time));
        if (time.state != SIDE_OK)
            give_up(entry, place, &time);
        else
            keep_time(entry, place, &time);
    }
    entry->row->rounds += entry->measured;
    return OK;
}

/* The control is this program's on both sides. */
static enum status measure_control(struct pair_work *work)
{
    int order[PLACES];
    fill_places(work->rounds, order);
    for (int k = 0; k < PLACES; k++) {
        struct side_settings settings = sampling(work, -1, order[k]);
        struct side_time time;
        settings.planted = NULL;
        if (order[k] == AGAIN)
            continue;
        TRY(side_time(&work->self, NULL, &settings, &time));
        if (time.state != SIDE_OK)
            return fail(ERR_LIBRARY, "the control kernel: %s", time.reason);
        double *to = order[k] == HEAD ? work->control_head : work->control_base;
        to[work->rounds] = time.median_ms;
    }
    return OK;
}

enum status pair_measure_round(struct pair_work *work)
{
    int *order = calloc((size_t)work->count + 1, sizeof *order);
    if (!order)
        return fail(ERR_MEMORY, "no memory for an order");
    sample_fill_order(SAMPLE_RANDOM, work->settings->seed, work->rounds, work->count, order);
    enum status status = measure_control(work);
    for (int k = 0; status == OK && k < work->count; k++) {
        struct pair_entry *entry = &work->entries[order[k]];
        settings_talk(work->settings, "round %d, %d of %d: %.60s", work->rounds + 1, k + 1,
                      work->count, entry->target->name);
        if (entry->measured)
            status = measure_entry(work, entry, order[k]);
    }
    free(order);
    work->rounds++;
    return status;
}
