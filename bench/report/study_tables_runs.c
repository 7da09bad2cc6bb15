/* The tables of a study about single runs and networks: see study_tables.h. */
#include "bench/report/study_columns.h"
#include "bench/report/study_tables.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- sources ---- */

static const struct table_column source_columns[] = {
    PLACE_COLUMNS,
    {.name = "attention"},
    {.name = "source_data", .title = "source data"},
    {.name = "runs"},
    {.name = "test", .unit = "%", .audience = TABLE_PEOPLE},
    {.name = "train", .unit = "%", .audience = TABLE_PEOPLE},
    {.name = "test_mean", .unit = "%", .audience = TABLE_MACHINES},
    {.name = "test_sd", .unit = "%", .audience = TABLE_MACHINES},
    {.name = "train_mean", .unit = "%", .audience = TABLE_MACHINES},
    {.name = "train_sd", .unit = "%", .audience = TABLE_MACHINES},
    {.name = "shifted", .unit = "%", .audience = TABLE_PEOPLE},
    {.name = "shifted_mean", .unit = "%", .audience = TABLE_MACHINES},
    {.name = "shifted_sd", .unit = "%", .audience = TABLE_MACHINES},
    {.name = "diverged"},
    MADE_COLUMNS,
};

/* Rows with everything alike but the seed, in the order of the store; `cells` takes them. Returns
 * their number; 0 when the row `first` belongs to an earlier group, or to a search. */
static int group_by_seed(const struct study_data *data, int first, int *cells)
{
    const struct store_row *rows = data->rows.rows;
    int count = 0;
    if (rows[first].cell.trial)
        return 0;
    for (int i = 0; i < data->rows.count && count < STUDY_SEEDS_MAX; i++) {
        struct train_settings a = rows[first].cell.settings, b = rows[i].cell.settings;
        if (rows[i].cell.role != rows[first].cell.role || rows[i].cell.trial ||
            strcmp(a.model, b.model) != 0 ||
            strcmp(a.attention, b.attention) != 0 || strcmp(a.impl, b.impl) != 0 ||
            strcmp(rows[first].cell.arm, rows[i].cell.arm) != 0 || strcmp(a.data, b.data) != 0)
            continue;
        if (i < first)
            return 0;
        cells[count++] = i;
    }
    return count;
}

struct spread {
    struct stats_summary test, train, shifted;
    int finished, diverged;
};

static struct spread spread_of(const struct study_data *data, const int *cells, int count)
{
    double test[STUDY_SEEDS_MAX], train[STUDY_SEEDS_MAX], shifted[STUDY_SEEDS_MAX];
    struct spread s = {.finished = 0};
    int looked = 0;
    for (int i = 0; i < count; i++) {
        const struct train_result *result = data->results[cells[i]];
        if (!result || result->diverged) {
            s.diverged += result != NULL;
            continue;
        }
        test[s.finished] = result->test_accuracy;
        train[s.finished++] = result->train_accuracy;
        if (result->shifted_n > 0)
            shifted[looked++] = result->shifted_accuracy;
    }
    s.test = stats_summarise(test, s.finished);
    s.train = stats_summarise(train, s.finished);
    s.shifted = stats_summarise(shifted, looked);
    return s;
}

static void put_source(struct table *table, const struct study_data *data, const int *cells,
                       int count)
{
    struct spread s = spread_of(data, cells, count);
    const struct train_settings *settings = &data->rows.rows[cells[0]].cell.settings;
    table_row(table);
    study_put_place(table, data, &data->places[cells[0]]);
    table_text(table, "attention", settings->attention);
    table_text(table, "source_data", settings->data);
    table_number(table, "runs", s.finished);
    table_number(table, "diverged", s.diverged);
    study_put_spread(table, "test", &s.test);
    study_put_spread(table, "train", &s.train);
    study_put_percent(table, "test_mean", s.test.mean, "no finished run");
    study_put_percent(table, "test_sd", s.test.sd, "fewer than 2 finished runs");
    study_put_percent(table, "train_mean", s.train.mean, "no finished run");
    study_put_percent(table, "train_sd", s.train.sd, "fewer than 2 finished runs");
    study_put_spread(table, "shifted", &s.shifted);
    study_put_percent(table, "shifted_mean", s.shifted.mean, "no shifted test");
    study_put_percent(table, "shifted_sd", s.shifted.sd, "fewer than 2 shifted tests");
}

