/* Sketches of results: a few numbers from which the relative difference of two results can be
 * told, so that two processes need not exchange the results themselves. A sketch holds the 2-norm
 * of each output and its projections onto fixed vectors of random signs; the mean square of the
 * differences of projections estimates the squared norm of the difference without bias (Alon,
 * Matias and Szegedy 1999). Knows nothing of what the results are. */
#ifndef BENCH_REGRESS_SKETCH_H
#define BENCH_REGRESS_SKETCH_H

#include "impls/base/status.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { SKETCH_PROJECTIONS = 16, SKETCH_OUTPUTS = 16 };

struct sketch_output {
    char name[32];
    double norm, projection[SKETCH_PROJECTIONS];
};

struct sketch {
    int count;
    struct sketch_output out[SKETCH_OUTPUTS];
};

/* Adds one output; outputs beyond SKETCH_OUTPUTS are a programmer's error. */
void sketch_add(struct sketch *sketch, const char *name, const float *data, size_t count);

/* The name of the first output that holds a NaN or an infinity; NULL when there is none. */
const char *sketch_nonfinite(const struct sketch *sketch);

/* Estimated relative 2-norm of b - a, as a share of a; infinity when a is zero and b is not. */
double sketch_distance(const struct sketch_output *a, const struct sketch_output *b);

/* Whether two results of the same kind agree: they have the same outputs, each within its bound
 * (sketch_bound() times `slack`). `reason` says which does not. The largest distance goes to
 * `error` in either case; it is infinite when the outputs are not the same. */
bool sketch_agree(const struct sketch *base, const struct sketch *head, double slack,
                  double *error, char *reason, size_t size);

/* Relative difference that the results of one implementation may have between two builds on one
 * machine: rounding in another order. 1e-5 for values, 2e-5 for gradients of one operation, for
 * logits and losses of a network; 1e-3 for the gradients of a network, where rounding turns a few
 * decisions (the sign before a relu, the place of a maximum). */
double sketch_bound(const char *output);

/* An object {name: [norm, projections...]}; null where a number is not finite. A new reference. And
 * back: ERR_FORMAT. */
json_t *sketch_json(const struct sketch *sketch);
enum status sketch_from_json(const json_t *json, struct sketch *sketch);

#endif
