/* A worker process: started by fork and exec, so that it has threads and libraries of its own, and
 * ended with its parent. Knows nothing of cells. */
#ifndef BENCH_STUDY_WORKER_H
#define BENCH_STUDY_WORKER_H

#include "impls/base/status.h"

#include <stdbool.h>
#include <sys/types.h>

/* This program itself, also when its file was replaced meanwhile. */
#define WORKER_SELF "/proc/self/exe"

/* Starts a program with these arguments (argv[0] is its name; NULL-terminated), its standard output
 * discarded, its standard error shared. The parent must not have used threads yet. */
enum status worker_start(pid_t *pid, const char *program, const char *const *argv);

/* Whether it ended, and how: exit status 0..255, or 256 + the signal that killed it. */
enum { WORKER_KILLED = 256 };
bool worker_ended(pid_t pid, int *how);

/* Waits for it. */
int worker_wait(pid_t pid);

/* Sleeps for so many milliseconds. */
void worker_pause(int ms);

#endif