enum status study_table_sources(const struct study_tables_input *input, struct table **out)
{
    const struct study_data *data = input->data;
    int cells[STUDY_SEEDS_MAX];
    struct table *table = *out = table_new("sources", "The trained sources", source_columns,
                                           COLUMN_COUNT(source_columns));
    study_table_prepare(table, input);
    table_hide(table, "data");
    if (study_has_shifted(data, ROLE_SOURCE))
        table_note(table, "shifted: accuracy on test images of other data, looked at once.");
    else
        table_hide(table, "shifted");
    for (int i = 0; i < data->rows.count; i++) {
        int count = data->rows.rows[i].cell.role == ROLE_SOURCE ? group_by_seed(data, i, cells) : 0;
        if (count == 0)
            continue;
        put_source(table, data, cells, count);
        TRY(study_put_made(table, input, cells, count));
    }
    return OK;
}

/* ---- networks ---- */

static const struct table_column network_columns[] = {
    PLACE_COLUMNS,
    {.name = "attention"},
    {.name = "arm", .title = "transfer"},
    {.name = "params", .title = "parameters"},
    {.name = "trainable", .title = "of these trained"},
    {.name = "attention_trains", .title = "attention"},
    {.name = "loaded", .title = "tensors loaded"},
    {.name = "missing", .title = "fresh"},
    {.name = "lr", .decimals = -3},
    {.name = "epochs"},
    {.name = "before", .title = "before", .unit = "%", .decimals = 2},
    {.name = "macs", .title = "MACs", .unit = "M", .audience = TABLE_PEOPLE, .decimals = 3},
    {.name = "macs_per_image", .audience = TABLE_MACHINES},
    {.name = "seconds", .title = "training", .unit = "s", .decimals = 1},
    {.name = "images_per_s", .title = "images/s", .decimals = 0},
    {.name = "cached", .title = "cached features"},
    MADE_COLUMNS,
};

/* Whether the attention modules of a run trained. */
static const char *attention_word(const struct train_result *r)
{
    if (r->attention_params == 0)
        return "none";
    if (r->attention_trainable == 0)
        return "fixed";
    if (isnan(r->attention_params))
        return NULL;
    return r->attention_trainable < r->attention_params ? "partly trains" : "trains";
}

/* What a run started from and how fast it learned. */
static void put_start(struct table *table, const struct store_row *row,
                      const struct train_result *r)
{
    table_text(table, "attention_trains", attention_word(r));
    table_number(table, "loaded", r->loaded);
    table_number(table, "missing", r->missing);
    table_number(table, "lr", row->cell.settings.lr);
    table_number(table, "epochs", r->epochs);
    study_put_percent(table, "before", r->before_accuracy, "-");
}

static void put_network(struct table *table, const struct study_data *data, const int *cells,
                        int count)
{
    double seconds[STUDY_SEEDS_MAX], rate[STUDY_SEEDS_MAX];
    int finished = 0;
    const struct store_row *row = &data->rows.rows[cells[0]];
    const struct train_result *any = NULL;
    for (int i = 0; i < count; i++) {
        const struct train_result *result = data->results[cells[i]];
        if (!result || result->diverged)
            continue;
        any = result;
        seconds[finished] = result->seconds;
        rate[finished++] = result->images_per_s;
    }
    table_row(table);
    study_put_place(table, data, &data->places[cells[0]]);
    table_text(table, "attention", row->cell.settings.attention);
    table_text(table, "arm", row->cell.role == ROLE_SOURCE
                                 ? "(source)" : row->cell.arm);
    if (!any)
        return;
    table_number(table, "params", any->params);
    table_number(table, "trainable", any->trainable);
    put_start(table, row, any);
    table_number(table, "macs", any->macs * 1e-6);
    table_number(table, "macs_per_image", any->macs);
    table_number(table, "seconds", stats_summarise(seconds, finished).mean);
    table_number(table, "images_per_s", stats_summarise(rate, finished).mean);
    table_bool(table, "cached", any->cached_features);
}

