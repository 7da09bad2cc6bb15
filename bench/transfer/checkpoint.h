/* A training run on disk between two epochs: parameters, momentum, position, curve. Restoring it
 * and going on gives bit for bit what an undisturbed run gives. */
#ifndef BENCH_TRANSFER_CHECKPOINT_H
#define BENCH_TRANSFER_CHECKPOINT_H

#include "bench/net/params.h"
#include "bench/transfer/train.h"

/* Where a run stands. */
struct checkpoint_state {
    int epochs_done, steps_done;
    double before_accuracy;
};

/* Writes it, whole or not at all. */
enum status checkpoint_write(const char *path, const struct train_settings *settings,
                             const struct params *params, const struct checkpoint_state *state,
                             const struct train_result *result);

/* How many epochs the run of a checkpoint had done. Errors as checkpoint_read(). */
enum status checkpoint_epochs(const char *path, const struct train_settings *settings,
                              int *epochs_done);

/* Restores parameters, velocities, state and the curve of `result`. ERR_FORMAT when the file is
 * of a run with other settings, naming the first that differs, or of another network. */
enum status checkpoint_read(const char *path, const struct train_settings *settings,
                            struct params *params, struct checkpoint_state *state,
                            struct train_result *result);

#endif
