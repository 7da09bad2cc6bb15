/* The pictures of the tiny training run: see accuracy_data.h. */
#include "bench/regress/accuracy_data.h"

#include "impls/base/random.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIDE = 28, PIXELS = SIDE * SIDE, CLASSES = 4, TRAIN = 256, TEST = 128 };

static const char *const files[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                    "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};
enum { FILES = sizeof files / sizeof files[0] };

/* A triangle of period 256 between 0 and 127. */
static int triangle(int x)
{
    int low = x & 255;
    return low < 128 ? low : 255 - low;
}

/* The largest whole number whose square is at most x. */
static int root(int x)
{
    int r = 0;
    while ((r + 1) * (r + 1) <= x)
        r++;
    return r;
}

static void draw(unsigned char *pixels, const char *part, int index)
{
    struct random_stream stream = {(uint64_t)index, random_name(part)};
    int class = index % CLASSES;
    int cx = 8 + (int)random_below(stream, 0, 13), cy = 8 + (int)random_below(stream, 1, 13);
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            int at = y * SIDE + x, r2 = (x - cx) * (x - cx) + (y - cy) * (y - cy);
            int noise = (int)random_below(stream, (uint64_t)at + 2, 64);
            /* rings 14/(class + 1) pixels apart */
            pixels[at] = (unsigned char)(triangle(root(256 * r2) * 8 * (class + 1) / 7) + noise);
        }
}

static void put_number(FILE *file, int number)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        putc(number >> shift & 255, file);
}

static void write_images(FILE *file, const char *part, int count)
{
    unsigned char pixels[PIXELS];
    put_number(file, 0x803);
    put_number(file, count);
    put_number(file, SIDE);
    put_number(file, SIDE);
    for (int i = 0; i < count; i++) {
        draw(pixels, part, i);
        fwrite(pixels, 1, PIXELS, file);
    }
}

static void write_labels(FILE *file, int count)
{
    put_number(file, 0x801);
    put_number(file, count);
    for (int i = 0; i < count; i++)
        putc(i % CLASSES, file);
}

static enum status write_file(const char *folder, int which)
{
    char path[ACCURACY_FOLDER + 64];
    int count = which < 2 ? TRAIN : TEST;
    snprintf(path, sizeof path, "%s/%s", folder, files[which]);
    FILE *file = fopen(path, "wb");
    if (!file)
        return fail(ERR_IO, "%s: %s", path, strerror(errno));
    if (which % 2 == 0)
        write_images(file, which < 2 ? "regress/train" : "regress/test", count);
    else
        write_labels(file, count);
    bool failed = ferror(file) != 0;
    failed = fclose(file) != 0 || failed;
    return failed ? fail(ERR_IO, "%s: cannot be written", path) : OK;
}

enum status accuracy_data_make(char *folder)
{
    const char *where = getenv("TMPDIR");
    enum status status = OK;
    int length = snprintf(folder, ACCURACY_FOLDER, "%s/cbam-bench-regress-XXXXXX",
                          where && *where ? where : P_tmpdir);
    if (length >= ACCURACY_FOLDER)
        return fail(ERR_IO, "TMPDIR: %s: a shorter path was expected", where);
    if (!mkdtemp(folder))
        return fail(ERR_IO, "%s: %s", folder, strerror(errno));
    for (int i = 0; status == OK && i < FILES; i++)
        status = write_file(folder, i);
    if (status != OK)
        accuracy_data_remove(folder);
    return status;
}

void accuracy_data_remove(const char *folder)
{
    char path[ACCURACY_FOLDER + 64];
    for (int i = 0; i < FILES; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        unlink(path);
    }
    rmdir(folder);
}
