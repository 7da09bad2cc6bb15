/* One sample on a machine that has other things to do: a sample in which the process was taken off
 * its processor is told from the others by the processor time that it used, not by its length, and
 * is taken again. Knows no case. */
#ifndef BENCH_REGRESS_QUIET_H
#define BENCH_REGRESS_QUIET_H

#include "bench/measure/sample.h"

struct quiet_sample {
    double ms, cpu_ms; /* of one call: wall clock, processor */
    bool disturbed;    /* off the processor for more than 2 % of the time */
    int tries;         /* 1 to QUIET_TRIES */
};

enum { QUIET_TRIES = 3 };

/* Times `repeats` calls together, anew while the sample is disturbed; the last try is kept as it
 * is. With more than one thread processor time says nothing, and no sample counts as disturbed. */
enum status quiet_take(const struct sample_target *target, int repeats, int threads,
                       struct quiet_sample *sample);

/* Keeps the calling thread on one of the processors that it may run on, the index-th modulo their
 * number: where virtual processors differ in speed (another guest beside one of them), both sides
 * of a pair must share one. Does nothing where the system refuses it. */
void quiet_pin(int index);

#endif
