/* The graph of a study: every source training once, every transfer cell after its source. Knows
 * nothing of the store or of running. */
#ifndef BENCH_STUDY_GRID_H
#define BENCH_STUDY_GRID_H

#include "bench/study/cell.h"
#include "bench/study/study.h"

#include <stddef.h>

/* Where a transfer cell stands on the axes of its study (indices); for a source, `arm` is -1 and
 * `data` is 0. */
struct grid_place {
    int model, attention, data, impl, arm, seed;
};

struct grid {
    int count;
    struct cell *cells; /* a cell's source stands before it; seed by seed, so that a run that was
                           stopped early has whole pairs */
    struct grid_place *places;
    char *claims; /* what the study claims, as the store keeps it (claims_text()); owned */
};

/* What a data specification is, for the key: hashes what is in the files. */
typedef enum status grid_data_key(const char *data, char *text, size_t size);

/* The real one: opens the data set and asks dataset_key(). */
enum status grid_dataset_key(const char *data, char *text, size_t size);

/* Builds the graph. Fails with one line on networks, attention or implementations that do not
 * exist, and on data that are not there. */
enum status grid_build(struct grid *grid, const struct study *study, grid_data_key *data_key);
void grid_free(struct grid *grid); /* a zeroed one is allowed */

/* Index of the cell with that key; -1 when there is none. */
int grid_find(const struct grid *grid, const char *key);

#endif
