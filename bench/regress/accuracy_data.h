/* The pictures of the tiny training run, as IDX files in a temporary folder: rings around a random
 * centre whose width is the class, under noise. Integers alone, so that every machine draws the
 * same. Knows nothing of training. */
#ifndef BENCH_REGRESS_ACCURACY_DATA_H
#define BENCH_REGRESS_ACCURACY_DATA_H

#include "impls/base/status.h"

enum { ACCURACY_FOLDER = 240 };

/* Makes the folder with its four files; its name goes to folder[ACCURACY_FOLDER]. ERR_IO. */
enum status accuracy_data_make(char *folder);
void accuracy_data_remove(const char *folder);

#endif
