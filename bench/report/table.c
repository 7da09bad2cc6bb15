/* Filling a table: see table.h. Writes nothing. */
#include "bench/report/table.h"
#include "bench/report/table_cells.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ROWS = 16 };

static const struct {
    const char *word;
    enum table_format format;
} formats[] = {{"text", TABLE_TEXT}, {"json", TABLE_JSON}, {"csv", TABLE_CSV}, {"md", TABLE_MD},
               {"latex", TABLE_LATEX}};

enum status table_format_parse(const char *text, enum table_format *format)
{
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (strcmp(text, formats[i].word) == 0) {
            *format = formats[i].format;
            return OK;
        }
    }
    return fail(ERR_USAGE, "--format %s: text, json, csv, md or latex was expected", text);
}

/* Without memory even for itself a table is NULL: filling it does nothing, writing it fails. */
static bool is_broken(const struct table *table)
{
    return !table || table->broken;
}

struct table *table_new(const char *name, const char *title, const struct table_column *columns,
                        int column_count)
{
    CHECK(column_count > 0);
    struct table *table = calloc(1, sizeof *table);
    if (!table)
        return NULL;
    table->name = strdup(name);
    table->title = strdup(title);
    table->columns = columns;
    table->column_count = column_count;
    table->retitled = calloc((size_t)column_count, sizeof *table->retitled);
    table->hidden = calloc((size_t)column_count, sizeof *table->hidden);
    table->notes = json_array();
    table->meta = json_object();
    table->broken = !table->name || !table->title || !table->retitled || !table->hidden ||
                    !table->notes || !table->meta;
    return table;
}

static void clear_cell(struct table_cell *cell)
{
    free(cell->text);
    json_decref(cell->json);
    *cell = (struct table_cell){CELL_MISSING, NULL, 0, NULL};
}

void table_free(struct table *table)
{
    if (!table)
        return;
    for (int i = 0; i < table->row_count * table->column_count; i++)
        clear_cell(&table->cells[i]);
    for (int i = 0; table->retitled && i < table->column_count; i++)
        free(table->retitled[i]);
    free(table->retitled);
    free(table->hidden);
    free(table->cells);
    json_decref(table->notes);
    json_decref(table->meta);
    free(table->name);
    free(table->title);
    free(table);
}

static bool grow(struct table *table)
{
    int capacity = table->row_capacity ? 2 * table->row_capacity : FIRST_ROWS;
    size_t cells = (size_t)capacity * (size_t)table->column_count;
    struct table_cell *bigger = realloc(table->cells, cells * sizeof *bigger);
    if (!bigger)
        return false;
    table->cells = bigger;
    table->row_capacity = capacity;
    return true;
}

void table_row(struct table *table)
{
    if (is_broken(table))
        return;
    if (table->row_count == table->row_capacity && !grow(table)) {
        table->broken = true;
        return;
    }
    for (int i = 0; i < table->column_count; i++)
        table->cells[table->row_count * table->column_count + i] =
            (struct table_cell){CELL_MISSING, NULL, 0, NULL};
    table->row_count++;
}

static int find_column(const struct table *table, const char *column)
{
    int i = 0;
    while (i < table->column_count && strcmp(table->columns[i].name, column) != 0)
        i++;
    CHECK(i < table->column_count);
    return i;
}

/* The emptied cell of the last row; NULL when the table is broken. */
static struct table_cell *fresh_cell(struct table *table, const char *column)
{
    if (is_broken(table))
        return NULL;
    CHECK(table->row_count > 0);
    int i = find_column(table, column);
    struct table_cell *cell = &table->cells[(table->row_count - 1) * table->column_count + i];
    clear_cell(cell);
    return cell;
}

/* Puts an allocated string (NULL: memory ran out) into a cell. */
static void put_text(struct table *table, const char *column, enum cell_kind kind, char *text)
{
    struct table_cell *cell = fresh_cell(table, column);
    if (cell && !text)
        table->broken = true;
    if (!cell || !text) {
        free(text);
        return;
    }
    cell->kind = kind;
    cell->text = text;
}

void table_text(struct table *table, const char *column, const char *text)
{
    if (text)
        put_text(table, column, CELL_TEXT, strdup(text));
    else
        fresh_cell(table, column);
}

void table_printf(struct table *table, const char *column, const char *format, ...)
{
    va_list args;
    char *text;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    put_text(table, column, CELL_TEXT, length < 0 ? NULL : text);
}

void table_missing(struct table *table, const char *column, const char *note)
{
    put_text(table, column, CELL_MISSING, strdup(note));
}

void table_number(struct table *table, const char *column, double number)
{
    if (!isfinite(number)) {
        table_missing(table, column, isnan(number) ? "not a number" : "infinite");
        return;
    }
    struct table_cell *cell = fresh_cell(table, column);
    if (cell) {
        cell->kind = CELL_NUMBER;
        cell->number = number;
    }
}

void table_bool(struct table *table, const char *column, bool value)
{
    struct table_cell *cell = fresh_cell(table, column);
    if (cell) {
        cell->kind = CELL_BOOL;
        cell->number = value;
    }
}

void table_json(struct table *table, const char *column, json_t *value)
{
    struct table_cell *cell = fresh_cell(table, column);
    if (cell && !value)
        table->broken = true;
    if (!cell || !value) {
        json_decref(value);
        return;
    }
    cell->kind = CELL_JSON;
    cell->json = value;
}

void table_meta(struct table *table, const char *key, json_t *value)
{
    if (is_broken(table))
        json_decref(value);
    else if (json_object_set_new(table->meta, key, value) != 0)
        table->broken = true;
}

void table_note(struct table *table, const char *format, ...)
{
    va_list args;
    char *text;
    if (is_broken(table))
        return;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0 || json_array_append_new(table->notes, json_string(text)) != 0)
        table->broken = true;
    if (length >= 0)
        free(text);
}

void table_retitle(struct table *table, const char *column, const char *title)
{
    if (is_broken(table))
        return;
    char **place = &table->retitled[find_column(table, column)];
    free(*place);
    *place = strdup(title);
    table->broken = !*place;
}

void table_hide(struct table *table, const char *column)
{
    if (!is_broken(table))
        table->hidden[find_column(table, column)] = true;
}

bool table_has(const struct table *table, const char *column)
{
    for (int i = 0; table && i < table->column_count; i++)
        if (strcmp(table->columns[i].name, column) == 0)
            return true;
    return false;
}

const char *table_name(const struct table *table)
{
    return is_broken(table) ? "" : table->name;
}

const char *table_title(const struct table *table)
{
    return is_broken(table) ? "" : table->title;
}

int table_rows(const struct table *table)
{
    return table ? table->row_count : 0;
}
