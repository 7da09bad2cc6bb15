/* A data set in memory: images as the bytes that were stored (of picture files: as the crops that
 * a network evaluates), labels, class names, and a content hash. Start here; split.h says which
 * images play which part, loader.h turns them into batches. Knows nothing of networks or
 * training. */
#ifndef DATASETS_DATASET_H
#define DATASETS_DATASET_H

#include "datasets/spec.h"
#include "datasets/transform.h"
#include "impls/base/status.h"

#include <stddef.h>
#include <stdint.h>

enum { DATA_NAME_MAX = 64, DATA_HASH_TEXT = 17, DATA_NOTE_MAX = 800 };

/* The picture file that an image was made from. */
struct picture {
    char *path;    /* below the data set's dir, as the file system has it: "train/ants/a b.jpg" */
    uint64_t hash; /* of all its pixels, upright */
    int h, w;
};

/* Images of one part of the files (training or test), in file order. */
struct image_set {
    uint8_t *pixels; /* n images, each `channels` planes of h rows of w bytes */
    int32_t *labels; /* class 0..classes-1; -1: of a class that takes no part */
    int n;
    struct picture *pictures; /* n of them; NULL when images are not files of their own */
};

struct dataset {
    struct data_spec spec;
    char dir[2 * DATA_TEXT_MAX];         /* where the files were found */
    int channels, h, w;                  /* as stored; channels 1 (grey) or 3 (red, green, blue) */
    int out_h, out_w;                    /* after the size= or pad= of the specification */
    int classes;                         /* that take part, in ascending stored number */
    int *class_stored;                   /* their numbers in the files */
    char (*class_names)[DATA_NAME_MAX];
    struct image_set train, test;
    char hash[DATA_HASH_TEXT];           /* 16 hex digits over the files' whole content */
    int skipped;                         /* files left out by broken=skip */
    char note[DATA_NOTE_MAX];            /* a line for the user: which those are; "" for none */
    const struct normalisation *norm;    /* default mean and deviation of this kind of data */
};

/* Reads the data set that one item of `--data` names. Checks everything the specification asks
 * for against what is there, so that split_make() only can run out of memory. Errors: ERR_USAGE
 * (specification), ERR_IO (missing file), ERR_FORMAT (broken file), ERR_MEMORY, each with one line;
 * then there is nothing to close. The struct must stay where it is while a split or a loader
 * borrows from it. */
enum status dataset_open(struct dataset *ds, const char *text);
void dataset_close(struct dataset *ds); /* a zeroed struct is allowed */

/* What the data are, for the key of a result: kind, content hash and options, but not the place:
 * "cifar10@0123456789abcdef:per-class=50:val=10". */
void dataset_key(const struct dataset *ds, char *text, size_t size);

/* How stored images become the network's input, in words for reports and for the metadata of a
 * weights file: {"short side to 256", "bilinear, antialiased", "centre 224x224"} of picture files,
 * {"zero padding to the input size", "none", "none"} of others. */
struct data_rule {
    char resize[48], interpolation[48], crop[48];
};
struct data_rule dataset_rule(const struct dataset *ds);

/* Bytes of one image, and the first byte of image i. */
size_t dataset_image_bytes(const struct dataset *ds);
const uint8_t *dataset_image(const struct dataset *ds, const struct image_set *set, int i);

/* For readers: memory for n images of the shape set in ds. ERR_FORMAT, naming `path`, when that is
 * none or more than FILE_BYTES_MAX bytes. */
enum status image_set_alloc(struct image_set *set, const struct dataset *ds, size_t n,
                            const char *path);

/* For readers: class names "0", "1", ... for ds->classes classes, numbered as stored. */
enum status dataset_name_classes(struct dataset *ds, int classes);

#endif
