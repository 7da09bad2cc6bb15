/* Reader of a folder of pictures: DIR/train/CLASS/FILE and DIR/val/CLASS/FILE, PNG and JPEG by
 * content. Classes and files are in the byte order of their names; hidden entries, and plain files
 * beside the class folders, are no part of it. train/ becomes ds->train, val/ becomes ds->test. */
#ifndef DATASETS_FOLDER_H
#define DATASETS_FOLDER_H

#include "datasets/dataset.h"
#include "datasets/image.h"

/* Reads the folder ds->dir into ds: of every picture the crop that resize_centre() gives, in
 * parallel. ERR_FORMAT when a class is empty or is in one part only, and for files that are no good
 * pictures, ten of them named, unless the specification skips them (ds->skipped, ds->note); ERR_IO,
 * ERR_MEMORY. What was allocated stays in ds. */
enum status folder_read(struct dataset *ds);

/* Reads the whole picture of image i of a set that folder_read() made. ERR_FORMAT when the file is
 * no longer the one that was read then; other errors as image_read(). */
enum status folder_read_whole(const struct dataset *ds, const struct image_set *set, int i,
                              struct image *out);

#endif
