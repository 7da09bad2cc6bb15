/* What the tables of a study share: the columns that say where a row stands and what made it.
 * Private to the files study_tables*.c. */
#ifndef BENCH_REPORT_STUDY_COLUMNS_H
#define BENCH_REPORT_STUDY_COLUMNS_H

#include "bench/report/study_tables.h"

/* Where a row stands. Axes with one entry are hidden from people by put_place_columns(). */
#define PLACE_COLUMNS \
    {.name = "model", .title = "network"}, {.name = "data", .title = "target data"}, \
    {.name = "impl", .title = "implementation"}

/* What made a row. */
#define MADE_COLUMNS \
    {.name = "commit"}, {.name = "compiler", .audience = TABLE_MACHINES}, \
    {.name = "flags", .audience = TABLE_MACHINES}, \
    {.name = "libraries", .audience = TABLE_MACHINES}, \
    {.name = "cpu", .audience = TABLE_MACHINES}, {.name = "threads", .audience = TABLE_MACHINES}, \
    {.name = "how", .audience = TABLE_MACHINES}, {.name = "date", .audience = TABLE_MACHINES}, \
    {.name = "command", .audience = TABLE_MACHINES}

#define COLUMN_COUNT(columns) ((int)(sizeof(columns) / sizeof((columns)[0])))

/* Hides the axes that have one entry only, and the commit when all cells have this program's; says
 * in a note when they do not. To be called once for a table with both lists of columns. */
void study_table_prepare(struct table *table, const struct study_tables_input *input);

/* Fills PLACE_COLUMNS. data is left empty for a source. */
void study_put_place(struct table *table, const struct study_data *data,
                     const struct grid_place *place);

/* Fills MADE_COLUMNS of a row that was made from `count` cells (indices of rows): the commits of
 * all, the newest date, the rest from the first. Indices below 0 are skipped. */
enum status study_put_made(struct table *table, const struct study_tables_input *input,
                           const int *cells, int count);

/* A share as percent; missing with that note when it is NaN. */
void study_put_percent(struct table *table, const char *column, double share, const char *note);

/* "85.12 ± 0.93", without the second part for one value, "-" for none. In percent. */
void study_put_spread(struct table *table, const char *column, const struct stats_summary *summary);

/* ---- tables with a row for each comparison ----
 * They share the columns that say what is compared, and their headings. */
#define COMPARED_COLUMNS \
    PLACE_COLUMNS, {.name = "arm", .title = "transfer"}, {.name = "attention"}, \
    {.name = "baseline", .audience = TABLE_MACHINES}

/* Whether any run of that role had a shifted test. */
bool study_has_shifted(const struct study_data *data, enum cell_role role);

/* "CBAM" and "no CBAM", or what else the two sides are called; `other` for several others. */
void study_side_titles(const struct study_data *data, char without[STUDY_TEXT_MAX + 16],
                       char with[STUDY_TEXT_MAX + 16]);

/* Gives columns whose names begin with "without" or "with", or end in "_without" or "_with", the
 * headings of their sides, and hides the compared axis when it has two entries only. */
void study_name_sides(struct table *table, const struct study_data *data);

/* Fills COMPARED_COLUMNS. */
void study_put_compared(struct table *table, const struct study_data *data,
                        const struct comparison *c);

/* Cells of both sides of a comparison at all seeds, the other side first; returns their number. */
int study_list_cells(const struct study_data *data, const struct comparison *c,
                     int cells[2 * STUDY_SEEDS_MAX]);

/* "+1.20 [+0.40, +2.00]" in percent, without the interval when there is none. */
void study_put_interval(struct table *table, const char *column, const struct paired *paired);

/* Each makes one table: see study_tables.h. */
enum status study_table_comparison(const struct study_tables_input *input, struct table **table);
enum status study_table_general(const struct study_tables_input *input, struct table **table);
enum status study_table_costs(const struct study_tables_input *input, struct table **table);
enum status study_table_seeds(const struct study_tables_input *input, struct table **table);
enum status study_table_sources(const struct study_tables_input *input, struct table **table);
enum status study_table_networks(const struct study_tables_input *input, struct table **table);
enum status study_table_agreement(const struct study_tables_input *input, struct table **table);
enum status study_table_dtypes(const struct study_tables_input *input, struct table **table);
enum status study_table_latency(const struct study_tables_input *input, struct table **table);
enum status study_table_runs(const struct study_tables_input *input, struct table **table);
enum status study_table_search(const struct study_tables_input *input, struct table **table);
enum status study_table_made(const struct study_tables_input *input, struct table **table);

#endif
