/* IDX files: see idx.h. Trusts no number of a header before it agrees with the file's length. */
#include "datasets/idx.h"

#include "datasets/file.h"
#include "impls/base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char *const fashion_names[] = {
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
};

enum { FASHION_CLASSES = sizeof fashion_names / sizeof fashion_names[0] };

enum { IDX_DIMS = 3, IDX_HEADER_MAX = 4 + 4 * IDX_DIMS, PATH_SIZE = 3 * DATA_TEXT_MAX };

/* One file, unpacked: `all` with its header. */
struct idx_file {
    char path[PATH_SIZE];
    bool packed;
    int ndim;
    size_t dim[IDX_DIMS], header, total;
    struct bytes all;
};

static bool exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 || errno != ENOENT;
}

static enum status find_file(struct idx_file *file, const char *dir, const char *name)
{
    snprintf(file->path, sizeof file->path, "%s/%s", dir, name);
    if (exists(file->path))
        return OK;
    file->packed = true;
    snprintf(file->path, sizeof file->path, "%s/%s.gz", dir, name);
    if (exists(file->path))
        return OK;
    return fail(ERR_IO, "%s: there is neither %s nor %s.gz", dir, name, name);
}

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Dimensions, and from them the length the whole must have. */
static enum status parse_header(struct idx_file *file, const uint8_t *head)
{
    uint32_t expected = 0x0800u | (uint32_t)file->ndim;
    if (big_endian(head) != expected)
        return fail(ERR_FORMAT, "%s: begins with 0x%08x, 0x%08x was expected (IDX, unsigned bytes, "
                    "%d dimension%s)", file->path, big_endian(head), expected, file->ndim,
                    file->ndim == 1 ? "" : "s");
    size_t product = 1;
    for (int i = 0; i < file->ndim; i++) {
        file->dim[i] = big_endian(head + 4 + 4 * i);
        if (file->dim[i] == 0)
            return fail(ERR_FORMAT, "%s: dimension %d of its header is 0", file->path, i);
        if (i > 0 && file->dim[i] > DATA_SIDE_MAX)
            return fail(ERR_FORMAT, "%s: images of %zu pixels a side, at most %d are accepted",
                        file->path, file->dim[i], DATA_SIDE_MAX);
        if (__builtin_mul_overflow(product, file->dim[i], &product) ||
            product > FILE_BYTES_MAX - IDX_HEADER_MAX)
            return fail(ERR_FORMAT, "%s: its header announces more than %d bytes", file->path,
                        FILE_BYTES_MAX);
    }
    file->total = file->header + product;
    return OK;
}

static enum status read_plain(struct idx_file *file, struct bytes *stored)
{
    if (stored->size < file->header)
        return fail(ERR_FORMAT, "%s: has %zu bytes, its header alone needs %zu", file->path,
                    stored->size, file->header);
    TRY(parse_header(file, stored->data));
    if (stored->size != file->total)
        return fail(ERR_FORMAT, "%s: has %zu bytes, %zu were expected from its header", file->path,
                    stored->size, file->total);
    file->all = *stored;
    *stored = (struct bytes){0};
    return OK;
}

static enum status read_packed(struct idx_file *file, const struct bytes *stored)
{
    uint8_t head[IDX_HEADER_MAX];
    TRY(gzip_head(file->path, stored, head, file->header));
    TRY(parse_header(file, head));
    /* Deflate packs at most 1032 to 1, so memory is never taken on a header's word alone. */
    if (file->total / 1032 > stored->size)
        return fail(ERR_FORMAT, "%s: its header announces %zu bytes, more than %zu compressed ones "
                    "can hold", file->path, file->total, stored->size);
    file->all.size = file->total;
    file->all.data = memory_alloc(file->total);
    if (!file->all.data)
        return fail_prefix(ERR_MEMORY, "%s", file->path);
    return gzip_exact(file->path, stored, file->all.data, file->total);
}

/* Reads DIR/NAME or DIR/NAME.gz. The caller frees file->all, after an error too. */
static enum status read_file(struct idx_file *file, const char *dir, const char *name, int ndim)
{
    *file = (struct idx_file){.ndim = ndim, .header = 4 + 4 * (size_t)ndim};
    TRY(find_file(file, dir, name));
    struct bytes stored;
    TRY(file_read(file->path, FILE_BYTES_MAX, &stored));
    enum status status = file->packed ? read_packed(file, &stored) : read_plain(file, &stored);
    bytes_free(&stored);
    return status;
}

static enum status set_shape(struct dataset *ds, const struct idx_file *file)
{
    if (ds->channels == 0) {
        ds->channels = 1;
        ds->h = (int)file->dim[1];
        ds->w = (int)file->dim[2];
    }
    if ((size_t)ds->h != file->dim[1] || (size_t)ds->w != file->dim[2])
        return fail(ERR_FORMAT, "%s: holds images of %zux%zu, the training images are %dx%d",
                    file->path, file->dim[1], file->dim[2], ds->h, ds->w);
    return OK;
}

static enum status take_images(struct dataset *ds, struct image_set *set, const char *name)
{
    struct idx_file file;
    enum status status = read_file(&file, ds->dir, name, 3);
    if (status == OK)
        status = set_shape(ds, &file);
    if (status == OK)
        status = image_set_alloc(set, ds, file.dim[0], file.path);
    if (status == OK)
        memcpy(set->pixels, file.all.data + file.header, file.total - file.header);
    bytes_free(&file.all);
    return status;
}

/* Labels as numbers; `classes` 0: any. */
static enum status copy_labels(struct image_set *set, const struct idx_file *file, int classes)
{
    if (file->dim[0] != (size_t)set->n)
        return fail(ERR_FORMAT, "%s: holds %zu labels for %d images", file->path, file->dim[0],
                    set->n);
    for (int i = 0; i < set->n; i++) {
        set->labels[i] = file->all.data[file->header + (size_t)i];
        if (classes > 0 && set->labels[i] >= classes)
            return fail(ERR_FORMAT, "%s: label %d of image %d is none of the classes 0 to %d",
                        file->path, set->labels[i], i, classes - 1);
    }
    return OK;
}

static enum status take_labels(struct dataset *ds, struct image_set *set, const char *name,
                               int classes)
{
    struct idx_file file;
    enum status status = read_file(&file, ds->dir, name, 1);
    if (status == OK)
        status = copy_labels(set, &file, classes);
    bytes_free(&file.all);
    return status;
}

static int highest_label(const struct image_set *set)
{
    int highest = 0;
    for (int i = 0; i < set->n; i++)
        if (set->labels[i] > highest)
            highest = set->labels[i];
    return highest;
}

static enum status read_four(struct dataset *ds, int classes)
{
    TRY(take_images(ds, &ds->train, "train-images-idx3-ubyte"));
    TRY(take_labels(ds, &ds->train, "train-labels-idx1-ubyte", classes));
    if (classes == 0)
        classes = highest_label(&ds->train) + 1;
    TRY(take_images(ds, &ds->test, "t10k-images-idx3-ubyte"));
    TRY(take_labels(ds, &ds->test, "t10k-labels-idx1-ubyte", classes));
    return dataset_name_classes(ds, classes);
}

enum status idx_read(struct dataset *ds)
{
    return read_four(ds, 0);
}

enum status idx_read_fashion(struct dataset *ds)
{
    TRY(read_four(ds, FASHION_CLASSES));
    for (int k = 0; k < ds->classes; k++)
        snprintf(ds->class_names[k], DATA_NAME_MAX, "%s", fashion_names[k]);
    return OK;
}
