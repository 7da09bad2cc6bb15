/* Readers of the "binary versions" of CIFAR-10 and CIFAR-100: records of one or two labels, then
 * 1,024 red, 1,024 green and 1,024 blue bytes, row by row.
 *
 * CIFAR-10, 3,073 bytes a record, a label 0..9 in front:
 *   data_batch_N.bin  training images, one file or more, read in the order of N
 *   test_batch.bin    test images
 *   batches.meta.txt  ten class names, one a line; when missing, CIFAR-10's own are used
 *
 * CIFAR-100, 3,074 bytes a record, a coarse label 0..19 and a fine one 0..99 in front:
 *   train.bin, test.bin
 *   fine_label_names.txt  a hundred class names, one a line; when missing, they are numbers
 * The classes are the fine ones. */
#ifndef DATASETS_CIFAR_H
#define DATASETS_CIFAR_H

#include "datasets/dataset.h"

/* Read the files of ds->dir into ds. ERR_IO, ERR_FORMAT or ERR_MEMORY with the file's name; what
 * was allocated stays in ds. */
enum status cifar10_read(struct dataset *ds);
enum status cifar100_read(struct dataset *ds);

#endif
