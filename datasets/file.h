/* Whole files and gzip streams as bytes, with hard limits: what every reader of a data set starts
 * from. Knows no image format. */
#ifndef DATASETS_FILE_H
#define DATASETS_FILE_H

#include "impls/base/status.h"

#include <stddef.h>
#include <stdint.h>

/* The most one file, or one part of a data set, may hold: 2 GiB - 1, packed and unpacked. */
enum { FILE_BYTES_MAX = 0x7fffffff };

struct bytes {
    uint8_t *data; /* from memory_alloc() */
    size_t size;
};

void bytes_free(struct bytes *bytes); /* a zeroed struct is allowed */

/* Size in bytes of a regular file. ERR_IO with the path for what is missing, a directory or a
 * device; ERR_FORMAT when it is above `limit`. */
enum status file_size(const char *path, size_t limit, size_t *size);

/* The whole of a regular file; the caller frees `out`. Memory is taken for the size the file
 * system reports, so for no more than `limit`. Errors as file_size(). */
enum status file_read(const char *path, size_t limit, struct bytes *out);

/* The first n bytes that a gzip file holds. `packed` is the file, `path` is for messages.
 * ERR_FORMAT when it is no gzip file, is damaged, or holds fewer. */
enum status gzip_head(const char *path, const struct bytes *packed, uint8_t *out, size_t n);

/* All of a gzip file that must hold exactly n bytes: fewer, more, a truncated stream, a wrong
 * checksum and bytes after the end of the stream are ERR_FORMAT. Never writes beyond n. */
enum status gzip_exact(const char *path, const struct bytes *packed, uint8_t *out, size_t n);

/* 64-bit FNV-1a of n bytes, continuing from `hash`; start with FILE_HASH_START. */
#define FILE_HASH_START UINT64_C(0xcbf29ce484222325)
uint64_t file_hash(uint64_t hash, const void *data, size_t n);

/* The same over a number as 8 little-endian bytes: alike on every machine. */
uint64_t file_hash_number(uint64_t hash, uint64_t number);

#endif
