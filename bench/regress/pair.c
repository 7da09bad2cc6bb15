/* The gate of paired wall time: see gates.h. */
#include "bench/regress/gates.h"

#include "bench/measure/clock.h"
#include "bench/measure/percentile.h"
#include "bench/measure/sample.h"
#include "bench/study/stats.h"
#include "impls/base/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ROUNDS = 100, LOOK_EVERY = 5, CASES_PER_NOISE = 8, LIBRARIES = 8 };

/* One target while it is measured. */
struct entry {
    const struct regress_target *target;
    struct regress_row *row; /* owned by the outcome */
    bool measured;           /* can be compared, and is not decided */
    double *again;           /* [MOST_ROUNDS] base a second time, or NULL; owned */
    int again_count;
};

struct work {
    struct regress_settings *settings;
    struct regress_outcome *outcome;
    struct regress_side base, head, self;
    struct regress_targets targets;
    struct entry *entries;
    int count;
    double control_base[MOST_ROUNDS], control_head[MOST_ROUNDS];
    int rounds;
    int64_t start;
};

static double seconds_since(int64_t start)
{
    return (double)(clock_now_ns() - start) * 1e-9;
}

/* ---- opening ---- */

/* The same libraries on both sides: else every difference could be theirs. naive has none. */
static enum status same_libraries(const struct work *work)
{
    for (int i = 0; i < work->settings->impl_count; i++) {
        const char *name = work->settings->impls[i]->name;
        const char *a = side_key(&work->base, name), *b = side_key(&work->head, name);
        if (strcmp(name, "naive") != 0 && a[0] && b[0] && strcmp(a, b) != 0)
            return fail(ERR_UNSUPPORTED, "another %s: '%s' in base, '%s' in head", name, a, b);
    }
    return OK;
}

/* The same for the same two commits, another for the next: so the noise cases rotate. */
static uint64_t draw_seed(const struct work *work)
{
    uint64_t drawn = random_mix(random_name(side_key(&work->base, "commit")),
                                random_name(side_key(&work->head, "commit")));
    return drawn % 1000000 + 1;
}

static enum status open_sides(struct work *work)
{
    struct regress_settings *s = work->settings;
    TRY(side_open(&work->self, "this program", NULL));
    TRY(side_open(&work->base, "base", s->base));
    TRY(side_open(&work->head, "head", s->head));
    work->outcome->base_key = json_incref(work->base.key);
    work->outcome->head_key = json_incref(work->head.key);
    if (s->seed == 0)
        s->seed = draw_seed(work);
    work->outcome->seed = s->seed;
    return same_libraries(work);
}

static enum status make_entries(struct work *work)
{
    struct regress_settings *s = work->settings;
    TRY(regress_targets_make(&work->targets, &s->cases, s->impls, s->impl_count, s->filter));
    work->entries = calloc((size_t)work->targets.count + 1, sizeof *work->entries);
    if (!work->entries)
        return fail(ERR_MEMORY, "no memory for %d cases", work->targets.count);
    return OK;
}

static void close_work(struct work *work)
{
    for (int i = 0; i < work->count; i++)
        free(work->entries[i].again);
    free(work->entries);
    regress_targets_free(&work->targets);
    side_close(&work->self);
    side_close(&work->base);
    side_close(&work->head);
}

/* ---- correctness first ---- */

static enum status allocate_rounds(struct regress_row *row)
{
    row->base_rounds = calloc(MOST_ROUNDS, sizeof *row->base_rounds);
    row->head_rounds = calloc(MOST_ROUNDS, sizeof *row->head_rounds);
    return row->base_rounds && row->head_rounds ? OK : fail(ERR_MEMORY, "no memory for samples");
}

static enum status check_target(struct work *work, const struct regress_target *target)
{
    struct side_check base, head;
    int threads = work->settings->threads;
    TRY(side_check(&work->base, target, threads, &base));
    TRY(side_check(&work->head, target, threads, &head));
    if (base.state == SIDE_ABSENT && head.state == SIDE_ABSENT)
        return OK;
    struct regress_row *row = outcome_add(work->outcome, target->name, "ms");
    if (!row)
        return ERR_MEMORY;
    settings_allow(work->settings, row);
    struct entry *entry = &work->entries[work->count++];
    *entry = (struct entry){.target = target, .row = row};
    entry->measured = regress_compare_results(row, &base, &head);
    return entry->measured ? allocate_rounds(row) : OK;
}

static enum status check_all(struct work *work)
{
    for (int i = 0; i < work->targets.count; i++) {
        settings_talk(work->settings, "checking %d of %d: %.60s", i + 1, work->targets.count,
                      work->targets.list[i].name);
        TRY(check_target(work, &work->targets.list[i]));
    }
    return OK;
}

