/* The comparisons of a study: on the axis that it compares, each entry against the first, paired by
 * seed, corrected together with those of the same family. Knows no table. */
#ifndef BENCH_STUDY_COMPARE_H
#define BENCH_STUDY_COMPARE_H

#include "bench/study/stats.h"
#include "bench/study/study_data.h"

/* `diverged`: a run of either side diverged, so that the pairs that are left say little.
 * `exploratory`: no family of the study holds the comparison. */
enum verdict {
    VERDICT_BETTER,
    VERDICT_WORSE,
    VERDICT_NOT_SHOWN,
    VERDICT_DIVERGED,
    VERDICT_NO_PAIRS,
    VERDICT_EXPLORATORY
};
const char *verdict_name(enum verdict verdict);

/* Share below which a corrected p lets a difference be called better or worse. */
#define COMPARE_LEVEL 0.05

/* What is compared. The verdict follows from the first alone; the others are corrected in families
 * of their own. */
enum outcome {
    OUTCOME_TEST,    /* test accuracy */
    OUTCOME_GAP,     /* train accuracy - test accuracy */
    OUTCOME_SHIFTED, /* accuracy on the shifted test */
    OUTCOME_COUNT
};

/* One outcome on both sides, the baseline's (`without`) and the other's. Shares, not percent. */
struct paired {
    double without[STUDY_SEEDS_MAX], with[STUDY_SEEDS_MAX]; /* NaN when missing */
    double difference[STUDY_SEEDS_MAX];                     /* NaN when either is missing */
    struct stats_summary without_all, with_all;
    struct stats_summary all;      /* of the differences; all below is about them */
    double median, improvement;
    bool bounded;                  /* whether there is an interval */
    double low, high;              /* its ends, 95 % */
    double boot_low, boot_high;    /* of the bootstrap interval; NaN without pairs */
    double p, smallest_p;
    double p_max_t, p_holm;        /* NaN when exploratory */
    double could_show;             /* smallest mean that could have been shown; INFINITY: none */
};

struct comparison {
    struct grid_place place, base; /* of the two sides; seed is 0 */
    int family, family_size;       /* index into the study's families, -1: exploratory; its size */
    struct paired outcome[OUTCOME_COUNT];
    struct stats_summary without_train, with_train;
    int diverged;                  /* runs, of both sides */
    enum verdict verdict;          /* by p_max_t of OUTCOME_TEST */
};

struct comparisons {
    int count, seeds;
    struct comparison *items;
};

/* All comparisons of a study; none when the axis that it compares has only one entry. */
enum status comparisons_make(struct comparisons *comparisons, const struct study_data *data);
void comparisons_free(struct comparisons *comparisons); /* a zeroed one is allowed */

#endif
