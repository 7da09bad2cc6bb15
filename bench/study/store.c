/* The results store: opening, studies, claims: see store.h. Results are in store_result.c, reading
 * of rows in store_rows.c, latency in store_latency.c. */
#include "bench/study/store.h"
#include "bench/measure/clock.h"
#include "bench/net/atomic_file.h"
#include "bench/study/process.h"
#include "bench/study/store_private.h"
#include "bench/transfer/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { ROOM_BYTES = 1 << 20 }; /* less than this is no room: a cell needs more */

#define SEARCH_TABLES \
    "CREATE TABLE searches (id TEXT PRIMARY KEY, chosen TEXT, value REAL) STRICT;" \
    "CREATE TABLE trials (search TEXT NOT NULL REFERENCES searches (id)," \
    " position INTEGER NOT NULL, choice TEXT NOT NULL," \
    " key TEXT NOT NULL REFERENCES cells (key), PRIMARY KEY (search, position))" \
    " STRICT, WITHOUT ROWID;"

static const char schema[] =
    "CREATE TABLE provenance (id TEXT PRIMARY KEY, commit_id TEXT NOT NULL, json TEXT NOT NULL)"
    " STRICT;"
    "CREATE TABLE cells ("
    " key TEXT PRIMARY KEY, role TEXT NOT NULL CHECK (role IN ('source', 'transfer')),"
    " source TEXT REFERENCES cells (key), identity TEXT NOT NULL, settings TEXT NOT NULL,"
    " state TEXT NOT NULL CHECK (state IN ('pending', 'running', 'done', 'failed')),"
    " attempts INTEGER NOT NULL DEFAULT 0, error TEXT,"
    " host TEXT, pid INTEGER, pid_start INTEGER, lease INTEGER, started TEXT, finished TEXT,"
    " diverged TEXT, how TEXT, split_hash TEXT, data_hash TEXT, command TEXT,"
    " provenance TEXT REFERENCES provenance (id),"
    " search TEXT REFERENCES searches (id)) STRICT;"
    "CREATE TABLE metrics (key TEXT NOT NULL REFERENCES cells (key), name TEXT NOT NULL,"
    " value REAL, PRIMARY KEY (key, name)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE curves (key TEXT NOT NULL REFERENCES cells (key), epoch INTEGER NOT NULL,"
    " lr REAL, train_loss REAL, train_accuracy REAL, val_loss REAL, val_accuracy REAL,"
    " seconds REAL, PRIMARY KEY (key, epoch)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE predictions (key TEXT PRIMARY KEY REFERENCES cells (key), classes BLOB NOT NULL)"
    " STRICT;"
    "CREATE TABLE agreement (key TEXT NOT NULL REFERENCES cells (key), position INTEGER NOT NULL,"
    " impl TEXT NOT NULL, images INTEGER NOT NULL, disagree INTEGER NOT NULL, max_logit_diff REAL,"
    " PRIMARY KEY (key, position)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE studies (name TEXT PRIMARY KEY, updated TEXT NOT NULL, latency_key TEXT,"
    " claims TEXT) STRICT;"
    "CREATE TABLE members (study TEXT NOT NULL REFERENCES studies (name),"
    " position INTEGER NOT NULL, key TEXT NOT NULL REFERENCES cells (key), arm TEXT,"
    " trial INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (study, position)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE latency (id TEXT PRIMARY KEY, study TEXT NOT NULL, run TEXT, row TEXT NOT NULL,"
    " created TEXT NOT NULL, provenance TEXT NOT NULL REFERENCES provenance (id)) STRICT;"
    SEARCH_TABLES;

/* Version 2: what a study claims, and what it calls its arms. Version 3: searches. */
static const char *const upgrades[] = {
    "ALTER TABLE studies ADD COLUMN claims TEXT; ALTER TABLE members ADD COLUMN arm TEXT",
    SEARCH_TABLES "ALTER TABLE cells ADD COLUMN search TEXT REFERENCES searches (id);"
    "ALTER TABLE members ADD COLUMN trial INTEGER NOT NULL DEFAULT 0"};

/* The application number is the ASCII text "CBAM". */
static const struct db_kind store_kind = {0x4342414d, 3, schema, upgrades};

