/* The inside of a table, shared by the files table*.c alone. */
#ifndef BENCH_REPORT_TABLE_CELLS_H
#define BENCH_REPORT_TABLE_CELLS_H

#include "bench/report/table.h"

enum cell_kind { CELL_MISSING, CELL_TEXT, CELL_NUMBER, CELL_BOOL, CELL_JSON };

struct table_cell {
    enum cell_kind kind;
    char *text;    /* CELL_TEXT; the note of a CELL_MISSING, or NULL */
    double number; /* CELL_NUMBER; CELL_BOOL: 0 or 1 */
    json_t *json;  /* CELL_JSON */
};

struct table {
    char *name, *title;
    const struct table_column *columns;
    char **retitled; /* per column: another heading, or NULL */
    bool *hidden;    /* per column: not for people */
    int column_count;
    struct table_cell *cells; /* row by row */
    int row_count, row_capacity;
    json_t *notes; /* array of strings */
    json_t *meta;  /* object */
    bool broken;   /* memory ran out at some point */
};

/* The cell of a row, numbered from 0. */
static inline const struct table_cell *table_cell(const struct table *table, int row, int column)
{
    return &table->cells[(size_t)row * (size_t)table->column_count + (size_t)column];
}

/* What people see (table_people.c): which columns, whether one is a column of numbers, and the text
 * of a cell or, in row TABLE_HEADINGS, of a heading; borrowed from the table or written into
 * `buffer`, which takes %.*f of the largest double with digits after the point. */
enum { TABLE_HEADINGS = -1, TABLE_PEOPLE_TEXT = 400 };
bool table_for_people(const struct table *table, int column);
bool table_is_numeric(const struct table *table, int column);
const char *table_people_text(const struct table *table, int row, int column,
                              char buffer[TABLE_PEOPLE_TEXT]);

enum status table_write_text(const struct table *table, FILE *out);
void table_write_md(const struct table *table, FILE *out);

/* table_latex.c */
void table_write_latex(const struct table *table, FILE *out);

#endif
