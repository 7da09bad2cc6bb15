/* The results store: a study as JSON lines: see store_merge.h. */
#include "bench/net/atomic_file.h"
#include "bench/study/store_lines.h"
#include "bench/study/store_merge.h"
#include "bench/study/store_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct export {
    struct store *store;
    const char *study;
    bool predictions;
    FILE *out;
    int cells, latency;
};

static enum status no_memory(void)
{
    return fail(ERR_MEMORY, "no memory for an export, or a damaged store");
}

/* ---- rows as JSON ---- */

/* The members of a kind from the columns of a row, `column` being the first. */
static enum status put_columns(json_t *object, const struct line_kind *kind, sqlite3_stmt *stmt)
{
    for (int i = 0; i < kind->count; i++)
        if (json_object_set_new(object, kind->columns[i].name,
                                line_value(stmt, i, kind->columns[i].kind)) != 0)
            return no_memory();
    return OK;
}

/* "SELECT a, b FROM table WHERE rest". */
static enum status prepare(struct export *x, sqlite3_stmt **stmt, const struct line_kind *kind,
                           const char *rest, const char *parameter)
{
    char sql[1024];
    size_t used = (size_t)snprintf(sql, sizeof sql, "SELECT ");
    for (int i = 0; i < kind->count; i++)
        used += (size_t)snprintf(sql + used, sizeof sql - used, "%s%s", i ? ", " : "",
                                 kind->columns[i].name);
    used += (size_t)snprintf(sql + used, sizeof sql - used, " FROM %s WHERE %s", kind->table, rest);
    CHECK(used < sizeof sql);
    TRY(db_prepare(&x->store->db, stmt, sql));
    db_bind_text(*stmt, 1, parameter);
    return OK;
}

static enum status put_line(struct export *x, const json_t *line)
{
    if (json_dumpf(line, x->out, JSON_COMPACT | JSON_REAL_PRECISION(17)) != 0 ||
        fputc('\n', x->out) == EOF)
        return fail(ERR_IO, "the export cannot be written: %s", strerror(errno));
    return OK;
}

/* ---- parts of a cell ---- */

/* Rows as arrays, in the order of the columns. */
static enum status put_rows(struct export *x, json_t *line, const char *name,
                            const struct line_kind *kind, const char *rest, const char *key)
{
    sqlite3_stmt *stmt;
    bool row = false;
    json_t *rows = json_array();
    enum status status = prepare(x, &stmt, kind, rest, key);
    if (status != OK) {
        json_decref(rows);
        return status;
    }
    while ((status = db_step(&x->store->db, stmt, &row)) == OK && row) {
        json_t *values = json_array();
        for (int i = 0; i < kind->count; i++)
            json_array_append_new(values, line_value(stmt, i, kind->columns[i].kind));
        json_array_append_new(rows, values);
    }
    if (json_object_set_new(line, name, rows) != 0 && status == OK)
        status = no_memory();
    return db_finish(stmt, status);
}

static enum status put_metrics(struct export *x, json_t *line, const char *key)
{
    sqlite3_stmt *stmt;
    bool row = false;
    enum status status;
    json_t *metrics = json_object();
    if (json_object_set_new(line, "metrics", metrics) != 0)
        return no_memory();
    TRY(db_prepare(&x->store->db, &stmt,
                   "SELECT name, value FROM metrics WHERE key = ? ORDER BY name"));
    db_bind_text(stmt, 1, key);
    while ((status = db_step(&x->store->db, stmt, &row)) == OK && row)
        json_object_set_new(metrics, db_text(stmt, 0), line_value(stmt, 1, COLUMN_REAL));
    return db_finish(stmt, status);
}

static enum status put_predictions(struct export *x, json_t *line, const char *key)
{
    sqlite3_stmt *stmt;
    bool row = false;
    TRY(db_prepare(&x->store->db, &stmt, "SELECT classes FROM predictions WHERE key = ?"));
    db_bind_text(stmt, 1, key);
    enum status status = db_step(&x->store->db, stmt, &row);
    if (status == OK && row) {
        json_t *classes = json_array();
        const char *bytes = sqlite3_column_blob(stmt, 0);
        int count = sqlite3_column_bytes(stmt, 0) / (int)sizeof(int32_t);
        for (int i = 0; i < count; i++) {
            int32_t value;
            memcpy(&value, bytes + (size_t)i * sizeof value, sizeof value);
            json_array_append_new(classes, json_integer(value));
        }
        if (json_object_set_new(line, "predictions", classes) != 0)
            status = no_memory();
    }
    return db_finish(stmt, status);
}

/* What runs now is somebody's: to the reader it is pending. */
static void settle(json_t *line)
{
    const char *state = json_string_value(json_object_get(line, "state"));
    if (state && strcmp(state, "running") == 0)
        json_object_set_new(line, "state", json_string("pending"));
}

/* What a study says of a cell: a row of put_cells(). Members that say nothing are left out, but for
 * the arm: exports of studies without a search stay as they were. */
static enum status put_membership(json_t *line, sqlite3_stmt *members)
{
    const char *arm = db_text(members, 1), *search = db_text(members, 3);
    int bad = json_object_set_new(line, "arm", *arm ? json_string(arm) : json_null());
    if (!bad && sqlite3_column_int(members, 2))
        bad = json_object_set_new(line, "trial", json_true());
    if (!bad && *search)
        bad = json_object_set_new(line, "search", json_string(search));
    return bad ? no_memory() : OK;
}

