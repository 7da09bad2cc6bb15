/* A table for machines, as CSV and JSON, and the choice of a format: see table.h. */
#include "bench/net/atomic_file.h"
#include "bench/report/table.h"
#include "bench/report/table_cells.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- CSV ---- */

static void csv_text(const char *text, FILE *out)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

/* The shortest decimal text that reads back as the same number. */
static void csv_number(double number, FILE *out)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    fputs(text, out);
}

static enum status csv_json(const json_t *value, FILE *out)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(17) | JSON_ENCODE_ANY);
    if (!text)
        return fail(ERR_MEMORY, "no memory for a cell of a table");
    csv_text(text, out);
    free(text);
    return OK;
}

static enum status csv_cell(const struct table_cell *cell, FILE *out)
{
    if (cell->kind == CELL_TEXT)
        csv_text(cell->text, out);
    else if (cell->kind == CELL_NUMBER)
        csv_number(cell->number, out);
    else if (cell->kind == CELL_BOOL)
        fputs(cell->number != 0 ? "true" : "false", out);
    else if (cell->kind == CELL_JSON)
        return csv_json(cell->json, out);
    return OK;
}

static bool for_machines(const struct table *table, int column)
{
    return table->columns[column].audience != TABLE_PEOPLE;
}

static enum status write_csv(const struct table *table, FILE *out)
{
    const char *comma = "";
    for (int c = 0; c < table->column_count; c++) {
        if (for_machines(table, c)) {
            fputs(comma, out);
            csv_text(table->columns[c].name, out);
            comma = ",";
        }
    }
    fputc('\n', out);
    for (int r = 0; r < table->row_count; r++) {
        comma = "";
        for (int c = 0; c < table->column_count; c++) {
            if (!for_machines(table, c))
                continue;
            fputs(comma, out);
            comma = ",";
            TRY(csv_cell(table_cell(table, r, c), out));
        }
        fputc('\n', out);
    }
    return OK;
}

/* ---- JSON ---- */

static json_t *json_number(double number)
{
    bool whole = fabs(number) < 9007199254740992.0 && number == floor(number);
    return whole ? json_integer((json_int_t)number) : json_real(number);
}

static json_t *json_cell(const struct table_cell *cell)
{
    switch (cell->kind) {
    case CELL_TEXT:
        return json_string(cell->text);
    case CELL_NUMBER:
        return json_number(cell->number);
    case CELL_BOOL:
        return json_boolean(cell->number != 0);
    case CELL_JSON:
        return json_incref(cell->json);
    default:
        return json_null();
    }
}

/* Adds "column: note" to the row's "error". */
static int add_error(json_t *row, const char *column, const char *note)
{
    const char *before = json_string_value(json_object_get(row, "error"));
    json_t *text = before ? json_sprintf("%s; %s: %s", before, column, note)
                          : json_sprintf("%s: %s", column, note);
    return json_object_set_new(row, "error", text);
}

static json_t *json_row(const struct table *table, int r)
{
    json_t *row = json_object();
    int bad = !row;
    for (int c = 0; c < table->column_count; c++)
        if (for_machines(table, c))
            bad |= json_object_set_new(row, table->columns[c].name,
                                       json_cell(table_cell(table, r, c)));
    for (int c = 0; c < table->column_count; c++) {
        const struct table_cell *cell = table_cell(table, r, c);
        if (for_machines(table, c) && cell->kind == CELL_MISSING && cell->text)
            bad |= add_error(row, table->columns[c].name, cell->text);
    }
    if (bad) {
        json_decref(row);
        return NULL;
    }
    return row;
}

json_t *table_rows_json(const struct table *table)
{
    if (!table || table->broken)
        return NULL;
    json_t *rows = json_array();
    for (int r = 0; rows && r < table->row_count; r++) {
        if (json_array_append_new(rows, json_row(table, r)) != 0) {
            json_decref(rows);
            return NULL;
        }
    }
    return rows;
}

/* Everything but the rows. */
static json_t *json_frame(const struct table *table)
{
    json_t *units = json_object();
    for (int c = 0; c < table->column_count; c++)
        if (for_machines(table, c) && table->columns[c].unit)
            json_object_set_new(units, table->columns[c].name,
                                json_string(table->columns[c].unit));
    json_t *frame = json_pack("{s:s, s:s, s:o, s:O}", "table", table->name, "title", table->title,
                              "units", units, "notes", table->notes);
    if (frame && json_object_update(frame, table->meta) != 0) {
        json_decref(frame);
        return NULL;
    }
    return frame;
}

static bool put_json(const json_t *value, FILE *out)
{
    return json_dumpf(value, out, JSON_COMPACT | JSON_REAL_PRECISION(17) | JSON_ENCODE_ANY) == 0;
}

/* A member a line and a row a line: readable, and a difference between two files shows. */
static bool put_document(json_t *frame, const json_t *rows, FILE *out)
{
    const char *key;
    json_t *value;
    size_t i;
    bool good = true;
    fputs("{\n", out);
    json_object_foreach(frame, key, value) {
        json_t *name = json_string(key);
        good = good && name && put_json(name, out);
        fputs(": ", out);
        good = good && put_json(value, out);
        fputs(",\n", out);
        json_decref(name);
    }
    fputs("\"rows\": [", out);
    json_array_foreach(rows, i, value) {
        fputs(i ? ",\n  " : "\n  ", out);
        good = good && put_json(value, out);
    }
    fputs("\n]\n}\n", out);
    return good;
}

static enum status write_json(const struct table *table, FILE *out)
{
    json_t *frame = json_frame(table);
    json_t *rows = table_rows_json(table);
    bool good = frame && rows && put_document(frame, rows, out);
    json_decref(frame);
    json_decref(rows);
    return good ? OK : fail(ERR_MEMORY, "table %s cannot be written as JSON: no memory, or text "
                            "that is not UTF-8", table_name(table));
}

/* ---- any format ---- */

enum status table_write(const struct table *table, enum table_format format, FILE *out)
{
    if (!table || table->broken)
        return fail(ERR_MEMORY, "no memory for a table");
    enum status status = OK;
    if (format == TABLE_TEXT)
        status = table_write_text(table, out);
    else if (format == TABLE_MD)
        table_write_md(table, out);
    else if (format == TABLE_LATEX)
        table_write_latex(table, out);
    else if (format == TABLE_CSV)
        status = write_csv(table, out);
    else
        status = write_json(table, out);
    TRY(status);
    if (fflush(out) != 0 || ferror(out))
        return fail(ERR_IO, "table %s cannot be written: the output takes no more",
                    table_name(table));
    return OK;
}

enum status table_save(const struct table *table, enum table_format format, const char *path)
{
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    if (!memory)
        return fail(ERR_MEMORY, "no memory for table %s", table_name(table));
    enum status status = table_write(table, format, memory);
    if (fclose(memory) != 0 && status == OK)
        status = fail(ERR_MEMORY, "no memory for table %s", table_name(table));
    if (status == OK)
        status = atomic_file_save(path, text, size);
    free(text);
    return status;
}