/* ---- opening ---- */

static enum status make_folder(const char *path)
{
    if (mkdir(path, 0777) == 0 || errno == EEXIST)
        return OK;
    return fail(ERR_IO, "%s: the folder cannot be made: %s", path, strerror(errno));
}

/* The folder "cells" beside the store's file. */
static enum status set_folder(struct store *store, const char *path)
{
    const char *slash = strrchr(path, '/');
    int length = slash ? (int)(slash - path) + 1 : 0;
    if (length + sizeof "cells/.safetensors" + CELL_KEY_SIZE >= sizeof store->folder)
        return fail(ERR_USAGE, "%.60s...: the path is too long", path);
    snprintf(store->folder, sizeof store->folder, "%.*scells", length, path);
    return OK;
}

/* The folder that a new store is to be in, one level deep ("results"). */
static enum status make_folders(const struct store *store, const char *path)
{
    char parent[512];
    const char *slash = strrchr(path, '/');
    if (slash && slash > path) {
        snprintf(parent, sizeof parent, "%.*s", (int)(slash - path), path);
        TRY(make_folder(parent));
    }
    return make_folder(store->folder);
}

static enum status open_all(struct store *store, const char *path, bool create)
{
    TRY(set_folder(store, path));
    if (create)
        TRY(make_folders(store, path));
    else if (access(path, F_OK) != 0)
        return fail(ERR_IO, "%s: there is no results store; `cbam-bench study run` makes it", path);
    process_host(store->host, sizeof store->host);
    provenance_fill(&store->provenance);
    return db_open(&store->db, path, &store_kind, create);
}

enum status store_open(struct store **out, const char *path, bool create)
{
    *out = NULL;
    struct store *store = calloc(1, sizeof *store);
    if (!store)
        return fail(ERR_MEMORY, "%s: no memory to open it", path);
    enum status status = open_all(store, path, create);
    if (status == OK)
        *out = store;
    else
        free(store);
    return status;
}

void store_close(struct store *store)
{
    if (store)
        db_close(&store->db);
    free(store);
}

void store_sweep(const struct store *store)
{
    enum { NOBODY_WRITES_SO_LONG = 3600 };
    atomic_file_sweep(store->folder, NOBODY_WRITES_SO_LONG);
}

void store_weights_path(const struct store *store, const char *key, char *path, size_t size)
{
    snprintf(path, size, "%s/%s.safetensors", store->folder, key);
}

enum status store_check_room(const struct store *store)
{
    struct statvfs info;
    if (statvfs(store->folder, &info) == 0 &&
        (uint64_t)info.f_bavail * info.f_frsize < ROOM_BYTES)
        return fail(ERR_IO, "%s: the disk is full: what is done is kept; make room and start the "
                    "run again", store->folder);
    return OK;
}

enum status store_put_provenance(struct store *store)
{
    sqlite3_stmt *stmt;
    json_t *json = provenance_json(&store->provenance);
    char *text = json ? json_dumps(json, JSON_SORT_KEYS | JSON_COMPACT) : NULL;
    json_decref(json);
    if (!text)
        return fail(ERR_MEMORY, "no memory for a provenance");
    enum status status = db_prepare(&store->db, &stmt,
                                    "INSERT OR IGNORE INTO provenance VALUES (?, ?, ?)");
    if (status == OK) {
        db_bind_text(stmt, 1, store->provenance.id);
        db_bind_text(stmt, 2, store->provenance.commit);
        db_bind_text(stmt, 3, text);
        status = db_run(&store->db, stmt);
    }
    free(text);
    return status;
}

/* ---- studies ---- */

static enum status put_study(struct store *store, const char *study, const char *claims)
{
    sqlite3_stmt *stmt;
    char date[24];
    clock_date(date, sizeof date);
    TRY(db_prepare(&store->db, &stmt, "INSERT INTO studies (name, updated, claims)"
                   " VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET updated = excluded.updated,"
                   " claims = excluded.claims"));
    db_bind_text(stmt, 1, study);
    db_bind_text(stmt, 2, date);
    db_bind_text(stmt, 3, claims);
    TRY(db_run(&store->db, stmt));
    TRY(db_prepare(&store->db, &stmt, "DELETE FROM members WHERE study = ?"));
    db_bind_text(stmt, 1, study);
    return db_run(&store->db, stmt);
}

