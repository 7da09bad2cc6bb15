/* Files that appear whole or not at all: see atomic_file.h. Knows no file format. */
#include "bench/net/atomic_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { TEMP_NAMES = 100 };

void atomic_file_abort(struct atomic_file *file)
{
    if (file->temp) {
        if (file->fd >= 0)
            close(file->fd);
        unlink(file->temp);
    }
    free(file->temp);
    free(file->target);
    *file = (struct atomic_file){.fd = -1};
}

/* Gives up because of `error`, an errno value. */
static enum status give_up(struct atomic_file *file, int error)
{
    const char *path = file->path;
    atomic_file_abort(file);
    if (error == ENOENT)
        return fail(ERR_IO, "%s: cannot be written: its folder does not exist", path);
    return fail(ERR_IO, "%s: cannot be written: %s", path, strerror(error));
}

/* Tries target.tmp-PID, then target.tmp-PID-2 and so on: a name may be taken by what a killed
 * process left, or by a process of another container with the same number. */
static enum status create_temp(struct atomic_file *file)
{
    size_t size = strlen(file->target) + 64;
    char *temp = malloc(size);
    if (!temp)
        return give_up(file, ENOMEM);
    int fd = -1;
    for (int i = 1; fd < 0 && i <= TEMP_NAMES; i++) {
        snprintf(temp, size, i == 1 ? "%s.tmp-%ld" : "%s.tmp-%ld-%d", file->target,
                 (long)getpid(), i);
        fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0 && errno != EEXIST)
            break;
    }
    if (fd < 0) {
        int error = errno;
        free(temp);
        return give_up(file, error);
    }
    file->temp = temp;
    file->fd = fd;
    return OK;
}

/* What stands at the destination must be a file that its owner lets us replace. */
static enum status check_target(const struct atomic_file *file, const struct stat *info)
{
    if (S_ISDIR(info->st_mode))
        return fail(ERR_IO, "%s: cannot be written: it is a folder", file->path);
    if (!S_ISREG(info->st_mode))
        return fail(ERR_IO, "%s: cannot be written: it is not a regular file", file->path);
    if (access(file->target, W_OK) != 0)
        return fail(ERR_IO, "%s: cannot be replaced: %s", file->path, strerror(errno));
    return OK;
}

enum status atomic_file_open(struct atomic_file *file, const char *path)
{
    *file = (struct atomic_file){.path = path, .fd = -1};
    size_t length = strlen(path);
    if (length == 0 || path[length - 1] == '/')
        return fail(ERR_USAGE, "'%s': the name of a file to write was expected", path);
    file->target = realpath(path, NULL);
    if (!file->target)
        file->target = strdup(path);
    if (!file->target)
        return give_up(file, ENOMEM);
    struct stat info;
    bool exists = stat(file->target, &info) == 0;
    if (exists) {
        enum status status = check_target(file, &info);
        if (status != OK) {
            atomic_file_abort(file);
            return status;
        }
    }
    TRY(create_temp(file));
    if (exists && fchmod(file->fd, info.st_mode & 0777) != 0)
        return give_up(file, errno);
    return OK;
}

enum status atomic_file_write(struct atomic_file *file, const void *data, size_t bytes)
{
    CHECK(file->temp);
    const char *at = data;
    while (bytes > 0) {
        ssize_t written = write(file->fd, at, bytes);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return give_up(file, written < 0 ? errno : EIO);
        at += written;
        bytes -= (size_t)written;
    }
    return OK;
}

/* fsync, on a file system that may not know it. */
static int sync_fd(int fd)
{
    if (fsync(fd) == 0 || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP)
        return 0;
    return -1;
}

/* Makes the rename last. A folder that may be written but not read cannot be opened, and so not
 * be synced: then the rename lasts when the system gets to it. */
static int sync_folder(const char *target)
{
    const char *slash = strrchr(target, '/');
    size_t length = slash ? (size_t)(slash - target) : 0;
    char *folder = slash ? strndup(target, length ? length : 1) : strdup(".");
    if (!folder)
        return -1;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (fd < 0)
        return errno == EACCES ? 0 : -1;
    int result = sync_fd(fd);
    int error = errno;
    close(fd);
    errno = error;
    return result;
}

enum status atomic_file_commit(struct atomic_file *file)
{
    CHECK(file->temp);
    if (sync_fd(file->fd) != 0)
        return give_up(file, errno);
    int fd = file->fd;
    file->fd = -1;
    if (close(fd) != 0)
        return give_up(file, errno);
    if (rename(file->temp, file->target) != 0)
        return give_up(file, errno);
    /* Nothing is left under the temporary name now: forget it, so that nothing is unlinked. */
    free(file->temp);
    file->temp = NULL;
    if (sync_folder(file->target) != 0)
        return give_up(file, errno);
    atomic_file_abort(file);
    return OK;
}

enum status atomic_file_save(const char *path, const void *data, size_t bytes)
{
    struct atomic_file file;
    TRY(atomic_file_open(&file, path));
    TRY(atomic_file_write(&file, data, bytes));
    return atomic_file_commit(&file);
}

enum status atomic_file_check(const char *path)
{
    struct atomic_file file;
    TRY(atomic_file_open(&file, path));
    atomic_file_abort(&file);
    return OK;
}

/* Whether the name ends as create_temp() ends it: ".tmp-123" or ".tmp-123-4". */
static bool is_temporary(const char *name)
{
    const char *end = strstr(name, ".tmp-");
    return end && end > name && end[5] && strspn(end + 5, "0123456789-") == strlen(end + 5);
}

void atomic_file_sweep(const char *folder, double seconds)
{
    DIR *stream = opendir(folder);
    time_t now = time(NULL);
    for (const struct dirent *entry; stream && (entry = readdir(stream));) {
        struct stat info;
        if (is_temporary(entry->d_name) &&
            fstatat(dirfd(stream), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(info.st_mode) && difftime(now, info.st_mtime) >= seconds)
            unlinkat(dirfd(stream), entry->d_name, 0);
    }
    if (stream)
        closedir(stream);
}
