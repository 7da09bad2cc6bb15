/* The table that `predict` prints: a line an image, its most likely classes with probabilities.
 * Runs nothing. */
#ifndef BENCH_VERBS_PREDICT_TABLE_H
#define BENCH_VERBS_PREDICT_TABLE_H

#include "bench/report/table.h"
#include "bench/transfer/session.h"

/* A table for `classes` classes of a network; table_free() it. */
struct table *predict_table_new(const struct session *session);

/* Adds an image. The logits are finite; classes are named by the session's metadata. */
void predict_table_add(struct table *table, const struct session *session, const char *file,
                       const float *logits);

#endif
