/* Progress of a training run: on a terminal one line that is redrawn, with rate and time left; in
 * a log one plain line an epoch. Goes to stderr or nowhere, never into results. */
#ifndef BENCH_TRANSFER_PROGRESS_H
#define BENCH_TRANSFER_PROGRESS_H

#include "bench/transfer/train.h"

struct progress {
    FILE *out;
    bool terminal;
    int batch, steps, first;
    int64_t start_ns, drawn_ns;
};

void progress_start(struct progress *progress, FILE *out, bool terminal, int batch, int steps,
                    int first_step);
void progress_step(struct progress *progress, int step, double loss);
void progress_epoch(struct progress *progress, const struct train_epoch *epoch, int epochs);
void progress_end(struct progress *progress);

#endif
