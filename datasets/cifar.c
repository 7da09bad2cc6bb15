/* CIFAR-10 and CIFAR-100 binary files: see cifar.h. Does not insist on five training files. */
#include "datasets/cifar.h"

#include "datasets/file.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIXELS = 3 * 32 * 32, PATH_SIZE = 3 * DATA_TEXT_MAX };

static const char *const cifar10_names[] = {
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
};

/* What the two sets differ in. The label that counts is the last byte before the pixels. */
struct layout {
    const char *title;
    size_t record;                /* bytes: one or two labels, then the pixels */
    int classes, groups;          /* groups: values of the label in front; 0: there is none */
    const char *train, *test;     /* train NULL: data_batch_*.bin */
    const char *names;            /* file of class names */
    const char *const *own_names; /* used without that file; NULL: numbers */
};

static const struct layout cifar10 = {
    "CIFAR-10", 1 + PIXELS, 10, 0, NULL, "test_batch.bin", "batches.meta.txt", cifar10_names};
static const struct layout cifar100 = {
    "CIFAR-100", 2 + PIXELS, 100, 20, "train.bin", "test.bin", "fine_label_names.txt", NULL};

/* Files that make one part, with the records each holds. */
struct batches {
    const struct layout *layout;
    char (*path)[PATH_SIZE];
    size_t *records;
    int n;
    size_t total;
};

static void batches_free(struct batches *b)
{
    free(b->path);
    free(b->records);
}

/* data_batch_2.bin before data_batch_10.bin. */
static int by_number(const struct dirent **a, const struct dirent **b)
{
    return strverscmp((*a)->d_name, (*b)->d_name);
}

static int is_batch(const struct dirent *entry)
{
    return fnmatch("data_batch_*.bin", entry->d_name, 0) == 0;
}

static enum status check_batch_name(const char *dir, const char *name)
{
    const char *number = name + strlen("data_batch_");
    size_t digits = strspn(number, "0123456789");
    if (digits == 0 || strcmp(number + digits, ".bin") != 0)
        return fail(ERR_FORMAT, "%s/%.255s: a number was expected between data_batch_ and .bin",
                    dir, name);
    return OK;
}

static enum status add_batch(struct batches *b, const char *dir, const char *name)
{
    size_t size;
    char *path = b->path[b->n];
    snprintf(path, PATH_SIZE, "%s/%s", dir, name);
    TRY(file_size(path, FILE_BYTES_MAX, &size));
    size_t record = b->layout->record;
    if (size == 0 || size % record != 0)
        return fail(ERR_FORMAT, "%s: has %zu bytes, a multiple of %zu was expected (%s records)",
                    path, size, record, b->layout->title);
    b->records[b->n] = size / record;
    b->total += size / record;
    b->n++;
    return OK;
}

static enum status batches_alloc(struct batches *b, int n)
{
    b->path = calloc((size_t)n, sizeof *b->path);
    b->records = calloc((size_t)n, sizeof *b->records);
    return b->path && b->records ? OK : fail(ERR_MEMORY, "out of memory for %d file names", n);
}

static enum status add_entries(struct batches *b, const char *dir, struct dirent **entry, int n)
{
    TRY(batches_alloc(b, n));
    for (int i = 0; i < n; i++) {
        TRY(check_batch_name(dir, entry[i]->d_name));
        TRY(add_batch(b, dir, entry[i]->d_name));
    }
    return OK;
}

static enum status find_file(struct batches *b, const char *dir, const char *name)
{
    TRY(batches_alloc(b, 1));
    return add_batch(b, dir, name);
}

static enum status find_test(struct batches *b, const char *dir)
{
    return find_file(b, dir, b->layout->test);
}

static enum status find_training(struct batches *b, const char *dir)
{
    if (b->layout->train)
        return find_file(b, dir, b->layout->train);
    struct dirent **entry = NULL;
    int n = scandir(dir, &entry, is_batch, by_number);
    if (n < 0)
        return fail(ERR_IO, "%s: cannot be listed: %s", dir, strerror(errno));
    enum status status = n > 0 ? add_entries(b, dir, entry, n)
                               : fail(ERR_IO, "%s: there is no data_batch_1.bin (CIFAR-10, binary "
                                      "version)", dir);
    for (int i = 0; i < n; i++)
        free(entry[i]);
    free(entry);
    return status;
}

