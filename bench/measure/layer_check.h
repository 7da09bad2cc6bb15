/* The check that comes before every timing: implementations against the definition, against
 * identities of their gradients, and against each other. Knows no clock. */
#ifndef BENCH_MEASURE_LAYER_CHECK_H
#define BENCH_MEASURE_LAYER_CHECK_H

#include "bench/measure/layer_truth.h"

struct layer_verdict {
    bool ok;
    bool exact;        /* judged on integers as well, without any tolerance */
    double error;      /* on reals: the largest of the relative errors that were looked at */
    char message[256]; /* why it is not ok: output, element, what stands there, what is due */
    int elements;      /* compared with the definition, of all outputs, in the last round */
    int identities;    /* that were looked at, over all elements */
    const char *like;  /* implementation with which all outputs were compared; NULL: none */
};

/* "64 elements by definition, 2 identities, all outputs as naive": how a verdict was reached. */
void layer_verdict_print(const struct layer_verdict *verdict, char *text, size_t size);

/* Checks `count` runs of the same operands; verdicts[count]. Runs the pass on integers where that
 * is exact, then on reals, and each time compares
 *   - elements of dst (first, last and 62 drawn ones) with the definition, within 1e-5 of the sum
 *     of absolute terms; on integers exactly;
 *   - dst of fused operations as a whole with the composition (layer_fused.h), and their gradients
 *     with its derivative in one direction;
 *   - in a backward pass the identities of layer_truth.h, and drawn elements of the gradients of
 *     weights, of what they multiply, and of sources where there is no identity;
 *   - parameters with what they were, unless batch statistics are taken;
 *   - every output with that of the first run that is right so far: relative 2-norm at most 1e-5
 *     forward, 1e-4 backward; on integers bit for bit.
 * A result in bf16 may besides be wrong by its one rounding, 2^-8 of what is due, and where a batch
 * normalisation is folded into the weights by theirs, 2^-8 of the sum of absolute terms; on
 * integers it must be what is due, rounded. Its operands are to be exact in bf16.
 * Outputs are NaN before, so an element that is not written is found. Operands and runs are left
 * filled with reals. A run that reports a failure is not ok. */
void layer_check(struct layer_operands *operands, struct layer_run *runs, int count,
                 uint64_t seed, struct layer_verdict *verdicts);

/* An implementation to be checked, opened. */
struct layer_candidate {
    const struct impl *impl;
    struct impl_ctx *ctx;
    enum dtype dtype; /* of its maps */
    char how[96];     /* filled in: how its plan said it would run */
};

/* The same checks, but runs are made one after the other and freed again, so that only two hold
 * memory at once (layer_run_memory()): for operands as large as a training batch. A run that cannot
 * be made is not ok. */
void layer_check_in_turn(struct layer_operands *operands, struct layer_candidate *candidates,
                         int count, uint64_t seed, struct layer_verdict *verdicts);

#endif
