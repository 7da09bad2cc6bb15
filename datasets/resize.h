/* Resizing with antialiasing: bilinear as Pillow's Image.resize(size, BILINEAR) does it, bytes
 * between its two passes included, so that results are the same to the last bit where floating
 * point is IEEE double precision. Knows no files and no augmentation. */
#ifndef DATASETS_RESIZE_H
#define DATASETS_RESIZE_H

#include "datasets/crop.h"
#include "datasets/image.h"

/* Part `from` of a picture is resized to full_h x full_w pixels, as if it were the whole picture;
 * part `to` of these is computed. */
struct resize {
    const struct image *source;
    struct crop from;
    int full_h, full_w;
    struct crop to;
};

/* Bytes that resize_run() needs to work in. Grows with from.h and from.w when the rest is the
 * same and `to` is the whole result. */
size_t resize_scratch_bytes(const struct resize *resize);

/* Writes the to.h x to.w pixels as three planes, red, green, blue. `scratch` is aligned as
 * memory_alloc() aligns. Method: one-dimensional triangle filter, as wide as the reduction, over
 * the columns and then over the rows; weights with 22 binary digits; each pass rounds to bytes. */
void resize_run(const struct resize *resize, void *scratch, uint8_t *planes);

/* The fixed way of a picture into a network: short side to `short_side`, then the size x size
 * pixels of the centre; size <= short_side. Writes 3 x size x size bytes. ERR_MEMORY. */
enum status resize_centre(const struct image *source, int short_side, int size, uint8_t *planes);

#endif
