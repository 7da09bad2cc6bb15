/* What `predict` is given, as batches of a network's input: pictures one by one, or the images of
 * one .npy file. Knows no network. */
#ifndef BENCH_VERBS_PREDICT_INPUTS_H
#define BENCH_VERBS_PREDICT_INPUTS_H

#include "bench/net/npy.h"
#include "bench/transfer/metadata.h"

struct predict_inputs {
    const char *const *paths;  /* as given */
    int path_count;
    bool is_npy;               /* paths[0] is a .npy file, read into `array` */
    struct npy_array array;    /* N,C,H,W, used as it is */
    struct picture_rule rule;  /* of pictures; set by the caller before the first batch */
    int count;                 /* images, readable or not */
    int next, failed;          /* the next to be read; pictures that could not be */
};

/* Looks at what was given: one .npy file is read at once, several, or one among pictures, are
 * ERR_USAGE. Whether pictures can be read is seen when their turn comes. */
enum status predict_inputs_open(struct predict_inputs *inputs, const char *const *paths,
                                int path_count);
void predict_inputs_close(struct predict_inputs *inputs); /* a zeroed one is allowed */

/* Fills up to `batch` images, height x width x 3 floats each, and their numbers, 0 .. count-1;
 * returns how many, 0 at the end. A picture that cannot be read is said on stderr and left out. */
int predict_inputs_fill(struct predict_inputs *inputs, int batch, float *images, int *numbers);

/* The name of image i: the picture's file, or "x.npy[i]"; fit to be printed. */
void predict_inputs_name(const struct predict_inputs *inputs, int i, char *text, size_t size);

#endif
