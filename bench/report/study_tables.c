/* The tables of a study: the comparison, which is the first one sees, and the values behind it:
 * see study_tables.h. The others are in study_tables_runs.c and study_tables_impls.c. */
#include "bench/report/study_tables.h"
#include "bench/report/study_columns.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum status study_table_make(enum study_table which, const struct study_tables_input *input,
                             struct table **table)
{
    static enum status (*const makers[STUDY_TABLE_COUNT])(const struct study_tables_input *,
                                                          struct table **) = {
        [STUDY_TABLE_COMPARISON] = study_table_comparison,
        [STUDY_TABLE_SEEDS] = study_table_seeds,
        [STUDY_TABLE_SOURCES] = study_table_sources,
        [STUDY_TABLE_NETWORKS] = study_table_networks,
        [STUDY_TABLE_AGREEMENT] = study_table_agreement,
        [STUDY_TABLE_LATENCY] = study_table_latency,
        [STUDY_TABLE_RUNS] = study_table_runs,
        [STUDY_TABLE_MADE] = study_table_made,
    };
    *table = NULL;
    enum status status = makers[which](input, table);
    if (status != OK) {
        table_free(*table);
        *table = NULL;
    }
    return status;
}

/* Headings that name the attention when there is only one to be compared: "without CBAM" and "with
 * CBAM", or "with SE" and "with CBAM". */
static void name_sides(struct table *table, const struct study_data *data)
{
    char base[STUDY_TEXT_MAX], other[STUDY_TEXT_MAX] = "attention", text[STUDY_TEXT_MAX + 16];
    bool plain = strcmp(data->attention.text[0], "none") == 0;
    if (data->attention.count == 2) {
        study_attention_title(data->attention.text[1], other, sizeof other);
        table_hide(table, "attention");
    }
    study_attention_title(data->attention.text[0], base, sizeof base);
    snprintf(text, sizeof text, "%s %s", plain ? "without" : "with", plain ? other : base);
    table_retitle(table, "without", text);
    snprintf(text, sizeof text, "with %s", other);
    table_retitle(table, "with", text);
}

/* Cells of both sides of a comparison at all seeds, the side with attention first. */
static int list_cells(const struct study_data *data, const struct comparison *c,
                      int cells[2 * STUDY_SEEDS_MAX])
{
    int count = 0;
    struct grid_place place = c->place;
    for (int side = 0; side < 2; side++) {
        for (place.seed = 0; place.seed < data->seeds.count; place.seed++)
            cells[count++] = study_data_find(data, &place);
        place.attention = 0;
    }
    return count;
}

/* ---- the comparison ---- */

static const struct table_column comparison_columns[] = {
    PLACE_COLUMNS,
    {.name = "arm", .title = "transfer"},
    {.name = "attention"},
    {.name = "baseline", .audience = TABLE_MACHINES},
    {.name = "without", .unit = "%", .audience = TABLE_PEOPLE},
    {.name = "with", .unit = "%", .audience = TABLE_PEOPLE},
    {.name = "difference", .unit = "points", .audience = TABLE_PEOPLE},
    {.name = "without_mean", .unit = "%", .audience = TABLE_MACHINES},
    {.name = "without_sd", .unit = "%", .audience = TABLE_MACHINES},
    {.name = "with_mean", .unit = "%", .audience = TABLE_MACHINES},
    {.name = "with_sd", .unit = "%", .audience = TABLE_MACHINES},
    {.name = "difference_mean", .unit = "points", .audience = TABLE_MACHINES},
    {.name = "difference_sd", .unit = "points", .audience = TABLE_MACHINES},
    {.name = "difference_low", .unit = "points", .audience = TABLE_MACHINES},
    {.name = "difference_high", .unit = "points", .audience = TABLE_MACHINES},
    {.name = "verdict"},
    {.name = "pairs"},
    {.name = "inserted", .audience = TABLE_MACHINES},
    {.name = "seeds", .audience = TABLE_MACHINES},
    {.name = "diverged", .audience = TABLE_MACHINES},
    {.name = "p", .decimals = 4},
    {.name = "p_corrected", .title = "corrected p", .decimals = 4},
    {.name = "p_holm", .audience = TABLE_MACHINES},
    {.name = "smallest_p", .audience = TABLE_MACHINES},
    {.name = "train_without", .title = "train without", .unit = "%", .decimals = 2},
    {.name = "train_with", .title = "train with", .unit = "%", .decimals = 2},
    MADE_COLUMNS,
};

