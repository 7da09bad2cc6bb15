/* What a run trains when: most arms have one phase, `lp-ft` and `gradual` several. Plain values;
 * opens and runs nothing. */
#ifndef BENCH_TRANSFER_PHASE_H
#define BENCH_TRANSFER_PHASE_H

#include "bench/net/net.h"
#include "bench/transfer/schedule.h"

enum { PHASES_MAX = NET_STAGES + 2 };

struct phase {
    enum transfer_arm arm; /* what trains in it, as arm_apply() takes it */
    int first;             /* its first epoch, from 0 */
    bool cached;           /* on features computed once */
    bool anew;             /* the schedule runs its whole course within it; momentum starts at 0 */
    double lr;
};

struct phases {
    int count, epochs; /* epochs of the whole run */
    struct phase list[PHASES_MAX];
};

/* Phases of a run of `epochs` epochs on a network of `stages` stages:
 *   lp-ft    the head on cached features, then everything, each with a schedule of its own
 *            (Kumar et al. 2022)
 *   gradual  the head, then one stage more at a time from the last to the first, then everything,
 *            under one schedule (Howard and Ruder 2018); on cached features unless images are
 *            augmented
 *   others   one
 * ERR_USAGE when the epochs are too few, saying how many are needed. */
enum status phases_make(struct phases *phases, const struct train_settings *settings, int epochs,
                        int stages);

/* Index of the phase that an epoch (from 0) belongs to. */
int phases_at(const struct phases *phases, int epoch);

/* Rate of step `step` (from 0) of `steps` of the whole run, which stands in phase `index`. */
struct rate phases_rate(const struct phases *phases, int index,
                        const struct train_settings *settings, int step, int steps, int per_epoch);

#endif
