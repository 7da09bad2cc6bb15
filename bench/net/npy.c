/* numpy's .npy files: see npy.h. Trusts nothing in the file. */
#include "bench/net/npy.h"

#include "bench/net/atomic_file.h"
#include "bench/net/input_file.h"
#include "impls/base/memory.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "'<f4' is copied as it is stored");

enum { MAGIC_BYTES = 6, ALIGN = 64, MAX_HEADER = 1 << 16, MAX_WORD = 64 };

static const char magic[MAGIC_BYTES + 1] = "\x93NUMPY";

/* What is left of a header while it is parsed: the text of a Python dictionary. */
struct text {
    const char *path;
    const char *at, *end;
};

struct header {
    bool has_type, has_order, has_shape;
    char type[MAX_WORD];
    bool fortran;
    int ndim;
    int dim[NPY_MAX_DIMS];
};

static bool next_is(struct text *text, char wanted)
{
    while (text->at < text->end && strchr(" \t\r\n", *text->at) && *text->at)
        text->at++;
    return text->at < text->end && *text->at == wanted;
}

static bool take(struct text *text, char wanted)
{
    if (!next_is(text, wanted))
        return false;
    text->at++;
    return true;
}

static bool take_word(struct text *text, const char *word)
{
    size_t length = strlen(word);
    if (!next_is(text, word[0]) || (size_t)(text->end - text->at) < length ||
        memcmp(text->at, word, length) != 0)
        return false;
    text->at += length;
    return true;
}

/* A quoted string of printable ASCII, shorter than MAX_WORD. */
static bool take_string(struct text *text, char *out)
{
    char quote = next_is(text, '"') ? '"' : '\'';
    if (!take(text, quote))
        return false;
    int used = 0;
    for (; text->at < text->end && *text->at != quote; text->at++) {
        if (used + 1 >= MAX_WORD || *text->at < ' ' || *text->at > '~')
            return false;
        out[used++] = *text->at;
    }
    out[used] = '\0';
    return take(text, quote);
}

static bool take_int(struct text *text, int *out)
{
    int value = 0, digits = 0;
    next_is(text, '0'); /* skips spaces */
    for (; text->at < text->end && *text->at >= '0' && *text->at <= '9'; text->at++, digits++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *text->at - '0', &value))
            return false;
    }
    *out = value;
    return digits > 0;
}

static enum status malformed(const struct text *text, const char *expected)
{
    return fail(ERR_FORMAT, "%s: its .npy header is malformed: %s was expected", text->path,
                expected);
}

/* "()", "(3,)", "(2, 3)", "(2, 3,)" */
static enum status parse_shape(struct text *text, struct header *header)
{
    bool comma = true;
    if (!take(text, '('))
        return malformed(text, "'(' before the shape");
    while (!take(text, ')')) {
        int size;
        if (!comma || !take_int(text, &size))
            return malformed(text, "a shape of sizes up to 2147483647");
        if (header->ndim == NPY_MAX_DIMS)
            return fail(ERR_FORMAT, "%s: it has more than %d dimensions", text->path,
                        NPY_MAX_DIMS);
        header->dim[header->ndim++] = size;
        comma = take(text, ',');
    }
    return header->ndim == 1 && !comma ? malformed(text, "',' after a single size") : OK;
}

static enum status parse_entry(struct text *text, struct header *header)
{
    char key[MAX_WORD];
    if (!take_string(text, key) || !take(text, ':'))
        return malformed(text, "a key and ':'");
    if (strcmp(key, "descr") == 0 && !header->has_type) {
        header->has_type = true;
        if (next_is(text, '['))
            return fail(ERR_FORMAT, "%s: it holds records, an array of type '<f4' was expected",
                        text->path);
        return take_string(text, header->type) ? OK : malformed(text, "a type");
    }
    if (strcmp(key, "fortran_order") == 0 && !header->has_order) {
        header->has_order = true;
        header->fortran = take_word(text, "True");
        return header->fortran || take_word(text, "False") ? OK
                                                           : malformed(text, "True or False");
    }
    if (strcmp(key, "shape") == 0 && !header->has_shape) {
        header->has_shape = true;
        return parse_shape(text, header);
    }
    return fail(ERR_FORMAT, "%s: its .npy header has an unknown or doubled key '%s'", text->path,
                key);
}

static enum status parse_header(struct text *text, struct header *header)
{
    bool comma = true;
    if (!take(text, '{'))
        return malformed(text, "'{'");
    while (!take(text, '}')) {
        if (!comma)
            return malformed(text, "',' or '}'");
        TRY(parse_entry(text, header));
        comma = take(text, ',');
    }
    next_is(text, '\n'); /* skips the padding */
    if (text->at != text->end)
        return malformed(text, "nothing but padding behind '}'");
    if (!header->has_type || !header->has_order || !header->has_shape)
        return malformed(text, "each of descr, fortran_order and shape");
    return OK;
}

/* Only what can be used without conversion is accepted: nothing is cast in silence. */
static enum status check_header(const char *path, const struct header *header)
{
    if (strcmp(header->type, "<f4") != 0)
        return fail(ERR_FORMAT, "%s: its type is '%s', '<f4' (little-endian float32) was expected",
                    path, header->type);
    if (header->fortran)
        return fail(ERR_FORMAT, "%s: it is in Fortran order, C order was expected"
                    " (numpy.ascontiguousarray)", path);
    return OK;
}

