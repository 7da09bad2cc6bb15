/* The results store: reading what is known of cells: see store.h. */
#include "bench/study/store.h"
#include "bench/study/store_private.h"
#include "bench/transfer/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const state_names[STATE_COUNT] = {"pending", "running", "done", "failed"};

const char *cell_state_name(enum cell_state state)
{
    return state_names[state];
}

enum cell_state store_parse_state(const char *text)
{
    for (int i = 0; i < STATE_COUNT; i++)
        if (strcmp(text, state_names[i]) == 0)
            return (enum cell_state)i;
    return STATE_PENDING;
}

static enum status read_settings(const char *text, struct train_settings *settings)
{
    json_error_t error;
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    enum status status = json ? train_settings_from_json(json, settings)
                              : fail(ERR_FORMAT, "settings: %s", error.text);
    json_decref(json);
    return status;
}

enum status store_read_cell(sqlite3_stmt *stmt, int column, const char *key, struct cell *cell)
{
    memset(cell, 0, sizeof *cell);
    snprintf(cell->key, sizeof cell->key, "%s", key);
    cell->role = strcmp(db_text(stmt, column), "source") == 0 ? ROLE_SOURCE : ROLE_TRANSFER;
    db_copy_text(stmt, column + 1, cell->source, sizeof cell->source);
    enum status status = read_settings(db_text(stmt, column + 2), &cell->settings);
    return status == OK ? OK : fail_prefix(status, "cell %s", key);
}

/* Columns of the query in store_rows(). */
enum {
    KEY, ROLE, SOURCE, SETTINGS, STATE, ATTEMPTS, ERROR, HOST, PID, PID_START, LEASE_OVER, STARTED,
    FINISHED, DIVERGED, HOW, COMMIT, PROVENANCE, COMMAND, ARM,
    SEARCH, TRIAL
};

static void read_worker(const struct store *store, sqlite3_stmt *stmt, struct store_row *row)
{
    db_copy_text(stmt, HOST, row->host, sizeof row->host);
    row->pid = sqlite3_column_int64(stmt, PID);
    row->stale = row->state == STATE_RUNNING &&
                 store_worker_is_dead(store, row->host, row->pid,
                                      sqlite3_column_int64(stmt, PID_START),
                                      sqlite3_column_int(stmt, LEASE_OVER) != 0);
}

static enum status read_row(const struct store *store, sqlite3_stmt *stmt, struct store_row *row)
{
    memset(row, 0, sizeof *row);
    if (store_read_cell(stmt, ROLE, db_text(stmt, KEY), &row->cell) != OK)
        return fail_prefix(ERR_FORMAT, "%s", store->db.path);
    db_copy_text(stmt, ARM, row->cell.arm, sizeof row->cell.arm);
    if (!row->cell.arm[0] && row->cell.role == ROLE_TRANSFER)
        snprintf(row->cell.arm, sizeof row->cell.arm, "%s",
                 transfer_name(row->cell.settings.transfer));
    db_copy_text(stmt, SEARCH, row->cell.search, sizeof row->cell.search);
    row->cell.trial = sqlite3_column_int(stmt, TRIAL) != 0;
    row->state = store_parse_state(db_text(stmt, STATE));
    row->attempts = sqlite3_column_int(stmt, ATTEMPTS);
    read_worker(store, stmt, row);
    db_copy_text(stmt, ERROR, row->error, sizeof row->error);
    db_copy_text(stmt, STARTED, row->started, sizeof row->started);
    db_copy_text(stmt, FINISHED, row->finished, sizeof row->finished);
    db_copy_text(stmt, DIVERGED, row->diverged, sizeof row->diverged);
    db_copy_text(stmt, HOW, row->how, sizeof row->how);
    db_copy_text(stmt, COMMIT, row->commit, sizeof row->commit);
    db_copy_text(stmt, PROVENANCE, row->provenance, sizeof row->provenance);
    if (*db_text(stmt, COMMAND) && !(row->command = strdup(db_text(stmt, COMMAND))))
        return fail(ERR_MEMORY, "no memory for the cells of a study");
    return OK;
}

void store_rows_free(struct store_rows *rows)
{
    for (int i = 0; i < rows->count; i++)
        free(rows->rows[i].command);
    free(rows->rows);
    *rows = (struct store_rows){0};
}

