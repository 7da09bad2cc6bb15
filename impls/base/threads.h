/* Threads of the whole process: their number, how they wait, and flush-to-zero. This is the only
 * place that sets them, alike for every implementation (OpenBLAS's OpenMP flavour and oneDNN both
 * take their threads from the one GNU OpenMP runtime). */
#ifndef IMPLS_BASE_THREADS_H
#define IMPLS_BASE_THREADS_H

#include "impls/base/status.h"

#include <stddef.h>

/* To be called first in main(), before any parallel region: libgomp reads its environment when it
 * is loaded, so the waiting policy can only be set by running the program anew. Sets
 * GOMP_SPINCOUNT and OMP_DYNAMIC where the user has not, then executes itself once more with the
 * same arguments. Returns when nothing is left to set (or when /proc is missing). */
void threads_startup(char *const argv[]);

/* Sets the number of threads of every implementation, 1 <= n <= threads_available(), and
 * flush-to-zero and denormals-are-zero in each of them. ERR_USAGE when n is out of range. */
enum status threads_set(int n);

/* Whether so many additions, or as simple operations on floats, are worth a parallel region:
 * starting and ending one takes about as long as some ten thousand of them, far longer when its
 * threads have gone to sleep or other work has their cores. For an `if` clause: small maps stay on
 * one thread. */
int threads_worth(size_t operations);

/* The same for library calls, which take their team from the runtime: threads_alone(true) lets the
 * calling thread's next regions have one thread, threads_alone(false) as many as are set. Costs
 * next to nothing, and leaves the team as it is. */
void threads_alone(int alone);

int threads_get(void);       /* as set; threads_available() before the first threads_set() */
int threads_available(void); /* processors this process may run on: affinity and cgroup quota */

/* "libgomp" when exactly one OpenMP runtime is mapped and it is GNU's; otherwise the names found,
 * joined by '+': then timings of OpenBLAS and oneDNN cannot be trusted. Static storage. */
const char *threads_runtime(void);

/* The waiting policy in force, e.g. "GOMP_SPINCOUNT=1000 OMP_DYNAMIC=false". Static storage. */
const char *threads_policy(void);

/* 1 when denormals are flushed to zero in the calling thread. */
int threads_flushes_denormals(void);

#endif
