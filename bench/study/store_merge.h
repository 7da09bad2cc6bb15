/* Whole stores: one taken into another, written as text lines, and read back. */
#ifndef BENCH_STUDY_STORE_MERGE_H
#define BENCH_STUDY_STORE_MERGE_H

#include "bench/study/store.h"

#include <stdio.h>

/* What a merge did; all are numbers of cells. */
struct merge_report {
    int added;    /* were not there */
    int improved; /* were there, but less far: pending or failed */
    int kept;     /* were there, as far or further */
    int differ;   /* of these: done in both, with other numbers; those that were there are kept */
    int running;  /* of the added: were running in the other store, and are pending here */
    int weights;  /* weights files that were copied */
};

/* Takes everything that the store at `path` knows into `store`, in one transaction: cells with all
 * their numbers (a cell that is done wins over one that failed, and that over one that did not
 * run), studies, latency rows, and afterwards the weights files of the cells taken. The other store
 * stays as it is. A study that both know has the cells of `store` first. */
enum status store_merge(struct store *store, const char *path, struct merge_report *report);

/* Writes all that is known of a study as JSON lines (results/README.md), with the class of every
 * test image when `predictions`. Host and process numbers are left out. ERR_USAGE when there is no
 * such study; ERR_IO when `out` cannot be written. */
enum status store_export(struct store *store, const char *study, bool predictions, FILE *out);

/* The same, whole or not at all, to the file `path`. */
enum status store_export_file(struct store *store, const char *study, bool predictions,
                              const char *path);

/* Reads such lines into the store, by the rules of store_merge(): all of them or, when a line is
 * not as expected, none. ERR_FORMAT names file and line. */
enum status store_import(struct store *store, const char *path, struct merge_report *report);

#endif
