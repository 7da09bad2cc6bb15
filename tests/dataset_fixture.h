/* Small IDX and CIFAR-10 files in a directory of their own, for the tests of datasets/. Every
 * image they make is different from every other. */
#ifndef TESTS_DATASET_FIXTURE_H
#define TESTS_DATASET_FIXTURE_H

/* cmocka.h defines a macro fail(): our headers must come before it. */
#include "datasets/dataset.h"
#include "datasets/loader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { FIXTURE_PATH = 512, CIFAR_RECORD = 3073 };

struct fixture {
    char dir[FIXTURE_PATH / 2];
};

static inline void fixture_make(struct fixture *f)
{
    snprintf(f->dir, sizeof f->dir, "%s/cbam-test-XXXXXX", P_tmpdir);
    assert_non_null(mkdtemp(f->dir));
}

static inline int fixture_unlink(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static inline void fixture_remove(const struct fixture *f)
{
    nftw(f->dir, fixture_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void fixture_path(const struct fixture *f, const char *name, char *path)
{
    snprintf(path, FIXTURE_PATH, "%s/%s", f->dir, name);
}

static inline void fixture_delete(const struct fixture *f, const char *name)
{
    char path[FIXTURE_PATH];
    fixture_path(f, name, path);
    remove(path);
}

static inline void fixture_write(const struct fixture *f, const char *name, const void *data,
                                 size_t n)
{
    char path[FIXTURE_PATH];
    fixture_path(f, name, path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

/* A name.gz that unpacks to the n bytes. */
static inline void fixture_write_gz(const struct fixture *f, const char *name, const void *data,
                                    size_t n)
{
    char path[FIXTURE_PATH];
    fixture_path(f, name, path);
    gzFile file = gzopen(path, "wb9");
    assert_non_null(file);
    assert_int_equal(gzwrite(file, data, (unsigned)n), (int)n);
    assert_int_equal(gzclose(file), Z_OK);
}

/* The whole file; the caller frees it. */
static inline uint8_t *fixture_read(const struct fixture *f, const char *name, size_t *n)
{
    char path[FIXTURE_PATH];
    struct stat st;
    fixture_path(f, name, path);
    assert_int_equal(stat(path, &st), 0);
    *n = (size_t)st.st_size;
    uint8_t *data = calloc(1, *n + 1);
    FILE *file = fopen(path, "rb");
    assert_true(data && file);
    assert_int_equal(fread(data, 1, *n, file), *n);
    fclose(file);
    return data;
}

static inline void fixture_put32(uint8_t *p, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* A pixel that varies, with the image's number in the first four. */
static inline uint8_t fixture_pixel(int image, int pixel)
{
    if (pixel < 4)
        return (uint8_t)(image >> 8 * pixel);
    return (uint8_t)(37 * pixel + 11 * image + pixel * image % 7);
}

/* The bytes of an image file (labels NULL) or label file; the caller frees them. Image i shows
 * pattern number first + i, its label is label(i). */
static inline uint8_t *fixture_idx_images(int first, int n, int h, int w, size_t *size)
{
    *size = 16 + (size_t)n * (size_t)h * (size_t)w;
    uint8_t *data = calloc(1, *size);
    assert_non_null(data);
    fixture_put32(data, 0x0803);
    fixture_put32(data + 4, (uint32_t)n);
    fixture_put32(data + 8, (uint32_t)h);
    fixture_put32(data + 12, (uint32_t)w);
    for (int i = 0; i < n; i++)
        for (int p = 0; p < h * w; p++)
            data[16 + (size_t)i * (size_t)(h * w) + (size_t)p] = fixture_pixel(first + i, p);
    return data;
}

static inline uint8_t *fixture_idx_labels(int n, int classes, size_t *size)
{
    *size = 8 + (size_t)n;
    uint8_t *data = calloc(1, *size);
    assert_non_null(data);
    fixture_put32(data, 0x0801);
    fixture_put32(data + 4, (uint32_t)n);
    for (int i = 0; i < n; i++)
        data[8 + i] = (uint8_t)(i % classes);
    return data;
}

/* Four plain IDX files: labels 0, 1, ... classes-1, 0, 1, ... */
static inline void fixture_idx(const struct fixture *f, int train, int test, int classes, int h,
                               int w)
{
    const struct {
        const char *name;
        int first, n;
    } part[2] = {{"train", 0, train}, {"t10k", 100000, test}};
    for (int i = 0; i < 2; i++) {
        char name[64];
        size_t size;
        uint8_t *data = fixture_idx_images(part[i].first, part[i].n, h, w, &size);
        snprintf(name, sizeof name, "%s-images-idx3-ubyte", part[i].name);
        fixture_write(f, name, data, size);
        free(data);
        data = fixture_idx_labels(part[i].n, classes, &size);
        snprintf(name, sizeof name, "%s-labels-idx1-ubyte", part[i].name);
        fixture_write(f, name, data, size);
        free(data);
    }
}

/* n CIFAR-10 records showing patterns first.. with labels (first + i) % 10. */
static inline void fixture_cifar_file(const struct fixture *f, const char *name, int first, int n)
{
    uint8_t *data = calloc((size_t)n, CIFAR_RECORD);
    assert_non_null(data);
    for (int i = 0; i < n; i++) {
        uint8_t *record = data + (size_t)i * CIFAR_RECORD;
        record[0] = (uint8_t)((first + i) % 10);
        for (int p = 0; p < CIFAR_RECORD - 1; p++)
            record[1 + p] = fixture_pixel(first + i, p);
    }
    fixture_write(f, name, data, (size_t)n * CIFAR_RECORD);
    free(data);
}

/* Opens KIND:DIR followed by `options`, which must succeed. */
static inline void fixture_open(const struct fixture *f, const char *kind, const char *options,
                                struct dataset *ds)
{
    char text[DATA_TEXT_MAX];
    snprintf(text, sizeof text, "%s:%s%s", kind, f->dir, options);
    if (dataset_open(ds, text) != OK)
        fail_msg("%s", fail_text());
}

/* `text` must be refused with `status`, in one line that holds both fragments. */
static inline void expect_refused(const char *text, enum status status, const char *fragment1,
                                  const char *fragment2)
{
    struct dataset ds;
    enum status got = dataset_open(&ds, text);
    if (got == OK)
        fail_msg("'%s' was accepted", text);
    const char *line = fail_text();
    if (got != status || !strstr(line, fragment1) || !strstr(line, fragment2) ||
        strchr(line, '\n'))
        fail_msg("'%s' gave status %d and '%s'; %d, '%s' and '%s' were expected", text, (int)got,
                 line, (int)status, fragment1, fragment2);
    assert_null(ds.train.pixels);
    dataset_close(&ds);
}

static inline void expect_dir_refused(const struct fixture *f, const char *kind,
                                      enum status status, const char *fragment1,
                                      const char *fragment2)
{
    char text[DATA_TEXT_MAX];
    snprintf(text, sizeof text, "%s:%s", kind, f->dir);
    expect_refused(text, status, fragment1, fragment2);
}

static inline void fixture_split(const struct dataset *ds, uint64_t seed, struct split *split)
{
    if (split_make(split, ds, seed) != OK)
        fail_msg("%s", fail_text());
}

static inline bool fixture_is_member(const struct image_list *list, int image)
{
    for (int i = 0; i < list->n; i++)
        if (list->index[i] == image)
            return true;
    return false;
}

/* A test with a folder of its own: *state is its struct fixture. */
#define FIXTURE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

static inline int fixture_setup(void **state)
{
    static struct fixture f;
    fixture_make(&f);
    *state = &f;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    fixture_remove(*state);
    return 0;
}

#endif
