/* The rules: what is a regression, and what is not known. Pure functions of numbers; the reasons
 * for the rules, with their measured error rates, are in README.md. */
#ifndef BENCH_REGRESS_JUDGE_H
#define BENCH_REGRESS_JUDGE_H

#include "bench/measure/ratio.h"

#include <stdbool.h>

enum regress_state {
    REGRESS_OK,
    REGRESS_IMPROVED,
    REGRESS_REGRESSED,
    REGRESS_INCONCLUSIVE, /* the measurements do not decide it */
    REGRESS_FAILED,       /* no result, a wrong one, or not that of the other side */
    REGRESS_ADDED,        /* only head has it */
    REGRESS_REMOVED,      /* only base has it */
    REGRESS_STATES
};

/* "ok", "improved", "regressed", "inconclusive", "FAILED", "added", "removed". */
const char *regress_state_name(enum regress_state state);

/* The verdict on everything. Their numbers are the exit status of `regress`. */
enum regress_verdict {
    VERDICT_OK = 0,
    VERDICT_REGRESSED = 1,
    VERDICT_INCOMPARABLE = 3,
    VERDICT_INCONCLUSIVE = 4, /* exit status 0 unless --strict */
    VERDICT_NOTHING = 5       /* nothing was measured */
};

/* "ok", "regressed", "incomparable", "inconclusive", "nothing measured". */
const char *regress_verdict_name(enum regress_verdict verdict);

enum { JUDGE_ROUNDS_MIN = 10 }; /* pairs below which nothing is judged: with 5, +10 % is missed by
                                   12 of 100 */

/* ---- paired wall time ---- */

/* Share by which a median ratio must exceed 1: the larger of 5 %, three times the noise floor (the
 * largest |median - 1| of pairs of one and the same build in this job), and what was allowed. */
double judge_threshold(double noise_floor, double allowed);

/* Whether the control kernel, which no change touches, stayed within 1 +- 2 %: its whole interval,
 * and not more pairs than JUDGE_ROUNDS_MIN missing. */
bool judge_control_quiet(const struct ratio *control);

/* head/base of one case:
 *   regressed     median > 1 + threshold, the interval's lower end > 1, the control quiet;
 *   improved      median < 1 / (1 + threshold), the interval's upper end < 1, the control quiet;
 *   ok            the interval lies below 1 + threshold (and it is not improved);
 *   inconclusive  else: more rounds are needed, or a quieter machine. */
enum regress_state judge_pairs(const struct ratio *ratio, double threshold, bool control_quiet);

/* ---- instruction counts ---- */

/* Share by which a count may rise: 1 % where all code is ours, 2 % where a library runs, or what
 * was allowed if that is more. */
double judge_count_bound(const char *impl, double allowed);

/* Share by which the geometric mean over all cases may rise: 0.5 %. */
#define JUDGE_MEAN_BOUND 0.005

/* regressed above 1 + bound, improved below 1 - bound, else ok; FAILED when a count is no positive
 * number. */
enum regress_state judge_count(double base, double head, double bound);

#endif
