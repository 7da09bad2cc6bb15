/* Learning rate and momentum of every step. Values agree with torch.optim.lr_scheduler. */
#ifndef BENCH_TRANSFER_SCHEDULE_H
#define BENCH_TRANSFER_SCHEDULE_H

#include "bench/transfer/train.h"

struct rate {
    double lr, momentum;
};

/* ERR_USAGE when the schedule's name is unknown; lists the known ones. */
enum status schedule_check(const struct train_settings *settings);

/* Rate of step `step` (from 0) of `steps` in all, `per_epoch` of them an epoch:
 *   constant  lr
 *   cosine    lr (1 + cos(pi t/T))/2 over the steps after the warm-up (Loshchilov and Hutter 2017)
 *   step      lr * step_factor^(epoch / step_epochs)
 *   onecycle  OneCycleLR, two cosine phases: lr/25 -> lr at pct_start, -> lr/250,000; with
 *             cycle_momentum 0.95 -> 0.85 -> 0.95, else constant (Smith and Topin 2018)
 * Warm-up (not for onecycle): linear from lr/(w+1) over warmup_epochs epochs of w steps in all. */
struct rate schedule_rate(const struct train_settings *settings, int step, int steps,
                          int per_epoch);

#endif
