/* The results store: a study read from JSON lines: see store_merge.h. The lines go into a store of
 * their own, which is then merged: so they are taken whole or not at all, by one set of rules. */
#include "bench/net/input_file.h"
#include "bench/study/store_lines.h"
#include "bench/study/store_merge.h"
#include "bench/study/store_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct import {
    struct store *store; /* of the lines alone */
    const char *path;
    int line, cells, latency;
    char study[64];
    bool begun, ended;
};

/* ---- one row ---- */

/* Runs an insertion; what the tables' own rules refuse is a fault of the line. */
static enum status run_insert(struct import *m, sqlite3_stmt *stmt)
{
    enum status status = db_run(&m->store->db, stmt);
    bool refused = status != OK &&
                   (sqlite3_extended_errcode(m->store->db.handle) & 0xff) == SQLITE_CONSTRAINT;
    return refused ? fail_prefix(ERR_FORMAT, "a value that cannot be") : status;
}

/* "INSERT INTO table (a, b) VALUES (?, ?)", with `first` as a column before those of the kind. */
static enum status prepare_insert(struct import *m, sqlite3_stmt **stmt,
                                  const struct line_kind *kind, const char *first)
{
    char sql[1024];
    size_t used = (size_t)snprintf(sql, sizeof sql, "INSERT INTO %s (", kind->table);
    if (first)
        used += (size_t)snprintf(sql + used, sizeof sql - used, "%s", first);
    for (int i = 0; i < kind->count; i++)
        used += (size_t)snprintf(sql + used, sizeof sql - used, "%s%s", i || first ? ", " : "",
                                 kind->columns[i].name);
    used += (size_t)snprintf(sql + used, sizeof sql - used, ") VALUES (?");
    for (int i = 1; i < kind->count + (first != NULL); i++)
        used += (size_t)snprintf(sql + used, sizeof sql - used, ", ?");
    used += (size_t)snprintf(sql + used, sizeof sql - used, ")");
    CHECK(used < sizeof sql);
    return db_prepare(&m->store->db, stmt, sql);
}

/* A row from the members of a line; each column has to be there. */
static enum status insert_object(struct import *m, const struct line_kind *kind, const json_t *line)
{
    sqlite3_stmt *stmt;
    enum status status = prepare_insert(m, &stmt, kind, NULL);
    if (status != OK)
        return status;
    for (int i = 0; i < kind->count && status == OK; i++)
        status = line_bind(stmt, i + 1, &kind->columns[i],
                           json_object_get(line, kind->columns[i].name));
    return status == OK ? run_insert(m, stmt) : db_finish(stmt, status);
}

/* A row of a part of a cell or a search, from an array in the order of the columns. */
static enum status insert_array(struct import *m, const struct line_kind *kind, const char *key,
                                const json_t *values)
{
    sqlite3_stmt *stmt;
    if (!json_is_array(values) || json_array_size(values) != (size_t)kind->count)
        return fail(ERR_FORMAT, "a row of its %s has not %d values", kind->table, kind->count);
    TRY(prepare_insert(m, &stmt, kind, kind == &line_trial ? "search" : "key"));
    db_bind_text(stmt, 1, key);
    enum status status = OK;
    for (int i = 0; i < kind->count && status == OK; i++)
        status = line_bind(stmt, i + 2, &kind->columns[i], json_array_get(values, (size_t)i));
    return status == OK ? run_insert(m, stmt) : db_finish(stmt, status);
}

/* ---- a line that is wrong ---- */

static bool has_column(const struct line_kind *kind, const char *name)
{
    for (int i = 0; i < kind->count; i++)
        if (strcmp(kind->columns[i].name, name) == 0)
            return true;
    return false;
}