static void put_difference(struct table *table, const struct comparison *c)
{
    const char *few = "no interval below 6 pairs";
    if (c->bounded)
        table_printf(table, "difference", "%+.2f [%+.2f, %+.2f]", 100 * c->paired.mean,
                     100 * c->low, 100 * c->high);
    else if (c->paired.n > 0)
        table_printf(table, "difference", "%+.2f", 100 * c->paired.mean);
    study_put_percent(table, "difference_mean", c->paired.mean, "no pairs");
    study_put_percent(table, "difference_sd", c->paired.sd, "fewer than 2 pairs");
    study_put_percent(table, "difference_low", c->bounded ? c->low : NAN, few);
    study_put_percent(table, "difference_high", c->bounded ? c->high : NAN, few);
}

static void put_sides(struct table *table, const struct comparison *c)
{
    study_put_spread(table, "without", &c->without_test);
    study_put_spread(table, "with", &c->with_test);
    study_put_percent(table, "without_mean", c->without_test.mean, "no finished run");
    study_put_percent(table, "without_sd", c->without_test.sd, "fewer than 2 finished runs");
    study_put_percent(table, "with_mean", c->with_test.mean, "no finished run");
    study_put_percent(table, "with_sd", c->with_test.sd, "fewer than 2 finished runs");
    study_put_percent(table, "train_without", c->without_train.mean, "-");
    study_put_percent(table, "train_with", c->with_train.mean, "-");
}

static void put_verdict(struct table *table, const struct comparison *c, int seeds)
{
    table_text(table, "verdict", verdict_name(c->verdict));
    table_number(table, "pairs", c->paired.n);
    table_number(table, "seeds", seeds);
    table_number(table, "diverged", c->diverged);
    table_number(table, "smallest_p", c->smallest_p);
    if (c->paired.n == 0)
        return;
    table_number(table, "p", c->p);
    table_number(table, "p_corrected", c->p_max_t);
    table_number(table, "p_holm", c->p_holm);
}

/* Whether a cell's attention was put into a source that had been trained with another, or none. */
static bool is_inserted(const struct study_data *data, struct grid_place place)
{
    int cell = study_data_find(data, &place);
    if (cell < 0 || !*data->rows.rows[cell].cell.source)
        return false;
    for (int i = 0; i < data->rows.count; i++)
        if (strcmp(data->rows.rows[i].cell.key, data->rows.rows[cell].cell.source) == 0)
            return strcmp(data->rows.rows[i].cell.settings.attention,
                          data->rows.rows[cell].cell.settings.attention) != 0;
    return false;
}

static void comparison_notes(struct table *table, const struct study_data *data,
                             const struct comparisons *all)
{
    int most = 0, inserted = 0;
    for (int i = 0; i < all->count; i++)
        inserted += is_inserted(data, all->items[i].place);
    if (inserted > 0)
        table_note(table, "In %d of these rows attention was inserted into a source that had been "
                   "trained with another, or none: the column inserted of CSV and JSON.", inserted);
    for (int i = 0; i < all->count; i++)
        most = all->items[i].paired.n > most ? all->items[i].paired.n : most;
    table_note(table, "Test accuracy, mean ± sample standard deviation over seeds; the difference "
               "is the mean over pairs with the same seed, with its 95 %% interval (sign-flip test "
               "inverted; none below %d pairs).", STATS_INTERVAL_MIN);
    table_note(table, "p: exact two-sided sign-flip test; corrected for the %d comparisons of this "
               "table by step-down max-T over sign flips shared by seed. better or worse: "
               "corrected p below %g.", all->count, COMPARE_LEVEL);
    table_note(table, "The smallest p that %d pairs can reach is %.4g%s.", most,
               stats_smallest_p(most), stats_smallest_p(most) < COMPARE_LEVEL
               ? "" : ": so few seeds cannot show any difference, 6 can");
}

