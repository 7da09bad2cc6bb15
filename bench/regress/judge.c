/* The rules: see judge.h. */
#include "bench/regress/judge.h"

#include <math.h>
#include <string.h>

#define TIME_MARGIN 0.05
#define CONTROL_MARGIN 0.02

const char *regress_state_name(enum regress_state state)
{
    static const char *const names[REGRESS_STATES] = {
        "ok", "improved", "regressed", "inconclusive", "FAILED", "added", "removed"};
    return names[state];
}

const char *regress_verdict_name(enum regress_verdict verdict)
{
    switch (verdict) {
    case VERDICT_OK:
        return "ok";
    case VERDICT_REGRESSED:
        return "regressed";
    case VERDICT_INCOMPARABLE:
        return "incomparable";
    case VERDICT_INCONCLUSIVE:
        return "inconclusive";
    default:
        return "nothing measured";
    }
}

double judge_threshold(double noise_floor, double allowed)
{
    double threshold = fmax(TIME_MARGIN, 3 * noise_floor);
    return allowed > threshold ? allowed : threshold; /* allowed may be NaN: none */
}

bool judge_control_quiet(const struct ratio *control)
{
    return control->n >= JUDGE_ROUNDS_MIN && control->low >= 1 - CONTROL_MARGIN &&
           control->high <= 1 + CONTROL_MARGIN;
}

enum regress_state judge_pairs(const struct ratio *ratio, double threshold, bool control_quiet)
{
    if (ratio->n < JUDGE_ROUNDS_MIN || !isfinite(ratio->low) || !isfinite(ratio->high))
        return REGRESS_INCONCLUSIVE;
    bool slower = ratio->median > 1 + threshold && ratio->low > 1;
    bool faster = ratio->median < 1 / (1 + threshold) && ratio->high < 1;
    if (slower)
        return control_quiet ? REGRESS_REGRESSED : REGRESS_INCONCLUSIVE;
    if (faster && control_quiet)
        return REGRESS_IMPROVED;
    return ratio->high < 1 + threshold ? REGRESS_OK : REGRESS_INCONCLUSIVE;
}

double judge_count_bound(const char *impl, double allowed)
{
    double bound = strcmp(impl, "naive") == 0 ? 0.01 : 0.02;
    return allowed > bound ? allowed : bound;
}

enum regress_state judge_count(double base, double head, double bound)
{
    if (!(base > 0 && head > 0 && isfinite(base) && isfinite(head)))
        return REGRESS_FAILED;
    if (head > base * (1 + bound))
        return REGRESS_REGRESSED;
    return head < base * (1 - bound) ? REGRESS_IMPROVED : REGRESS_OK;
}
