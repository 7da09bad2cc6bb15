/* Layers on OpenBLAS: convolutions and fully connected layers become matrix products; what has no
 * product in it is named from the naive table. Only this folder includes cblas.h. */
#ifndef IMPLS_OPENBLAS_OPENBLAS_H
#define IMPLS_OPENBLAS_OPENBLAS_H

#include "impls/layer.h"

extern const struct impl impl_openblas;

/* The entries of this folder. Convolution takes strided views, the linear layer dense ones. */
extern const struct op_entry openblas_conv2d, openblas_linear;

/* OP_CONV_ACT and OP_CONV_SUM_ACT, for inference: the normalisation is folded into the weights, the
 * shortcut is what the product is added to, the relu follows while a block is in the cache. */
extern const struct op_entry openblas_conv_act, openblas_conv_sum_act;

/* How the loaded library runs its threads: "openmp", "pthread" or "serial". Static text. Only
 * "openmp" shares its threads with the rest of the process; open() refuses the others. */
const char *openblas_flavour(void);

/* The kernel set that the library chose for this processor: "Haswell", "SkylakeX", ... Static
 * text. OPENBLAS_CORETYPE in the environment overrides the library's choice when it is loaded. */
const char *openblas_corename(void);

/* Compares about 100 products (SGEMM with every transposition, beta 0 over NaN and beta 1; SGEMV
 * and its transpose) with plain loops in double precision, on fixed pseudo-random numbers. The
 * bound on each element is 1e-5 of the sum of the absolute values of its terms. Takes some
 * milliseconds.
 * ERR_LIBRARY names the first shape that is wrong; ERR_MEMORY. */
enum status openblas_selftest(void);

#endif
