/* Opening a data set: place, reader, content hash, chosen classes: see dataset.h. Knows no file
 * format. */
#include "datasets/dataset.h"

#include "datasets/cifar.h"
#include "datasets/file.h"
#include "datasets/folder.h"
#include "datasets/idx.h"
#include "impls/base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char debian_dir[] = "/usr/share/datasets/fashion-mnist";

static bool is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* $CBAM_DATA/name in `path`; false when CBAM_DATA is unset or that is no directory. */
static bool find_under_environment(const char *name, char *path, size_t size)
{
    const char *base = getenv("CBAM_DATA");
    if (!base || !*base)
        return false;
    int length = snprintf(path, size, "%s/%s", base, name);
    return length >= 0 && (size_t)length < size && is_directory(path);
}

static enum status find_fashion(char *path, size_t size)
{
    if (find_under_environment("fashion-mnist", path, size))
        return OK;
    snprintf(path, size, "%s", debian_dir);
    if (is_directory(path))
        return OK;
    return fail(ERR_IO, "fashion-mnist: there is no directory %s: install the Debian package "
                "dataset-fashion-mnist, or set CBAM_DATA to the directory that holds "
                "fashion-mnist/", debian_dir);
}

static enum status find_dir(const struct data_spec *spec, char *path, size_t size)
{
    if (spec->kind == DATA_FASHION_MNIST)
        return find_fashion(path, size);
    snprintf(path, size, "%s", spec->dir);
    if (is_directory(path))
        return OK;
    bool relative = spec->dir[0] != '/';
    if (relative && find_under_environment(spec->dir, path, size))
        return OK;
    return fail(ERR_IO, "%s: there is no directory '%s'%s", data_kind_name(spec->kind), spec->dir,
                relative ? ", neither here nor under $CBAM_DATA" : "");
}

static enum status read_files(struct dataset *ds)
{
    switch (ds->spec.kind) {
    case DATA_FASHION_MNIST:
        ds->norm = normalisation_find("fashion-mnist");
        return idx_read_fashion(ds);
    case DATA_CIFAR10:
        ds->norm = normalisation_find("cifar10");
        return cifar10_read(ds);
    case DATA_CIFAR100:
        ds->norm = normalisation_find("cifar100");
        return cifar100_read(ds);
    case DATA_IDX:
        ds->norm = normalisation_find("half");
        return idx_read(ds);
    case DATA_FOLDER:
        ds->norm = normalisation_find("imagenet");
        return folder_read(ds);
    case DATA_KINDS:
        break;
    }
    return fail(ERR_USAGE, "no reader for data set kind %d", (int)ds->spec.kind);
}

size_t dataset_image_bytes(const struct dataset *ds)
{
    return (size_t)ds->channels * (size_t)ds->h * (size_t)ds->w;
}

const uint8_t *dataset_image(const struct dataset *ds, const struct image_set *set, int i)
{
    return set->pixels + (size_t)i * dataset_image_bytes(ds);
}

enum status image_set_alloc(struct image_set *set, const struct dataset *ds, size_t n,
                            const char *path)
{
    if (n == 0)
        return fail(ERR_FORMAT, "%s: holds no image", path);
    if (n > FILE_BYTES_MAX / dataset_image_bytes(ds))
        return fail(ERR_FORMAT, "%s: %zu images of %zu bytes are more than %d bytes", path, n,
                    dataset_image_bytes(ds), FILE_BYTES_MAX);
    set->n = (int)n;
    set->pixels = memory_alloc(n * dataset_image_bytes(ds));
    set->labels = memory_alloc(n * sizeof *set->labels);
    return set->pixels && set->labels ? OK : fail_prefix(ERR_MEMORY, "%s", path);
}

enum status dataset_name_classes(struct dataset *ds, int classes)
{
    CHECK(classes >= 1 && classes <= DATA_CLASSES_MAX);
    ds->classes = classes;
    ds->class_stored = calloc((size_t)classes, sizeof *ds->class_stored);
    ds->class_names = calloc((size_t)classes, sizeof *ds->class_names);
    if (!ds->class_stored || !ds->class_names)
        return fail(ERR_MEMORY, "out of memory for %d class names", classes);
    for (int k = 0; k < classes; k++) {
        ds->class_stored[k] = k;
        snprintf(ds->class_names[k], DATA_NAME_MAX, "%d", k);
    }
    return OK;
}

static uint64_t hash_set(uint64_t hash, const struct dataset *ds, const struct image_set *set)
{
    hash = file_hash_number(hash, (uint64_t)set->n);
    for (int i = 0; i < set->n; i++)
        hash = file_hash_number(hash, (uint64_t)set->labels[i]);
    if (!set->pictures)
        return file_hash(hash, set->pixels, (size_t)set->n * dataset_image_bytes(ds));
    for (int i = 0; i < set->n; i++)
        hash = file_hash_number(hash, set->pictures[i].hash);
    return hash;
}

static void hash_content(struct dataset *ds)
{
    /* Picture files have their shapes in their own hashes; h and w come from the options. */
    const bool pictures = ds->train.pictures != NULL;
    uint64_t hash = file_hash_number(FILE_HASH_START, (uint64_t)ds->channels);
    hash = file_hash_number(hash, pictures ? 0 : (uint64_t)ds->h);
    hash = file_hash_number(hash, pictures ? 0 : (uint64_t)ds->w);
    hash = hash_set(hash, ds, &ds->train);
    hash = hash_set(hash, ds, &ds->test);
    snprintf(ds->hash, sizeof ds->hash, "%016" PRIx64, hash);
}

static void renumber(struct image_set *set, const int *number)
{
    for (int i = 0; i < set->n; i++)
        set->labels[i] = number[set->labels[i]];
}

