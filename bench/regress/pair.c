/* The gate of paired wall time: see gates.h. */
#include "bench/regress/pair_work.h"

#include "bench/measure/clock.h"
#include "impls/base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_EVERY = 5, CASES_PER_NOISE = 8 };

static double seconds_since(int64_t start)
{
    return (double)(clock_now_ns() - start) * 1e-9;
}

/* ---- opening ---- */

/* The same libraries on both sides: else every difference could be theirs. naive has none. */
static enum status same_libraries(const struct pair_work *work)
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
static uint64_t draw_seed(const struct pair_work *work)
{
    uint64_t drawn = random_mix(random_name(side_key(&work->base, "commit")),
                                random_name(side_key(&work->head, "commit")));
    return drawn % 1000000 + 1;
}

static enum status open_sides(struct pair_work *work)
{
    struct regress_settings *s = work->settings;
    TRY(side_open(&work->self, "this program", NULL));
    TRY(side_open(&work->base, "base", s->base));
    TRY(side_open(&work->head, "head", s->head));
    work->base.algorithm = work->head.algorithm = s->algorithm;
    work->outcome->base_key = json_incref(work->base.key);
    work->outcome->head_key = json_incref(work->head.key);
    if (s->seed == 0)
        s->seed = draw_seed(work);
    work->outcome->seed = s->seed;
    return same_libraries(work);
}

static enum status make_entries(struct pair_work *work)
{
    struct regress_settings *s = work->settings;
    TRY(regress_targets_make(&work->targets, &s->cases, s->impls, s->impl_count, s->filter));
    work->entries = calloc((size_t)work->targets.count + 1, sizeof *work->entries);
    if (!work->entries)
        return fail(ERR_MEMORY, "no memory for %d cases", work->targets.count);
    return OK;
}

static void close_work(struct pair_work *work)
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
    row->base_rounds = calloc(PAIR_ROUNDS, sizeof *row->base_rounds);
    row->head_rounds = calloc(PAIR_ROUNDS, sizeof *row->head_rounds);
    row->ratio_rounds = calloc(PAIR_ROUNDS, sizeof *row->ratio_rounds);
    return row->base_rounds && row->head_rounds && row->ratio_rounds
               ? OK
               : fail(ERR_MEMORY, "no memory for samples");
}

static enum status check_target(struct pair_work *work, const struct regress_target *target)
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
    struct pair_entry *entry = &work->entries[work->count++];
    *entry = (struct pair_entry){.target = target, .row = row};
    entry->measured = regress_compare_results(row, &base, &head);
    return entry->measured ? allocate_rounds(row) : OK;
}

/* What stands in the file of decisions now, for the record. */
static enum status name_algorithm(struct pair_work *work)
{
    const char *text = work->settings->algorithm;
    struct algorithms algorithms;
    TRY(algorithms_parse("--algorithm", text ? text : "direct", &algorithms));
    algorithms_name(&algorithms, work->outcome->algorithm);
    algorithms_free(&algorithms);
    return OK;
}

/* Base comes first: with algorithm auto:FILE what the file lacks is decided by base, kept, and then
 * used by head, which decides no more than what only it has. */
static enum status check_all(struct pair_work *work)
{
    for (int i = 0; i < work->targets.count; i++) {
        settings_talk(work->settings, "checking %d of %d: %.60s", i + 1, work->targets.count,
                      work->targets.list[i].name);
        TRY(check_target(work, &work->targets.list[i]));
    }
    return name_algorithm(work);
}

/* Draws the cases that give the noise floor: one in eight, at least one, others with every seed. */
static enum status draw_noise_cases(struct pair_work *work)
{
    int wanted = (work->count + CASES_PER_NOISE - 1) / CASES_PER_NOISE;
    int *order = calloc((size_t)work->count + 1, sizeof *order);
    if (!order)
        return fail(ERR_MEMORY, "no memory for an order");
    random_permutation((struct random_stream){work->settings->seed, random_name("regress/noise")},
                       work->count, order);
    enum status status = OK;
    for (int k = 0; status == OK && k < work->count && wanted > 0; k++) {
        struct pair_entry *entry = &work->entries[order[k]];
        if (!entry->measured)
            continue;
        wanted--;
        entry->again = calloc(PAIR_ROUNDS, sizeof *entry->again);
        if (!entry->again)
            status = fail(ERR_MEMORY, "no memory for samples");
    }
    free(order);
    return status;
}

/* ---- rounds ---- */

static bool any_measured(const struct pair_work *work)
{
    for (int i = 0; i < work->count; i++)
        if (work->entries[i].measured)
            return true;
    return false;
}

static bool has_time(const struct pair_work *work, double round_seconds)
{
    return work->rounds < PAIR_ROUNDS &&
           seconds_since(work->start) + round_seconds < work->settings->budget;
}

/* The least number of rounds, whatever the budget; then more for what is not decided, which is
 * looked at after every fifth: looking more often would raise the rate of false alarms. */
static enum status measure_all(struct pair_work *work)
{
    bool undecided = any_measured(work);
    while (undecided && work->rounds < work->settings->rounds)
        TRY(pair_measure_round(work));
    TRY(pair_judge(work, &undecided));
    double round_seconds = seconds_since(work->start) / fmax(work->rounds, 1);
    while (undecided && has_time(work, round_seconds)) {
        int64_t start = clock_now_ns();
        TRY(pair_measure_round(work));
        round_seconds = seconds_since(start);
        if (work->rounds % LOOK_EVERY == 0)
            TRY(pair_judge(work, &undecided));
    }
    return pair_judge(work, &undecided);
}

static enum status run(struct pair_work *work)
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
    pair_explain(work);
    if (s->accuracy)
        TRY(regress_accuracy(s, &work->base, &work->head, work->outcome));
    settings_talk(s, "%s", "");
    outcome_settle(work->outcome);
    return OK;
}

enum status regress_pair(struct regress_settings *settings, struct regress_outcome *outcome)
{
    struct pair_work *work = calloc(1, sizeof *work);
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