/* Draws the cases that give the noise floor: one in eight, at least one, others with every seed. */
static enum status draw_noise_cases(struct work *work)
{
    int wanted = (work->count + CASES_PER_NOISE - 1) / CASES_PER_NOISE;
    int *order = calloc((size_t)work->count + 1, sizeof *order);
    if (!order)
        return fail(ERR_MEMORY, "no memory for an order");
    random_permutation((struct random_stream){work->settings->seed, random_name("regress/noise")},
                       work->count, order);
    enum status status = OK;
    for (int k = 0; status == OK && k < work->count && wanted > 0; k++) {
        struct entry *entry = &work->entries[order[k]];
        if (!entry->measured)
            continue;
        wanted--;
        entry->again = calloc(MOST_ROUNDS, sizeof *entry->again);
        if (!entry->again)
            status = fail(ERR_MEMORY, "no memory for samples");
    }
    free(order);
    return status;
}

/* ---- rounds ---- */

enum { BASE, HEAD, AGAIN, PLACES };

/* Another size of the environment for every process: it moves the stack, and with it what depends on
 * addresses (Mytkowicz et al., ASPLOS 2009). */
static int draw_padding(const struct work *work, int index, int place)
{
    uint64_t purpose = random_mix(random_name("regress/padding"), (uint64_t)index);
    struct random_stream stream = {work->settings->seed, purpose};
    return (int)random_below(stream, (uint64_t)(work->rounds * PLACES + place), 4096);
}

static struct side_settings sampling(const struct work *work, int index, int place)
{
    const struct regress_settings *s = work->settings;
    return (struct side_settings){.threads = s->threads, .samples = s->samples,
                                  .sample_ms = s->sample_ms, .warm_seconds = s->warm_seconds,
                                  .padding = draw_padding(work, index, place),
                                  .selftest = s->selftest,
                                  .planted = place == HEAD ? s->planted : NULL};
}

/* Takes a case out of the comparison when a process did not give a time. */
static void give_up(struct entry *entry, int place, const struct side_time *time)
{
    struct regress_row *row = entry->row;
    entry->measured = false;
    row->state = place == HEAD ? REGRESS_FAILED : REGRESS_ADDED;
    row->rounds = 0;
    snprintf(row->reason, sizeof row->reason, "%s%.230s", place == HEAD ? "" : "fails in base: ",
             time->reason);
}

static void keep_time(struct entry *entry, int place, const struct side_time *time)
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

static enum status measure_entry(struct work *work, struct entry *entry, int index)
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
static enum status measure_control(struct work *work)
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

static enum status measure_round(struct work *work)
{
    int *order = calloc((size_t)work->count + 1, sizeof *order);
    if (!order)
        return fail(ERR_MEMORY, "no memory for an order");
    sample_fill_order(SAMPLE_RANDOM, work->settings->seed, work->rounds, work->count, order);
    enum status status = measure_control(work);
    for (int k = 0; status == OK && k < work->count; k++) {
        struct entry *entry = &work->entries[order[k]];
        settings_talk(work->settings, "round %d, %d of %d: %.60s", work->rounds + 1, k + 1,
                      work->count, entry->target->name);
        if (entry->measured)
            status = measure_entry(work, entry, order[k]);
    }
    free(order);
    work->rounds++;
    return status;
}

/* ---- judging ---- */

static enum status ratio_of_row(const struct work *work, const struct regress_row *row,
                                struct ratio *ratio)
{
    double base[MOST_ROUNDS], head[MOST_ROUNDS];
    for (int i = 0; i < row->rounds; i++) {
        base[i] = row->base_rounds[i].ms;
        head[i] = row->head_rounds[i].ms;
    }
    return ratio_of_pairs(base, head, row->rounds, work->settings->seed, ratio);
}

static enum status find_noise_floor(struct work *work)
{
    double floor = 0;
    for (int i = 0; i < work->count; i++) {
        const struct entry *entry = &work->entries[i];
        double base[MOST_ROUNDS];
        struct ratio ratio;
        if (!entry->again || entry->again_count < entry->row->rounds || entry->row->rounds < 1)
            continue;
        for (int k = 0; k < entry->row->rounds; k++)
            base[k] = entry->row->base_rounds[k].ms;
        TRY(ratio_of_pairs(base, entry->again, entry->row->rounds, work->settings->seed, &ratio));
        floor = fmax(floor, fabs(ratio.median - 1));
    }
    work->outcome->noise_floor = floor;
    return OK;
}

static double sign_flip_p(const struct regress_row *row)
{
    double logs[MOST_ROUNDS];
    for (int i = 0; i < row->rounds; i++)
        logs[i] = log(row->head_rounds[i].ms / row->base_rounds[i].ms);
    return stats_sign_flip_p(logs, row->rounds);
}

static double median_of(const struct regress_sample *samples, int count)
{
    double ms[MOST_ROUNDS];
    for (int i = 0; i < count; i++)
        ms[i] = samples[i].ms;
    percentile_sort(ms, count);
    return percentile_median(ms, count);
}

