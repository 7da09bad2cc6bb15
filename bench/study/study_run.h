/* A whole study: grid, store, cells, latency. */
#ifndef BENCH_STUDY_STUDY_RUN_H
#define BENCH_STUDY_STUDY_RUN_H

#include "bench/study/scheduler.h"
#include "bench/study/study.h"

struct study_run_options {
    const char *store_path;
    int jobs;           /* 0: as the study says */
    int shard, shards;  /* run shard `shard` (from 1) of `shards` alone, and no latency; 0: all */
    int retries;        /* a cell that fails is tried again so often */
    bool older;         /* run cells again that other code made */
    bool no_latency;
    bool latency_again;
    FILE *talk;         /* progress and notes; NULL: silent */
    bool terminal;
};

/* Runs what is not done yet. *report counts the cells; the status is ERR_NUMERIC, with one line,
 * when some failed (everything else was run all the same). */
enum status study_run(const struct study *study, const struct study_run_options *options,
                      struct scheduler_report *report);

#endif