enum status study_table_networks(const struct study_tables_input *input, struct table **out)
{
    const struct study_data *data = input->data;
    int cells[STUDY_SEEDS_MAX];
    struct table *table = *out = table_new("networks", "What the networks cost to train",
                                           network_columns, COLUMN_COUNT(network_columns));
    study_table_prepare(table, input);
    for (int i = 0; i < data->rows.count; i++) {
        int count = group_by_seed(data, i, cells);
        if (count == 0)
            continue;
        put_network(table, data, cells, count);
        TRY(study_put_made(table, input, cells, count));
    }
    table_note(table, "MACs of one image: convolutions and linear layers, attention included. "
               "attention: whether its parameters train or are fixed in this arm. fresh: tensors "
               "that the weights file lacks (inserted attention; a new head is fresh besides, and "
               "not counted). before: test accuracy before the first update, where the head was "
               "kept. Training time is the mean over seeds, with other cells running beside.");
    return OK;
}

/* ---- every run ---- */

static const struct table_column run_columns[] = {
    PLACE_COLUMNS,
    {.name = "role"},
    {.name = "attention"},
    {.name = "arm", .title = "transfer"},
    {.name = "seed"},
    {.name = "state"},
    {.name = "test_accuracy", .title = "test", .unit = "%", .decimals = 2},
    {.name = "train_accuracy", .title = "train", .unit = "%", .decimals = 2},
    {.name = "val_accuracy", .title = "validation", .unit = "%", .decimals = 2},
    {.name = "test_top5", .unit = "%", .audience = TABLE_MACHINES},
    {.name = "test_loss", .audience = TABLE_MACHINES},
    {.name = "train_loss", .audience = TABLE_MACHINES},
    {.name = "val_loss", .audience = TABLE_MACHINES},
    {.name = "train_n", .audience = TABLE_MACHINES},
    {.name = "val_n", .audience = TABLE_MACHINES},
    {.name = "test_n", .audience = TABLE_MACHINES},
    {.name = "dropped", .audience = TABLE_MACHINES},
    {.name = "epochs", .audience = TABLE_MACHINES},
    {.name = "seconds", .unit = "s", .decimals = 1},
    {.name = "loaded", .audience = TABLE_MACHINES},
    {.name = "missing", .audience = TABLE_MACHINES},
    {.name = "unexpected", .audience = TABLE_MACHINES},
    {.name = "mismatched", .audience = TABLE_MACHINES},
    {.name = "split_hash", .audience = TABLE_MACHINES},
    {.name = "data_hash", .audience = TABLE_MACHINES},
    {.name = "why", .title = "error"},
    {.name = "key", .audience = TABLE_MACHINES},
    {.name = "source", .audience = TABLE_MACHINES},
    MADE_COLUMNS,
};

static void put_counts(struct table *table, const struct train_result *r)
{
    const struct {
        const char *column;
        int value;
    } counts[] = {{"train_n", r->train_n}, {"val_n", r->val_n}, {"test_n", r->test_n},
                  {"dropped", r->dropped}, {"epochs", r->epochs}, {"loaded", r->loaded},
                  {"missing", r->missing}, {"unexpected", r->unexpected},
                  {"mismatched", r->mismatched}};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        table_number(table, counts[i].column, counts[i].value);
}

