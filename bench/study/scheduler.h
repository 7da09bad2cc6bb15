/* Runs the cells of a grid that are not done yet, several at once, each in a process of its own. */
#ifndef BENCH_STUDY_SCHEDULER_H
#define BENCH_STUDY_SCHEDULER_H

#include "bench/study/store.h"

#include <stdio.h>

struct scheduler_options {
    const char *program;       /* of a worker: WORKER_SELF */
    const char *const *worker; /* its arguments, NULL-terminated, argv[0] first; the key is added at
                                  the end, after "--key" */
    int jobs;                  /* at once, at least 1 */
    int retries;               /* a cell that fails is tried again so often, after the others */
    const bool *only;          /* cells of the grid to run, with sources of theirs; NULL: all */
    FILE *talk;                /* progress; NULL: silent */
    bool terminal;
};

struct scheduler_report {
    int total, reused, done, failed; /* reused: done before, or by another run meanwhile */
    int blocked; /* not run, because their source failed */
};

/* Exit statuses of a worker (the state in the store is what counts; these only explain). */
enum { WORKER_EXIT_DONE = 0, WORKER_EXIT_FAILED = 1, WORKER_EXIT_ELSEWHERE = 3 };

/* Registered cells that are done are reused. A cell runs when its source is done and its search has
 * chosen; one that fails does not stop the others, but for those whose search is not whole without
 * it, which fail too. A worker that dies leaves a failed cell that says how. Cells that
 * another run is at are waited for. A status other than OK means that the store or the processes
 * failed, or that the disk is full, and not a cell. */
enum status scheduler_run(struct store *store, const struct grid *grid,
                          const struct scheduler_options *options, struct scheduler_report *report);

#endif
