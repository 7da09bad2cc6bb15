/* What the tests of the program's dealing with files share: a small data set of pictures, weights
 * made from it, and what the program prints as JSON. Judges nothing. */
#ifndef TESTS_CLI_FIXTURE_H
#define TESTS_CLI_FIXTURE_H

#include "tests/picture_fixture.h"
#include "tests/support.h"

#include "tests/command.h"

#define NET "--model resnet20:width=0.25"
#define NET_CBAM NET " --attention cbam"

enum { SIDE = 16, PICTURES = 6 };

/* ---- what the tests work on ---- */

/* The picture of number i: stripes of the first class lie, of the second stand. */
static inline void put_picture(const struct bed *bed, const char *name, int i)
{
    int h = 20 + i, w = 24 + i % 3;
    struct image image = {memory_alloc(3 * (size_t)h * (size_t)w), h, w};
    assert_non_null(image.pixels);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int c = 0; c < 3; c++)
                image.pixels[3 * (y * w + x) + c] =
                    (uint8_t)(((i % 2 ? x : y) / 3 % 2 ? 180 : 40) + (x * 7 + y * 5 + i * c) % 60);
    struct bytes file = picture_png_of(&image);
    fixture_write(&bed->folder, name, file.data, file.size);
    bytes_free(&file);
    image_free(&image);
}

static inline void picture_name(int i, char name[64])
{
    snprintf(name, 64, "pics/val/%s/p%02d.png", i % 2 ? "bees" : "ants", i);
}

/* The bed's folder "pics" with classes ants and bees; val/ has PICTURES pictures. */
static inline void make_pictures(struct bed *bed)
{
    static const char *const dirs[] = {"pics",           "pics/train",    "pics/train/ants",
                                       "pics/train/bees", "pics/val", "pics/val/ants",
                                       "pics/val/bees"};
    char name[64];
    for (int i = 0; i < 7; i++)
        assert_int_equal(mkdir(bed_path(bed, dirs[i]), 0777), 0);
    for (int i = 0; i < PICTURES; i++) {
        picture_name(i, name);
        put_picture(bed, name, i);
    }
    for (int i = 0; i < 16; i++) {
        snprintf(name, sizeof name, "pics/train/%s/t%02d.png", i % 2 ? "bees" : "ants", i);
        put_picture(bed, name, i + PICTURES);
    }
}

/* The pictures of val/ as arguments, in the order of the data set: by class, then by name. */
static inline const char *picture_arguments(struct bed *bed, char *text, size_t size)
{
    size_t used = 0;
    for (int k = 0; k < PICTURES; k++) {
        char name[64];
        picture_name(k < PICTURES / 2 ? 2 * k : 2 * (k - PICTURES / 2) + 1, name);
        used += (size_t)snprintf(text + used, size - used, " '%s'", bed_path(bed, name));
    }
    assert_true(used < size);
    return text;
}

/* Weights "w" of a network with these options, trained for 3 epochs on the pictures. */
static inline void train_on_pictures(struct bed *bed, const char *network)
{
    struct command c;
    make_pictures(bed);
    command_ok(&c, "train %s --data folder:%s:size=%d --epochs 3 --batch 4 --threads 1 --quiet "
               "--save %s", network, bed_path(bed, "pics"), SIDE, bed_path(bed, "w"));
    command_free(&c);
}

/* A small trained-looking network of the bed's own data as file "w". */
static inline void fresh_weights(struct bed *bed, const char *attention)
{
    struct train_settings s;
    support_settings(&s, bed, attention);
    support_save_fresh(&s, bed_path(bed, "w"));
}

#endif
