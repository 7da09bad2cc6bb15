/* Who may use the machine: see lock.h. */
#include "bench/study/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum status lock_open(struct lock *lock, const char *store_path)
{
    char path[600];
    snprintf(path, sizeof path, "%s.lock", store_path);
    lock->fd = open(path, O_RDWR | O_CREAT, 0666);
    if (lock->fd < 0)
        return fail(ERR_IO, "%s: cannot be opened: %s", path, strerror(errno));
    return OK;
}

enum status lock_try(struct lock *lock, bool alone, bool *taken)
{
    *taken = flock(lock->fd, (alone ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0;
    if (!*taken && errno != EWOULDBLOCK && errno != EINTR)
        return fail(ERR_IO, "the store cannot be locked: %s", strerror(errno));
    return OK;
}

void lock_close(struct lock *lock)
{
    if (lock->fd >= 0)
        close(lock->fd);
    lock->fd = -1;
}
