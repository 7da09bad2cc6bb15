/* The graph of a study: every source training once, every transfer cell after its source. Knows
 * nothing of the store or of running. */
#ifndef BENCH_STUDY_GRID_H
#define BENCH_STUDY_GRID_H

#include "bench/study/cell.h"
#include "bench/study/study.h"

#include <stddef.h>

/* Where a transfer cell stands on the axes of its study (indices); for a source, `arm` is -1 and
 * `data` is 0. Seed number i of a search is -1 - i. */
struct grid_place {
    int model, attention, data, impl, arm, seed;
};

/* One search: the trials of one arm of one network, attention and target, all on the study's first
 * implementation. Whoever counts at that place, on any implementation, gets what it chooses. */
struct grid_search {
    char id[CELL_KEY_SIZE]; /* the hash of the trials' keys (grid_search_id()) */
    int *trials;            /* cells: combination by combination, in each seed by seed; owned */
};

struct grid {
    int count;
    struct cell *cells; /* a cell's source stands before it; seed by seed, so that a run that was
                           stopped early has whole pairs */
    struct grid_place *places;
    char *claims; /* what the study claims, as the store keeps it (claims_text()); owned */
    int search_count, point_count, search_seeds; /* all 0 without a search */
    struct grid_search *searches;
    char **choices; /* point_count texts of search_choice() */
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

/* Index of the search with that id; -1 when there is none, and for "". */
int grid_find_search(const struct grid *grid, const char *id);

/* Cell i in a line for people: network, attention, arm, what its search tries, seed. */
enum { GRID_LINE_MAX = 640 };
void grid_describe(const struct grid *grid, int i, char text[GRID_LINE_MAX]);

/* The id of a search whose trials have these keys, in their order. ERR_MEMORY. */
enum status grid_search_id(const char *const *keys, int count, char id[CELL_KEY_SIZE]);

#endif
