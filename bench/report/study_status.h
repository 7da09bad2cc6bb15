/* How far a study is: cells by kind and state, and those that failed. */
#ifndef BENCH_REPORT_STUDY_STATUS_H
#define BENCH_REPORT_STUDY_STATUS_H

#include "bench/report/table.h"
#include "bench/study/study_data.h"

/* Rows: sources, then each arm, then all. The caller frees it. */
struct table *study_status_counts(const struct study_data *data);

/* Cells that failed, diverged, or whose worker died, with the reason. The caller frees it. */
struct table *study_status_faults(const struct study_data *data);

#endif
