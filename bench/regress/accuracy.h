/* Accuracy regressions: one tiny training run, the same for every implementation, whose losses and
 * final accuracy must stay what they were. Its pictures are drawn by a formula, so it needs no data
 * set; everything else is the path that `train` takes. Knows no clock. */
#ifndef BENCH_REGRESS_ACCURACY_H
#define BENCH_REGRESS_ACCURACY_H

#include "impls/base/status.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { ACCURACY_STEPS = 32 };

struct accuracy_curve {
    int steps;
    double loss[ACCURACY_STEPS]; /* of each step's batch, before its update */
    double test_loss, test_accuracy;
    int test_images;
};

/* What is trained, as result tables name it. */
const char *accuracy_title(void);

/* Trains. The pictures lie in a temporary folder that is gone afterwards. */
enum status accuracy_train(const char *impl, int threads, struct accuracy_curve *curve);

/* How far two runs of one implementation may lie apart. Rounding (other instruction sets, another
 * order of summation) grows about threefold a step at first: the bound on the relative difference
 * of a loss is 1e-6 at step 1, grows fourfold a step and stays at 3 %. Measured between SSE4, AVX2
 * and AVX-512 kernels and one or two threads: at most a fifth of that at the first five steps, a
 * third later. The final loss may differ by 5 % (measured: 1.2 %), the accuracy by three of the
 * test images (measured: one). */
double accuracy_bound(int step);

/* Whether `head` stays within the bounds around `base`; if not, the reason. `worst` is the largest
 * relative difference of a loss in either case. A loss that is no number is never within. */
bool accuracy_agree(const struct accuracy_curve *base, const struct accuracy_curve *head,
                    double *worst, char *reason, size_t size);

/* "losses", "test_loss", "test_accuracy", "test_images"; null where there is no number. A new
 * reference. And back: ERR_FORMAT. */
json_t *accuracy_curve_json(const struct accuracy_curve *curve);
enum status accuracy_curve_from_json(const json_t *json, struct accuracy_curve *curve);

#endif
