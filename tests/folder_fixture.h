/* Folders of pictures for the tests of datasets/folder.c, and a batch of one part. Judges
 * nothing. */
#ifndef TESTS_FOLDER_FIXTURE_H
#define TESTS_FOLDER_FIXTURE_H

#include "tests/picture_fixture.h"

static inline void make_dir(const struct fixture *f, const char *name)
{
    char path[FIXTURE_PATH];
    fixture_path(f, name, path);
    assert_int_equal(mkdir(path, 0777), 0);
}

/* A PNG of its own content: h x w pixels of picture_make(), the first being (mark, mark, mark). */
static inline void put_png(const struct fixture *f, const char *name, int h, int w, int mark)
{
    struct image image = picture_make(h, w);
    memset(image.pixels, mark, 3);
    picture_put(f, name, picture_png_of(&image));
    image_free(&image);
}

/* train/ and val/ with classes "ants" and "bees" of `train` and two pictures, 20x30 and larger. */
static inline void make_folder(const struct fixture *f, int train)
{
    static const char *const dirs[] = {"train", "val", "train/bees", "train/ants", "val/ants",
                                       "val/bees"};
    for (int i = 0; i < 6; i++)
        make_dir(f, dirs[i]);
    for (int i = 0; i < 2 * train + 4; i++) {
        char name[64];
        const bool val = i >= 2 * train;
        snprintf(name, sizeof name, "%s/%s/p%02d.png", val ? "val" : "train",
                 i % 2 ? "bees" : "ants", i);
        put_png(f, name, 20 + i, 30 + i % 3, i);
    }
}

/* A loader over one part with a buffer for a batch of all its images. */
struct batch {
    struct dataset ds;
    struct split split;
    struct loader loader;
    float *pixels;
    int32_t labels[64];
};

static inline void batch_open(struct batch *b, const struct fixture *f, const char *options,
                       enum part part, bool augment)
{
    fixture_open(f, "folder", options, &b->ds);
    fixture_split(&b->ds, 1, &b->split);
    const struct image_list *list = &b->split.list[part];
    const struct loader_config config = {.batch = list->n, .augment = augment, .seed = 3};
    if (loader_init(&b->loader, &b->ds, list, &config) != OK)
        fail_msg("%s", fail_text());
    b->pixels = calloc(loader_batch_floats(&b->loader), sizeof *b->pixels);
    assert_non_null(b->pixels);
    assert_true(list->n <= 64);
    loader_fill(&b->loader, 0, b->pixels, b->labels);
}

static inline void batch_close(struct batch *b)
{
    loader_free(&b->loader);
    split_free(&b->split);
    dataset_close(&b->ds);
    free(b->pixels);
}

#endif
