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

/* Makes sure that this process's provenance is stored (inside a transaction). */
enum status store_put_provenance(struct store *store);

/* Writes and reads all numbers of a result (inside a transaction). */
enum status store_put_result(struct store *store, const char *key,
                             const struct train_result *result);
enum status store_put_agreement(struct store *store, const char *key,
                                const struct agreement *agreement);

#endif
