/* One case ready to run in this process: an operation or a network, on one implementation. The
 * same for both gates and for both sides. Knows no clock. */
#ifndef BENCH_REGRESS_SUBJECT_H
#define BENCH_REGRESS_SUBJECT_H

#include "bench/measure/layer_run.h"
#include "bench/regress/network.h"

struct regress_subject {
    const struct regress_case *subject;
    const struct impl *impl;
    enum regress_pass pass;
    char how[512];         /* kernels */
    double error;          /* largest relative error that the check saw */
    struct sketch results; /* of the first run on reals */
    struct layer_operands operands;
    struct layer_run run;
    struct regress_network network;
};

/* Makes it ready: plans, memory, operands of reals, one run (two in a backward pass), whose results
 * are sketched. With `check` the results are first compared with the definition (layer_check.h), or
 * with the composition of primitives (network.h); the first failure is ERR_NUMERIC with the reason.
 * In every case ERR_NUMERIC when a result is not finite or a kernel is a library's reference code.
 * `ctx` belongs to `impl`. Convolutions of networks run as `algorithms` says (NULL: direct).
 * regress_subject_free() in every case; the struct must stay where it is, and `subject` must
 * outlive it. */
enum status regress_subject_make(struct regress_subject *ready, const struct regress_case *subject,
                                 const struct impl *impl, struct impl_ctx *ctx,
                                 struct algorithms *algorithms, enum regress_pass pass,
                                 bool check);

/* One call of what is measured. */
enum status regress_subject_run(void *ready);
void regress_subject_free(struct regress_subject *ready); /* a zeroed one is allowed */

/* Whether a text of kernels names a library's reference code: "ref:any", "bwd nspc_ref:any". */
bool regress_is_reference(const char *how);

#endif
