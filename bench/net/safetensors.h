/* Weight files in the safetensors format: an 8-byte little-endian length, a JSON header, the raw
 * little-endian tensors (github.com/huggingface/safetensors, section Format). Files come from
 * anywhere, so every bound is checked. Knows no network: names and shapes are the caller's affair.
 *
 * Every error message begins with the file's name. Names of tensors and keys are checked UTF-8
 * without control characters; *values* of metadata may contain any character but NUL. */
#ifndef BENCH_NET_SAFETENSORS_H
#define BENCH_NET_SAFETENSORS_H

#include "bench/net/input_file.h"
#include "impls/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum safetensors_dtype {
    SAFETENSORS_F32, /* zero, so what a struct has when nothing else was said */
    SAFETENSORS_F64,
    SAFETENSORS_F16,
    SAFETENSORS_BF16,
    SAFETENSORS_F8_E5M2,
    SAFETENSORS_F8_E4M3,
    SAFETENSORS_I64,
    SAFETENSORS_I32,
    SAFETENSORS_I16,
    SAFETENSORS_I8,
    SAFETENSORS_U64,
    SAFETENSORS_U32,
    SAFETENSORS_U16,
    SAFETENSORS_U8,
    SAFETENSORS_BOOL,
    SAFETENSORS_DTYPES
};

const char *safetensors_dtype_name(enum safetensors_dtype dtype);  /* "F32" */
size_t safetensors_dtype_bytes(enum safetensors_dtype dtype);      /* of one element */

enum { SAFETENSORS_MAX_DIMS = 8 };

/* A tensor of a file that was read, or that is to be written. C order, last dimension fastest. */
struct safetensors_tensor {
    const char *name;
    enum safetensors_dtype dtype;
    int ndim; /* 0: a scalar, one element */
    int64_t dim[SAFETENSORS_MAX_DIMS];
    const void *data;    /* read: into the mapping, at any alignment; write: borrowed */
    size_t count, bytes; /* read: elements and bytes; write: ignored */
};

struct safetensors_pair {
    const char *key, *value;
};

/* A file open for reading. Tables and strings live until safetensors_close(). */
struct safetensors {
    char *path;
    struct safetensors_tensor *tensors; /* in the order of the header */
    size_t count;
    struct safetensors_pair *metadata; /* `__metadata__`, in the order of the header */
    size_t metadata_count;
    /* private */
    struct input_map map;
    struct json_t *header;
    const struct safetensors_tensor **by_name;
};

/* Maps a file and checks all of its header: ERR_IO when it cannot be read, ERR_FORMAT when it is
 * not a sound file, up to the last byte. The values of the tensors are not looked at. On failure
 * nothing is left to close. */
enum status safetensors_open(struct safetensors *file, const char *path);
void safetensors_close(struct safetensors *file); /* a zeroed one is allowed */

/* The tensor of that name, NULL when there is none. */
const struct safetensors_tensor *safetensors_find(const struct safetensors *file,
                                                  const char *name);

/* The metadata value of that key, NULL when there is none. */
const char *safetensors_metadata(const struct safetensors *file, const char *key);

/* "[64, 3, 7, 7]", "[]" for a scalar, shortened to `size`. */
void safetensors_shape_text(const struct safetensors_tensor *tensor, char *text, size_t size);

/* Copies a tensor of `file` to `count` floats, converted from F32, F64, F16, BF16, or from one
 * I64 or I32. ERR_FORMAT when it has another dtype or not exactly `count` elements, ERR_NUMERIC
 * when a finite F64 is beyond float. NaN and infinity are copied as they are. */
enum status safetensors_copy_f32(const struct safetensors *file,
                                 const struct safetensors_tensor *tensor, float *out,
                                 size_t count);

/* Says that a tensor will not be read for the time being: its pages of the mapping go back to the
 * system, and come from the file again should it be read after all. */
void safetensors_done(const struct safetensors *file, const struct safetensors_tensor *tensor);

/* Copies an I64 tensor of exactly `count` elements; ERR_FORMAT for anything else. */
enum status safetensors_copy_i64(const struct safetensors *file,
                                 const struct safetensors_tensor *tensor, int64_t *out,
                                 size_t count);

/* FNV-1a of the tensor's bytes as they are in the file (name and shape are not in it). */
uint64_t safetensors_checksum(const struct safetensors_tensor *tensor);

/* Writes a file, whole or not at all (atomic_file.h): `__metadata__` first when there are pairs,
 * then the tensors, keys in the given order. The data of wide elements goes before that of narrow
 * ones, so every tensor is aligned to its element. Nothing is copied: data goes from the caller's
 * memory to the file. ERR_USAGE when the list itself is wrong (a name that is empty, doubled or
 * has control characters, text that is not UTF-8, a shape beyond size_t, no data). */
enum status safetensors_write(const char *path, const struct safetensors_tensor *tensors,
                              size_t count, const struct safetensors_pair *metadata,
                              size_t metadata_count);

/* Shared by reader and writer. */
enum { SAFETENSORS_MAX_HEADER = 100000000 };
#define SAFETENSORS_METADATA_KEY "__metadata__"

/* Elements and bytes of a dtype and shape; false when a product exceeds size_t or a dimension is
 * negative. */
bool safetensors_size(const struct safetensors_tensor *tensor, size_t *count, size_t *bytes);

/* Whether a name is not empty and free of control characters (C0, DEL, C1 in UTF-8). */
bool safetensors_name_ok(const char *name);

/* `text` shortened to `size` (between two characters), with every control character replaced by
 * '?', for messages. */
void safetensors_printable(const char *text, char *out, size_t size);

#endif
