/* Input files: see input_file.h. Knows no file format. */
#include "bench/net/input_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HASH_BLOCK = 1 << 16 };

static enum status check_kind(const struct input_file *file, struct stat *info)
{
    if (fstat(file->fd, info) != 0)
        return fail(ERR_IO, "%s: cannot be read: %s", file->path, strerror(errno));
    if (S_ISDIR(info->st_mode))
        return fail(ERR_IO, "%s: is a folder, a file was expected", file->path);
    if (!S_ISREG(info->st_mode))
        return fail(ERR_IO, "%s: is not a regular file", file->path);
    return OK;
}

enum status input_file_open(struct input_file *file, const char *path)
{
    /* O_NONBLOCK: opening a pipe that nobody writes to would wait for ever. */
    *file = (struct input_file){
        .path = path,
        .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY),
    };
    if (file->fd < 0) {
        *file = (struct input_file){0};
        return fail(ERR_IO, "%s: cannot be opened: %s", path, strerror(errno));
    }
    struct stat info;
    enum status status = check_kind(file, &info);
    if (status != OK) {
        input_file_close(file);
        return status;
    }
    file->bytes = (size_t)info.st_size;
    return OK;
}

enum status input_file_find(const char *name, char *path, size_t size)
{
    const char *base = getenv("CBAM_DATA");
    int length = snprintf(path, size, "%s", name);
    if (length >= 0 && (size_t)length < size && access(path, R_OK) == 0)
        return OK;
    if (name[0] == '/' || !base || !*base)
        return fail(ERR_IO, "%s: cannot be opened: %s", name, strerror(errno));
    length = snprintf(path, size, "%s/%s", base, name);
    if (length >= 0 && (size_t)length < size && access(path, R_OK) == 0)
        return OK;
    return fail(ERR_IO, "%s: cannot be opened: it is neither here nor under $CBAM_DATA", name);
}

enum status input_file_read(const struct input_file *file, void *out, size_t bytes)
{
    char *at = out;
    while (bytes > 0) {
        ssize_t got = read(file->fd, at, bytes);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail(ERR_IO, "%s: cannot be read: %s", file->path, strerror(errno));
        if (got == 0)
            return fail(ERR_IO, "%s: ends %zu bytes too early", file->path, bytes);
        at += got;
        bytes -= (size_t)got;
    }
    return OK;
}

void input_file_close(struct input_file *file)
{
    if (file->path)
        close(file->fd);
    *file = (struct input_file){0};
}

enum status input_map_open(struct input_map *map, const char *path)
{
    static const uint8_t nothing[1];
    *map = (struct input_map){0};
    struct input_file file;
    TRY(input_file_open(&file, path));
    size_t bytes = file.bytes;
    void *data = NULL;
    int error = 0;
    if (bytes > 0) {
        data = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, file.fd, 0);
        error = errno;
    }
    input_file_close(&file);
    if (data == MAP_FAILED)
        return fail(ERR_IO, "%s: cannot be mapped: %s", path, strerror(error));
    *map = (struct input_map){.data = bytes ? data : nothing, .bytes = bytes};
    return OK;
}

/* Whole pages, with those that the part shares with its neighbours: nothing is lost of a file. */
void input_map_done(const struct input_map *map, const void *data, size_t bytes)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), at = (uintptr_t)data;
    const uintptr_t start = at / page * page;
    if (map->bytes > 0 && bytes > 0)
        madvise((void *)start, at + bytes - start, MADV_DONTNEED);
}

void input_map_close(struct input_map *map)
{
    if (map->bytes > 0)
        munmap((void *)(uintptr_t)map->data, map->bytes);
    *map = (struct input_map){0};
}

uint64_t hash_bytes(uint64_t hash, const void *data, size_t bytes)
{
    const uint8_t *at = data;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static enum status hash_open_file(uint64_t *hash, const struct input_file *file, uint8_t *block)
{
    uint64_t h = HASH_START;
    for (size_t left = file->bytes; left > 0;) {
        size_t bytes = left < HASH_BLOCK ? left : HASH_BLOCK;
        TRY(input_file_read(file, block, bytes));
        h = hash_bytes(h, block, bytes);
        left -= bytes;
    }
    *hash = h;
    return OK;
}

enum status hash_file(uint64_t *hash, const char *path)
{
    struct input_file file;
    TRY(input_file_open(&file, path));
    uint8_t *block = malloc(HASH_BLOCK);
    enum status status = block ? hash_open_file(hash, &file, block)
                               : fail(ERR_MEMORY, "%s: no memory to read it", path);
    free(block);
    input_file_close(&file);
    return status;
}