static void put_numbers(struct table *table, const struct train_result *r)
{
    const char *none = r->diverged ? "diverged" : "no images";
    study_put_percent(table, "test_accuracy", r->test_accuracy, none);
    study_put_percent(table, "train_accuracy", r->train_accuracy, none);
    study_put_percent(table, "val_accuracy", r->val_accuracy, none);
    study_put_percent(table, "test_top5", r->test_top5, none);
    table_number(table, "test_loss", r->test_loss);
    table_number(table, "train_loss", r->train_loss);
    table_number(table, "val_loss", r->val_loss);
    table_number(table, "seconds", r->seconds);
    table_text(table, "split_hash", r->split_hash);
    table_text(table, "data_hash", r->data_hash);
    put_counts(table, r);
}

static void put_run(struct table *table, const struct study_data *data, int i)
{
    const struct store_row *row = &data->rows.rows[i];
    const struct train_settings *s = &row->cell.settings;
    bool diverged = data->results[i] && data->results[i]->diverged;
    table_row(table);
    study_put_place(table, data, &data->places[i]);
    table_text(table, "data", s->data);
    table_text(table, "role", row->cell.trial ? "search" : cell_role_name(row->cell.role));
    table_text(table, "attention", s->attention);
    table_text(table, "arm", row->cell.role == ROLE_SOURCE ? NULL : row->cell.arm);
    table_printf(table, "seed", "%llu", (unsigned long long)s->seed);
    table_text(table, "state", diverged ? "diverged" : cell_state_name(row->state));
    table_text(table, "why", diverged ? row->diverged : *row->error ? row->error : NULL);
    table_text(table, "key", row->cell.key);
    table_text(table, "source", *row->cell.source ? row->cell.source : NULL);
    if (data->results[i])
        put_numbers(table, data->results[i]);
}

enum status study_table_runs(const struct study_tables_input *input, struct table **out)
{
    const struct study_data *data = input->data;
    struct table *table = *out = table_new("runs", "Every run", run_columns,
                                           COLUMN_COUNT(run_columns));
    study_table_prepare(table, input);
    for (int i = 0; i < data->rows.count; i++) {
        put_run(table, data, i);
        TRY(study_put_made(table, input, &i, 1));
    }
    return OK;
}

/* ---- what made them ---- */

static const struct table_column made_columns[] = {
    {.name = "cells"},
    {.name = "commit"},
    {.name = "compiler"},
    {.name = "flags"},
    {.name = "libraries"},
    {.name = "cpu", .title = "processor"},
    {.name = "kernel"},
    {.name = "libc"},
    {.name = "id", .audience = TABLE_MACHINES},
};

static bool seen_before(const struct store_rows *rows, int i)
{
    for (int j = 0; j < i; j++)
        if (strcmp(rows->rows[j].provenance, rows->rows[i].provenance) == 0)
            return true;
    return false;
}

static enum status put_maker(struct table *table, struct store *store, const char *id)
{
    char *text;
    json_error_t error;
    TRY(store_provenance(store, id, &text));
    json_t *json = json_loads(text, 0, &error);
    free(text);
    for (int c = 1; c < COLUMN_COUNT(made_columns); c++)
        table_text(table, made_columns[c].name,
                   json_string_value(json_object_get(json, made_columns[c].name)));
    json_decref(json);
    return OK;
}

enum status study_table_made(const struct study_tables_input *input, struct table **out)
{
    const struct store_rows *rows = &input->data->rows;
    struct table *table = *out = table_new("made", "What made the cells", made_columns,
                                           COLUMN_COUNT(made_columns));
    for (int i = 0; i < rows->count; i++) {
        int cells = 0;
        if (!*rows->rows[i].provenance || seen_before(rows, i))
            continue;
        for (int j = i; j < rows->count; j++)
            cells += strcmp(rows->rows[j].provenance, rows->rows[i].provenance) == 0;
        table_row(table);
        table_number(table, "cells", cells);
        TRY(put_maker(table, input->store, rows->rows[i].provenance));
    }
    return OK;
}
