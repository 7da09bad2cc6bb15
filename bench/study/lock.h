/* Who may use the machine: cells of several runs share it, timing wants it alone. An advisory lock
 * on a file beside the store, which the system releases when its holders die. */
#ifndef BENCH_STUDY_LOCK_H
#define BENCH_STUDY_LOCK_H

#include "impls/base/status.h"

#include <stdbool.h>

struct lock {
    int fd; /* inherited by worker processes, so that it outlives a parent that dies first */
};

/* Opens "STORE.lock", without taking it. */
enum status lock_open(struct lock *lock, const char *store_path);

/* Takes it, shared for training or alone for timing; false in *taken when somebody else's use
 * excludes that now. What was held before is given up first. */
enum status lock_try(struct lock *lock, bool alone, bool *taken);

void lock_close(struct lock *lock);

#endif
