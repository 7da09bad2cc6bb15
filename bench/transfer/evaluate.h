/* How well a network does on a list of images: top-1, top-5, loss, and each prediction. */
#ifndef BENCH_TRANSFER_EVALUATE_H
#define BENCH_TRANSFER_EVALUATE_H

#include "bench/transfer/session.h"
#include "bench/transfer/train.h"

struct evaluation {
    int n, correct1, correct5;
    double loss_sum;
};

/* correct / n and mean loss; 0 images give NaN. Never a mean of batch means. */
double evaluation_top1(const struct evaluation *e);
double evaluation_top5(const struct evaluation *e);
double evaluation_loss(const struct evaluation *e);

/* Adds one image: log-sum-exp loss in double precision, first index wins a tie. Returns the
 * predicted class. */
int evaluation_add(struct evaluation *e, const float *logits, int classes, int label);

/* A compiled evaluation of one list of the session's data, in inference mode; the session and the
 * list must outlive it. An empty list is allowed. */
struct evaluator {
    struct session *session;
    struct loader loader;
    struct program *program; /* NULL for an empty list */
};
enum status evaluator_open(struct evaluator *evaluator, struct session *session,
                           const struct image_list *list, int batch);
void evaluator_close(struct evaluator *evaluator); /* a zeroed one is allowed */

/* Evaluates. `predictions` (one per image, list order) and `logits` (n x classes) may be NULL.
 * Pure: changes no weight and no statistic; the result does not depend on the batch size. */
enum status evaluator_run(struct evaluator *evaluator, struct evaluation *result,
                          int32_t *predictions, float *logits);

/* Opens, runs once, closes. */
enum status evaluate(struct session *session, const struct image_list *list, int batch,
                     struct evaluation *result, int32_t *predictions, float *logits);

/* Runs a trained network (weights file of a finished run) on the first `limit` test images on each
 * implementation. disagree[i]: images whose class differs from the first implementation's;
 * max_logit_diff[i]: the largest absolute difference of a logit from the first's. */
enum status evaluate_agreement(const struct train_settings *settings, const char *weights,
                               int limit, int impl_count, const char *const *impl_names,
                               int *disagree, double *max_logit_diff);

#endif
