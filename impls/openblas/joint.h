/* What joins a convolution's product, and what follows it, for a block of output pixels at a time,
 * while it is in the cache: bias, shortcut, relu. Private to impls/openblas/. */
#ifndef IMPLS_OPENBLAS_JOINT_H
#define IMPLS_OPENBLAS_JOINT_H

#include "impls/openblas/conv2d.h"

/* Puts into output pixels from..to-1 what the products are to be added to: the shortcut and the
 * bias. The shortcut may be the destination itself. Returns the beta of the products that follow;
 * 0: nothing was put there. */
float joint_begin(const struct conv *conv, const struct op_args *args, int from, int to);

/* The relu, where there is one. */
void joint_end(const struct conv *conv, const struct op_args *args, int from, int to);

/* The same for all pixels, by several threads where that pays. */
float joint_begin_all(const struct conv *conv, const struct op_args *args);
void joint_end_all(const struct conv *conv, const struct op_args *args);

#endif
