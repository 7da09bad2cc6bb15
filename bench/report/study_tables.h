/* The tables of a study, made from the store's content alone. */
#ifndef BENCH_REPORT_STUDY_TABLES_H
#define BENCH_REPORT_STUDY_TABLES_H

#include "bench/report/table.h"
#include "bench/study/compare.h"
#include "bench/study/study_data.h"

enum study_table {
    STUDY_TABLE_COMPARISON, /* with and without attention, arm by arm, with a verdict: the first */
    STUDY_TABLE_GENERAL,    /* train accuracy, the gap to test accuracy, the shifted test */
    STUDY_TABLE_COSTS,      /* what the gain costs: parameters, MACs, latency, seconds */
    STUDY_TABLE_SEEDS,      /* the values behind it, seed by seed */
    STUDY_TABLE_SOURCES,    /* accuracy of the source trainings */
    STUDY_TABLE_NETWORKS,   /* parameters, MACs, training time */
    STUDY_TABLE_AGREEMENT,  /* how implementations agree on the trained networks */
    STUDY_TABLE_DTYPES,     /* accuracy of the same networks in bf16; may be empty */
    STUDY_TABLE_LATENCY,
    STUDY_TABLE_SEARCH,     /* what each arm tried before, and what was chosen; may be empty */
    STUDY_TABLE_RUNS,       /* every cell, with all numbers and the command that repeats it */
    STUDY_TABLE_MADE,       /* the builds and machines that made the cells */
    STUDY_TABLE_COUNT
};

/* What the tables are made from. */
struct study_tables_input {
    const struct study_data *data;
    const struct comparisons *comparisons;
    struct store *store; /* provenances and latency rows are read on demand */
};

/* Makes one of them; the caller frees it with table_free(). The input must outlive it. */
enum status study_table_make(enum study_table which, const struct study_tables_input *input,
                             struct table **table);

/* "CBAM" for cbam, "SE" for se, anything else as it is; for headings. */
const char *study_attention_title(const char *attention, char *buffer, size_t size);

/* A network's name as tables have it. With several target data or implementations these are told
 * apart too: "resnet50 on cifar10:... (naive)". */
void study_place_title(const struct study_data *data, const struct grid_place *place, char *text,
                       size_t size);

#endif