static enum status count_members(struct store *store, const char *study, int *count)
{
    sqlite3_stmt *stmt;
    bool row;
    TRY(db_prepare(&store->db, &stmt, "SELECT count(*) FROM members WHERE study = ?"));
    db_bind_text(stmt, 1, study);
    enum status status = db_step(&store->db, stmt, &row);
    *count = sqlite3_column_int(stmt, 0);
    return db_finish(stmt, status);
}

static enum status read_rows(struct store *store, const char *study, int capacity,
                             struct store_rows *rows)
{
    sqlite3_stmt *stmt;
    bool row = false;
    enum status status;
    TRY(db_prepare(&store->db, &stmt,
                   "SELECT c.key, c.role, c.source, c.settings, c.state, c.attempts, c.error,"
                   " c.host, c.pid, c.pid_start, coalesce(c.lease < unixepoch(), 1), c.started,"
                   " c.finished, c.diverged, c.how, p.commit_id, c.provenance, c.command, m.arm,"
                   " c.search, m.trial"
                   " FROM members m JOIN cells c ON c.key = m.key"
                   " LEFT JOIN provenance p ON p.id = c.provenance"
                   " WHERE m.study = ? ORDER BY m.position"));
    db_bind_text(stmt, 1, study);
    while ((status = db_step(&store->db, stmt, &row)) == OK && row && rows->count < capacity &&
           (status = read_row(store, stmt, &rows->rows[rows->count])) == OK)
        rows->count++;
    return db_finish(stmt, status);
}

enum status store_rows(struct store *store, const char *study, struct store_rows *rows)
{
    int capacity = 0;
    *rows = (struct store_rows){0};
    TRY(count_members(store, study, &capacity));
    if (capacity == 0)
        return OK;
    rows->rows = calloc((size_t)capacity, sizeof *rows->rows);
    if (!rows->rows)
        return fail(ERR_MEMORY, "no memory for the %d cells of a study", capacity);
    enum status status = read_rows(store, study, capacity, rows);
    if (status != OK)
        store_rows_free(rows);
    return status;
}

enum status store_look(struct store *store, const char *key, struct cell *cell,
                       enum cell_state *state, bool *diverged)
{
    sqlite3_stmt *stmt;
    bool row;
    TRY(db_prepare(&store->db, &stmt,
                   "SELECT state, diverged IS NOT NULL, role, source, settings FROM cells"
                   " WHERE key = ?"));
    db_bind_text(stmt, 1, key);
    enum status status = db_step(&store->db, stmt, &row);
    if (status == OK && !row)
        status = fail(ERR_USAGE, "%s: there is no cell '%s'", store->db.path, key);
    if (status == OK) {
        *state = store_parse_state(db_text(stmt, 0));
        *diverged = sqlite3_column_int(stmt, 1) != 0;
    }
    if (status == OK && cell)
        status = store_read_cell(stmt, 2, key, cell);
    return db_finish(stmt, status);
}

enum status store_claims(struct store *store, const char *study, char **json_text)
{
    sqlite3_stmt *stmt;
    bool row;
    TRY(db_prepare(&store->db, &stmt, "SELECT claims FROM studies WHERE name = ?"));
    db_bind_text(stmt, 1, study);
    enum status status = db_step(&store->db, stmt, &row);
    *json_text = status == OK ? strdup(row ? db_text(stmt, 0) : "") : NULL;
    if (status == OK && !*json_text)
        status = fail(ERR_MEMORY, "no memory for what a study claims");
    return db_finish(stmt, status);
}

enum status store_error(struct store *store, const char *key, char *text, size_t size)
{
    sqlite3_stmt *stmt;
    bool row;
    TRY(db_prepare(&store->db, &stmt, "SELECT error FROM cells WHERE key = ?"));
    db_bind_text(stmt, 1, key);
    enum status status = db_step(&store->db, stmt, &row);
    snprintf(text, size, "%s", status == OK && row ? db_text(stmt, 0) : "");
    return db_finish(stmt, status);
}

enum status store_provenance(struct store *store, const char *id, char **json_text)
{
    sqlite3_stmt *stmt;
    bool row;
    TRY(db_prepare(&store->db, &stmt, "SELECT json FROM provenance WHERE id = ?"));
    db_bind_text(stmt, 1, id);
    enum status status = db_step(&store->db, stmt, &row);
    *json_text = status == OK ? strdup(row ? db_text(stmt, 0) : "") : NULL;
    if (status == OK && !*json_text)
        status = fail(ERR_MEMORY, "no memory for a provenance");
    return db_finish(stmt, status);
}
