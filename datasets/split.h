/* Which images train, validate and test. A list depends on the seed, the specification and the
 * stored class alone:
 *   - each class has its own random order of its training images; training members are taken from
 *     its front, validation members from its back, so a draw of 10 is part of a draw of 50 on both
 *     sides, no image changes sides, and other classes do not matter;
 *   - the order of an image is a random key of its rank in its class: an image added at the end of
 *     the files takes at most one place, the others keep their order; of a picture file, it is one
 *     of its path "train/CLASS/FILE", so the same holds for any file or class added;
 *   - test members are the first of each class in file order, whatever the seed.
 * Knows nothing of pixels, but for split_shared(). */
#ifndef DATASETS_SPLIT_H
#define DATASETS_SPLIT_H

#include "datasets/dataset.h"

enum part { PART_TRAIN, PART_VAL, PART_TEST, PARTS };

/* Images of one part, in file order. */
struct image_list {
    enum part part;
    const struct image_set *images; /* ds->train for train and validation, ds->test for test */
    int *index;                     /* into images, ascending */
    int n;                          /* 0 only for validation */
};

struct split {
    struct image_list list[PARTS];
    char hash[DATA_HASH_TEXT]; /* of the three member lists, for reports */
};

/* Draws the split that ds->spec asks for. Borrows ds; split_free() frees the lists. ERR_MEMORY. */
enum status split_make(struct split *split, const struct dataset *ds, uint64_t seed);
void split_free(struct split *split); /* a zeroed struct is allowed */

/* "train", "val" or "test". */
const char *part_name(enum part part);

/* Number of images of list b whose pixels are, byte for byte, those of an image of list a: leaks
 * that the data themselves bring along. ERR_MEMORY. */
enum status split_shared(const struct dataset *ds, const struct image_list *a,
                         const struct image_list *b, int *count);

#endif
