/* Features of a network's fixed part, kept in a folder so that runs that share it compute them
 * once: `frozen`, the first phase of `lp-ft` and of `gradual`, the trials of a search. A file is
 * named after a hash of all that decides its bits; one that is damaged counts as absent. */
#ifndef BENCH_TRANSFER_FEATURES_H
#define BENCH_TRANSFER_FEATURES_H

#include "bench/transfer/session.h"

enum { FEATURES_PATH = 1024, FEATURES_BYTES_MAX = 64 << 20 };

/* What the features are: value `node` of session->lowered, `width` floats an image, for the images
 * of a list, computed in batches of so many. */
struct features_what {
    const struct session *session;
    const struct image_list *list;
    const struct loader_config *config;
    int node;
    size_t width;
};

/* The file of these features in session->features; "" when nothing is to be kept: no folder, or
 * more than FEATURES_BYTES_MAX, or convolutions whose algorithm is decided anew. The hash covers
 * every tensor that does not train, implementation with its version, threads, batch, input size,
 * normalisation, data, split and node. */
void features_path(const struct features_what *what, char path[FEATURES_PATH]);

/* Reads them, one row per image in list order; whether that succeeded. */
bool features_read(const char *path, const struct features_what *what, float *values);

/* Writes them, whole or not at all. */
enum status features_write(const char *path, const struct features_what *what,
                           const float *values);

#endif
