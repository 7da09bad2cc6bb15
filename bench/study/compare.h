/* The comparisons of a study: attention against the first on its axis, arm by arm, paired by seed,
 * corrected together. Knows no table. */
#ifndef BENCH_STUDY_COMPARE_H
#define BENCH_STUDY_COMPARE_H

#include "bench/study/stats.h"
#include "bench/study/study_data.h"

/* `diverged`: a run of either side diverged, so that the pairs that are left say little. */
enum verdict {
    VERDICT_BETTER,
    VERDICT_WORSE,
    VERDICT_NOT_SHOWN,
    VERDICT_DIVERGED,
    VERDICT_NO_PAIRS
};
const char *verdict_name(enum verdict verdict);

/* Share below which a corrected p lets a difference be called better or worse. */
#define COMPARE_LEVEL 0.05

struct comparison {
    struct grid_place place;       /* of the side with attention; seed is 0 */
    double without[STUDY_SEEDS_MAX], with[STUDY_SEEDS_MAX]; /* test accuracy; NaN when missing */
    double difference[STUDY_SEEDS_MAX];                     /* NaN when either is missing */
    struct stats_summary without_test, with_test, without_train, with_train;
    struct stats_summary paired;   /* of the differences */
    bool bounded;                  /* whether there is an interval */
    double low, high;              /* its ends, 95 % */
    double p, p_max_t, p_holm, smallest_p;
    int diverged;                  /* runs, of both sides */
    enum verdict verdict;          /* by p_max_t */
};

struct comparisons {
    int count, seeds;
    struct comparison *items;
};

/* All comparisons of a study; none when it has only one attention. */
enum status comparisons_make(struct comparisons *comparisons, const struct study_data *data);
void comparisons_free(struct comparisons *comparisons); /* a zeroed one is allowed */

#endif
