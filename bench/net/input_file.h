/* Input files: opened, read to the byte, mapped, hashed. Knows no file format.
 * Only regular files are accepted: a pipe could hang, a device never ends. */
#ifndef BENCH_NET_INPUT_FILE_H
#define BENCH_NET_INPUT_FILE_H

#include "impls/base/status.h"

#include <stddef.h>
#include <stdint.h>

/* A regular file open for reading; `path` is borrowed, for messages. A zeroed one is closed. */
struct input_file {
    const char *path;
    int fd;
    size_t bytes; /* its size when it was opened */
};

/* ERR_IO when there is none, it cannot be read or is not a regular file. */
enum status input_file_open(struct input_file *file, const char *path);

/* Where the file `name` is: as given or, when that is relative and not there, below $CBAM_DATA.
 * ERR_IO names both when it is in neither place. */
enum status input_file_find(const char *name, char *path, size_t size);

/* Reads exactly the next `bytes`. ERR_IO when the file ends before. */
enum status input_file_read(const struct input_file *file, void *out, size_t bytes);

void input_file_close(struct input_file *file);

/* A whole file mapped read-only. `data` is never NULL while open, `bytes` may be 0. As with any
 * mapping, nobody may shorten the file in place meanwhile (atomic_file never does). */
struct input_map {
    const uint8_t *data;
    size_t bytes;
};

enum status input_map_open(struct input_map *map, const char *path);
/* Gives the pages of a part of the mapping back; they are read from the file again when needed. */
void input_map_done(const struct input_map *map, const void *data, size_t bytes);

void input_map_close(struct input_map *map); /* a zeroed one is allowed */

/* 64-bit FNV-1a hash (Fowler, Noll, Vo): continues `hash`, which begins as HASH_START. */
#define HASH_START UINT64_C(0xcbf29ce484222325)
uint64_t hash_bytes(uint64_t hash, const void *data, size_t bytes);

/* The hash of a whole file: part of the key of a result made from it. */
enum status hash_file(uint64_t *hash, const char *path);

#endif