/* Members that no column is for, but for the `more` named ones. */
static enum status refuse_unknown(const json_t *line, const struct line_kind *kind,
                                  const char *const *more)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)line, name, value) {
        bool known = strcmp(name, "record") == 0 || has_column(kind, name);
        for (int i = 0; more && more[i]; i++)
            known = known || strcmp(more[i], name) == 0;
        if (!known)
            return fail(ERR_FORMAT, "'%s' is not known", name);
    }
    return OK;
}

/* ---- cells ---- */

static enum status insert_metrics(struct import *m, const char *key, json_t *metrics)
{
    static const struct line_column value_column = {"metrics", COLUMN_REAL};
    const char *name;
    json_t *value;
    if (!json_is_object(metrics))
        return fail(ERR_FORMAT, "'metrics' is missing or of the wrong type");
    json_object_foreach(metrics, name, value) {
        sqlite3_stmt *stmt;
        TRY(db_prepare(&m->store->db, &stmt, "INSERT INTO metrics VALUES (?, ?, ?)"));
        db_bind_text(stmt, 1, key);
        db_bind_text(stmt, 2, name);
        enum status status = line_bind(stmt, 3, &value_column, value);
        TRY(status == OK ? run_insert(m, stmt) : db_finish(stmt, status));
    }
    return OK;
}

static enum status insert_rows(struct import *m, const char *name, const struct line_kind *kind,
                               const char *key, const json_t *line)
{
    size_t i;
    json_t *values, *rows = json_object_get(line, name);
    if (!json_is_array(rows))
        return fail(ERR_FORMAT, "'%s' is missing or of the wrong type", name);
    json_array_foreach(rows, i, values)
        TRY(insert_array(m, kind, key, values));
    return OK;
}

static enum status insert_predictions(struct import *m, const char *key, const json_t *classes)
{
    sqlite3_stmt *stmt;
    size_t count = json_array_size(classes);
    if (!classes)
        return OK;
    int32_t *values = calloc(count + 1, sizeof *values);
    if (!values)
        return fail(ERR_MEMORY, "no memory for the predictions of a cell");
    bool good = json_is_array(classes);
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_array_get(classes, i);
        good = good && json_is_integer(value);
        values[i] = (int32_t)json_integer_value(value);
    }
    enum status status = good ? db_prepare(&m->store->db, &stmt,
                                           "INSERT INTO predictions VALUES (?, ?)")
                              : fail(ERR_FORMAT, "'predictions' are no list of whole numbers");
    if (status == OK) {
        db_bind_text(stmt, 1, key);
        db_bind_blob(stmt, 2, values, count * sizeof *values);
        status = run_insert(m, stmt);
    }
    free(values);
    return status;
}

static enum status insert_member(struct import *m, const char *key, const json_t *line)
{
    static const struct line_column arm_column = {"arm", COLUMN_TEXT};
    const json_t *arm = json_object_get(line, "arm"), *trial = json_object_get(line, "trial");
    sqlite3_stmt *stmt;
    if (trial && !json_is_true(trial))
        return fail(ERR_FORMAT, "'trial' is not true, and is said all the same");
    TRY(db_prepare(&m->store->db, &stmt, "INSERT INTO members (study, position, key, arm, trial)"
                   " VALUES (?, ?, ?, ?, ?)"));
    db_bind_int(stmt, 5, trial != NULL);
    db_bind_text(stmt, 1, m->study);
    db_bind_int(stmt, 2, m->cells);
    db_bind_text(stmt, 3, key);
    enum status status = line_bind(stmt, 4, &arm_column, arm);
    return status == OK ? run_insert(m, stmt) : db_finish(stmt, status);
}

/* The search that decides a cell is part of its identity. */
static enum status take_cell_search(struct import *m, const char *key, const json_t *line)
{
    static const struct line_column search_column = {"search", COLUMN_TEXT};
    const json_t *search = json_object_get(line, "search");
    const json_t *expected = json_object_get(json_object_get(line, "identity"), "search");
    sqlite3_stmt *stmt;
    if (!search != !expected || (search && !json_equal(search, expected)))
        return fail(ERR_FORMAT, "cell %s: its search is not that of its identity", key);
    if (!search)
        return OK;
    TRY(db_prepare(&m->store->db, &stmt, "UPDATE cells SET search = ?1 WHERE key = ?2"));
    enum status status = line_bind(stmt, 1, &search_column, search);
    db_bind_text(stmt, 2, key);
    return status == OK ? run_insert(m, stmt) : db_finish(stmt, status);
}

