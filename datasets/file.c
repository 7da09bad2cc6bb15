/* Whole files and gzip streams: see file.h. Knows no image format. */
#include "datasets/file.h"

#include "impls/base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

void bytes_free(struct bytes *bytes)
{
    memory_free(bytes->data);
    *bytes = (struct bytes){0};
}

static enum status check_stat(const char *path, const struct stat *st, size_t limit)
{
    if (S_ISDIR(st->st_mode))
        return fail(ERR_IO, "%s: is a directory, a file was expected", path);
    if (!S_ISREG(st->st_mode))
        return fail(ERR_IO, "%s: is not a regular file", path);
    if ((uint64_t)st->st_size > limit)
        return fail(ERR_FORMAT, "%s: has %lld bytes, at most %zu are accepted", path,
                    (long long)st->st_size, limit);
    return OK;
}

enum status file_size(const char *path, size_t limit, size_t *size)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return fail(ERR_IO, "%s: %s", path, strerror(errno));
    TRY(check_stat(path, &st, limit));
    *size = (size_t)st.st_size;
    return OK;
}

static enum status read_all(int fd, const char *path, struct bytes *out)
{
    for (size_t done = 0; done < out->size;) {
        ssize_t got = read(fd, out->data + done, out->size - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail(ERR_IO, "%s: cannot be read: %s", path, strerror(errno));
        if (got == 0)
            return fail(ERR_IO, "%s: became shorter while it was read", path);
        done += (size_t)got;
    }
    return OK;
}

static enum status read_open(int fd, const char *path, size_t limit, struct bytes *out)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return fail(ERR_IO, "%s: %s", path, strerror(errno));
    TRY(check_stat(path, &st, limit));
    out->size = (size_t)st.st_size;
    out->data = memory_alloc(out->size);
    if (!out->data)
        return fail_prefix(ERR_MEMORY, "%s", path);
    enum status status = read_all(fd, path, out);
    if (status != OK)
        bytes_free(out);
    return status;
}

enum status file_read(const char *path, size_t limit, struct bytes *out)
{
    *out = (struct bytes){0};
    /* O_NONBLOCK: a named pipe must be refused, not waited for. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return fail(ERR_IO, "%s: %s", path, strerror(errno));
    enum status status = read_open(fd, path, limit, out);
    close(fd);
    return status;
}

enum gzip_end { GZIP_ENDED, GZIP_MORE, GZIP_TRUNCATED, GZIP_DAMAGED };

struct gzip_result {
    enum gzip_end end;
    size_t written;  /* bytes put into out */
    size_t trailing; /* bytes of the file behind the end of the stream */
};

/* One pass over a gzip stream into a buffer of n bytes. */
static enum status inflate_into(const struct bytes *packed, uint8_t *out, size_t n,
                                struct gzip_result *result)
{
    CHECK(packed->size <= FILE_BYTES_MAX && n <= FILE_BYTES_MAX);
    z_stream z = {.next_in = packed->data, .avail_in = (uInt)packed->size,
                  .next_out = out, .avail_out = (uInt)n};
    const int gzip_only = 16;
    if (inflateInit2(&z, MAX_WBITS + gzip_only) != Z_OK)
        return fail(ERR_MEMORY, "out of memory for zlib");
    int code = inflate(&z, Z_FINISH);
    *result = (struct gzip_result){.written = n - z.avail_out, .trailing = z.avail_in};
    inflateEnd(&z);
    if (code == Z_MEM_ERROR)
        return fail(ERR_MEMORY, "out of memory for zlib");
    if (code == Z_STREAM_END)
        result->end = GZIP_ENDED;
    else if (code == Z_DATA_ERROR || code == Z_NEED_DICT || code == Z_STREAM_ERROR)
        result->end = GZIP_DAMAGED;
    else /* more to come; the 8 bytes of the trailer are unread unless the file is cut off */
        result->end = z.avail_in > 0 ? GZIP_MORE : GZIP_TRUNCATED;
    return OK;
}

static enum status gzip_fault(const char *path, const struct gzip_result *r, size_t n)
{
    if (r->end == GZIP_DAMAGED)
        return fail(ERR_FORMAT, "%s: is no gzip file, or a damaged one", path);
    if (r->end == GZIP_TRUNCATED)
        return fail(ERR_FORMAT, "%s: is cut off: its gzip stream has no end", path);
    return fail(ERR_FORMAT, "%s: holds %zu bytes unpacked, %zu were expected", path, r->written,
                n);
}

enum status gzip_head(const char *path, const struct bytes *packed, uint8_t *out, size_t n)
{
    struct gzip_result result;
    TRY(inflate_into(packed, out, n, &result));
    if (result.end == GZIP_DAMAGED || result.written < n)
        return gzip_fault(path, &result, n);
    return OK;
}

enum status gzip_exact(const char *path, const struct bytes *packed, uint8_t *out, size_t n)
{
    struct gzip_result result;
    TRY(inflate_into(packed, out, n, &result));
    if (result.end == GZIP_MORE)
        return fail(ERR_FORMAT, "%s: holds more than the %zu bytes unpacked that its header "
                    "announces", path, n);
    if (result.end != GZIP_ENDED || result.written != n)
        return gzip_fault(path, &result, n);
    if (result.trailing > 0)
        return fail(ERR_FORMAT, "%s: has %zu bytes behind the end of its gzip stream", path,
                    result.trailing);
    return OK;
}

uint64_t file_hash(uint64_t hash, const void *data, size_t n)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

uint64_t file_hash_number(uint64_t hash, uint64_t number)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(number >> 8 * i);
    return file_hash(hash, bytes, sizeof bytes);
}
