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
    enum dtype dtypes[OPTION_DTYPES]; /* timed in turns, as implementations are */
    int dtype_count;
    bool pass[PASS_COUNT], pass_given; /* not given: as the cases say, else forward */
    bool check_only;
    enum table_format format;
    struct sample_settings sample;
};

/* An implementation of this build, opened for one number of threads. */
struct layers_opened {
    const struct impl *impl;
    struct impl_ctx *ctx;
    bool asked; /* the others only help to check, in f32 */
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
    const struct op_desc *desc; /* in f32 */
    const char *name;
    enum layer_pass pass;
};

/* Who is looked at in one row, and in which dtype. */
struct layers_runner {
    const struct layers_opened *opened;
    enum dtype dtype;
    bool asked; /* the row is */
};
enum { LAYERS_RUNNERS = OPTION_IMPLS * OPTION_DTYPES };

/* ---- command line (layers_options.c) ---- */

/* Fills settings; cases are to be freed by case_list_free() in every case. ERR_USAGE, and what
 * reading cases gives. */
enum status layers_parse(struct layers_settings *settings, int argc, char **argv);

/* Whether bf16 is among the dtypes. */
bool layers_in_bf16(const struct layers_settings *settings);

/* ---- rows (layers_rows.c) ---- */

/* The table of this run; table_free(). */
struct table *layers_table_new(const struct layers_settings *settings);

/* A row that says what is wrong; said on stderr, too. */
void layers_add_fault(struct layers_work *work, const struct layers_case *c,
                      const struct layers_runner *runner, const char *how, const char *message);

/* A row of what was checked and, unless `series` is NULL, timed; a fault when it is not right. */
enum status layers_add_row(struct layers_work *work, const struct layers_case *c,
                           const struct layers_runner *runner, const char *how,
                           const struct layer_verdict *verdict,
                           const struct sample_series *series);

/* Removes the line of progress from a terminal. */
void layers_clear_progress(void);

#endif
