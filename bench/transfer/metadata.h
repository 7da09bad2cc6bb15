/* What a weights file says in its metadata of how it is to be used: input size, mean and deviation,
 * how a picture becomes the input, class names. Reads no tensor and runs no network. */
#ifndef BENCH_TRANSFER_METADATA_H
#define BENCH_TRANSFER_METADATA_H

#include "bench/net/safetensors.h"
#include "datasets/image.h"
#include "datasets/transform.h"

#include <jansson.h>

enum { CLASS_NAME_MAX = 128, RULE_WORDS_MAX = 64 };

struct weights_metadata {
    int input;                                  /* pixels a side; 0: nothing is said */
    bool has_norm;
    struct normalisation norm;                  /* of the file, else torchvision's */
    char resize[RULE_WORDS_MAX], crop[RULE_WORDS_MAX]; /* as dataset_rule() words them; "" */
    int stored_h, stored_w;                     /* images before zero padding; 0 */
    char (*class_names)[CLASS_NAME_MAX];        /* owned; NULL: nothing is said. Printable */
    int class_count;
};

/* Reads it. A key that is there and cannot be understood is ERR_FORMAT, naming file and key: a
 * guess would be silent. On failure nothing is left to free. */
enum status metadata_read(const struct safetensors *file, struct weights_metadata *metadata);
void metadata_free(struct weights_metadata *metadata); /* a zeroed one is allowed */

/* How any picture becomes the input: resized (bilinear, antialiased) so that the short side has
 * `short_side` pixels, the centre `crop` x `crop` of it, zeros around up to `input`; pictures of
 * exactly as_is_h x as_is_w pixels (0: none) are not resized. */
struct picture_rule {
    int short_side, crop, as_is_h, as_is_w, input;
    struct normalisation norm;
    bool from_file; /* else torchvision's, for want of anything better */
};

/* The rule for a square input. Without one in the metadata it is torchvision's for 224 pixels,
 * 256/224 of the side, and no margin below 64 pixels (datasets/spec.h). An `input` other than the
 * metadata's scales its numbers. ERR_FORMAT when the metadata contradict themselves. */
enum status picture_rule_make(const struct weights_metadata *metadata, int input,
                              struct picture_rule *rule);

/* Writes input x input pixels of 3 floats. ERR_MEMORY. */
enum status picture_rule_apply(const struct picture_rule *rule, const struct image *image,
                               float *out);

/* "short side to 256 (bilinear, antialiased), centre 224x224, /255, mean ..., std ...". */
void picture_rule_print(const struct picture_rule *rule, char *text, size_t size);

/* The same for machines; a new reference, NULL when there is no memory. */
json_t *picture_rule_json(const struct picture_rule *rule);

#endif
