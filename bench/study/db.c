/* SQLite with the project's rules: see db.h. Knows no table. */
#include "bench/study/db.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

enum { BUSY_MS = 10000 };

static enum status db_fail(const struct db *db, const char *doing)
{
    int code = sqlite3_errcode(db->handle) & 0xff;
    const char *text = sqlite3_errmsg(db->handle);
    if (code == SQLITE_NOTADB || code == SQLITE_CORRUPT)
        return fail(ERR_FORMAT, "%s: is no results store, or is damaged: %s", db->path, text);
    if (code == SQLITE_NOMEM)
        return fail(ERR_MEMORY, "%s: %s: no memory", db->path, doing);
    if (code == SQLITE_FULL)
        return fail(ERR_IO, "%s: %s: the disk is full: what was stored before is kept; make room "
                    "and start again", db->path, doing);
    int cause = sqlite3_system_errno(db->handle);
    if ((code == SQLITE_IOERR || code == SQLITE_CANTOPEN) && cause != 0)
        return fail(ERR_IO, "%s: %s: %s (%s)", db->path, doing, text, strerror(cause));
    if (code == SQLITE_IOERR) /* a file that may not grow, a quota: the system's word is lost */
        return fail(ERR_IO, "%s: %s: %s: what was stored before is kept; see that there is room "
                    "and that the file may grow, and start again", db->path, doing, text);
    return fail(ERR_IO, "%s: %s: %s", db->path, doing, text);
}

enum status db_exec(struct db *db, const char *sql)
{
    if (sqlite3_exec(db->handle, sql, NULL, NULL, NULL) != SQLITE_OK)
        return db_fail(db, "cannot be changed");
    return OK;
}

enum status db_begin(struct db *db)
{
    return db_exec(db, "BEGIN IMMEDIATE");
}

