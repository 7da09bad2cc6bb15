/* The one thing wanted of EXIF data: how the picture is to be turned. Knows no image format. */
#ifndef DATASETS_EXIF_H
#define DATASETS_EXIF_H

#include <stddef.h>
#include <stdint.h>

/* The value of tag 274 (Orientation) of the first directory of a TIFF structure, 1 to 8 (EXIF 2.32,
 * 4.6.2 and 4.6.4; TIFF 6.0, section 2). 1, "as stored", whenever the data are damaged, cut off, or
 * say nothing: broken EXIF data are no reason to refuse a good picture. */
int exif_orientation(const uint8_t *tiff, size_t size);

#endif
