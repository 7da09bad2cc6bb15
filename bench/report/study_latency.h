/* The latency rows of a study: the newest of each configuration. */
#ifndef BENCH_REPORT_STUDY_LATENCY_H
#define BENCH_REPORT_STUDY_LATENCY_H

#include "bench/study/store.h"

#include <jansson.h>

struct latency_rows {
    int count, capacity;
    json_t **items; /* owned; as the latency verb printed them, with what made them added */
};

/* Rows that agree in network, attention, implementation, type, pass, batch, threads and input are
 * the same measurement taken again: the newest stands. */
enum status latency_rows_read(struct latency_rows *rows, struct store *store, const char *study);
void latency_rows_free(struct latency_rows *rows); /* a zeroed one is allowed */

#endif
