/* A table as LaTeX, for people who write papers: see table.h. Needs the package booktabs. */
#include "bench/report/table.h"
#include "bench/report/table_cells.h"

#include <string.h>

/* Characters that mean something to LaTeX, and two that older engines do not know. */
static const struct {
    const char *from, *to;
} escapes[] = {{"\\", "\\textbackslash{}"}, {"~", "\\textasciitilde{}"},
               {"^", "\\textasciicircum{}"}, {"#", "\\#"}, {"$", "\\$"}, {"%", "\\%"}, {"&", "\\&"},
               {"_", "\\_"}, {"{", "\\{"}, {"}", "\\}"}, {"\n", " "}, {"\r", " "}, {"±", "$\\pm$"},
               {"<", "\\textless{}"}, {">", "\\textgreater{}"}};

enum { ESCAPES = sizeof escapes / sizeof escapes[0] };

static void put_escaped(const char *text, FILE *out)
{
    while (*text) {
        int e = 0;
        while (e < ESCAPES && strncmp(text, escapes[e].from, strlen(escapes[e].from)) != 0)
            e++;
        if (e < ESCAPES) {
            fputs(escapes[e].to, out);
            text += strlen(escapes[e].from);
        } else {
            fputc(*text++, out);
        }
    }
}

/* A cell; in a column of numbers a leading '-' is a minus. */
static void put_cell(const struct table *table, int row, int column, FILE *out)
{
    char buffer[TABLE_PEOPLE_TEXT];
    const char *text = table_people_text(table, row, column, buffer);
    bool minus = row >= 0 && text[0] == '-' && text[1];
    if (minus)
        fputs("$-$", out);
    put_escaped(text + minus, out);
}

/* The rest of a line as a comment. */
static void put_comment(const char *text, FILE *out)
{
    fputs("% ", out);
    for (; *text; text++)
        fputc(*text == '\n' || *text == '\r' ? ' ' : *text, out);
    fputc('\n', out);
}

/* The commands that repeat a row. */
static void put_commands(const struct table *table, int row, FILE *out)
{
    for (int c = 0; c < table->column_count; c++) {
        const struct table_cell *cell = table_cell(table, row, c);
        if (strncmp(table->columns[c].name, "command", 7) == 0 && cell->kind == CELL_TEXT)
            put_comment(cell->text, out);
    }
}

static void put_row(const struct table *table, int row, FILE *out)
{
    const char *gap = "";
    for (int c = 0; c < table->column_count; c++) {
        if (!table_for_people(table, c))
            continue;
        fputs(gap, out);
        put_cell(table, row, c, out);
        gap = " & ";
    }
    fputs(" \\\\\n", out);
    if (row >= 0)
        put_commands(table, row, out);
}

static void put_notes(const struct table *table, FILE *out)
{
    size_t i;
    json_t *note;
    json_array_foreach(table->notes, i, note) {
        fputs("\n\\smallskip\\footnotesize ", out);
        put_escaped(json_string_value(note), out);
        fputc('\n', out);
    }
}

void table_write_latex(const struct table *table, FILE *out)
{
    fputs("% needs \\usepackage{booktabs} and \\usepackage{graphicx}\n"
          "\\begin{table}\n\\centering\n\\caption{", out);
    put_escaped(table->title, out);
    fprintf(out, "}\n\\label{tab:%s}\n\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else"
            "\\width\\fi}{!}{%%\n\\begin{tabular}{", table->name);
    for (int c = 0; c < table->column_count; c++)
        if (table_for_people(table, c))
            fputc(table_is_numeric(table, c) ? 'r' : 'l', out);
    fputs("}\n\\toprule\n", out);
    put_row(table, TABLE_HEADINGS, out);
    fputs("\\midrule\n", out);
    for (int row = 0; row < table->row_count; row++)
        put_row(table, row, out);
    fputs("\\bottomrule\n\\end{tabular}}\n", out);
    put_notes(table, out);
    fputs("\\end{table}\n", out);
}
