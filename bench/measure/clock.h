/* The clocks. Nothing outside this file reads one: what a run computes never depends on time. */
#ifndef BENCH_MEASURE_CLOCK_H
#define BENCH_MEASURE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* Nanoseconds of a clock that never jumps; only differences mean something. */
int64_t clock_now_ns(void);

/* Processor time of all threads of this process so far, in nanoseconds. */
int64_t clock_cpu_ns(void);

/* Processor time of the calling thread alone. */
int64_t clock_thread_ns(void);

/* Smallest difference that clock_now_ns() is said to tell apart, in nanoseconds. */
int64_t clock_resolution_ns(void);

/* Date and time in UTC, "2024-05-17T08:30:00Z", for records. */
void clock_date(char *text, size_t size);

#endif
