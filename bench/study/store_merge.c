/* The results store: another one taken in: see store_merge.h. */
#include "bench/study/store_merge.h"
#include "bench/net/atomic_file.h"
#include "bench/net/input_file.h"
#include "bench/study/store_private.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How far a cell is; one that runs counts for nothing until it is done. */
#define RANK(table) \
    "CASE " table ".state WHEN 'done' THEN 2 WHEN 'failed' THEN 1 ELSE 0 END"

/* The keys of the cells that are to be taken, with 1 where there is none yet. */
static const char choose_sql[] =
    "DROP TABLE IF EXISTS temp.taken;"
    "CREATE TEMP TABLE taken AS SELECT o.key, c.key IS NULL AS added, o.state"
    " FROM other.cells o LEFT JOIN main.cells c ON c.key = o.key"
    " WHERE c.key IS NULL OR " RANK("o") " > " RANK("c");

/* Tables that others refer to come first: SQLite does not count what a whole table copied at once
 * makes good. */
static const char take_sql[] =
    "PRAGMA defer_foreign_keys = ON;"
    "INSERT OR IGNORE INTO main.provenance SELECT * FROM other.provenance;"
    "INSERT OR IGNORE INTO main.searches SELECT * FROM other.searches;"
    "UPDATE main.searches AS s SET (chosen, value) ="
    " (SELECT o.chosen, o.value FROM other.searches o WHERE o.id = s.id)"
    " WHERE chosen IS NULL AND id IN (SELECT id FROM other.searches);"
    "INSERT OR REPLACE INTO main.cells (key, role, source, identity, settings, state, attempts,"
    " error, host, pid, pid_start, started, finished, diverged, how, split_hash, data_hash,"
    " command, provenance, search)"
    " SELECT key, role, source, identity, settings,"
    " CASE state WHEN 'running' THEN 'pending' ELSE state END, attempts, error, host, pid,"
    " pid_start, started, finished, diverged, how, split_hash, data_hash, command, provenance,"
    " search FROM other.cells WHERE key IN (SELECT key FROM taken) ORDER BY rowid;"
    "INSERT OR IGNORE INTO main.studies SELECT * FROM other.studies;"
    "UPDATE main.studies AS s SET"
    " claims = coalesce(claims, (SELECT claims FROM other.studies o WHERE o.name = s.name)),"
    " latency_key = coalesce(latency_key,"
    "  (SELECT latency_key FROM other.studies o WHERE o.name = s.name));"
    "INSERT OR IGNORE INTO main.trials SELECT * FROM other.trials;"
    "INSERT INTO main.members (study, position, key, arm, trial)"
    " SELECT o.study, row_number() OVER (PARTITION BY o.study ORDER BY o.position) +"
    "  (SELECT coalesce(max(position), -1) FROM main.members m WHERE m.study = o.study), o.key,"
    "  o.arm, o.trial FROM other.members o WHERE NOT EXISTS"
    "  (SELECT 1 FROM main.members m WHERE m.study = o.study AND m.key = o.key);"
    "INSERT OR IGNORE INTO main.latency (id, study, run, row, created, provenance)"
    " SELECT id, study, run, row, created, provenance FROM other.latency ORDER BY rowid";

/* Tables whose rows belong to a cell. */
static const char *const parts[] = {"metrics", "curves", "predictions", "agreement"};

/* ---- counting ---- */

static enum status count(struct db *db, const char *sql, int *value)
{
    sqlite3_stmt *stmt;
    bool row = false;
    TRY(db_prepare(db, &stmt, sql));
    enum status status = db_step(db, stmt, &row);
    *value = row ? sqlite3_column_int(stmt, 0) : 0;
    return db_finish(stmt, status);
}