/* The label of record i. The one in front of it is looked at only to find damage. */
static enum status read_label(const struct layout *layout, const uint8_t *record, int i,
                              const char *path, int32_t *label)
{
    if (layout->groups && record[0] >= layout->groups)
        return fail(ERR_FORMAT, "%s: coarse label %d of record %d is none of 0 to %d", path,
                    record[0], i, layout->groups - 1);
    *label = record[layout->record - PIXELS - 1];
    if (*label >= layout->classes)
        return fail(ERR_FORMAT, "%s: label %d of record %d is none of the classes 0 to %d", path,
                    (int)*label, i, layout->classes - 1);
    return OK;
}

/* Records of one file to images first.. of the set. */
static enum status copy_records(struct image_set *set, int first, const struct bytes *file,
                                const struct layout *layout, const char *path)
{
    int records = (int)(file->size / layout->record);
    for (int i = 0; i < records; i++) {
        const uint8_t *record = file->data + (size_t)i * layout->record;
        TRY(read_label(layout, record, i, path, &set->labels[first + i]));
        memcpy(set->pixels + (size_t)(first + i) * PIXELS, record + layout->record - PIXELS,
               PIXELS);
    }
    return OK;
}

static enum status read_batch(struct image_set *set, int first, const struct batches *b, int i)
{
    struct bytes file;
    TRY(file_read(b->path[i], FILE_BYTES_MAX, &file));
    enum status status = file.size == b->records[i] * b->layout->record
        ? copy_records(set, first, &file, b->layout, b->path[i])
        : fail(ERR_IO, "%s: changed its length while it was read", b->path[i]);
    bytes_free(&file);
    return status;
}

static enum status read_batches(struct dataset *ds, struct image_set *set, const struct batches *b)
{
    int first = 0;
    TRY(image_set_alloc(set, ds, b->total, ds->dir));
    for (int i = 0; i < b->n; i++) {
        TRY(read_batch(set, first, b, i));
        first += (int)b->records[i];
    }
    return OK;
}

static enum status read_part(struct dataset *ds, struct image_set *set,
                             const struct layout *layout,
                             enum status (*find)(struct batches *, const char *))
{
    struct batches b = {.layout = layout};
    enum status status = find(&b, ds->dir);
    if (status == OK)
        status = read_batches(ds, set, &b);
    batches_free(&b);
    return status;
}

/* One name of the file; it goes into tables and JSON, so no control characters. */
static enum status set_name(struct dataset *ds, int k, const char *line, size_t length,
                            const char *path)
{
    if (k >= ds->classes)
        return fail(ERR_FORMAT, "%s: has more than %d class names", path, ds->classes);
    if (length >= DATA_NAME_MAX)
        return fail(ERR_FORMAT, "%s: line %d has more than %d bytes", path, k + 1,
                    DATA_NAME_MAX - 1);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
            return fail(ERR_FORMAT, "%s: line %d has a control character", path, k + 1);
    memcpy(ds->class_names[k], line, length);
    ds->class_names[k][length] = '\0';
    return OK;
}

static enum status parse_names(struct dataset *ds, const struct bytes *file, const char *path)
{
    const char *p = (const char *)file->data, *end = p + file->size;
    int k = 0;
    while (p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        size_t length = (size_t)((newline ? newline : end) - p);
        size_t visible = length > 0 && p[length - 1] == '\r' ? length - 1 : length;
        if (visible > 0)
            TRY(set_name(ds, k++, p, visible, path));
        p += length + 1;
    }
    if (k != ds->classes)
        return fail(ERR_FORMAT, "%s: has %d class names, %d were expected", path, k, ds->classes);
    return OK;
}

static enum status read_names(struct dataset *ds, const struct layout *layout)
{
    char path[PATH_SIZE];
    struct bytes file;
    for (int k = 0; layout->own_names && k < ds->classes; k++)
        snprintf(ds->class_names[k], DATA_NAME_MAX, "%s", layout->own_names[k]);
    snprintf(path, sizeof path, "%s/%s", ds->dir, layout->names);
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return OK;
    const size_t limit = 65536;
    TRY(file_read(path, limit, &file));
    enum status status = parse_names(ds, &file, path);
    bytes_free(&file);
    return status;
}

static enum status read_set(struct dataset *ds, const struct layout *layout)
{
    ds->channels = 3;
    ds->h = ds->w = 32;
    TRY(dataset_name_classes(ds, layout->classes));
    TRY(read_names(ds, layout));
    TRY(read_part(ds, &ds->train, layout, find_training));
    return read_part(ds, &ds->test, layout, find_test);
}

enum status cifar10_read(struct dataset *ds)
{
    return read_set(ds, &cifar10);
}

enum status cifar100_read(struct dataset *ds)
{
    return read_set(ds, &cifar100);
}
