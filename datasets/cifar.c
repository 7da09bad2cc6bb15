/* CIFAR-10 binary files: see cifar.h. Does not insist on five training files. */
#include "datasets/cifar.h"

#include "datasets/file.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CLASSES = 10, PIXELS = 3 * 32 * 32, RECORD = 1 + PIXELS, PATH_SIZE = 3 * DATA_TEXT_MAX };

static const char *const own_names[CLASSES] = {
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
};

/* Files that make one part, with the records each holds. */
struct batches {
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
    if (size == 0 || size % RECORD != 0)
        return fail(ERR_FORMAT, "%s: has %zu bytes, a multiple of %d was expected (CIFAR-10 "
                    "records)", path, size, RECORD);
    b->records[b->n] = size / RECORD;
    b->total += size / RECORD;
    b->n++;
    return OK;
}

static enum status batches_alloc(struct batches *b, int n)
{
    *b = (struct batches){.path = calloc((size_t)n, sizeof *b->path),
                          .records = calloc((size_t)n, sizeof *b->records)};
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

static enum status find_training(struct batches *b, const char *dir)
{
    *b = (struct batches){0};
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

static enum status find_test(struct batches *b, const char *dir)
{
    TRY(batches_alloc(b, 1));
    return add_batch(b, dir, "test_batch.bin");
}

/* Records of one file to images first.. of the set. */
static enum status copy_records(struct image_set *set, int first, const struct bytes *file,
                                const char *path)
{
    int records = (int)(file->size / RECORD);
    for (int i = 0; i < records; i++) {
        const uint8_t *record = file->data + (size_t)i * RECORD;
        if (record[0] >= CLASSES)
            return fail(ERR_FORMAT, "%s: label %d of record %d is none of the classes 0 to %d",
                        path, record[0], i, CLASSES - 1);
        set->labels[first + i] = record[0];
        memcpy(set->pixels + (size_t)(first + i) * PIXELS, record + 1, PIXELS);
    }
    return OK;
}

static enum status read_batch(struct image_set *set, int first, const struct batches *b, int i)
{
    struct bytes file;
    TRY(file_read(b->path[i], FILE_BYTES_MAX, &file));
    enum status status = file.size == b->records[i] * RECORD
        ? copy_records(set, first, &file, b->path[i])
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
                             enum status (*find)(struct batches *, const char *))
{
    struct batches b;
    enum status status = find(&b, ds->dir);
    if (status == OK)
        status = read_batches(ds, set, &b);
    batches_free(&b);
    return status;
}

/* One name of batches.meta.txt; it goes into tables and JSON, so no control characters. */
static enum status set_name(struct dataset *ds, int k, const char *line, size_t length,
                            const char *path)
{
    if (k >= CLASSES)
        return fail(ERR_FORMAT, "%s: has more than %d class names", path, CLASSES);
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
    if (k != CLASSES)
        return fail(ERR_FORMAT, "%s: has %d class names, %d were expected", path, k, CLASSES);
    return OK;
}

static enum status read_names(struct dataset *ds)
{
    char path[PATH_SIZE];
    struct bytes file;
    for (int k = 0; k < CLASSES; k++)
        snprintf(ds->class_names[k], DATA_NAME_MAX, "%s", own_names[k]);
    snprintf(path, sizeof path, "%s/batches.meta.txt", ds->dir);
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return OK;
    const size_t limit = 65536;
    TRY(file_read(path, limit, &file));
    enum status status = parse_names(ds, &file, path);
    bytes_free(&file);
    return status;
}

enum status cifar_read(struct dataset *ds)
{
    ds->channels = 3;
    ds->h = ds->w = 32;
    TRY(dataset_name_classes(ds, CLASSES));
    TRY(read_names(ds));
    TRY(read_part(ds, &ds->train, find_training));
    return read_part(ds, &ds->test, find_test);
}
