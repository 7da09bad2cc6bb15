/* The table of a study about dtypes: what its trained networks lose when they are evaluated in
 * bf16. See study_tables.h. */
#include "bench/report/study_columns.h"
#include "bench/report/study_tables.h"

#include <math.h>
#include <stdio.h>

static const struct table_column dtypes_columns[] = {
    PLACE_COLUMNS,
    {.name = "attention"},
    {.name = "arm", .title = "transfer"},
    {.name = "networks"},
    {.name = "f32", .unit = "%", .audience = TABLE_PEOPLE},
    {.name = "bf16", .unit = "%", .audience = TABLE_PEOPLE},
    {.name = "f32_mean", .unit = "%", .audience = TABLE_MACHINES},
    {.name = "f32_sd", .unit = "%", .audience = TABLE_MACHINES},
    {.name = "bf16_mean", .unit = "%", .audience = TABLE_MACHINES},
    {.name = "bf16_sd", .unit = "%", .audience = TABLE_MACHINES},
    {.name = "difference", .unit = "points", .decimals = 2},
    {.name = "lowest", .unit = "points", .decimals = 2},
    {.name = "highest", .unit = "points", .decimals = 2},
    {.name = "images"},
    {.name = "disagree", .title = "other class"},
    {.name = "values", .audience = TABLE_MACHINES},
    MADE_COLUMNS,
};

/* The networks of a place, one a seed. */
struct pairs {
    int count, images, disagree;
    double f32[STUDY_SEEDS_MAX], bf16[STUDY_SEEDS_MAX], difference[STUDY_SEEDS_MAX];
    int cells[STUDY_SEEDS_MAX];
    json_t *values; /* owned until it is put */
};

static void add_pair(struct pairs *p, const struct train_result *r, const char *seed, int cell)
{
    const int i = p->count++;
    p->f32[i] = r->test_accuracy;
    p->bf16[i] = r->bf16_accuracy;
    p->difference[i] = r->bf16_accuracy - r->test_accuracy;
    p->images += r->bf16_n;
    p->disagree += r->bf16_disagree;
    p->cells[i] = cell;
    json_array_append_new(p->values,
                          json_pack("{s:s, s:f, s:f, s:i}", "seed", seed, "f32",
                                    100 * r->test_accuracy, "bf16", 100 * r->bf16_accuracy,
                                    "disagree", r->bf16_disagree));
}

static void put_side(struct table *table, const char *name, const double *values, int count)
{
    char column[16];
    const struct stats_summary summary = stats_summarise(values, count);
    study_put_spread(table, name, &summary);
    snprintf(column, sizeof column, "%s_mean", name);
    study_put_percent(table, column, summary.mean, "no networks");
    snprintf(column, sizeof column, "%s_sd", name);
    study_put_percent(table, column, count > 1 ? summary.sd : (double)NAN, "one network");
}

static void put_differences(struct table *table, const struct pairs *p)
{
    double low = p->difference[0], high = low, sum = 0;
    for (int i = 0; i < p->count; i++) {
        low = fmin(low, p->difference[i]);
        high = fmax(high, p->difference[i]);
        sum += p->difference[i];
    }
    table_number(table, "difference", 100 * sum / p->count);
    table_number(table, "lowest", 100 * low);
    table_number(table, "highest", 100 * high);
}

static enum status put_pairs(struct table *table, const struct study_tables_input *input,
                             const struct grid_place *place, struct pairs *p)
{
    const struct study_data *data = input->data;
    table_row(table);
    study_put_place(table, data, place);
    table_text(table, "attention", data->attention.text[place->attention]);
    table_text(table, "arm", data->arms.text[place->arm]);
    table_number(table, "networks", p->count);
    put_side(table, "f32", p->f32, p->count);
    put_side(table, "bf16", p->bf16, p->count);
    put_differences(table, p);
    table_number(table, "images", p->images);
    table_number(table, "disagree", p->disagree);
    table_json(table, "values", p->values);
    p->values = NULL;
    return study_put_made(table, input, p->cells, p->count);
}

/* All seeds of a place. */
static enum status put_place(struct table *table, const struct study_tables_input *input,
                             struct grid_place place)
{
    const struct study_data *data = input->data;
    struct pairs pairs = {.values = json_array()};
    enum status status = OK;
    for (place.seed = 0; place.seed < data->seeds.count; place.seed++) {
        const struct train_result *result = study_data_result(data, &place);
        if (result && result->bf16_n > 0)
            add_pair(&pairs, result, data->seeds.text[place.seed], study_data_find(data, &place));
    }
    if (pairs.count > 0)
        status = put_pairs(table, input, &place, &pairs);
    json_decref(pairs.values);
    return status;
}

enum status study_table_dtypes(const struct study_tables_input *input, struct table **out)
{
    const struct study_data *data = input->data;
    struct table *table = *out = table_new("dtypes", "What the trained networks lose in bf16",
                                           dtypes_columns, COLUMN_COUNT(dtypes_columns));
    study_table_prepare(table, input);
    for (int i = 0; i < data->rows.count; i++)
        if (data->places[i].arm >= 0 && data->places[i].seed == 0)
            TRY(put_place(table, input, data->places[i]));
    table_note(table, "The same weights and test images, maps and packed weights in bf16; "
               "difference: bf16 minus f32, its mean, lowest and highest over the networks of all "
               "seeds; other class: images that the two give different classes, summed over the "
               "networks. Training was in f32.");
    return OK;
}
