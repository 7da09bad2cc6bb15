/* What a training run writes into its result besides the curve: the network and its data at the
 * start, the accuracies at the end. */
#ifndef BENCH_TRANSFER_OUTCOME_H
#define BENCH_TRANSFER_OUTCOME_H

#include "bench/transfer/evaluate.h"

/* Parameters, MACs, tensors loaded, hashes of split and data. */
void outcome_network(struct train_result *result, const struct session *session);

/* Accuracy and loss on training, validation and test images, and the test predictions. Sets
 * *finite to false when a loss of the trained network is not. */
enum status outcome_accuracies(struct train_result *result, struct session *session,
                               struct evaluator *validation, int batch, bool *finite);

/* Accuracy and loss of the same weights on the test images in bf16, and on how many of them it
 * differs from result->predictions; with `wanted` false that there is none. Convolutions run
 * direct. */
enum status outcome_bf16(struct train_result *result, const struct session *session, bool wanted,
                         int batch);

#endif
