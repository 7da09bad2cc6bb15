/* A temporary folder for one test: made by cmocka's setup, removed with all in it by teardown.
 * Besides, whole files put and got. Knows nothing of what is tested. */
#ifndef TESTS_TEMP_DIR_H
#define TESTS_TEMP_DIR_H

#include <dirent.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct temp_dir {
    char path[512];
    char file[1024]; /* what temp_dir_file() gave last */
};

static inline int temp_dir_make(void **state)
{
    struct temp_dir *dir = calloc(1, sizeof *dir);
    const char *root = getenv("TMPDIR");
    if (!dir)
        return -1;
    snprintf(dir->path, sizeof dir->path, "%s/cbam-bench-test-XXXXXX",
             root && *root ? root : P_tmpdir);
    *state = dir;
    return mkdtemp(dir->path) ? 0 : -1;
}

/* The path of `name` in the folder; valid until the next call. */
static inline const char *temp_dir_file(void **state, const char *name)
{
    struct temp_dir *dir = *state;
    snprintf(dir->file, sizeof dir->file, "%s/%s", dir->path, name);
    return dir->file;
}

/* Entries in the folder, hidden ones too; removes each when `empty`. */
static inline int temp_dir_entries(void **state, bool empty)
{
    const struct temp_dir *dir = *state;
    int count = 0;
    DIR *stream = opendir(dir->path);
    assert_non_null(stream);
    for (const struct dirent *entry; (entry = readdir(stream));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        count++;
        if (empty)
            remove(temp_dir_file(state, entry->d_name));
    }
    closedir(stream);
    return count;
}

static inline int temp_dir_remove(void **state)
{
    struct temp_dir *dir = *state;
    temp_dir_entries(state, true);
    int result = rmdir(dir->path);
    free(dir);
    return result;
}

static inline void file_put(const char *path, const void *data, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

/* The whole file, to be freed by the caller. */
static inline uint8_t *file_get(const char *path, size_t *bytes)
{
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    *bytes = (size_t)info.st_size;
    uint8_t *data = malloc(*bytes + 1);
    FILE *file = fopen(path, "rb");
    assert_non_null(data);
    assert_non_null(file);
    assert_int_equal(fread(data, 1, *bytes, file), *bytes);
    fclose(file);
    data[*bytes] = 0;
    return data;
}

static inline void assert_file_is(const char *path, const void *data, size_t bytes)
{
    size_t size;
    uint8_t *found = file_get(path, &size);
    assert_int_equal(size, bytes);
    assert_memory_equal(found, data, bytes);
    free(found);
}

/* A message of a failure: one line, nothing a terminal would obey, the file's name, `expected`. */
static inline void assert_message(const char *text, const char *path, const char *expected)
{
    bool clean = true;
    for (const char *at = text; *at; at++)
        clean = clean && (unsigned char)*at >= ' ' && *at != 0x7f;
    if (!clean || !strstr(text, path) || !strstr(text, expected))
        fail_msg("message '%s' should name '%s' and say '%s'", text, path, expected);
}

#endif