enum status db_end(struct db *db, enum status status)
{
    if (status == OK)
        status = db_exec(db, "COMMIT");
    if (status != OK && !sqlite3_get_autocommit(db->handle))
        sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

/* ---- statements ---- */

enum status db_prepare(struct db *db, sqlite3_stmt **stmt, const char *sql)
{
    if (sqlite3_prepare_v2(db->handle, sql, -1, stmt, NULL) != SQLITE_OK)
        return db_fail(db, "cannot be read");
    return OK;
}

/* A bind only fails for want of memory or for a wrong parameter number; the statement then runs
 * with NULL there, which the schema's NOT NULL refuses. */
void db_bind_text(sqlite3_stmt *stmt, int i, const char *text)
{
    sqlite3_bind_text(stmt, i, text, -1, SQLITE_TRANSIENT);
}

void db_bind_int(sqlite3_stmt *stmt, int i, int64_t value)
{
    sqlite3_bind_int64(stmt, i, value);
}

void db_bind_real(sqlite3_stmt *stmt, int i, double value)
{
    if (isfinite(value))
        sqlite3_bind_double(stmt, i, value);
    else
        sqlite3_bind_null(stmt, i);
}

void db_bind_blob(sqlite3_stmt *stmt, int i, const void *data, size_t bytes)
{
    sqlite3_bind_blob64(stmt, i, data, bytes, SQLITE_TRANSIENT);
}

enum status db_step(struct db *db, sqlite3_stmt *stmt, bool *row)
{
    int code = sqlite3_step(stmt);
    *row = code == SQLITE_ROW;
    return code == SQLITE_ROW || code == SQLITE_DONE ? OK : db_fail(db, "cannot be used");
}

enum status db_finish(sqlite3_stmt *stmt, enum status status)
{
    sqlite3_finalize(stmt);
    return status;
}

enum status db_run(struct db *db, sqlite3_stmt *stmt)
{
    bool row;
    enum status status = db_step(db, stmt, &row);
    CHECK(!row);
    return db_finish(stmt, status);
}

const char *db_text(sqlite3_stmt *stmt, int i)
{
    const char *text = (const char *)sqlite3_column_text(stmt, i);
    return text ? text : "";
}

void db_copy_text(sqlite3_stmt *stmt, int i, char *out, size_t size)
{
    snprintf(out, size, "%s", db_text(stmt, i));
}

double db_real(sqlite3_stmt *stmt, int i)
{
    return sqlite3_column_type(stmt, i) == SQLITE_NULL ? NAN : sqlite3_column_double(stmt, i);
}

int db_changes(const struct db *db)
{
    return sqlite3_changes(db->handle);
}

/* ---- opening ---- */

static enum status read_int(struct db *db, const char *sql, int *value)
{
    sqlite3_stmt *stmt;
    bool row = false;
    TRY(db_prepare(db, &stmt, sql));
    enum status status = db_step(db, stmt, &row);
    *value = row ? sqlite3_column_int(stmt, 0) : 0;
    return db_finish(stmt, status);
}

static enum status mark_version(struct db *db, const struct db_kind *kind)
{
    char pragmas[96];
    snprintf(pragmas, sizeof pragmas, "PRAGMA application_id = %d; PRAGMA user_version = %d",
             kind->application, kind->version);
    return db_exec(db, pragmas);
}

static enum status create_schema(struct db *db, const struct db_kind *kind)
{
    TRY(db_exec(db, kind->schema));
    return mark_version(db, kind);
}

static enum status upgrade(struct db *db, const struct db_kind *kind, int version)
{
    for (; version < kind->version; version++)
        TRY(db_exec(db, kind->upgrades[version - 1]));
    return mark_version(db, kind);
}

static enum status check_schema(struct db *db, const struct db_kind *kind)
{
    int application, version, tables;
    TRY(read_int(db, "PRAGMA application_id", &application));
    TRY(read_int(db, "PRAGMA user_version", &version));
    TRY(read_int(db, "SELECT count(*) FROM sqlite_master", &tables));
    if (application == 0 && version == 0 && tables == 0)
        return create_schema(db, kind);
    if (application != kind->application)
        return fail(ERR_FORMAT, "%s: is a database of another program, not a results store",
                    db->path);
    if (version < 1 || version > kind->version)
        return fail(ERR_FORMAT, "%s: is a results store of version %d; this program knows version "
                    "%d", db->path, version, kind->version);
    return version < kind->version ? upgrade(db, kind, version) : OK;
}

/* The write-ahead log needs memory that all its processes share: there is none on a file system
 * that other machines have mounted too. */
static bool is_shared(const char *path)
{
    static const uint32_t kinds[] = {
        0x6969 /* NFS */, 0x517b, 0xff534d42, 0xfe534d42 /* SMB, CIFS */, 0x0bd00bd0 /* Lustre */,
        0x47504653 /* GPFS */, 0x19830326 /* BeeGFS */, 0x00c36400 /* Ceph */,
        0x5346414f /* AFS */, 0x01021997 /* 9P */, 0xaad7aaea /* PanFS */,
        0x65735546 /* FUSE: may be anything */};
    struct statfs info;
    if (statfs(path, &info) != 0)
        return false;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if ((uint32_t)info.f_type == kinds[i])
            return true;
    return false;
}

/* Several that open a new file at once are told that it is busy without a wait for it. */
static enum status set_journal(struct db *db)
{
    const char *sql = is_shared(db->path) ? "PRAGMA journal_mode = DELETE"
                                          : "PRAGMA journal_mode = WAL";
    for (int waited = 0; waited < BUSY_MS; waited += sqlite3_sleep(BUSY_MS / 200))
        if (sqlite3_exec(db->handle, sql, NULL, NULL, NULL) != SQLITE_BUSY)
            break;
    return db_exec(db, sql);
}

static enum status prepare_database(struct db *db, const struct db_kind *kind)
{
    sqlite3_busy_timeout(db->handle, BUSY_MS);
    TRY(set_journal(db));
    TRY(db_exec(db, "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON"));
    TRY(db_begin(db));
    return db_end(db, check_schema(db, kind));
}

enum status db_open(struct db *db, const char *path, const struct db_kind *kind, bool create)
{
    int flags = SQLITE_OPEN_READWRITE | (create ? SQLITE_OPEN_CREATE : 0);
    memset(db, 0, sizeof *db);
    if (strlen(path) >= sizeof db->path)
        return fail(ERR_USAGE, "%.60s...: the path is too long", path);
    strcpy(db->path, path);
    enum status status = OK;
    if (sqlite3_open_v2(path, &db->handle, flags, NULL) != SQLITE_OK)
        status = db->handle ? db_fail(db, "cannot be opened")
                            : fail(ERR_MEMORY, "%s: no memory to open it", path);
    if (status == OK)
        status = prepare_database(db, kind);
    if (status != OK)
        db_close(db);
    return status;
}

void db_close(struct db *db)
{
    sqlite3_close_v2(db->handle);
    db->handle = NULL;
}
