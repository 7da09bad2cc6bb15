/* Weights in the order a kernel wants, kept per version of the parameter, and weight gradients
 * brought back to PyTorch's order. Knows no window: the change of order is `batches` transpositions
 * of `rows` x `columns` matrices that lie one behind the other. */
#ifndef IMPLS_OPENBLAS_WEIGHTS_H
#define IMPLS_OPENBLAS_WEIGHTS_H

#include "impls/layer.h"

struct weights {
    int batches, rows, columns;
    float *packed;     /* [batches][columns][rows]; NULL when both orders are the same */
    const float *from; /* what was packed, and in which version; NULL: nothing yet */
    unsigned version;
};

/* Prepares for weights [batches][rows][columns]. ERR_MEMORY. Released by weights_release(). */
enum status weights_init(struct weights *weights, int batches, int rows, int columns);
void weights_release(struct weights *weights);

size_t weights_count(const struct weights *weights);

/* The weights in packed order; packs them when `param` is another one or another version than
 * the last time. The parameter's own memory when both orders are the same. */
const float *weights_get(struct weights *weights, const struct param *param, int threads);

/* grad = the sum of `parts` gradients in packed order, one behind the other, brought back to the
 * parameter's order; added to grad when `add`. */
void weights_unpack_gradient(const struct weights *weights, const float *partial, int parts,
                             bool add, float *grad, int threads);

#endif
