/* Where the batches of a training run come from: images through the loader, or features of the
 * fixed part of the network, computed once or, where that takes too much memory, for every
 * batch. */
#ifndef BENCH_TRANSFER_SOURCE_H
#define BENCH_TRANSFER_SOURCE_H

#include "bench/transfer/session.h"
#include "datasets/prefetch.h"

enum { SOURCE_INPUTS = 8 };

struct batch_source {
    struct loader loader;
    struct prefetch *prefetch;    /* when batches are prepared ahead */
    bool cached;                  /* features of all images are kept */
    struct program *fixed;        /* else, when there are features: what computes a batch of them */
    int count;                    /* inputs of the training program */
    int ids[SOURCE_INPUTS];       /* their node ids in session->lowered */
    float *features[SOURCE_INPUTS]; /* cached: one row per image of the list, in list order */
    size_t width[SOURCE_INPUTS];  /* floats of a row */
    int *position;                /* cached: list position of every place of the epoch */
};

/* Opens the source of a list. With `cut` > 0 node ids, the fixed part of the network up to them is
 * run once over all images (without augmentation; the caller says so to its user). Features of more
 * than `most` bytes are not kept but computed anew for every batch, which gives the same numbers; a
 * note of the session says so. */
enum status source_open(struct batch_source *source, struct session *session,
                        const struct image_list *list, const struct loader_config *config,
                        const int *cut, int cut_count, size_t most);
void source_close(struct batch_source *source); /* a zeroed one is allowed */

/* From now on the next full batch of the epoch is prepared on a thread of its own while the caller
 * computes (prefetch.h); the batches are the same. The source must not move any more. Features that
 * are kept need no such thing: nothing is done. ERR_MEMORY; source_close() in either case. */
enum status source_prefetch(struct batch_source *source);

void source_start(struct batch_source *source, int epoch);

/* Fills the program's inputs and labels with batch `batch`. Fails only as program_forward()
 * does. */
enum status source_fill(const struct batch_source *source, int batch, struct program *program);

#endif
