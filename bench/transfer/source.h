/* Where the batches of a training run come from: images through the loader, or features of the
 * fixed part of the network that were computed once. */
#ifndef BENCH_TRANSFER_SOURCE_H
#define BENCH_TRANSFER_SOURCE_H

#include "bench/transfer/session.h"

enum { SOURCE_INPUTS = 8 };

struct batch_source {
    struct loader loader;
    bool cached;
    int count;                    /* inputs of the training program */
    int ids[SOURCE_INPUTS];       /* their node ids in session->lowered */
    float *features[SOURCE_INPUTS]; /* cached: one row per image of the list, in list order */
    size_t width[SOURCE_INPUTS];  /* floats of a row */
    int *position;                /* cached: list position of every place of the epoch */
};

/* Opens the source of a list. With `cut` > 0 node ids, the fixed part of the network up to them is
 * run once over all images (without augmentation; the caller says so to its user). */
enum status source_open(struct batch_source *source, struct session *session,
                        const struct image_list *list, const struct loader_config *config,
                        const int *cut, int cut_count);
void source_close(struct batch_source *source); /* a zeroed one is allowed */

void source_start(struct batch_source *source, int epoch);

/* Fills the program's inputs and labels with batch `batch`; returns its images. */
int source_fill(const struct batch_source *source, int batch, struct program *program);

#endif