static enum status judge_entry(struct work *work, struct entry *entry)
{
    const struct regress_outcome *outcome = work->outcome;
    struct regress_row *row = entry->row;
    struct ratio ratio;
    TRY(ratio_of_row(work, row, &ratio));
    row->ratio = ratio.median;
    row->low = ratio.low;
    row->high = ratio.high;
    row->base = median_of(row->base_rounds, row->rounds);
    row->head = median_of(row->head_rounds, row->rounds);
    row->bound = judge_threshold(outcome->noise_floor, row->allowed);
    row->state = judge_pairs(&ratio, row->bound, judge_control_quiet(&outcome->control));
    return OK;
}

static bool is_timed(const struct entry *entry)
{
    return entry->row->rounds > 0;
}

/* Judges what was timed; true in `undecided` when more rounds could decide something. */
static enum status judge_all(struct work *work, bool *undecided)
{
    *undecided = false;
    TRY(find_noise_floor(work));
    TRY(ratio_of_pairs(work->control_base, work->control_head, work->rounds, work->settings->seed,
                       &work->outcome->control));
    for (int i = 0; i < work->count; i++) {
        struct entry *entry = &work->entries[i];
        if (!is_timed(entry))
            continue;
        TRY(judge_entry(work, entry));
        entry->measured = entry->row->state == REGRESS_INCONCLUSIVE;
        *undecided = *undecided || entry->measured;
    }
    return OK;
}

static bool any_measured(const struct work *work)
{
    for (int i = 0; i < work->count; i++)
        if (work->entries[i].measured)
            return true;
    return false;
}

static bool has_time(const struct work *work, double round_seconds)
{
    return work->rounds < MOST_ROUNDS &&
           seconds_since(work->start) + round_seconds < work->settings->budget;
}

/* The least number of rounds, whatever the budget; then more for what is not decided, which is
 * looked at after every fifth: looking more often would raise the rate of false alarms. */
static enum status measure_all(struct work *work)
{
    bool undecided = any_measured(work);
    while (undecided && work->rounds < work->settings->rounds)
        TRY(measure_round(work));
    TRY(judge_all(work, &undecided));
    double round_seconds = seconds_since(work->start) / fmax(work->rounds, 1);
    while (undecided && has_time(work, round_seconds)) {
        int64_t start = clock_now_ns();
        TRY(measure_round(work));
        round_seconds = seconds_since(start);
        if (work->rounds % LOOK_EVERY == 0)
            TRY(judge_all(work, &undecided));
    }
    return judge_all(work, &undecided);
}

static void add_p(struct work *work)
{
    for (int i = 0; i < work->count; i++)
        if (is_timed(&work->entries[i]))
            work->entries[i].row->p = sign_flip_p(work->entries[i].row);
}

/* Says what is not decided, and why. */
static void explain(struct work *work)
{
    bool quiet = judge_control_quiet(&work->outcome->control);
    for (int i = 0; i < work->count; i++) {
        struct regress_row *row = work->entries[i].row;
        if (row->state != REGRESS_INCONCLUSIVE)
            continue;
        if (row->low > 1 && row->ratio > 1 + row->bound && !quiet)
            snprintf(row->reason, sizeof row->reason, "slower, but the machine was not quiet: the "
                     "control kernel lies within %.3f .. %.3f", work->outcome->control.low,
                     work->outcome->control.high);
        else
            snprintf(row->reason, sizeof row->reason, "after %d rounds between %+.1f %% and %+.1f "
                     "%%, bound %.1f %%", row->rounds, 100 * (row->low - 1),
                     100 * (row->high - 1), 100 * row->bound);
    }
}

static enum status run(struct work *work)
{
    struct regress_settings *s = work->settings;
    TRY(make_entries(work));
    if (work->targets.count == 0) {
        outcome_settle(work->outcome);
        return OK;
    }
    enum status status = open_sides(work);
    if (status == ERR_UNSUPPORTED) {
        outcome_refuse(work->outcome);
        return OK;
    }
    TRY(status);
    TRY(check_all(work));
    TRY(draw_noise_cases(work));
    TRY(measure_all(work));
    add_p(work);
    explain(work);
    if (s->accuracy)
        TRY(regress_accuracy(s, &work->base, &work->head, work->outcome));
    settings_talk(s, "%s", "");
    outcome_settle(work->outcome);
    return OK;
}

enum status regress_pair(struct regress_settings *settings, struct regress_outcome *outcome)
{
    struct work *work = calloc(1, sizeof *work);
    if (!work)
        return fail(ERR_MEMORY, "no memory for the comparison");
    work->settings = settings;
    work->outcome = outcome;
    work->start = clock_now_ns();
    outcome->threads = settings->threads;
    enum status status = run(work);
    outcome->seconds = seconds_since(work->start);
    close_work(work);
    free(work);
    return status;
}
