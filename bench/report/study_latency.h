/* The latency rows of a study: the newest of each configuration. */
#ifndef BENCH_REPORT_STUDY_LATENCY_H
#define BENCH_REPORT_STUDY_LATENCY_H

#include "bench/study/store.h"
#include "bench/study/study_data.h"

#include <jansson.h>

struct latency_rows {
    int count, capacity;
    json_t **items; /* owned; as the latency verb printed them, with what made them added */
};

/* Rows that agree in network, attention, implementation, type, pass, batch, threads and input are
 * the same measurement taken again: the newest stands. */
enum status latency_rows_read(struct latency_rows *rows, struct store *store, const char *study);
void latency_rows_free(struct latency_rows *rows); /* a zeroed one is allowed */

/* Inference latency of one network of a study, as it was trained, on the implementation that
 * trained it, over that of another. */
struct latency_ratio {
    double ratio, low, high; /* ends NaN when the samples were not paired */
    double input;            /* pixels a side */
};

/* False when the study did not time both. */
bool latency_ratio_find(const struct latency_rows *rows, const struct study_data *data,
                        const struct grid_place *base, const struct grid_place *place,
                        struct latency_ratio *ratio);

/* The row that timed inference of the network at a place; NULL when there is none. Of several the
 * one with the smallest batch and the fewest threads. */
const json_t *latency_row_find(const struct latency_rows *rows, const struct study_data *data,
                               const struct grid_place *place);

#endif
