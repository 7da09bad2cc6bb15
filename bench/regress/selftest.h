/* The gate of paired wall time tried on itself: the same build on both sides, with and without work
 * planted in one layer, on a quiet machine and beside a busy process. How often does it cry wolf,
 * how often does it find what is there? */
#ifndef BENCH_REGRESS_SELFTEST_H
#define BENCH_REGRESS_SELFTEST_H

#include "bench/regress/settings.h"
#include "bench/report/table.h"

struct selftest_settings {
    struct regress_settings *pair; /* sampling, budget, seed; cases are the self-test's own */
    int runs;            /* of each cell: planted percentage x quiet or busy */
    bool quick;          /* the machinery alone: A/A and +20 %, quiet */
    const char *state;   /* file of finished runs, a JSON line each; goes on from there */
    bool restart;        /* forget what the file holds */
};

/* Does the runs that the file does not have yet, and fills the table: one row a cell. `passed`
 * unless a case was flagged in which nothing was planted, +10 % was found in fewer than 95 of 100
 * runs, or +20 % was missed once. ERR_USAGE when the file is that of another build, machine or
 * setting. The table is to be freed in every case; it may be NULL. */
enum status selftest_run(const struct selftest_settings *settings, struct table **table,
                         bool *passed);

#endif
