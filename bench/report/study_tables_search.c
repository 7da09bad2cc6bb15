/* The table of a study's searches: what each arm tried on seeds that do not count, and what was
 * chosen for its counting runs: see study_tables.h. Looks at validation accuracy alone. */
#include "bench/report/study_columns.h"
#include "bench/report/study_tables.h"
#include "bench/study/search.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct table_column search_columns[] = {
    PLACE_COLUMNS,
    {.name = "attention"},
    {.name = "arm", .title = "transfer"},
    {.name = "trials"},
    {.name = "tried", .title = "tried: validation in %"},
    {.name = "chosen"},
    {.name = "validation", .unit = "%", .decimals = 2},
    {.name = "points", .audience = TABLE_MACHINES},
    {.name = "search", .audience = TABLE_MACHINES},
    MADE_COLUMNS,
};

/* Whether row i is the first whose settings this search chose. */
static bool is_first(const struct study_data *data, int i)
{
    const struct store_row *rows = data->rows.rows;
    if (!rows[i].cell.search[0])
        return false;
    for (int j = 0; j < i; j++)
        if (strcmp(rows[j].cell.search, rows[i].cell.search) == 0)
            return false;
    return true;
}

/* "lr 0.1: 65.20", or in place of the number what kept it from being one. */
static void put_point(const struct store_search *search, int point, FILE *out)
{
    char text[256];
    double mean = store_search_mean(search, point);
    search_print(search->trials[point * store_search_seeds(search)].choice, text, sizeof text);
    fprintf(out, "%s%s: ", point ? "; " : "", text);
    if (isnan(mean))
        fputs("not done", out);
    else if (isinf(mean))
        fputs("diverged", out);
    else
        fprintf(out, "%.2f", 100 * mean);
}

static enum status put_tried(struct table *table, const struct store_search *search)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return fail(ERR_MEMORY, "no memory for a table");
    for (int i = 0; i < search->count / store_search_seeds(search); i++)
        put_point(search, i, out);
    bool good = fclose(out) == 0;
    if (good)
        table_text(table, "tried", text);
    free(text);
    return good ? OK : fail(ERR_MEMORY, "no memory for a table");
}

/* [{"choice": {...}, "validation": [seed by seed, null where there is no number]}, ...] */
static json_t *points_json(const struct store_search *search)
{
    json_t *points = json_array(), *values = NULL;
    int seeds = store_search_seeds(search);
    json_error_t error;
    for (int i = 0; i < search->count; i++) {
        const struct store_trial *trial = &search->trials[i];
        if (i % seeds == 0) {
            values = json_array();
            json_array_append_new(points, json_pack("{s:o, s:o}", "choice",
                                                    json_loads(trial->choice, 0, &error),
                                                    "validation", values));
        }
        bool number = !trial->diverged && !isnan(trial->val_accuracy);
        json_array_append_new(values, number ? json_real(trial->val_accuracy) : json_null());
    }
    return points;
}

static void put_chosen(struct table *table, const struct store_search *search)
{
    char text[256];
    if (!search->chosen) {
        table_missing(table, "chosen", "not all are done");
        table_missing(table, "validation", "not all are done");
        return;
    }
    search_print(search->chosen, text, sizeof text);
    table_text(table, "chosen", text);
    study_put_percent(table, "validation", search->value, "all diverged");
}

static enum status put_makers(struct table *table, const struct study_tables_input *input,
                              const struct store_search *search)
{
    int *cells = calloc((size_t)search->count + 1, sizeof *cells);
    if (!cells)
        return fail(ERR_MEMORY, "no memory for a table");
    for (int i = 0; i < search->count; i++)
        cells[i] = study_data_row(input->data, search->trials[i].key);
    enum status status = study_put_made(table, input, cells, search->count);
    free(cells);
    return status;
}

static enum status put_search(struct table *table, const struct study_tables_input *input, int i,
                              const struct store_search *search)
{
    const struct study_data *data = input->data;
    const struct cell *cell = &data->rows.rows[i].cell;
    table_row(table);
    study_put_place(table, data, &data->places[i]);
    table_text(table, "attention", cell->settings.attention);
    table_text(table, "arm", cell->arm);
    table_number(table, "trials", search->count);
    TRY(put_tried(table, search));
    put_chosen(table, search);
    table_json(table, "points", points_json(search));
    table_text(table, "search", search->id);
    return put_makers(table, input, search);
}

enum status study_table_search(const struct study_tables_input *input, struct table **out)
{
    const struct study_data *data = input->data;
    struct table *table = *out = table_new("search", "Search: what each arm tried and got",
                                           search_columns, COLUMN_COUNT(search_columns));
    study_table_prepare(table, input);
    table_hide(table, "impl");
    for (int i = 0; i < data->rows.count; i++) {
        struct store_search search;
        if (!is_first(data, i))
            continue;
        TRY(store_search(input->store, data->rows.rows[i].cell.search, &search));
        enum status status = search.count > 0 ? put_search(table, input, i, &search)
                                              : fail(ERR_FORMAT, "search %s has no trials",
                                                     search.id);
        store_search_free(&search);
        TRY(status);
    }
    table_note(table, "Every arm tried the same combinations as often, on seeds that do not count. "
               "The mean validation accuracy over these seeds chose, the first of equal ones; one "
               "that diverged on any seed comes last. No test image was looked at for it.");
    return OK;
}
