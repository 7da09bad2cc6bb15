/* A picture file as pixels: PNG and JPEG, told apart by content, never by name. What a photo viewer
 * shows is what comes out (README.md, "How a picture becomes a tensor"); anything else is refused.
 * Knows nothing of classes, sizes wanted or networks. */
#ifndef DATASETS_IMAGE_H
#define DATASETS_IMAGE_H

#include "datasets/file.h"

/* The largest picture accepted: a side, and the whole (64 megapixels; 192 MiB as bytes). A file
 * of a few bytes can claim any size: nothing is allocated before its claim is within these. */
enum { IMAGE_SIDE_MAX = 65535, IMAGE_PIXELS_MAX = 1 << 26 };

struct image {
    uint8_t *pixels; /* h rows of w pixels of red, green, blue; from memory_alloc() */
    int h, w;
};

/* Reads and decodes a file, turned as its EXIF orientation says. ERR_IO when it cannot be read,
 * ERR_FORMAT when it is no PNG or JPEG, is damaged, cut off, too large, or of a form that is not
 * decoded; ERR_MEMORY. The message begins with `path`; *out is zeroed after an error. */
enum status image_read(struct image *out, const char *path);

/* The same from memory; the message has no name in front. */
enum status image_decode(struct image *out, const struct bytes *file);

void image_free(struct image *image); /* a zeroed struct is allowed */

/* Turns by an EXIF orientation, 1 to 8 (1: nothing to do). ERR_MEMORY. */
enum status image_orient(struct image *image, int orientation);

/* Bytes of the pixels. */
size_t image_bytes(const struct image *image);

#endif
