/* The whole pictures of one list in memory, and random crops of them at the network's size: what
 * training on picture files needs. Knows no floats and no normalisation. */
#ifndef DATASETS_RANDOM_CROPS_H
#define DATASETS_RANDOM_CROPS_H

#include "datasets/crop.h"
#include "datasets/image.h"
#include "datasets/split.h"

struct random_crops {
    struct image *image; /* by number in the list's image set; zeroed where it is no member */
    int images;
    int size;            /* of a crop after resizing, both sides */
    uint8_t *scratch;    /* `lanes` pieces of `lane_bytes`, the resized planes at its beginning */
    size_t lane_bytes;
    int lanes;           /* threads that may make crops at the same time */
};

/* Reads the members of `list`, of a data set of picture files, in parallel. ERR_USAGE when they
 * take more than FILE_BYTES_MAX bytes; ERR_MEMORY; errors of folder_read_whole(). On error there
 * is nothing to close. */
enum status random_crops_open(struct random_crops *crops, const struct dataset *ds,
                              const struct image_list *list);
void random_crops_close(struct random_crops *crops); /* a zeroed struct is allowed */

/* Three planes of size x size bytes: part `from` of an image, resized. They live until the next
 * call with the same lane, 0 <= lane < lanes; different lanes may run at the same time. */
const uint8_t *random_crops_make(const struct random_crops *crops, int lane, int image,
                                 struct crop from);

#endif
