/* SQLite with the project's rules: write-ahead log (on a network file system the rollback journal),
 * full sync, a wait of 10 s for a lock, writes inside BEGIN IMMEDIATE alone, every error as a
 * status whose line names the file. Knows no table. */
#ifndef BENCH_STUDY_DB_H
#define BENCH_STUDY_DB_H

#include "impls/base/status.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db {
    sqlite3 *handle;
    char path[512];
};

/* Opens a database, or creates it when `create`. `schema` (SQL) is run once, in the transaction
 * that finds user_version 0 in a file without tables; after that the file must carry the same
 * application number. One of an older version is brought up to date step by step: upgrades[i] is
 * the SQL from version i + 1 to i + 2. ERR_IO, or ERR_FORMAT for a file that is no such database or
 * is of a newer version. */
struct db_kind {
    int application, version;
    const char *schema;
    const char *const *upgrades; /* version - 1 of them */
};
enum status db_open(struct db *db, const char *path, const struct db_kind *kind, bool create);
void db_close(struct db *db); /* a zeroed one is allowed */

/* A write transaction. db_end() commits when `status` is OK, else it rolls back; it returns
 * `status`, or the failure of the commit. */
enum status db_begin(struct db *db);
enum status db_end(struct db *db, enum status status);

/* Statements: prepare, bind (parameters count from 1), step while *row, finish. A statement is
 * finished by db_run(), which steps once and expects no row, and by db_finish(). */
enum status db_prepare(struct db *db, sqlite3_stmt **stmt, const char *sql);
void db_bind_text(sqlite3_stmt *stmt, int i, const char *text); /* NULL: NULL; copied */
void db_bind_int(sqlite3_stmt *stmt, int i, int64_t value);
void db_bind_real(sqlite3_stmt *stmt, int i, double value); /* not finite: NULL */
void db_bind_blob(sqlite3_stmt *stmt, int i, const void *data, size_t bytes); /* copied */
enum status db_step(struct db *db, sqlite3_stmt *stmt, bool *row);
enum status db_run(struct db *db, sqlite3_stmt *stmt);
enum status db_finish(sqlite3_stmt *stmt, enum status status);

/* SQL without parameters and without result. */
enum status db_exec(struct db *db, const char *sql);

/* Columns of the present row, counted from 0: "" and NaN stand for NULL. */
const char *db_text(sqlite3_stmt *stmt, int i);
void db_copy_text(sqlite3_stmt *stmt, int i, char *out, size_t size);
double db_real(sqlite3_stmt *stmt, int i);

/* Rows that the last statement changed. */
int db_changes(const struct db *db);

#endif
