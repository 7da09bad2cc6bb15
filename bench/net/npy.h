/* numpy's .npy files: float32, C order, up to 4 dimensions (format versions 1.0 and 2.0 of
 * numpy.lib.format). Inputs and outputs of a network in a form that any tool reads. Knows no
 * network. Every error message begins with the file's name. */
#ifndef BENCH_NET_NPY_H
#define BENCH_NET_NPY_H

#include "impls/base/status.h"

#include <stddef.h>

enum { NPY_MAX_DIMS = 4 };

struct npy_array {
    int ndim; /* 0: one number */
    int dim[NPY_MAX_DIMS];
    size_t count;
    float *data; /* count floats, the last dimension fastest; owned */
};

/* Reads a file. ERR_IO when it cannot be read; ERR_FORMAT for another type than '<f4' (the message
 * names it), Fortran order, more dimensions, a size that does not fit the shape to the byte. The
 * values are not looked at. On failure nothing is left to release. */
enum status npy_read(struct npy_array *array, const char *path);
void npy_release(struct npy_array *array); /* a zeroed one is allowed */

/* Writes a version 1.0 file, whole or not at all (atomic_file.h). ERR_USAGE for more than
 * NPY_MAX_DIMS dimensions, a negative one, or a product beyond size_t. */
enum status npy_write(const char *path, int ndim, const int *dim, const float *data);

#endif
