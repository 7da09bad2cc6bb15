/* The results store: taking cells, keeping them, and handing in what came of them: see store.h. */
#include "bench/measure/clock.h"
#include "bench/study/process.h"
#include "bench/study/store.h"
#include "bench/study/store_private.h"

#include <string.h>
#include <unistd.h>

/* Seconds that a worker on another machine is believed to be alive without a sign of life. */
enum { LEASE_S = 60 };

bool store_worker_is_dead(const struct store *store, const char *host, int64_t pid,
                          int64_t pid_start, bool lease_over)
{
    if (strcmp(host, store->host) != 0)
        return lease_over;
    return process_start(pid) != pid_start;
}

/* ---- claiming ---- */

static enum standing standing_of(const struct store *store, sqlite3_stmt *stmt)
{
    const char *state = db_text(stmt, 3);
    if (strcmp(state, "done") == 0)
        return STANDING_DONE;
    if (strcmp(state, "running") == 0 &&
        !store_worker_is_dead(store, db_text(stmt, 4), sqlite3_column_int64(stmt, 5),
                              sqlite3_column_int64(stmt, 6), sqlite3_column_int(stmt, 7) != 0))
        return STANDING_TAKEN;
    return STANDING_FREE;
}

/* Reads the cell and decides whether it can be had. */
static enum status look_at(struct store *store, const char *key, struct cell *cell,
                           enum standing *standing, int *attempts)
{
    sqlite3_stmt *stmt;
    bool row;
    TRY(db_prepare(&store->db, &stmt,
                   "SELECT role, source, settings, state, host, pid, pid_start,"
                   " coalesce(lease < unixepoch(), 1), attempts FROM cells WHERE key = ?"));
    db_bind_text(stmt, 1, key);
    enum status status = db_step(&store->db, stmt, &row);
    if (status == OK && !row)
        status = fail(ERR_USAGE, "%s: there is no cell '%s'", store->db.path, key);
    if (status == OK)
        status = store_read_cell(stmt, 0, key, cell);
    if (status == OK) {
        *standing = standing_of(store, stmt);
        *attempts = sqlite3_column_int(stmt, 8);
    }
    return db_finish(stmt, status);
}

static enum status take(struct store *store, const char *key, int attempt)
{
    sqlite3_stmt *stmt;
    char date[24];
    clock_date(date, sizeof date);
    TRY(db_prepare(&store->db, &stmt,
                   "UPDATE cells SET state = 'running', attempts = ?2, error = NULL, host = ?3,"
                   " pid = ?4, pid_start = ?5, lease = unixepoch() + ?6, started = ?7,"
                   " finished = NULL WHERE key = ?1"));
    db_bind_text(stmt, 1, key);
    db_bind_int(stmt, 2, attempt);
    db_bind_text(stmt, 3, store->host);
    db_bind_int(stmt, 4, getpid());
    db_bind_int(stmt, 5, process_start(getpid()));
    db_bind_int(stmt, 6, LEASE_S);
    db_bind_text(stmt, 7, date);
    return db_run(&store->db, stmt);
}

static enum status claim(struct store *store, const char *key, struct cell *cell, int *attempt)
{
    enum standing standing = STANDING_TAKEN;
    int attempts = 0;
    TRY(look_at(store, key, cell, &standing, &attempts));
    if (standing != STANDING_FREE)
        return OK;
    TRY(take(store, key, attempts + 1));
    *attempt = attempts + 1;
    return OK;
}

enum status store_claim(struct store *store, const char *key, struct cell *cell, int *attempt)
{
    *attempt = 0;
    TRY(db_begin(&store->db));
    enum status status = db_end(&store->db, claim(store, key, cell, attempt));
    if (status != OK)
        *attempt = 0;
    return status;
}

enum status store_standing(struct store *store, const char *key, enum standing *standing)
{
    struct cell cell;
    int attempts;
    return look_at(store, key, &cell, standing, &attempts);
}

static enum status renew(struct store *store, const char *key)
{
    sqlite3_stmt *stmt;
    TRY(db_prepare(&store->db, &stmt, "UPDATE cells SET lease = unixepoch() + ?2"
                   " WHERE key = ?1 AND state = 'running' AND host = ?3"));
    db_bind_text(stmt, 1, key);
    db_bind_int(stmt, 2, LEASE_S);
    db_bind_text(stmt, 3, store->host);
    return db_run(&store->db, stmt);
}

enum status store_renew(struct store *store, const char *const *keys, int count)
{
    enum status status = OK;
    TRY(db_begin(&store->db));
    for (int i = 0; i < count && status == OK; i++)
        status = renew(store, keys[i]);
    return db_end(&store->db, status);
}

/* ---- handing in ---- */

/* Ends a claim; nothing is changed when it was lost. */
static enum status end_claim(struct store *store, const char *key, int attempt,
                             enum cell_state state, const char *error)
{
    sqlite3_stmt *stmt;
    char date[24];
    clock_date(date, sizeof date);
    TRY(db_prepare(&store->db, &stmt,
                   "UPDATE cells SET state = ?1, error = ?2, finished = ?3, provenance = ?4,"
                   " lease = NULL WHERE key = ?5 AND state = 'running' AND attempts = ?6"));
    db_bind_text(stmt, 1, cell_state_name(state));
    db_bind_text(stmt, 2, error);
    db_bind_text(stmt, 3, date);
    db_bind_text(stmt, 4, store->provenance.id);
    db_bind_text(stmt, 5, key);
    db_bind_int(stmt, 6, attempt);
    TRY(db_run(&store->db, stmt));
    if (db_changes(&store->db) != 1)
        return fail(ERR_USAGE, "cell %s was taken over by another worker", key);
    return OK;
}

static enum status put_texts(struct store *store, const char *key,
                             const struct train_result *result, const char *command)
{
    sqlite3_stmt *stmt;
    TRY(db_prepare(&store->db, &stmt,
                   "UPDATE cells SET diverged = ?1, how = ?2, split_hash = ?3, data_hash = ?4,"
                   " command = ?5 WHERE key = ?6"));
    db_bind_text(stmt, 1, result->diverged ? result->diverged_at : NULL);
    db_bind_text(stmt, 2, result->how);
    db_bind_text(stmt, 3, result->split_hash);
    db_bind_text(stmt, 4, result->data_hash);
    db_bind_text(stmt, 5, command);
    db_bind_text(stmt, 6, key);
    return db_run(&store->db, stmt);
}

static enum status finish(struct store *store, const char *key, int attempt,
                          const struct train_result *result, const struct agreement *agreement,
                          const char *command)
{
    TRY(store_put_provenance(store));
    TRY(end_claim(store, key, attempt, STATE_DONE, NULL));
    TRY(put_texts(store, key, result, command));
    TRY(store_put_result(store, key, result));
    return store_put_agreement(store, key, agreement);
}

enum status store_finish(struct store *store, const char *key, int attempt,
                         const struct train_result *result, const struct agreement *agreement,
                         const char *command)
{
    TRY(db_begin(&store->db));
    return db_end(&store->db, finish(store, key, attempt, result, agreement, command));
}

enum status store_fail(struct store *store, const char *key, int attempt, const char *error)
{
    TRY(db_begin(&store->db));
    enum status status = store_put_provenance(store);
    if (status == OK)
        status = end_claim(store, key, attempt, STATE_FAILED, error);
    return db_end(&store->db, status);
}
