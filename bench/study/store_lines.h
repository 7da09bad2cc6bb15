/* The JSON lines of an exported study: which columns of which table a line has, for writing and for
 * reading. Private to store_export.c and store_import.c. */
#ifndef BENCH_STUDY_STORE_LINES_H
#define BENCH_STUDY_STORE_LINES_H

#include "bench/study/db.h"

#include <jansson.h>

enum { LINES_VERSION = 1, LINE_COLUMNS = 20 };

enum column_kind {
    COLUMN_TEXT,
    COLUMN_INT,
    COLUMN_REAL,
    COLUMN_JSON,       /* a text that is JSON, written as such */
    COLUMN_JSON_SORTED /* the same, canonical: its members are sorted */
};

struct line_column {
    const char *name;
    enum column_kind kind;
};

/* A line, or a part of one: rows of one table. */
struct line_kind {
    const char *record; /* what the line says it is; NULL: a part of a cell's line */
    const char *table;
    int count;
    struct line_column columns[LINE_COLUMNS];
};

extern const struct line_kind line_study, line_provenance, line_cell, line_latency, line_curve,
    line_agreement, line_search, line_trial;

/* Column `i` of the present row as JSON of that kind; NULL when there is no memory, or when a text
 * that should be JSON is none. */
json_t *line_value(sqlite3_stmt *stmt, int i, enum column_kind kind);

/* Binds a value to parameter `i`. ERR_FORMAT naming the column when it is of another kind; null is
 * of every kind. */
enum status line_bind(sqlite3_stmt *stmt, int i, const struct line_column *column,
                      const json_t *value);

#endif
