/* What the store knows of a study, laid out on the study's axes: the one source of all its tables
 * and plots. Reads the store, and nothing else. */
#ifndef BENCH_STUDY_STUDY_DATA_H
#define BENCH_STUDY_STUDY_DATA_H

#include "bench/study/store.h"
#include "bench/study/study.h"

/* Entries of an axis in the order in which the study has them. */
struct data_axis {
    int count;
    char text[STUDY_SEEDS_MAX][STUDY_TEXT_MAX];
};

struct study_data {
    char name[64];
    struct store_rows rows;      /* all cells, sources too */
    struct train_result **results; /* of each row; NULL unless it is done */
    struct agreement *agreements; /* of each row */
    struct grid_place *places;   /* of each row; -1 where a source is on no axis; trials of searches
                                    have no arm and no seed */
    struct data_axis models, attention, data, impls, arms, seeds;
    struct study_claims claims;  /* which axis is compared, in which families */
    char newest[64];             /* commit of the code that finished a cell last */
    int older;                   /* done cells made by code of other commits than that one */
};

/* Reads a study by name. ERR_USAGE when the store has none of that name. */
enum status study_data_read(struct study_data *data, struct store *store, const char *study);
void study_data_free(struct study_data *data); /* a zeroed one is allowed */

/* Index of the row of the cell with that key; -1 when the study has none. */
int study_data_row(const struct study_data *data, const char *key);

/* Row of a transfer cell (place->arm >= 0) or a source (place->arm == -1; data ignored); -1 when
 * there is none. A source is found by its model, its own attention, implementation and seed. */
int study_data_find(const struct study_data *data, const struct grid_place *place);

/* The result of that cell, finished and not diverged; NULL otherwise. */
const struct train_result *study_data_result(const struct study_data *data,
                                             const struct grid_place *place);

/* Whether a row is done, and was made by code of another commit than this program's. Reports do not
 * ask: what they say must not depend on the program that makes them. */
bool study_data_is_foreign(const struct store_row *row);

#endif
