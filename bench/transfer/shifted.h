/* The shifted test: how well a trained network does on the test images of other data of the same
 * classes (another camera, other compression). Nothing is trained or chosen on them. */
#ifndef BENCH_TRANSFER_SHIFTED_H
#define BENCH_TRANSFER_SHIFTED_H

#include "bench/transfer/evaluate.h"

/* Looks once at the test images of `data` (a data specification; its split is drawn by `seed`) with
 * the session's network, its own mean and deviation and its input size. ERR_USAGE when the classes
 * are not as many as the network's or have other names; errors of opening the data as they are. */
enum status shifted_evaluate(const struct session *session, const char *data, uint64_t seed,
                             int batch, struct evaluation *result);

#endif
