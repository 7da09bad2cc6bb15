/* The tables of a study about implementations, how they agree and how fast they are: see
 * study_tables.h. */
#include "bench/report/study_columns.h"
#include "bench/report/study_latency.h"
#include "bench/report/study_tables.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- agreement ---- */

static const struct table_column agreement_columns[] = {
    PLACE_COLUMNS,
    {.name = "attention"},
    {.name = "arm", .title = "transfer"},
    {.name = "reference", .title = "trained on"},
    {.name = "other", .title = "against"},
    {.name = "networks"},
    {.name = "images"},
    {.name = "disagree", .title = "other class"},
    {.name = "max_logit_diff", .title = "largest difference of a logit", .decimals = -2},
    MADE_COLUMNS,
};

/* Agreement of one implementation with that which trained, summed over the seeds of a place. */
struct sum {
    int networks, images, disagree;
    double max_logit_diff;
    int cells[STUDY_SEEDS_MAX];
};

static void add_agreement(struct sum *sum, const struct agreement *a, int k, int cell)
{
    sum->cells[sum->networks++] = cell;
    sum->images += a->images;
    sum->disagree += a->disagree[k];
    if (!(a->max_logit_diff[k] <= sum->max_logit_diff))
        sum->max_logit_diff = a->max_logit_diff[k];
}

static enum status put_agreement(struct table *table, const struct study_tables_input *input,
                                 const struct grid_place *place, const char *other,
                                 const struct sum *sum)
{
    const struct study_data *data = input->data;
    table_row(table);
    study_put_place(table, data, place);
    table_text(table, "attention", data->attention.text[place->attention]);
    table_text(table, "arm", data->arms.text[place->arm]);
    table_text(table, "reference", data->impls.text[place->impl]);
    table_text(table, "other", other);
    table_number(table, "networks", sum->networks);
    table_number(table, "images", sum->images);
    table_number(table, "disagree", sum->disagree);
    table_number(table, "max_logit_diff", sum->max_logit_diff);
    return study_put_made(table, input, sum->cells, sum->networks);
}

/* All seeds of a place; number k of a cell's agreement is another implementation. */
static enum status put_place(struct table *table, const struct study_tables_input *input,
                             struct grid_place place)
{
    const struct study_data *data = input->data;
    for (int k = 1; k < STORE_IMPLS_MAX; k++) {
        struct sum sum = {.networks = 0};
        const char *other = NULL;
        for (place.seed = 0; place.seed < data->seeds.count; place.seed++) {
            int i = study_data_find(data, &place);
            if (i < 0 || data->agreements[i].impl_count <= k)
                continue;
            other = data->agreements[i].impls[k];
            add_agreement(&sum, &data->agreements[i], k, i);
        }
        if (other)
            TRY(put_agreement(table, input, &place, other, &sum));
    }
    return OK;
}

enum status study_table_agreement(const struct study_tables_input *input, struct table **out)
{
    const struct study_data *data = input->data;
    struct table *table = *out =
        table_new("agreement", "Do the implementations agree on the trained networks?",
                  agreement_columns, COLUMN_COUNT(agreement_columns));
    study_table_prepare(table, input);
    table_hide(table, "impl");
    for (int i = 0; i < data->rows.count; i++)
        if (data->places[i].arm >= 0 && data->places[i].seed == 0)
            TRY(put_place(table, input, data->places[i]));
    table_note(table, "Images summed over the trained networks of all seeds; other class: the "
               "predicted class differs from that of the implementation which trained.");
    return OK;
}

/* ---- latency ---- */

static const struct table_column latency_columns[] = {
    {.name = "model", .title = "network"},
    {.name = "attention"},
    {.name = "impl", .title = "implementation"},
    {.name = "dtype", .audience = TABLE_MACHINES},
    {.name = "pass"},
    {.name = "batch"},
    {.name = "threads"},
    {.name = "input_h", .title = "input", .unit = "px"},
    {.name = "input_w", .audience = TABLE_MACHINES},
    {.name = "n", .title = "samples"},
    {.name = "median_ms", .title = "median", .unit = "ms", .decimals = 2},
    {.name = "median_low_ms", .unit = "ms", .audience = TABLE_MACHINES},
    {.name = "median_high_ms", .unit = "ms", .audience = TABLE_MACHINES},
    {.name = "p90_ms", .title = "p90", .unit = "ms", .decimals = 2},
    {.name = "min_ms", .title = "min", .unit = "ms", .decimals = 2},
    {.name = "images_per_s", .title = "images/s", .decimals = 1},
    {.name = "ratio", .title = "times the plain network", .decimals = 3},
    {.name = "ratio_low", .audience = TABLE_MACHINES},
    {.name = "ratio_high", .audience = TABLE_MACHINES},
    {.name = "ratio_pairs", .audience = TABLE_MACHINES},
    {.name = "peak_rss_mb", .title = "peak memory", .unit = "MiB", .decimals = 0},
    {.name = "params", .audience = TABLE_MACHINES},
    {.name = "macs", .audience = TABLE_MACHINES},
    {.name = "how", .audience = TABLE_MACHINES},
    {.name = "samples_ms", .audience = TABLE_MACHINES},
    {.name = "date", .audience = TABLE_MACHINES},
    {.name = "commit", .audience = TABLE_MACHINES},
    {.name = "compiler", .audience = TABLE_MACHINES},
    {.name = "flags", .audience = TABLE_MACHINES},
    {.name = "libraries", .audience = TABLE_MACHINES},
    {.name = "cpu", .audience = TABLE_MACHINES},
};

/* Copies a member of a stored row, whatever its type, to the column of that name. */
static void copy_member(struct table *table, const char *column, const json_t *row)
{
    json_t *value = json_object_get(row, column);
    if (json_is_string(value))
        table_text(table, column, json_string_value(value));
    else if (json_is_number(value))
        table_number(table, column, json_number_value(value));
    else if (json_is_boolean(value))
        table_bool(table, column, json_is_true(value));
    else if (json_is_array(value) || json_is_object(value))
        table_json(table, column, json_incref(value));
}

enum status study_table_latency(const struct study_tables_input *input, struct table **out)
{
    struct latency_rows rows;
    struct table *table = *out = table_new("latency", "Latency by implementation", latency_columns,
                                           COLUMN_COUNT(latency_columns));
    TRY(latency_rows_read(&rows, input->store, input->data->name));
    for (int i = 0; i < rows.count; i++) {
        table_row(table);
        for (int c = 0; c < COLUMN_COUNT(latency_columns); c++)
            copy_member(table, latency_columns[c].name, rows.items[i]);
    }
    table_note(table, "Whole networks, checked before they were timed, variants interleaved; "
               "times the plain network: median ratio of paired samples.");
    latency_rows_free(&rows);
    return OK;
}