static enum status put_cell(struct store *store, const struct cell *cell)
{
    sqlite3_stmt *stmt;
    struct train_settings run;
    TRY(store_set_choice(store, cell, &run));
    json_t *json = train_settings_json(&run);
    char *settings = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(json);
    if (!settings)
        return fail(ERR_MEMORY, "no memory for a cell");
    /* The data may have moved since the cell was first recorded: the key does not depend on the
     * place, so the settings are brought up to date. */
    enum status status = db_prepare(
        &store->db, &stmt,
        "INSERT INTO cells (key, role, source, identity, settings, search, state)"
        " VALUES (?, ?, ?, ?, ?, ?, 'pending')"
        " ON CONFLICT (key) DO UPDATE SET settings = excluded.settings WHERE state <> 'done'");
    if (status == OK) {
        db_bind_text(stmt, 1, cell->key);
        db_bind_text(stmt, 2, cell_role_name(cell->role));
        db_bind_text(stmt, 3, cell->source[0] ? cell->source : NULL);
        db_bind_text(stmt, 4, cell->identity);
        db_bind_text(stmt, 5, settings);
        db_bind_text(stmt, 6, cell->search[0] ? cell->search : NULL);
        status = db_run(&store->db, stmt);
    }
    free(settings);
    return status;
}

static enum status put_member(struct store *store, const char *study, int position,
                              const struct cell *cell)
{
    sqlite3_stmt *stmt;
    TRY(db_prepare(&store->db, &stmt, "INSERT INTO members (study, position, key, arm, trial)"
                   " VALUES (?, ?, ?, ?, ?)"));
    db_bind_text(stmt, 1, study);
    db_bind_int(stmt, 2, position);
    db_bind_text(stmt, 3, cell->key);
    db_bind_text(stmt, 4, *cell->arm ? cell->arm : NULL);
    db_bind_int(stmt, 5, cell->trial);
    return db_run(&store->db, stmt);
}

static enum status put_grid(struct store *store, const char *study, const struct grid *grid)
{
    TRY(put_study(store, study, grid->claims));
    TRY(store_put_searches(store, grid));
    for (int i = 0; i < grid->count; i++) {
        TRY(put_cell(store, &grid->cells[i]));
        TRY(put_member(store, study, i, &grid->cells[i]));
    }
    return store_put_trials(store, grid);
}

enum status store_register(struct store *store, const char *study, const struct grid *grid)
{
    TRY(db_begin(&store->db));
    return db_end(&store->db, put_grid(store, study, grid));
}

static enum status retry(struct store *store, const char *study, bool older, int *count)
{
    sqlite3_stmt *stmt;
    TRY(db_prepare(&store->db, &stmt,
                   "UPDATE cells SET state = 'pending' WHERE key IN"
                   " (SELECT key FROM members WHERE study = ?1) AND (state = 'failed' OR (?2 AND"
                   " state = 'done' AND provenance NOT IN"
                   " (SELECT id FROM provenance WHERE commit_id = ?3)))"));
    db_bind_text(stmt, 1, study);
    db_bind_int(stmt, 2, older);
    db_bind_text(stmt, 3, store->provenance.commit);
    TRY(db_run(&store->db, stmt));
    if (count)
        *count = db_changes(&store->db);
    return OK;
}

enum status store_retry(struct store *store, const char *study, bool older, int *count)
{
    TRY(db_begin(&store->db));
    return db_end(&store->db, retry(store, study, older, count));
}

enum status store_reset(struct store *store, const char *key)
{
    sqlite3_stmt *stmt;
    TRY(db_begin(&store->db));
    enum status status = db_prepare(&store->db, &stmt,
                                    "UPDATE cells SET state = 'pending' WHERE key = ?"
                                    " AND state = 'done'");
    if (status == OK) {
        db_bind_text(stmt, 1, key);
        status = db_run(&store->db, stmt);
    }
    return db_end(&store->db, status);
}
