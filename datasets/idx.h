/* Reader of the IDX files of the MNIST family, plain or gzip-compressed:
 *   {train,t10k}-images-idx3-ubyte[.gz]: magic 00 00 08 03, then count, rows, columns as 32-bit
 *   big-endian numbers, then one byte a pixel; {train,t10k}-labels-idx1-ubyte[.gz]: magic
 *   00 00 08 01, count, one byte a label.
 * A plain file is preferred where both are there. */
#ifndef DATASETS_IDX_H
#define DATASETS_IDX_H

#include "datasets/dataset.h"

/* Reads the four files of ds->dir into ds; classes are 0 to the highest training label. ERR_IO,
 * ERR_FORMAT or ERR_MEMORY with the file's name; what was allocated stays in ds. */
enum status idx_read(struct dataset *ds);

/* The same with Fashion-MNIST's ten class names; labels above 9 are refused. */
enum status idx_read_fashion(struct dataset *ds);

#endif