enum status study_table_comparison(const struct study_tables_input *input, struct table **out)
{
    const struct study_data *data = input->data;
    const struct comparisons *all = input->comparisons;
    int cells[2 * STUDY_SEEDS_MAX];
    char baseline[STUDY_TEXT_MAX], title[2 * STUDY_TEXT_MAX];
    study_attention_title(data->attention.text[data->attention.count > 1], baseline,
                          sizeof baseline);
    snprintf(title, sizeof title, "Does %s help? Test accuracy after transfer",
             data->attention.count == 2 ? baseline : "attention");
    struct table *table = *out = table_new("comparison", title, comparison_columns,
                                           COLUMN_COUNT(comparison_columns));
    name_sides(table, data);
    study_table_prepare(table, input);
    for (int i = 0; i < all->count; i++) {
        const struct comparison *c = &all->items[i];
        table_row(table);
        study_put_place(table, data, &c->place);
        table_text(table, "arm", data->arms.text[c->place.arm]);
        table_text(table, "attention", data->attention.text[c->place.attention]);
        table_text(table, "baseline", data->attention.text[0]);
        table_bool(table, "inserted", is_inserted(data, c->place));
        put_sides(table, c);
        put_difference(table, c);
        put_verdict(table, c, all->seeds);
        TRY(study_put_made(table, input, cells, list_cells(data, c, cells)));
    }
    comparison_notes(table, data, all);
    return OK;
}

/* ---- seed by seed ---- */

static const struct table_column seed_columns[] = {
    PLACE_COLUMNS,
    {.name = "arm", .title = "transfer"},
    {.name = "attention"},
    {.name = "seed"},
    {.name = "without", .unit = "%", .decimals = 2},
    {.name = "with", .unit = "%", .decimals = 2},
    {.name = "difference", .unit = "points", .decimals = 2},
    {.name = "train_without", .title = "train without", .unit = "%", .decimals = 2},
    {.name = "train_with", .title = "train with", .unit = "%", .decimals = 2},
    MADE_COLUMNS,
};

/* Why a cell has no number: its state, or that it diverged. */
static const char *why_not(const struct study_data *data, int cell)
{
    if (cell < 0)
        return "not part of the study";
    if (data->results[cell])
        return "diverged";
    return cell_state_name(data->rows.rows[cell].state);
}

static void put_side(struct table *table, const struct study_data *data, int cell,
                     const char *test, const char *train)
{
    const struct train_result *result = cell < 0 ? NULL : data->results[cell];
    bool good = result && !result->diverged;
    study_put_percent(table, test, good ? result->test_accuracy : NAN, why_not(data, cell));
    study_put_percent(table, train, good ? result->train_accuracy : NAN, why_not(data, cell));
}

static enum status put_seed(struct table *table, const struct study_tables_input *input,
                            const struct comparison *c, int seed)
{
    const struct study_data *data = input->data;
    struct grid_place place = c->place;
    int cells[2];
    place.seed = seed;
    cells[0] = study_data_find(data, &place);
    place.attention = 0;
    cells[1] = study_data_find(data, &place);
    table_row(table);
    study_put_place(table, data, &c->place);
    table_text(table, "arm", data->arms.text[c->place.arm]);
    table_text(table, "attention", data->attention.text[c->place.attention]);
    table_text(table, "seed", data->seeds.text[seed]);
    put_side(table, data, cells[1], "without", "train_without");
    put_side(table, data, cells[0], "with", "train_with");
    study_put_percent(table, "difference", c->difference[seed], "-");
    return study_put_made(table, input, cells, 2);
}

enum status study_table_seeds(const struct study_tables_input *input, struct table **out)
{
    const struct comparisons *all = input->comparisons;
    struct table *table = *out = table_new("seeds", "Test accuracy, seed by seed", seed_columns,
                                           COLUMN_COUNT(seed_columns));
    name_sides(table, input->data);
    study_table_prepare(table, input);
    for (int i = 0; i < all->count; i++)
        for (int seed = 0; seed < all->seeds; seed++)
            TRY(put_seed(table, input, &all->items[i], seed));
    return OK;
}
