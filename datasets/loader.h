/* Batches: the order of an epoch, and images as the float NHWC buffers a network takes. Each
 * loader has its own settings: an evaluation loader cannot inherit the training augmentation.
 * Knows nothing of networks but the shape of their input. */
#ifndef DATASETS_LOADER_H
#define DATASETS_LOADER_H

#include "datasets/random_crops.h"
#include "datasets/split.h"

enum loader_order { ORDER_SEQUENTIAL, ORDER_SHUFFLED };

struct loader_config {
    int batch;                /* images of a full batch */
    enum loader_order order;  /* sequential: file order */
    bool augment;             /* random crop and flip: training list only. Picture files: crops
                               * of the whole picture, resized (crop_draw()); others: shifts
                               * (jitter_draw()) */
    uint64_t seed;            /* of order and augmentation */
    int h, w, channels;       /* of the network's input; 0: the data set's own (out_h, out_w) */
    const struct normalisation *norm; /* NULL: the data set's own; read by loader_init() only */
};

/* Read-only for the caller, between loader_init() and loader_free(). */
struct loader {
    struct loader_config config; /* with the zeros filled in */
    const struct dataset *ds;
    const struct image_list *list;
    struct transform transform;
    int epoch;
    int *order; /* image index (into list->images) of every place of the epoch */
    struct random_crops crops; /* when picture files are augmented; else zeroed */
};

/* Borrows ds and list. Starts epoch 0. Images smaller than the input get zero pixels around (28
 * to 32: two on each side). ERR_USAGE when the input is smaller than the images, contradicts a
 * size= or pad= of the specification, has the wrong channels, when augmentation is asked for a list
 * that is not for training, or the list is empty; ERR_MEMORY. Augmented picture files are read
 * again, whole, with the limits and errors of random_crops_open(). On error there is nothing to
 * free. */
enum status loader_init(struct loader *loader, const struct dataset *ds,
                        const struct image_list *list, const struct loader_config *config);
void loader_free(struct loader *loader); /* a zeroed struct is allowed */

/* Makes the order and the augmentation of an epoch (>= 0): functions of (seed, epoch) alone, so a
 * resumed run sees the batches it would have seen. */
void loader_start(struct loader *loader, int epoch);

/* Batches of an epoch, the last one perhaps short; images in batch number `batch`. What becomes of
 * a short batch (a batch of one breaks batch normalisation) is for the caller to decide. */
int loader_batches(const struct loader *loader);
int loader_batch_size(const struct loader *loader, int batch);

/* Floats of a full batch: config.batch * h * w * channels. */
size_t loader_batch_floats(const struct loader *loader);

/* Fills pixels[n][h][w][channels] and labels[n] with batch number `batch` of the epoch, in any
 * sequence; returns n. Bytes beyond n images are not touched. Allocates nothing; parallel over
 * images, with the same result on every number of threads. One call at a time on a loader. */
int loader_fill(const struct loader *loader, int batch, float *pixels, int32_t *labels);

#endif
