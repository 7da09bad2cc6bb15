/* The parts of the pair gate: what it works on, one round, the judgement. Private to
 * bench/regress/pair*.c. */
#ifndef BENCH_REGRESS_PAIR_WORK_H
#define BENCH_REGRESS_PAIR_WORK_H

#include "bench/regress/gates.h"

/* One target while it is measured. */
struct pair_entry {
    const struct regress_target *target;
    struct regress_row *row; /* owned by the outcome; its rounds have room for PAIR_ROUNDS */
    bool measured;           /* can be compared, and is not decided */
    double *again;           /* [PAIR_ROUNDS] ratio of base to base, or NULL; owned */
};

struct pair_work {
    struct regress_settings *settings;
    struct regress_outcome *outcome;
    struct regress_side base, head, self;
    struct regress_targets targets;
    struct pair_entry *entries;
    int count;
    double control[PAIR_ROUNDS]; /* ratio of the control kernel to itself */
    int rounds;
    int64_t start;
};

/* Measures the control and every entry that is to be measured once on each side (base twice where
 * the noise floor is taken). An entry whose process gives no time is taken out, with the reason. */
enum status pair_measure_round(struct pair_work *work);

/* Judges what was timed so far: noise floor, control, state of each row. An entry stays `measured`
 * while it is inconclusive; `undecided` says whether there is one. */
enum status pair_judge(struct pair_work *work, bool *undecided);

/* The last word on each row that was timed: p, and why it is inconclusive. */
void pair_explain(struct pair_work *work);

#endif
