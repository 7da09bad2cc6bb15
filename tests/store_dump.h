/* A results store as text, without what differs from run to run: times, host, process, and how
 * often a cell was begun. Two stores with the same text hold the same results. */
#ifndef TESTS_STORE_DUMP_H
#define TESTS_STORE_DUMP_H

#include "tests/temp_dir.h"

#include <sqlite3.h>

static const char *const store_dump_queries[] = {
    "SELECT 'cell', key, role, source, identity, settings, state, error, diverged, how, split_hash,"
    " data_hash, command, provenance, search FROM cells ORDER BY key",
    "SELECT 'metric', key, name, value FROM metrics"
    " WHERE name NOT IN ('seconds', 'images_per_s') ORDER BY key, name",
    "SELECT 'curve', key, epoch, lr, train_loss, train_accuracy, val_loss, val_accuracy"
    " FROM curves ORDER BY key, epoch",
    "SELECT 'predictions', key, hex(classes) FROM predictions ORDER BY key",
    "SELECT 'agreement', key, position, impl, images, disagree, max_logit_diff FROM agreement"
    " ORDER BY key, position",
    "SELECT 'study', name, claims FROM studies ORDER BY name",
    "SELECT 'search', id, chosen, value FROM searches ORDER BY id",
    "SELECT 'trial', search, position, choice, key FROM trials ORDER BY search, position",
    "SELECT 'member', study, position, key, arm, trial FROM members ORDER BY study, position",
    "SELECT 'latency', id, study, run, row FROM latency ORDER BY id",
};

static inline void store_dump_query(sqlite3 *db, const char *sql, FILE *out)
{
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(stmt); i++) {
            const char *text = (const char *)sqlite3_column_text(stmt, i);
            if (sqlite3_column_type(stmt, i) == SQLITE_FLOAT)
                fprintf(out, "%.17g|", sqlite3_column_double(stmt, i));
            else
                fprintf(out, "%s|", text ? text : "NULL");
        }
        fputc('\n', out);
    }
    sqlite3_finalize(stmt);
}

/* To be freed by the caller. */
static inline char *store_dump(const char *path)
{
    char *text = NULL;
    size_t size;
    sqlite3 *db;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, 10000);
    for (size_t i = 0; i < sizeof store_dump_queries / sizeof store_dump_queries[0]; i++)
        store_dump_query(db, store_dump_queries[i], out);
    sqlite3_close(db);
    assert_int_equal(fclose(out), 0);
    return text;
}

/* Fails, showing the first line that differs, unless both stores hold the same. */
static inline void assert_same_stores(const char *a, const char *b)
{
    char *one = store_dump(a), *two = store_dump(b), *x = one, *y = two;
    while (strcspn(x, "\n") == strcspn(y, "\n") && *x && strncmp(x, y, strcspn(x, "\n")) == 0) {
        x += strcspn(x, "\n") + 1;
        y += strcspn(y, "\n") + 1;
    }
    if (*x || *y)
        fail_msg("%s has\n%.*s\nand %s has\n%.*s", a, (int)strcspn(x, "\n"), x, b,
                 (int)strcspn(y, "\n"), y);
    free(one);
    free(two);
}

#endif
