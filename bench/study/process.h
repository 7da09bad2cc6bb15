/* Is a worker still alive? Knows nothing of what it does. */
#ifndef BENCH_STUDY_PROCESS_H
#define BENCH_STUDY_PROCESS_H

#include <stddef.h>
#include <stdint.h>

/* When a process of this machine started, in clock ticks since boot; -1 when there is no process
 * of that number, or it is dead and only waits to be collected. Two processes that get the same
 * number one after the other differ in it. */
int64_t process_start(int64_t pid);

/* This machine's name, as a worker records it. */
void process_host(char *host, size_t size);

#endif
