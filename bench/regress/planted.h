/* Work that the self-test plants, and the kernel that no change can touch. */
#ifndef BENCH_REGRESS_PLANTED_H
#define BENCH_REGRESS_PLANTED_H

#include "bench/measure/sample.h"

/* The variable that plants a slow-down: "PERCENT NAME", where NAME is that of a target. Only a
 * child that was started by the self-test looks at it. */
#define PLANTED_VARIABLE "CBAM_BENCH_SLOW"

/* A target that repeats its work now and then: of 100 calls, 100 * share are made twice. */
struct planted {
    struct sample_target target;
    double share, owed;
};

/* Reads the variable: the share for the target of that name; 0 when it is not set or names another
 * one. ERR_USAGE when its value is not understood. */
enum status planted_share(const char *name, double *share);

/* A sample_target's run(); the context is a struct planted. */
enum status planted_run(void *planted);

/* The control: a fixed loop over 16 KiB, products and sums in single precision; about 20
 * microseconds. Both sides of a pair run that of one and the same build. The context is not
 * used. */
enum status control_run(void *context);

/* Keeps a processor busy in random bursts of 0.1 to 1.5 s with pauses as long, until it is killed
 * or the process that started it ends. */
void burn_forever(void);

#endif
