/* One round of the pair gate: see pair_work.h. */
#include "bench/regress/pair_work.h"

#include "bench/measure/percentile.h"
#include "bench/measure/sample.h"
#include "impls/base/random.h"

#include <stdio.h>
#include <stdlib.h>

enum { BASE, HEAD, AGAIN, PLACES };

/* Another size of the environment for every process: it moves the stack, and with it what depends
 * on addresses (Mytkowicz et al., ASPLOS 2009). */
static int draw_padding(const struct pair_work *work, int index, int place)
{
    uint64_t purpose = random_mix(random_name("regress/padding"), (uint64_t)index);
    struct random_stream stream = {work->settings->seed, purpose};
    return (int)random_below(stream, (uint64_t)(work->rounds * PLACES + place), 4096);
}

static struct side_settings sampling(const struct pair_work *work, int index, int place)
{
    const struct regress_settings *s = work->settings;
    return (struct side_settings){.threads = s->threads, .sample_ms = s->sample_ms,
                                  .warm_seconds = s->warm_seconds,
                                  .processor = work->rounds / 2,
                                  .padding = draw_padding(work, index, place),
                                  .selftest = s->selftest,
                                  .planted = place == HEAD && index >= 0 ? s->planted : NULL};
}

/* base, head, base again at even times, the mirror image at odd ones: AB BA BA AB. */
static void fill_places(int time, int order[PLACES])
{
    int pair[2];
    sample_fill_order(SAMPLE_ABBA, 0, time, 2, pair);
    for (int k = 0; k < PLACES; k++)
        order[k] = pair[0] == 0 ? k : PLACES - 1 - k;
    if (pair[0] != 0) { /* head, base: base again comes before them */
        order[0] = AGAIN;
        order[1] = HEAD;
        order[2] = BASE;
    }
}

/* The processes of one target in one round, and what they gave. */
struct turn {
    struct side_timer timers[PLACES];
    bool used[PLACES];
    double ms[PLACES][PAIR_SAMPLES], cpu_ms[PLACES][PAIR_SAMPLES];
};

static bool all_well(const struct turn *turn, int *broken)
{
    for (int place = 0; place < PLACES; place++)
        if (turn->used[place] && turn->timers[place].state != SIDE_OK) {
            *broken = place;
            return false;
        }
    return true;
}

/* NULL for target: the control kernel, this program's on both sides. */
static enum status open_turn(struct pair_work *work, const struct regress_target *target,
                             int index, struct turn *turn)
{
    int order[PLACES];
    fill_places(work->rounds, order);
    for (int k = 0; k < PLACES; k++) {
        int place = order[k];
        struct side_settings settings = sampling(work, index, place);
        const struct regress_side *side = place == HEAD ? &work->head : &work->base;
        if (turn->used[place])
            TRY(side_timer_open(&turn->timers[place], target ? side : &work->self, target,
                                &settings));
    }
    for (int k = 0; k < PLACES; k++)
        if (turn->used[order[k]])
            side_timer_warm(&turn->timers[order[k]]);
    return OK;
}

/* The sides take their samples in turns, so that a slow moment of the machine, which lasts longer
 * than two samples, slows both. */
static void take_samples(const struct pair_work *work, struct turn *turn)
{
    int order[PLACES];
    for (int i = 0; i < work->settings->samples; i++) {
        fill_places(work->rounds + i, order);
        for (int k = 0; k < PLACES; k++)
            if (turn->used[order[k]])
                side_timer_sample(&turn->timers[order[k]], &turn->ms[order[k]][i],
                                  &turn->cpu_ms[order[k]][i]);
    }
}

/* Runs a turn to its end. `broken` is the place whose process gave no time, or -1. */
static enum status run_turn(struct pair_work *work, const struct regress_target *target, int index,
                            struct turn *turn, int *broken)
{
    *broken = -1;
    for (int place = 0; place < PLACES; place++)
        turn->timers[place] = (struct side_timer){.session = {.socket = -1}};
    enum status status = open_turn(work, target, index, turn);
    if (status == OK)
        take_samples(work, turn);
    all_well(turn, broken);
    for (int place = 0; place < PLACES; place++)
        side_timer_close(&turn->timers[place]);
    return status;
}

