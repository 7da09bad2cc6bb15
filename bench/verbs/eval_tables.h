/* What `eval` writes besides its numbers: the confusion matrix and each prediction. Evaluates
 * nothing. */
#ifndef BENCH_VERBS_EVAL_TABLES_H
#define BENCH_VERBS_EVAL_TABLES_H

#include "bench/report/table.h"
#include "bench/transfer/evaluate.h"

/* What is known of the images of one list: one prediction each, and all logits. */
struct eval_outcome {
    const struct session *session;
    const struct image_list *list;
    struct evaluation total;
    int32_t *predictions; /* owned */
    float *logits;        /* n x classes; owned (memory_alloc) */
};

void eval_outcome_free(struct eval_outcome *outcome); /* a zeroed one is allowed */

/* counts[label * classes + prediction], to be freed by the caller; NULL when there is no memory. */
int *eval_confusion(const struct eval_outcome *outcome);

/* {"classes": [names], "matrix": [[...] of each label]}; a new reference, NULL: no memory. */
json_t *eval_confusion_json(const struct eval_outcome *outcome);

/* Writes the matrix as a table, a row for each true class. */
enum status eval_confusion_write(const struct eval_outcome *outcome, enum table_format format,
                                 FILE *out);

/* A row an image: index, file (of picture data), label, prediction, their names, probability of the
 * prediction, correct. table_free() it. */
struct table *eval_predictions(const struct eval_outcome *outcome);

#endif