/* The settings of a cell are what its key is the hash of: nobody may have changed them. */
static enum status check_key(const char *key, const json_t *identity)
{
    char expected[CELL_KEY_SIZE];
    char *text = json_dumps(identity, JSON_SORT_KEYS | JSON_COMPACT | JSON_REAL_PRECISION(17));
    if (!text)
        return fail(ERR_FORMAT, "'identity' is missing or of the wrong type");
    cell_hash(text, expected);
    free(text);
    if (strcmp(expected, key) != 0)
        return fail(ERR_FORMAT, "cell %s: its key is not that of its settings", key);
    return OK;
}

static enum status take_cell(struct import *m, json_t *line)
{
    static const char *const more[] = {"arm", "trial", "search", "metrics", "curve", "agreement",
                                       "predictions", NULL};
    const char *key = json_string_value(json_object_get(line, "key"));
    TRY(refuse_unknown(line, &line_cell, more));
    if (!key)
        return fail(ERR_FORMAT, "'key' is missing or of the wrong type");
    TRY(check_key(key, json_object_get(line, "identity")));
    TRY(insert_object(m, &line_cell, line));
    TRY(take_cell_search(m, key, line));
    TRY(insert_member(m, key, line));
    m->cells++;
    TRY(insert_metrics(m, key, json_object_get(line, "metrics")));
    TRY(insert_rows(m, "curve", &line_curve, key, line));
    TRY(insert_rows(m, "agreement", &line_agreement, key, line));
    return insert_predictions(m, key, json_object_get(line, "predictions"));
}

/* ---- the other lines ---- */

static enum status take_begin(struct import *m, const json_t *line)
{
    int version = (int)json_integer_value(json_object_get(line, "version"));
    if (m->begun)
        return fail(ERR_FORMAT, "a second export begins");
    if (version != LINES_VERSION)
        return fail(ERR_FORMAT, "is an export of version %d; this program knows version %d",
                    version, LINES_VERSION);
    m->begun = true;
    return OK;
}

static enum status take_study(struct import *m, const json_t *line)
{
    const char *name = json_string_value(json_object_get(line, "name"));
    if (m->study[0])
        return fail(ERR_FORMAT, "a second study begins");
    if (!name || strlen(name) >= sizeof m->study)
        return fail(ERR_FORMAT, "'name' is missing or of the wrong type");
    snprintf(m->study, sizeof m->study, "%s", name);
    TRY(refuse_unknown(line, &line_study, NULL));
    return insert_object(m, &line_study, line);
}

/* Its id is the hash of its trials' keys. */
static enum status check_search(const char *id, const json_t *trials)
{
    const char *keys[SEARCH_POINTS_MAX * SEARCH_SEEDS_MAX];
    char expected[CELL_KEY_SIZE];
    size_t count = json_array_size(trials);
    bool good = count > 0 && count <= sizeof keys / sizeof keys[0];
    for (size_t i = 0; i < count && good; i++)
        good = (keys[i] = json_string_value(json_array_get(json_array_get(trials, i), 2))) != NULL;
    if (!id || !good)
        return fail(ERR_FORMAT, "a search without id, or whose 'trials' are not as expected");
    TRY(grid_search_id(keys, (int)count, expected));
    return strcmp(id, expected) == 0 ? OK : fail(ERR_FORMAT, "search %s: its id is not that of its "
                                                 "trials", id);
}

