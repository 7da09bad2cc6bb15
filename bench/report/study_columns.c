/* What the tables of a study share: see study_columns.h. */
#include "bench/report/study_columns.h"
#include "bench/report/provenance.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *study_attention_title(const char *attention, char *buffer, size_t size)
{
    bool plain = strcmp(attention, "cbam") == 0 || strcmp(attention, "se") == 0;
    snprintf(buffer, size, "%s", attention);
    for (char *c = buffer; plain && *c; c++)
        *c = (char)toupper((unsigned char)*c);
    return buffer;
}

void study_place_title(const struct study_data *data, const struct grid_place *place, char *text,
                       size_t size)
{
    const char *on = data->data.count > 1 && place->data >= 0 ? data->data.text[place->data] : "";
    const char *impl = data->impls.count > 1 ? data->impls.text[place->impl] : "";
    snprintf(text, size, "%s%s%s%s%s%s", data->models.text[place->model], *on ? " on " : "", on,
             *impl ? " (" : "", impl, *impl ? ")" : "");
}

void study_table_prepare(struct table *table, const struct study_tables_input *input)
{
    const struct study_data *data = input->data;
    if (data->data.count <= 1)
        table_hide(table, "data");
    if (data->impls.count <= 1)
        table_hide(table, "impl");
    if (data->older == 0)
        table_hide(table, "commit");
    else
        table_note(table, "%d of %d cells were made by code of another commit than the newest here "
                   "(%s): see the column commit; `study run --older` makes them anew.",
                   data->older, data->rows.count, data->newest);
}

void study_put_place(struct table *table, const struct study_data *data,
                     const struct grid_place *place)
{
    if (place->model >= 0)
        table_text(table, "model", data->models.text[place->model]);
    if (place->data >= 0)
        table_text(table, "data", data->data.text[place->data]);
    if (place->impl >= 0)
        table_text(table, "impl", data->impls.text[place->impl]);
}

/* ---- what made it ---- */

static enum status put_provenance(struct table *table, struct store *store, const char *id)
{
    char *text;
    struct provenance p;
    json_error_t error;
    TRY(store_provenance(store, id, &text));
    json_t *json = json_loads(text, 0, &error);
    provenance_from_json(json, &p);
    json_decref(json);
    free(text);
    table_text(table, "compiler", p.compiler);
    table_text(table, "flags", p.flags);
    table_text(table, "libraries", p.libraries);
    table_text(table, "cpu", p.cpu);
    return OK;
}

static void add_commit(char *commits, size_t size, const char *commit)
{
    size_t used = strlen(commits);
    if (*commit && !strstr(commits, commit))
        snprintf(commits + used, size - used, "%s%s", used ? "+" : "", commit);
}

enum status study_put_made(struct table *table, const struct study_tables_input *input,
                           const int *cells, int count)
{
    char commits[512] = "", date[24] = "";
    const struct store_row *first = NULL;
    for (int i = 0; i < count; i++) {
        if (cells[i] < 0 || !input->data->results[cells[i]])
            continue;
        const struct store_row *row = &input->data->rows.rows[cells[i]];
        first = first ? first : row;
        add_commit(commits, sizeof commits, row->commit);
        if (strcmp(row->finished, date) > 0)
            snprintf(date, sizeof date, "%s", row->finished);
    }
    if (!first)
        return OK;
    table_text(table, "commit", commits);
    table_number(table, "threads", first->cell.settings.threads);
    table_text(table, "how", first->how);
    table_text(table, "date", date);
    table_text(table, "command", first->command);
    return put_provenance(table, input->store, first->provenance);
}

/* ---- values ---- */

void study_put_percent(struct table *table, const char *column, double share, const char *note)
{
    if (isfinite(share))
        table_number(table, column, 100 * share);
    else
        table_missing(table, column, note);
}

void study_put_spread(struct table *table, const char *column, const struct stats_summary *summary)
{
    if (summary->n > 1)
        table_printf(table, column, "%.2f ± %.2f", 100 * summary->mean, 100 * summary->sd);
    else if (summary->n == 1)
        table_printf(table, column, "%.2f", 100 * summary->mean);
    else
        table_text(table, column, NULL);
}
