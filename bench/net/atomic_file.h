/* Files that appear whole or not at all: written beside under another name, synced, renamed.
 * Knows no file format. */
#ifndef BENCH_NET_ATOMIC_FILE_H
#define BENCH_NET_ATOMIC_FILE_H

#include "impls/base/status.h"

#include <stddef.h>

/* A file being written. Its fields are private. A zeroed one is closed. */
struct atomic_file {
    const char *path; /* as the user named it, borrowed until commit or abort; for messages */
    char *target;     /* what is replaced in the end: `path` with symbolic links followed */
    char *temp;       /* target.tmp-PID; NULL when closed */
    int fd;
};

/* Starts a file that is to become `path`. What stands at `path` stays until commit; its
 * permissions are kept. ERR_IO: a folder that does not exist or cannot be written, a destination
 * that is write-protected or not a regular file (a device is never replaced). A process killed
 * before commit leaves path.tmp-PID behind, which may be deleted. */
enum status atomic_file_open(struct atomic_file *file, const char *path);

/* Appends. On any failure (disk full, quota, ...) the temporary is already removed and the file
 * closed when this returns; the destination is as it was. A process that lowers RLIMIT_FSIZE has
 * to ignore SIGXFSZ to get the status instead of the signal. */
enum status atomic_file_write(struct atomic_file *file, const void *data, size_t bytes);

/* Syncs the data, renames onto the destination, syncs the folder, closes. On failure before the
 * rename the destination is as it was; the temporary is removed in every case. */
enum status atomic_file_commit(struct atomic_file *file);

/* The three for content that is whole in memory. */
enum status atomic_file_save(const char *path, const void *data, size_t bytes);

/* Gives up: removes the temporary. Does nothing on a closed file. */
void atomic_file_abort(struct atomic_file *file);

/* Removes from a folder what killed processes left: files named as temporaries are that nobody has
 * written to for `seconds`. What cannot be removed, or read, stays. */
void atomic_file_sweep(const char *folder, double seconds);

/* Whether `path` could be written now, tried by starting a file and giving it up: for a program
 * that wants to know before it works for hours. */
enum status atomic_file_check(const char *path);

#endif