/* Magic, version and length: leaves the length of the header's text in `length`. */
static enum status read_prefix(const struct input_file *file, size_t *prefix, size_t *length)
{
    uint8_t start[MAGIC_BYTES + 2], size[4] = {0};
    if (file->bytes < sizeof start)
        return fail(ERR_FORMAT, "%s: %zu bytes are too few for a .npy file", file->path,
                    file->bytes);
    TRY(input_file_read(file, start, sizeof start));
    if (memcmp(start, magic, MAGIC_BYTES) != 0)
        return fail(ERR_FORMAT, "%s: not a .npy file", file->path);
    int major = start[MAGIC_BYTES], minor = start[MAGIC_BYTES + 1];
    if ((major != 1 && major != 2) || minor != 0)
        return fail(ERR_FORMAT, "%s: .npy version %d.%d, 1.0 or 2.0 was expected", file->path,
                    major, minor);
    *prefix = sizeof start + (major == 1 ? 2 : 4);
    if (file->bytes < *prefix)
        return fail(ERR_FORMAT, "%s: cut off in its .npy header", file->path);
    TRY(input_file_read(file, size, *prefix - sizeof start));
    *length = size[0] | (size_t)size[1] << 8 | (size_t)size[2] << 16 | (size_t)size[3] << 24;
    if (*length > file->bytes - *prefix || *length > MAX_HEADER)
        return fail(ERR_FORMAT, "%s: cut off, or its .npy header is too long: %zu bytes",
                    file->path, *length);
    return OK;
}

static enum status read_header(const struct input_file *file, struct header *header,
                               size_t *data_bytes)
{
    size_t prefix = 0, length = 0;
    TRY(read_prefix(file, &prefix, &length));
    char *buffer = malloc(length + 1);
    if (!buffer)
        return fail(ERR_MEMORY, "%s: no memory for its header", file->path);
    enum status status = input_file_read(file, buffer, length);
    struct text text = {.path = file->path, .at = buffer, .end = buffer + length};
    if (status == OK)
        status = parse_header(&text, header);
    free(buffer);
    if (status == OK)
        status = check_header(file->path, header);
    *data_bytes = file->bytes - prefix - length;
    return status;
}

/* Number of elements of a shape; false when a dimension is negative or the bytes overflow. */
static bool shape_count(int ndim, const int *dim, size_t *count)
{
    size_t product = 1, bytes;
    for (int i = 0; i < ndim; i++)
        if (dim[i] < 0 || __builtin_mul_overflow(product, (size_t)dim[i], &product))
            return false;
    *count = product;
    return !__builtin_mul_overflow(product, sizeof(float), &bytes);
}

static enum status read_array(struct npy_array *array, const struct input_file *file)
{
    struct header header = {0};
    size_t bytes = 0;
    TRY(read_header(file, &header, &bytes));
    array->ndim = header.ndim;
    memcpy(array->dim, header.dim, sizeof array->dim);
    if (!shape_count(array->ndim, array->dim, &array->count))
        return fail(ERR_FORMAT, "%s: its shape overflows", file->path);
    size_t needed = array->count * sizeof(float);
    if (bytes != needed)
        return fail(ERR_FORMAT, "%s: %s: %zu bytes of data were expected, it has %zu", file->path,
                    bytes < needed ? "cut off" : "has trailing bytes", needed, bytes);
    array->data = memory_alloc(needed);
    if (!array->data)
        return fail_prefix(ERR_MEMORY, "%.200s", file->path);
    return input_file_read(file, array->data, needed);
}

enum status npy_read(struct npy_array *array, const char *path)
{
    *array = (struct npy_array){0};
    struct input_file file;
    TRY(input_file_open(&file, path));
    enum status status = read_array(array, &file);
    input_file_close(&file);
    if (status != OK)
        npy_release(array);
    return status;
}

void npy_release(struct npy_array *array)
{
    memory_free(array->data);
    *array = (struct npy_array){0};
}

/* The dictionary, padded so that the data begins at a multiple of 64 bytes. Returns the length. */
static size_t format_header(char *out, size_t size, int ndim, const int *dim)
{
    size_t used = (size_t)snprintf(out, size, "{'descr': '<f4', 'fortran_order': False,"
                                   " 'shape': (");
    for (int i = 0; i < ndim; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%d%s", i ? ", " : "", dim[i],
                                 ndim == 1 ? "," : "");
    used += (size_t)snprintf(out + used, size - used, "), }");
    const size_t prefix = MAGIC_BYTES + 4;
    size_t total = (prefix + used + 1 + ALIGN - 1) / ALIGN * ALIGN;
    CHECK(total < size);
    memset(out + used, ' ', total - prefix - used);
    out[total - prefix - 1] = '\n';
    return total - prefix;
}

enum status npy_write(const char *path, int ndim, const int *dim, const float *data)
{
    size_t count;
    if (ndim < 0 || ndim > NPY_MAX_DIMS || !shape_count(ndim, dim, &count))
        return fail(ERR_USAGE, "%s: a shape of %d dimensions that cannot be written", path, ndim);
    char text[4 * ALIGN];
    size_t length = format_header(text, sizeof text, ndim, dim);
    const uint8_t version[4] = {1, 0, (uint8_t)(length & 255), (uint8_t)(length >> 8)};
    struct atomic_file file;
    TRY(atomic_file_open(&file, path));
    TRY(atomic_file_write(&file, magic, MAGIC_BYTES));
    TRY(atomic_file_write(&file, version, sizeof version));
    TRY(atomic_file_write(&file, text, length));
    TRY(atomic_file_write(&file, data, count * sizeof(float)));
    return atomic_file_commit(&file);
}
