/* A data specification: one item of `--data` as a value. Grammar, ':' between the parts:
 *
 *   fashion-mnist[:OPTION...]  |  cifar10:DIR[:OPTION...]  |  cifar100:DIR[:OPTION...]
 *   idx:DIR[:OPTION...]  |  folder:DIR[:OPTION...]
 *
 *   classes=0-4  classes=0+2+7   only these classes, renumbered 0.. in ascending order
 *   per-class=N                  N labelled training images of each class, drawn per seed
 *   val=N                        of these, N of each class are validation images; default N/5 of
 *                                per-class, 0 without per-class
 *   test-per-class=N             the first N test images of each class
 *   size=S | pad=P               zero pixels around: up to S x S, or P on every side; not folder
 *
 * and for folder, whose pictures have sizes of their own:
 *
 *   size=S                       pixels of a side of the network's input; default 224
 *   resize=R                     short side before the centre crop of S x S; at least S; default
 *                                S * 256/224, rounded, from S = 64 on; below that, S
 *   broken=refuse|skip           what a file that is no good picture leads to; default refuse
 *
 * Knows what can be said, not what is in the files. */
#ifndef DATASETS_SPEC_H
#define DATASETS_SPEC_H

#include "impls/base/status.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    DATA_CLASSES_MAX = 1000, /* class numbers are below this */
    DATA_SIDE_MAX = 4096,    /* pixels of a side */
    DATA_TEXT_MAX = 1024     /* of a specification, with its final NUL */
};

enum data_kind {
    DATA_FASHION_MNIST,
    DATA_CIFAR10,
    DATA_CIFAR100,
    DATA_IDX,
    DATA_FOLDER,
    DATA_KINDS
};

struct data_spec {
    enum data_kind kind;
    char dir[DATA_TEXT_MAX]; /* as given; "" where the kind has a place of its own */
    bool classes_given;
    bool class_wanted[DATA_CLASSES_MAX]; /* by stored number; meaningful when classes_given */
    int per_class;      /* 0: all */
    int val;            /* per class; the default is filled in */
    int test_per_class; /* 0: all */
    int size, pad;      /* 0: not given; at most one of the two; folder: default filled in */
    int resize;         /* folder only: default filled in */
    bool skip_broken;   /* folder only */
};

/* Parses one item. ERR_USAGE with one line that quotes `text` and the part that cannot be. */
enum status data_spec_parse(const char *text, struct data_spec *spec);

/* "fashion-mnist": the word that `kind` is written with. */
const char *data_kind_name(enum data_kind kind);

/* The canonical text, options in one fixed order, `val` written out whenever it is not 0 or
 * per-class is there, size and resize always for folder; data_spec_parse() gives the same value
 * back. */
void data_spec_print(const struct data_spec *spec, char *text, size_t size);

/* The options alone, each with its ':' in front; "" when there is none. */
void data_spec_print_options(const struct data_spec *spec, char *text, size_t size);

#endif
