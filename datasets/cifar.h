/* Reader of the "binary version" of CIFAR-10: records of 3,073 bytes: a label 0..9, then 1,024
 * red, 1,024 green and 1,024 blue bytes, row by row.
 *   data_batch_N.bin  training images, one file or more, read in the order of N
 *   test_batch.bin    test images
 *   batches.meta.txt  ten class names, one a line; when missing, CIFAR-10's own are used */
#ifndef DATASETS_CIFAR_H
#define DATASETS_CIFAR_H

#include "datasets/dataset.h"

/* Reads the files of ds->dir into ds. ERR_IO, ERR_FORMAT or ERR_MEMORY with the file's name; what
 * was allocated stays in ds. */
enum status cifar_read(struct dataset *ds);

#endif
