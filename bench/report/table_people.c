/* A table for people, as text and as Markdown: see table.h. Knows no machine's format. */
#include "bench/report/table.h"
#include "bench/report/table_cells.h"

#include <stdlib.h>
#include <string.h>

bool table_for_people(const struct table *table, int column)
{
    if (table->hidden[column] || table->columns[column].audience == TABLE_MACHINES)
        return false;
    for (int r = 0; r < table->row_count; r++)
        if (table_cell(table, r, column)->kind == CELL_JSON)
            return false;
    return true;
}

bool table_is_numeric(const struct table *table, int column)
{
    bool number = false;
    for (int r = 0; r < table->row_count; r++) {
        enum cell_kind kind = table_cell(table, r, column)->kind;
        if (kind == CELL_TEXT || kind == CELL_BOOL)
            return false;
        number = number || kind == CELL_NUMBER;
    }
    return number;
}

/* The text of a cell for people: borrowed from the cell or written into `buffer`. */
static const char *cell_people(const struct table_cell *cell, const struct table_column *column,
                               char buffer[TABLE_PEOPLE_TEXT])
{
    switch (cell->kind) {
    case CELL_TEXT:
        return cell->text;
    case CELL_BOOL:
        return cell->number != 0 ? "yes" : "no";
    case CELL_NUMBER:
        if (column->decimals >= 0)
            snprintf(buffer, TABLE_PEOPLE_TEXT, "%.*f", column->decimals, cell->number);
        else
            snprintf(buffer, TABLE_PEOPLE_TEXT, "%.*g", -column->decimals, cell->number);
        return buffer;
    default:
        return cell->text ? cell->text : "-";
    }
}

static const char *heading(const struct table *table, int c, char *buffer, size_t size)
{
    const struct table_column *column = &table->columns[c];
    const char *title = column->title ? column->title : column->name;
    if (table->retitled[c])
        title = table->retitled[c];
    if (column->unit)
        snprintf(buffer, size, "%s (%s)", title, column->unit);
    else
        snprintf(buffer, size, "%s", title);
    return buffer;
}

/* Characters of a UTF-8 text: its width on a terminal, near enough for what a table holds. */
static int text_width(const char *text)
{
    int width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

/* Text on one line: a line break in a cell becomes a space. */
static void put_line(const char *text, FILE *out)
{
    for (; *text; text++)
        fputc(*text == '\n' || *text == '\r' ? ' ' : *text, out);
}

static void put_padded(const char *text, int width, bool right, FILE *out)
{
    int gap = width - text_width(text);
    for (int i = 0; right && i < gap; i++)
        fputc(' ', out);
    put_line(text, out);
    for (int i = 0; !right && i < gap; i++)
        fputc(' ', out);
}

static int column_width(const struct table *table, int column)
{
    char buffer[TABLE_PEOPLE_TEXT];
    int width = text_width(heading(table, column, buffer, sizeof buffer));
    for (int r = 0; r < table->row_count; r++) {
        const struct table_cell *cell = table_cell(table, r, column);
        int w = text_width(cell_people(cell, &table->columns[column], buffer));
        width = w > width ? w : width;
    }
    return width;
}

static void put_notes(const struct table *table, const char *first, const char *next, FILE *out)
{
    size_t i;
    json_t *note;
    json_array_foreach(table->notes, i, note)
        fprintf(out, "%s%s\n", i ? next : first, json_string_value(note));
}

const char *table_people_text(const struct table *table, int row, int c,
                              char buffer[TABLE_PEOPLE_TEXT])
{
    return row == TABLE_HEADINGS
               ? heading(table, c, buffer, TABLE_PEOPLE_TEXT)
               : cell_people(table_cell(table, row, c), &table->columns[c], buffer);
}

/* One line of a text table. A width of 0 hides a column; `last` is the last one shown. */
static void text_row(const struct table *table, int row, const int *widths, int last, FILE *out)
{
    char buffer[TABLE_PEOPLE_TEXT];
    for (int c = 0; c <= last; c++) {
        if (widths[c] == 0)
            continue;
        bool right = table_is_numeric(table, c);
        put_padded(table_people_text(table, row, c, buffer), c == last && !right ? 0 : widths[c],
                   right, out);
        fputs(c == last ? "\n" : "  ", out);
    }
}

static void text_rule(const int *widths, int last, FILE *out)
{
    for (int c = 0; c <= last; c++) {
        for (int i = 0; i < widths[c]; i++)
            fputc('-', out);
        if (widths[c] > 0)
            fputs(c == last ? "\n" : "  ", out);
    }
}

enum status table_write_text(const struct table *table, FILE *out)
{
    int last = 0;
    int *widths = calloc((size_t)table->column_count, sizeof *widths);
    if (!widths)
        return fail(ERR_MEMORY, "no memory to write table %s", table_name(table));
    for (int c = 0; c < table->column_count; c++) {
        widths[c] = table_for_people(table, c) ? column_width(table, c) : 0;
        last = widths[c] > 0 ? c : last;
    }
    fprintf(out, "%s\n\n", table->title);
    text_row(table, TABLE_HEADINGS, widths, last, out);
    text_rule(widths, last, out);
    for (int row = 0; row < table->row_count; row++)
        text_row(table, row, widths, last, out);
    if (table->row_count == 0)
        fputs("(no rows)\n", out);
    put_notes(table, "\n", "", out);
    free(widths);
    return OK;
}

/* ---- Markdown ---- */

static void md_cell(const char *text, FILE *out)
{
    fputc(' ', out);
    for (; *text; text++) {
        if (*text == '|' || *text == '\\')
            fputc('\\', out);
        fputc(*text == '\n' || *text == '\r' ? ' ' : *text, out);
    }
    fputs(" |", out);
}

static void md_row(const struct table *table, int row, FILE *out)
{
    char buffer[TABLE_PEOPLE_TEXT];
    fputc('|', out);
    for (int c = 0; c < table->column_count; c++)
        if (table_for_people(table, c))
            md_cell(table_people_text(table, row, c, buffer), out);
    fputc('\n', out);
}

void table_write_md(const struct table *table, FILE *out)
{
    md_row(table, TABLE_HEADINGS, out);
    fputc('|', out);
    for (int c = 0; c < table->column_count; c++)
        if (table_for_people(table, c))
            fputs(table_is_numeric(table, c) ? " --: |" : " --- |", out);
    fputc('\n', out);
    for (int r = 0; r < table->row_count; r++)
        md_row(table, r, out);
    put_notes(table, "\n", "\n", out);
}
