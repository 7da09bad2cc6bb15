/* A table, once: its columns are declared in one list, its rows are filled cell by cell, and it is
 * written as text, Markdown, CSV or JSON from that one list. Knows nothing of what it shows.
 *
 *     static const struct table_column columns[] = {
 *         {.name = "model", .title = "model"},
 *         {.name = "median_ms", .title = "median", .unit = "ms", .decimals = 3},
 *         {.name = "flags", .audience = TABLE_MACHINES},
 *     };
 *     struct table *table = table_new("latency", "Latency of networks", columns, 3);
 *     table_row(table);
 *     table_text(table, "model", "resnet50");
 *     table_number(table, "median_ms", 30.25);
 *     enum status status = table_write(table, TABLE_JSON, stdout);
 *     table_free(table);
 */
#ifndef BENCH_REPORT_TABLE_H
#define BENCH_REPORT_TABLE_H

#include "impls/base/status.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

enum table_format { TABLE_TEXT, TABLE_JSON, TABLE_CSV, TABLE_MD, TABLE_LATEX };

/* The value of --format: "text", "json", "csv", "md" or "latex"; ERR_USAGE lists them. */
enum status table_format_parse(const char *text, enum table_format *format);

/* Who sees a column: text, Markdown and LaTeX are for people, CSV and JSON for machines. A value
 * such as "85.1 ± 0.9" is for people; its parts are columns of their own, for machines. */
enum table_audience { TABLE_ALL, TABLE_PEOPLE, TABLE_MACHINES };

struct table_column {
    const char *name;  /* header in CSV, key in JSON: lower case with '_' */
    const char *title; /* heading for people; NULL: the name */
    const char *unit;  /* for people in brackets behind the title, in JSON under "units"; or NULL */
    int decimals;      /* of a number for people; negative: as many as %g shows of -decimals
                          significant digits. CSV and JSON always carry all digits */
    enum table_audience audience;
};

struct table;

/* An empty table. `name` is a word ("latency": its file name), `title` a heading. The column list
 * and all strings in it are borrowed and must outlive the table. Needs no checking: when memory
 * runs out, here (NULL) or later, filling does nothing more and table_write() says ERR_MEMORY. */
struct table *table_new(const char *name, const char *title, const struct table_column *columns,
                        int column_count);
void table_free(struct table *table); /* NULL is allowed */

/* Begins a row; its cells are missing until they are set. */
void table_row(struct table *table);

/* Sets a cell of the last row; an unknown column name is a programmer's error. Text is copied,
 * NULL is a missing cell. A number that is not finite becomes a missing cell that says so. */
void table_text(struct table *table, const char *column, const char *text);
void table_printf(struct table *table, const char *column, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void table_number(struct table *table, const char *column, double number);
void table_bool(struct table *table, const char *column, bool value);

/* A cell without a value, and why: people see `note` in its place ("n/a (n=5)"), CSV is empty,
 * JSON has null, and the row's "error" string says "column: note". */
void table_missing(struct table *table, const char *column, const char *note);

/* A cell with a structure (raw samples): whole in JSON and, as compact JSON, in CSV; never shown
 * to people, whatever the audience. Takes over the reference. */
void table_json(struct table *table, const char *column, json_t *value);

/* A further member of the JSON document, beside "rows" (provenance, units of work). Takes over
 * the reference. Other formats ignore it. */
void table_meta(struct table *table, const char *key, json_t *value);

/* A line that people see below the table (a rule, a caveat); in JSON they are "notes". */
void table_note(struct table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Changes a column for this table alone: another heading (copied), or out of people's sight. */
void table_retitle(struct table *table, const char *column, const char *title);
void table_hide(struct table *table, const char *column);

/* Whether the table has a column of that name. */
bool table_has(const struct table *table, const char *column);

const char *table_name(const struct table *table);
const char *table_title(const struct table *table);
int table_rows(const struct table *table);

/* Writes the table. TEXT: title, aligned columns, notes. MD: the same as a Markdown table without
 * the title. LATEX: a table environment with booktabs' rules, the notes below it, and as a comment
 * behind each row the command that repeats it. CSV: a header row, RFC 4180 quoting, lines end with
 * \n, empty for missing. JSON: an object with "table", "title", "units", "rows" (an array of
 * objects), "notes" and the metas. Never writes NaN or infinity. ERR_IO when the stream reports a
 * failure. */
enum status table_write(const struct table *table, enum table_format format, FILE *out);

/* The rows alone as a JSON array; a new reference; NULL when there is no memory. */
json_t *table_rows_json(const struct table *table);

/* Writes the table whole or not at all to the file `path`. */
enum status table_save(const struct table *table, enum table_format format, const char *path);

#endif
