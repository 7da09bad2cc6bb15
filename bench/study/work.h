/* One cell, from claim to stored result: what a worker process does. */
#ifndef BENCH_STUDY_WORK_H
#define BENCH_STUDY_WORK_H

#include "bench/study/store.h"

/* What a worker calls; replaced by stand-ins in tests of everything around it. */
struct work_ops {
    enum status (*train)(const struct train_settings *settings, const struct train_io *io,
                         struct train_result *result);
    enum status (*agree)(const struct train_settings *settings, const char *weights, int limit,
                         int impl_count, const char *const *impl_names, int *disagree,
                         double *max_logit_diff);
};

extern const struct work_ops work_real; /* train_run() and evaluate_agreement() */

enum work_outcome {
    WORK_DONE,
    WORK_FAILED,   /* the reason is stored with the cell, and is the message */
    WORK_ELSEWHERE /* done already, or somebody alive is at it */
};

/* Claims the cell, trains it from its source's weights, saves the trained network beside the store
 * and compares the implementations on it (transfer cells, on up to `agreement_images` test images;
 * 0: not at all); of a trial of a search it keeps the numbers alone. A source that diverged makes
 * its cells diverged. The status is not OK when the store itself could not be used. */
enum status work_cell(struct store *store, const char *key, const struct work_ops *ops,
                      int agreement_images, enum work_outcome *outcome);

#endif
