/* The parts of `layers`: what is asked for, what is at work, and the rows of its table. Private to
 * bench/verbs/layers*.c. */
#ifndef BENCH_VERBS_LAYERS_WORK_H
#define BENCH_VERBS_LAYERS_WORK_H

#include "bench/measure/case_list.h"
#include "bench/measure/layer_check.h"
#include "bench/measure/peak.h"
#include "bench/measure/sample.h"
#include "bench/report/table.h"
#include "bench/verbs/options.h"
#include "bench/verbs/record.h"

struct layers_settings {
    struct case_list cases;
    int batches[OPTION_NUMBERS], batch_count; /* 0: as the cases say */
    const struct impl *impls[OPTION_IMPLS];
    int impl_count;
    int threads[OPTION_NUMBERS], thread_count;
    bool pass[PASS_COUNT], pass_given; /* not given: as the cases say, else forward */
    bool check_only;
    enum table_format format;
    struct sample_settings sample;
};

/* An implementation of this build, opened for one number of threads. */
struct layers_opened {
    const struct impl *impl;
    struct impl_ctx *ctx;
    bool asked; /* the others only help to check */
};

/* What the whole verb works on. */
struct layers_work {
    const struct layers_settings *settings;
    struct record record;
    struct table *table;
    struct layers_opened opened[OPTION_IMPLS];
    int opened_count, threads;
    struct peak peak; /* of the machine with these threads; zeros where nothing is timed */
    int rows, faults; /* faults: rows that were not found right */
    double memory_mb; /* of the machine; 0: unknown */
};

/* One pass of one case. */
struct layers_case {
    const struct op_desc *desc;
    const char *name;
    enum layer_pass pass;
};

/* ---- rows (layers_rows.c) ---- */

/* The table of this run; table_free(). */
struct table *layers_table_new(const struct layers_settings *settings);

/* A row that says what is wrong; said on stderr, too. */
void layers_add_fault(struct layers_work *work, const struct layers_case *c,
                      const struct impl *impl, const char *how, const char *message);

/* A row of what was checked and, unless `series` is NULL, timed; a fault when it is not right. */
enum status layers_add_row(struct layers_work *work, const struct layers_case *c,
                           const struct impl *impl, const char *how,
                           const struct layer_verdict *verdict,
                           const struct sample_series *series);

/* Removes the line of progress from a terminal. */
void layers_clear_progress(void);

#endif
