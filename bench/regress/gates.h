/* The two gates and the comparison of training runs that goes with both. Each fills an outcome. A
 * status other than OK is a fault of usage or of this machine (a file, memory): there is no verdict
 * then. Knows no output format. */
#ifndef BENCH_REGRESS_GATES_H
#define BENCH_REGRESS_GATES_H

#include "bench/regress/settings.h"
#include "bench/regress/side.h"

/* Instruction counts of head (settings->head; NULL: this program) against those of another build
 * (settings->base), or against the baseline file. With settings->update the files are written. */
enum status regress_counts(struct regress_settings *settings, struct regress_outcome *outcome);

/* Paired wall time of two builds. */
enum status regress_pair(struct regress_settings *settings, struct regress_outcome *outcome);

/* One row for each implementation: the training run of head against that of base or, where base is
 * NULL, the committed one. */
enum status regress_accuracy(struct regress_settings *settings, const struct regress_side *base,
                             const struct regress_side *head, struct regress_outcome *outcome);

/* Trains on every implementation and writes the file of the committed curves. */
enum status regress_accuracy_update(const struct regress_settings *settings,
                                    const struct regress_side *head);

/* Fills what a row says of its results: state FAILED and the reason when a check failed on head, or
 * when the two disagree and that was not granted; ADDED or REMOVED when one side lacks the case or
 * base fails it. True when the case can be compared. */
bool regress_compare_results(struct regress_row *row, const struct side_check *base,
                             const struct side_check *head);

#endif