static enum status take_search(struct import *m, const json_t *line)
{
    static const char *const more[] = {"trials", NULL};
    const char *id = json_string_value(json_object_get(line, "id"));
    TRY(refuse_unknown(line, &line_search, more));
    TRY(check_search(id, json_object_get(line, "trials")));
    TRY(insert_object(m, &line_search, line));
    return insert_rows(m, "trials", &line_trial, id, line);
}

static enum status take_end(struct import *m, const json_t *line)
{
    int cells = (int)json_integer_value(json_object_get(line, "cells"));
    int latency = (int)json_integer_value(json_object_get(line, "latency"));
    if (cells != m->cells || latency != m->latency)
        return fail(ERR_FORMAT, "%d cells and %d latency rows were to come, there are %d and %d",
                    cells, latency, m->cells, m->latency);
    m->ended = true;
    return OK;
}

static enum status take_plain(struct import *m, const struct line_kind *kind, const json_t *line)
{
    TRY(refuse_unknown(line, kind, NULL));
    return insert_object(m, kind, line);
}

static enum status take_record(struct import *m, const char *record, json_t *line)
{
    if (strcmp(record, "export") == 0)
        return take_begin(m, line);
    if (!m->begun || m->ended)
        return fail(ERR_FORMAT, "a line of an export was not expected here");
    if (strcmp(record, "study") == 0)
        return take_study(m, line);
    if (strcmp(record, "provenance") == 0)
        return take_plain(m, &line_provenance, line);
    if (strcmp(record, "cell") == 0)
        return take_cell(m, line);
    if (strcmp(record, "search") == 0)
        return take_search(m, line);
    if (strcmp(record, "end") == 0)
        return take_end(m, line);
    if (strcmp(record, "latency") != 0)
        return fail(ERR_FORMAT, "'%.40s' is no record of an export", record);
    m->latency++;
    return take_plain(m, &line_latency, line);
}

static enum status take_text(struct import *m, const char *text, size_t bytes)
{
    json_error_t error;
    json_t *line = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
    const char *record = json_string_value(json_object_get(line, "record"));
    enum status status = !line     ? fail(ERR_FORMAT, "is no JSON: %s", error.text)
                         : !record ? fail(ERR_FORMAT, "is no line of an export")
                                   : take_record(m, record, line);
    json_decref(line);
    return status == OK ? OK : fail_prefix(status, "%s:%d", m->path, m->line);
}

/* ---- the file ---- */

static enum status take_lines(struct import *m, const char *text, size_t bytes)
{
    const char *end = text + bytes;
    while (text < end) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        size_t length = (size_t)((stop ? stop : end) - text);
        m->line++;
        TRY(take_text(m, text, length));
        text += length + 1;
    }
    if (!m->ended)
        return fail(ERR_FORMAT, "%s: is no whole export: its last line is missing", m->path);
    return OK;
}

static enum status take_file(struct import *m)
{
    struct input_map map = {0};
    TRY(input_map_open(&map, m->path));
    enum status status = db_begin(&m->store->db);
    if (status == OK)
        status = db_exec(&m->store->db, "PRAGMA defer_foreign_keys = ON");
    if (status == OK)
        status = db_end(&m->store->db, take_lines(m, (const char *)map.data, map.bytes));
    input_map_close(&map);
    return status;
}

static void remove_store(const char *path)
{
    static const char *const endings[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        char name[700];
        snprintf(name, sizeof name, "%s%s", path, endings[i]);
        unlink(name);
    }
}

enum status store_import(struct store *store, const char *path, struct merge_report *report)
{
    struct import m = {.path = path};
    char beside[600];
    memset(report, 0, sizeof *report);
    snprintf(beside, sizeof beside, "%s.import-%d", store->db.path, (int)getpid());
    remove_store(beside);
    enum status status = store_open(&m.store, beside, true);
    if (status == OK)
        status = take_file(&m);
    store_close(m.store);
    if (status == OK)
        status = store_merge(store, beside, report);
    remove_store(beside);
    return status;
}