static enum status check_class_numbers(const struct dataset *ds)
{
    for (int k = ds->classes; k < DATA_CLASSES_MAX; k++)
        if (ds->spec.class_wanted[k])
            return fail(ERR_USAGE, "classes= names class %d, but the classes are 0 to %d", k,
                        ds->classes - 1);
    return OK;
}

static enum status select_classes(struct dataset *ds)
{
    if (!ds->spec.classes_given)
        return OK;
    TRY(check_class_numbers(ds));
    int number[DATA_CLASSES_MAX], kept = 0;
    for (int k = 0; k < ds->classes; k++) {
        number[k] = ds->spec.class_wanted[k] ? kept : -1;
        if (number[k] < 0)
            continue;
        ds->class_stored[kept] = ds->class_stored[k];
        memmove(ds->class_names[kept], ds->class_names[k], DATA_NAME_MAX);
        kept++;
    }
    ds->classes = kept;
    renumber(&ds->train, number);
    renumber(&ds->test, number);
    return OK;
}

static void count_classes(const struct image_set *set, int counts[DATA_CLASSES_MAX])
{
    memset(counts, 0, DATA_CLASSES_MAX * sizeof *counts);
    for (int i = 0; i < set->n; i++)
        if (set->labels[i] >= 0)
            counts[set->labels[i]]++;
}

static enum status check_train_count(const struct dataset *ds, int k, int count)
{
    const struct data_spec *spec = &ds->spec;
    if (count == 0)
        return fail(ERR_USAGE, "class %d (%s) has no training image; name the classes to use with "
                    "classes=", ds->class_stored[k], ds->class_names[k]);
    if (spec->per_class > count)
        return fail(ERR_USAGE, "per-class=%d, but class %d (%s) has %d training images",
                    spec->per_class, ds->class_stored[k], ds->class_names[k], count);
    if (spec->val >= count)
        return fail(ERR_USAGE, "val=%d leaves nothing to train on: class %d (%s) has %d training "
                    "images", spec->val, ds->class_stored[k], ds->class_names[k], count);
    return OK;
}

static enum status check_counts(const struct dataset *ds)
{
    int train[DATA_CLASSES_MAX], test[DATA_CLASSES_MAX];
    int tested = 0;
    count_classes(&ds->train, train);
    count_classes(&ds->test, test);
    for (int k = 0; k < ds->classes; k++) {
        TRY(check_train_count(ds, k, train[k]));
        if (ds->spec.test_per_class > test[k])
            return fail(ERR_USAGE, "test-per-class=%d, but class %d (%s) has %d test images",
                        ds->spec.test_per_class, ds->class_stored[k], ds->class_names[k], test[k]);
        tested += test[k];
    }
    if (tested == 0)
        return fail(ERR_USAGE, "there is no test image of these classes");
    return OK;
}

static enum status resolve_size(struct dataset *ds)
{
    const struct data_spec *spec = &ds->spec;
    ds->out_h = spec->size ? spec->size : ds->h + 2 * spec->pad;
    ds->out_w = spec->size ? spec->size : ds->w + 2 * spec->pad;
    if (ds->out_h > DATA_SIDE_MAX || ds->out_w > DATA_SIDE_MAX)
        return fail(ERR_USAGE, "%dx%d with padding: at most %d pixels a side are accepted",
                    ds->out_h, ds->out_w, DATA_SIDE_MAX);
    if (ds->out_h < ds->h || ds->out_w < ds->w)
        return fail(ERR_USAGE, "size=%d is less than the %dx%d of the images: they can be padded, "
                    "not made smaller", spec->size, ds->h, ds->w);
    return OK;
}

static enum status resolve(struct dataset *ds)
{
    TRY(select_classes(ds));
    TRY(check_counts(ds));
    return resolve_size(ds);
}

static enum status load(struct dataset *ds, const char *text)
{
    TRY(data_spec_parse(text, &ds->spec));
    TRY(find_dir(&ds->spec, ds->dir, sizeof ds->dir));
    TRY(read_files(ds));
    hash_content(ds);
    enum status status = resolve(ds);
    return status == OK ? OK : fail_prefix(status, "data '%s'", text);
}

enum status dataset_open(struct dataset *ds, const char *text)
{
    memset(ds, 0, sizeof *ds);
    enum status status = load(ds, text);
    if (status != OK)
        dataset_close(ds);
    return status;
}

static void image_set_free(struct image_set *set)
{
    memory_free(set->pixels);
    memory_free(set->labels);
    for (int i = 0; set->pictures && i < set->n; i++)
        free(set->pictures[i].path);
    free(set->pictures);
}

void dataset_close(struct dataset *ds)
{
    image_set_free(&ds->train);
    image_set_free(&ds->test);
    free(ds->class_stored);
    free(ds->class_names);
    memset(ds, 0, sizeof *ds);
}

struct data_rule dataset_rule(const struct dataset *ds)
{
    struct data_rule rule = {"zero padding to the input size", "none", "none"};
    if (ds->spec.kind != DATA_FOLDER)
        return rule;
    snprintf(rule.resize, sizeof rule.resize, "short side to %d", ds->spec.resize);
    snprintf(rule.interpolation, sizeof rule.interpolation, "bilinear, antialiased");
    snprintf(rule.crop, sizeof rule.crop, "centre %dx%d", ds->spec.size, ds->spec.size);
    return rule;
}

void dataset_key(const struct dataset *ds, char *text, size_t size)
{
    int used = snprintf(text, size, "%s@%s", data_kind_name(ds->spec.kind), ds->hash);
    if ((size_t)used < size)
        data_spec_print_options(&ds->spec, text + used, size - (size_t)used);
}
