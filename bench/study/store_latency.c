/* The results store: latency rows of a study: see store.h. Their content is the latency verb's. */
#include "bench/measure/clock.h"
#include "bench/study/store.h"
#include "bench/study/store_private.h"

#include <stdio.h>
#include <stdlib.h>

static enum status insert(struct store *store, const char *study, const char *text,
                          const char *date)
{
    sqlite3_stmt *stmt;
    char id[CELL_KEY_SIZE], *mixed;
    /* The same row from another machine must not meet this one when stores are merged. */
    if (asprintf(&mixed, "%s %s %s %s", study, store->provenance.id, date, text) < 0)
        return fail(ERR_MEMORY, "no memory for a latency row");
    cell_hash(mixed, id);
    free(mixed);
    TRY(store_put_provenance(store));
    TRY(db_prepare(&store->db, &stmt, "INSERT OR IGNORE INTO latency"
                   " (id, study, row, created, provenance) VALUES (?, ?, ?, ?, ?)"));
    db_bind_text(stmt, 1, id);
    db_bind_text(stmt, 2, study);
    db_bind_text(stmt, 3, text);
    db_bind_text(stmt, 4, date);
    db_bind_text(stmt, 5, store->provenance.id);
    return db_run(&store->db, stmt);
}

enum status store_add_latency(struct store *store, const char *study, const char *json_text)
{
    json_error_t error;
    char date[24];
    json_t *json = json_loads(json_text, JSON_REJECT_DUPLICATES, &error);
    bool object = json_is_object(json);
    json_decref(json);
    if (!object)
        return fail(ERR_FORMAT, "a latency row has to be a JSON object: %.80s", json_text);
    clock_date(date, sizeof date);
    TRY(db_begin(&store->db));
    return db_end(&store->db, insert(store, study, json_text, date));
}

static enum status mark(struct store *store, const char *study, const char *key)
{
    sqlite3_stmt *stmt;
    TRY(db_prepare(&store->db, &stmt,
                   "UPDATE latency SET run = ?1 WHERE study = ?2 AND run IS NULL"));
    db_bind_text(stmt, 1, key);
    db_bind_text(stmt, 2, study);
    TRY(db_run(&store->db, stmt));
    TRY(db_prepare(&store->db, &stmt, "UPDATE studies SET latency_key = ?1 WHERE name = ?2"));
    db_bind_text(stmt, 1, key);
    db_bind_text(stmt, 2, study);
    return db_run(&store->db, stmt);
}

enum status store_mark_latency(struct store *store, const char *study, const char *key)
{
    TRY(db_begin(&store->db));
    return db_end(&store->db, mark(store, study, key));
}

enum status store_latency_key(struct store *store, const char *study, char *key, size_t size)
{
    sqlite3_stmt *stmt;
    bool row;
    TRY(db_prepare(&store->db, &stmt, "SELECT latency_key FROM studies WHERE name = ?"));
    db_bind_text(stmt, 1, study);
    enum status status = db_step(&store->db, stmt, &row);
    snprintf(key, size, "%s", status == OK && row ? db_text(stmt, 0) : "");
    return db_finish(stmt, status);
}

enum status store_each_latency(struct store *store, const char *study, store_latency_row *each,
                               void *data)
{
    sqlite3_stmt *stmt;
    bool row = false;
    enum status status;
    TRY(db_prepare(&store->db, &stmt,
                   "SELECT l.row, l.created, l.provenance FROM latency l"
                   " LEFT JOIN studies s ON s.name = l.study"
                   " WHERE l.study = ? AND (l.run IS NULL OR l.run = s.latency_key)"
                   " ORDER BY l.run IS NULL, l.rowid"));
    db_bind_text(stmt, 1, study);
    while ((status = db_step(&store->db, stmt, &row)) == OK && row &&
           (status = each(data, db_text(stmt, 0), db_text(stmt, 1), db_text(stmt, 2))) == OK)
        ;
    return db_finish(stmt, status);
}