/* The ratio of two places: the median over the samples of one round. */
static double turn_ratio(const struct turn *turn, int place, int samples)
{
    double ratios[PAIR_SAMPLES];
    for (int i = 0; i < samples; i++)
        ratios[i] = turn->ms[place][i] / turn->ms[BASE][i];
    return percentile_median_of(ratios, samples);
}

static struct regress_sample turn_time(const struct turn *turn, int place, int samples)
{
    return (struct regress_sample){percentile_median_of(turn->ms[place], samples),
                                   percentile_median_of(turn->cpu_ms[place], samples),
                                   turn->timers[place].repeats};
}

/* Takes a case out of the comparison when a process did not give a time. */
static void give_up(struct pair_entry *entry, int place, const char *reason)
{
    struct regress_row *row = entry->row;
    entry->measured = false;
    row->state = place == HEAD ? REGRESS_FAILED : REGRESS_ADDED;
    row->rounds = 0;
    snprintf(row->reason, sizeof row->reason, "%s%.230s", place == HEAD ? "" : "fails in base: ",
             reason);
}

static void keep_times(struct pair_entry *entry, const struct turn *turn, int samples)
{
    struct regress_row *row = entry->row;
    if (entry->again)
        entry->again[row->rounds] = turn_ratio(turn, AGAIN, samples);
    row->base_rounds[row->rounds] = turn_time(turn, BASE, samples);
    row->head_rounds[row->rounds] = turn_time(turn, HEAD, samples);
    row->ratio_rounds[row->rounds] = turn_ratio(turn, HEAD, samples);
    row->rounds++;
}

static enum status measure_entry(struct pair_work *work, struct pair_entry *entry, int index,
                                 struct turn *turn)
{
    int broken;
    turn->used[BASE] = turn->used[HEAD] = true;
    turn->used[AGAIN] = entry->again != NULL;
    TRY(run_turn(work, entry->target, index, turn, &broken));
    if (broken >= 0)
        give_up(entry, broken, turn->timers[broken].reason);
    else
        keep_times(entry, turn, work->settings->samples);
    return OK;
}

static enum status measure_control(struct pair_work *work, struct turn *turn)
{
    int broken;
    turn->used[BASE] = turn->used[HEAD] = true;
    turn->used[AGAIN] = false;
    TRY(run_turn(work, NULL, -1, turn, &broken));
    if (broken >= 0)
        return fail(ERR_LIBRARY, "the control kernel: %s", turn->timers[broken].reason);
    work->control[work->rounds] = turn_ratio(turn, HEAD, work->settings->samples);
    return OK;
}

static enum status measure_round(struct pair_work *work, const int *order, struct turn *turn)
{
    TRY(measure_control(work, turn));
    for (int k = 0; k < work->count; k++) {
        struct pair_entry *entry = &work->entries[order[k]];
        settings_talk(work->settings, "round %d, %d of %d: %.60s", work->rounds + 1, k + 1,
                      work->count, entry->target->name);
        if (entry->measured)
            TRY(measure_entry(work, entry, order[k], turn));
    }
    return OK;
}

enum status pair_measure_round(struct pair_work *work)
{
    int *order = calloc((size_t)work->count + 1, sizeof *order);
    struct turn *turn = calloc(1, sizeof *turn);
    enum status status = ERR_MEMORY;
    if (order && turn) {
        sample_fill_order(SAMPLE_RANDOM, work->settings->seed, work->rounds, work->count, order);
        status = measure_round(work, order, turn);
    } else {
        fail(ERR_MEMORY, "no memory for a round");
    }
    free(order);
    free(turn);
    work->rounds++;
    return status;
}
