/* What goes beside every table of timings: who made it, when, by which command, and how quiet the
 * machine was meanwhile. */
#ifndef BENCH_VERBS_RECORD_H
#define BENCH_VERBS_RECORD_H

#include "bench/measure/machine.h"
#include "bench/report/provenance.h"
#include "bench/report/table.h"

struct record {
    struct provenance provenance;
    char date[32];
    char command[1024]; /* that repeats it */
    double load;        /* average over the minute before the start; negative: unknown */
    struct machine_ticks start;
};

/* To be called first: argp changes the order of argv. */
void record_start(struct record *record, const char *verb, int argc, char *const *argv);

/* Cells of the table's last row: it needs columns "date", "commit", "cpu" and "libraries". */
void record_row(const struct record *record, struct table *table);

/* Members "provenance", "date", "command", "load_1min" and "stolen_percent" of the document, and a
 * note for people; a warning among the notes when the machine was not quiet. */
void record_finish(const struct record *record, struct table *table);

#endif