static enum status fill_cell(struct export *x, json_t *line, sqlite3_stmt *members)
{
    sqlite3_stmt *stmt;
    bool row = false;
    const char *key = db_text(members, 0);
    TRY(prepare(x, &stmt, &line_cell, "key = ?", key));
    enum status status = db_step(&x->store->db, stmt, &row);
    if (status == OK)
        status = put_columns(line, &line_cell, stmt);
    TRY(db_finish(stmt, status));
    settle(line);
    TRY(put_membership(line, members));
    TRY(put_metrics(x, line, key));
    TRY(put_rows(x, line, "curve", &line_curve, "key = ? ORDER BY epoch", key));
    TRY(put_rows(x, line, "agreement", &line_agreement, "key = ? ORDER BY position", key));
    return x->predictions ? put_predictions(x, line, key) : OK;
}

/* ---- lines ---- */

static enum status put_cell(struct export *x, sqlite3_stmt *members)
{
    json_t *line = json_pack("{s:s}", "record", "cell");
    enum status status = line ? fill_cell(x, line, members) : no_memory();
    if (status == OK)
        status = put_line(x, line);
    json_decref(line);
    x->cells++;
    return status;
}

static enum status put_cells(struct export *x)
{
    sqlite3_stmt *stmt;
    bool row = false;
    enum status status;
    TRY(db_prepare(&x->store->db, &stmt,
                   "SELECT m.key, m.arm, m.trial, c.search FROM members m"
                   " JOIN cells c ON c.key = m.key WHERE m.study = ? ORDER BY m.position"));
    db_bind_text(stmt, 1, x->study);
    while ((status = db_step(&x->store->db, stmt, &row)) == OK && row)
        if ((status = put_cell(x, stmt)) != OK)
            break;
    return db_finish(stmt, status);
}

/* All rows of a kind, a line each; their number in *count. */
static enum status put_records(struct export *x, const struct line_kind *kind, const char *rest,
                               int *count)
{
    sqlite3_stmt *stmt;
    bool row = false;
    enum status status;
    *count = 0;
    TRY(prepare(x, &stmt, kind, rest, x->study));
    while ((status = db_step(&x->store->db, stmt, &row)) == OK && row) {
        json_t *line = json_pack("{s:s}", "record", kind->record);
        status = line ? put_columns(line, kind, stmt) : no_memory();
        if (status == OK && kind == &line_search)
            status = put_rows(x, line, "trials", &line_trial, "search = ? ORDER BY position",
                              db_text(stmt, 0));
        if (status == OK)
            status = put_line(x, line);
        json_decref(line);
        if (status != OK)
            break;
        ++*count;
    }
    return db_finish(stmt, status);
}

static enum status put_frame(struct export *x, json_t *line)
{
    enum status status = line ? put_line(x, line) : no_memory();
    json_decref(line);
    return status;
}

static enum status check_study(struct export *x)
{
    sqlite3_stmt *stmt;
    bool row = false;
    TRY(prepare(x, &stmt, &line_study, "name = ?", x->study));
    enum status status = db_step(&x->store->db, stmt, &row);
    if (status == OK && !row)
        status = fail(ERR_USAGE, "the results store has no study '%s': run it first", x->study);
    return db_finish(stmt, status);
}

static enum status put_all(struct export *x)
{
    int studies, provenances, searches;
    TRY(check_study(x));
    TRY(put_frame(x, json_pack("{s:s, s:s, s:i}", "record", "export", "of", "cbam-bench study",
                               "version", LINES_VERSION)));
    TRY(put_records(x, &line_study, "name = ?", &studies));
    TRY(put_records(x, &line_provenance,
                    "id IN (SELECT c.provenance FROM cells c JOIN members m ON m.key = c.key"
                    "  WHERE m.study = ?1 UNION SELECT provenance FROM latency WHERE study = ?1)"
                    " ORDER BY id", &provenances));
    TRY(put_records(x, &line_search,
                    "id IN (SELECT c.search FROM cells c JOIN members m ON m.key = c.key"
                    "  WHERE m.study = ?1) ORDER BY id", &searches));
    TRY(put_cells(x));
    TRY(put_records(x, &line_latency, "study = ? ORDER BY rowid", &x->latency));
    return put_frame(x, json_pack("{s:s, s:i, s:i}", "record", "end", "cells", x->cells, "latency",
                                  x->latency));
}

enum status store_export(struct store *store, const char *study, bool predictions, FILE *out)
{
    struct export x = {.store = store, .study = study, .predictions = predictions, .out = out};
    /* One transaction, so that what others write meanwhile is in all lines or in none. */
    TRY(db_exec(&store->db, "BEGIN"));
    enum status status = put_all(&x);
    sqlite3_exec(store->db.handle, "ROLLBACK", NULL, NULL, NULL);
    if (status == OK && fflush(out) != 0)
        status = fail(ERR_IO, "the export cannot be written: %s", strerror(errno));
    return status;
}

enum status store_export_file(struct store *store, const char *study, bool predictions,
                              const char *path)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return no_memory();
    enum status status = store_export(store, study, predictions, out);
    if (fclose(out) != 0 && status == OK)
        status = no_memory();
    if (status == OK)
        status = atomic_file_save(path, text, size);
    free(text);
    return status;
}
