/* The judgement of the pair gate on what was timed: see pair_work.h. */
#include "bench/regress/pair_work.h"

#include "bench/measure/percentile.h"
#include "bench/study/stats.h"

#include <math.h>
#include <stdio.h>

static enum status find_noise_floor(struct pair_work *work)
{
    double floor = 0;
    for (int i = 0; i < work->count; i++) {
        const struct pair_entry *entry = &work->entries[i];
        if (entry->again && entry->row->rounds > 0)
            floor = fmax(floor, fabs(percentile_median_of(entry->again, entry->row->rounds) - 1));
    }
    work->outcome->noise_floor = floor;
    return isfinite(floor) ? OK : fail(ERR_MEMORY, "no memory for the noise floor");
}

static double sign_flip_p(const struct regress_row *row)
{
    double logs[PAIR_ROUNDS];
    for (int i = 0; i < row->rounds; i++)
        logs[i] = log(row->ratio_rounds[i]);
    return stats_sign_flip_p(logs, row->rounds);
}

static double median_of(const struct regress_sample *samples, int count)
{
    double ms[PAIR_ROUNDS];
    for (int i = 0; i < count; i++)
        ms[i] = samples[i].ms;
    percentile_sort(ms, count);
    return percentile_median(ms, count);
}

static enum status judge_entry(struct pair_work *work, struct pair_entry *entry)
{
    const struct regress_outcome *outcome = work->outcome;
    struct regress_row *row = entry->row;
    struct ratio ratio;
    TRY(ratio_of_ratios(row->ratio_rounds, row->rounds, work->settings->seed, &ratio));
    row->ratio = ratio.median;
    row->low = ratio.low;
    row->high = ratio.high;
    row->base = median_of(row->base_rounds, row->rounds);
    row->head = median_of(row->head_rounds, row->rounds);
    row->bound = judge_threshold(outcome->noise_floor, row->allowed);
    row->state = judge_pairs(&ratio, row->bound, judge_control_quiet(&outcome->control));
    return OK;
}

static bool is_timed(const struct pair_entry *entry)
{
    return entry->row->rounds > 0;
}

enum status pair_judge(struct pair_work *work, bool *undecided)
{
    *undecided = false;
    TRY(find_noise_floor(work));
    TRY(ratio_of_ratios(work->control, work->rounds, work->settings->seed,
                        &work->outcome->control));
    for (int i = 0; i < work->count; i++) {
        struct pair_entry *entry = &work->entries[i];
        if (!is_timed(entry))
            continue;
        TRY(judge_entry(work, entry));
        entry->measured = entry->row->state == REGRESS_INCONCLUSIVE;
        *undecided = *undecided || entry->measured;
    }
    return OK;
}

static void explain_row(const struct pair_work *work, struct regress_row *row)
{
    bool quiet = judge_control_quiet(&work->outcome->control);
    if (row->low > 1 && row->ratio > 1 + row->bound && !quiet)
        snprintf(row->reason, sizeof row->reason, "slower, but the machine was not quiet: the "
                 "control kernel lies within %.3f .. %.3f", work->outcome->control.low,
                 work->outcome->control.high);
    else
        snprintf(row->reason, sizeof row->reason, "after %d rounds between %+.1f %% and %+.1f %%, "
                 "bound %.1f %%", row->rounds, 100 * (row->low - 1), 100 * (row->high - 1),
                 100 * row->bound);
}

void pair_explain(struct pair_work *work)
{
    for (int i = 0; i < work->count; i++) {
        struct regress_row *row = work->entries[i].row;
        if (!is_timed(&work->entries[i]))
            continue;
        row->p = sign_flip_p(row);
        if (row->state == REGRESS_INCONCLUSIVE)
            explain_row(work, row);
    }
}
