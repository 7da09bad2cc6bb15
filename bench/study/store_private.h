/* The inside of the store, shared by the files store*.c alone. */
#ifndef BENCH_STUDY_STORE_PRIVATE_H
#define BENCH_STUDY_STORE_PRIVATE_H

#include "bench/report/provenance.h"
#include "bench/study/db.h"
#include "bench/study/store.h"

struct store {
    struct db db;
    char folder[512];              /* of the weights files */
    char host[65];
    struct provenance provenance; /* of this process */
};

/* Whether the worker named in a row of `cells` may be taken for dead. */
bool store_worker_is_dead(const struct store *store, const char *host, int64_t pid,
                          int64_t pid_start, bool lease_over);

/* A cell from the columns role, source, settings of a row, `column` being the first. */
enum status store_read_cell(sqlite3_stmt *stmt, int column, const char *key, struct cell *cell);

/* A state from its name; STATE_PENDING for what is none. */
enum cell_state store_parse_state(const char *text);

/* Records the searches of a grid before its cells, and their trials after them (inside a
 * transaction). */
enum status store_put_searches(struct store *store, const struct grid *grid);
enum status store_put_trials(struct store *store, const struct grid *grid);

/* The settings of a cell with what its search chose, where it has one that has chosen. */
enum status store_set_choice(struct store *store, const struct cell *cell,
                             struct train_settings *settings);

/* Makes sure that this process's provenance is stored (inside a transaction). */
enum status store_put_provenance(struct store *store);

/* Writes and reads all numbers of a result (inside a transaction). */
enum status store_put_result(struct store *store, const char *key,
                             const struct train_result *result);
enum status store_put_agreement(struct store *store, const char *key,
                                const struct agreement *agreement);

#endif