static enum status count_all(struct db *db, struct merge_report *report)
{
    TRY(count(db, "SELECT count(*) FROM taken WHERE added", &report->added));
    TRY(count(db, "SELECT count(*) FROM taken WHERE NOT added", &report->improved));
    TRY(count(db, "SELECT count(*) FROM taken WHERE state = 'running'", &report->running));
    TRY(count(db, "SELECT count(*) FROM other.cells WHERE key NOT IN (SELECT key FROM taken)",
              &report->kept));
    return count(db,
                 "SELECT count(DISTINCT o.key) FROM other.metrics o"
                 " JOIN main.metrics m ON m.key = o.key AND m.name = o.name"
                 " JOIN other.cells oc ON oc.key = o.key JOIN main.cells mc ON mc.key = o.key"
                 " WHERE oc.state = 'done' AND mc.state = 'done' AND m.value IS NOT o.value"
                 " AND o.name NOT IN ('seconds', 'images_per_s')", &report->differ);
}

/* ---- taking ---- */

static enum status take_part(struct db *db, const char *table)
{
    char sql[256];
    snprintf(sql, sizeof sql,
             "DELETE FROM main.%s WHERE key IN (SELECT key FROM taken);"
             "INSERT INTO main.%s SELECT * FROM other.%s WHERE key IN (SELECT key FROM taken)",
             table, table, table);
    return db_exec(db, sql);
}

static enum status take_all(struct db *db, struct merge_report *report)
{
    TRY(db_exec(db, choose_sql));
    TRY(count_all(db, report));
    TRY(db_exec(db, take_sql));
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        TRY(take_part(db, parts[i]));
    return OK;
}

/* ---- weights ---- */

static enum status copy_file(const char *from, const char *to)
{
    struct input_map map = {0};
    TRY(input_map_open(&map, from));
    enum status status = atomic_file_save(to, map.data, map.bytes);
    input_map_close(&map);
    return status;
}

/* A second name for the file where the file system can, else a copy. */
static enum status bring_weights(const char *from, const char *to, int *copied)
{
    if (access(from, R_OK) != 0 || access(to, F_OK) == 0)
        return OK;
    if (link(from, to) != 0)
        TRY(copy_file(from, to));
    ++*copied;
    return OK;
}

static enum status bring_all(struct store *store, const struct store *other, int *copied)
{
    sqlite3_stmt *stmt;
    bool row = false;
    enum status status;
    TRY(db_prepare(&store->db, &stmt, "SELECT key FROM taken WHERE state = 'done'"));
    while ((status = db_step(&store->db, stmt, &row)) == OK && row) {
        char from[640], to[640];
        store_weights_path(other, db_text(stmt, 0), from, sizeof from);
        store_weights_path(store, db_text(stmt, 0), to, sizeof to);
        if ((status = bring_weights(from, to, copied)) != OK)
            break;
    }
    return db_finish(stmt, status);
}

/* ---- the whole ---- */

static bool is_same_file(const char *a, const char *b)
{
    struct stat one, two;
    return stat(a, &one) == 0 && stat(b, &two) == 0 && one.st_dev == two.st_dev &&
           one.st_ino == two.st_ino;
}

static enum status attach(struct store *store, const char *path)
{
    sqlite3_stmt *stmt;
    TRY(db_prepare(&store->db, &stmt, "ATTACH ? AS other"));
    db_bind_text(stmt, 1, path);
    return db_run(&store->db, stmt);
}

static enum status merge_attached(struct store *store, const struct store *other,
                                  struct merge_report *report)
{
    TRY(db_begin(&store->db));
    TRY(db_end(&store->db, take_all(&store->db, report)));
    return bring_all(store, other, &report->weights);
}

static enum status merge_open(struct store *store, const struct store *other, const char *path,
                              struct merge_report *report)
{
    TRY(attach(store, path));
    enum status status = merge_attached(store, other, report);
    sqlite3_exec(store->db.handle, "DETACH other", NULL, NULL, NULL);
    return status;
}

enum status store_merge(struct store *store, const char *path, struct merge_report *report)
{
    struct store *other;
    memset(report, 0, sizeof *report);
    TRY(store_open(&other, path, false)); /* checks it, and brings it up to date */
    enum status status = is_same_file(path, store->db.path)
                             ? fail(ERR_USAGE, "%s: a store cannot be merged into itself", path)
                             : merge_open(store, other, path, report);
    store_close(other);
    return status;
}
