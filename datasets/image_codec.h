/* What image.c and the two decoders share; for nobody else. Each decoder gives pixels as stored
 * and the EXIF orientation, and has no name in its messages. */
#ifndef DATASETS_IMAGE_CODEC_H
#define DATASETS_IMAGE_CODEC_H

#include "datasets/image.h"

/* ERR_FORMAT unless h x w pixels are at least one and within the limits of image.h. */
enum status image_check_size(uint64_t h, uint64_t w);

/* Checks the size and allocates; what was in *out must have been freed. */
enum status image_alloc(struct image *out, uint64_t h, uint64_t w);

/* Decode a file that begins with the format's signature. On error *out may hold an allocation,
 * for the caller to free. *orientation is 1 to 8, 1 when the file says nothing usable. */
enum status image_png_decode(struct image *out, const struct bytes *file, int *orientation);
enum status image_jpeg_decode(struct image *out, const struct bytes *file, int *orientation);

#endif
