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
        [STUDY_TABLE_GENERAL] = study_table_general,
        [STUDY_TABLE_COSTS] = study_table_costs,
        [STUDY_TABLE_SEEDS] = study_table_seeds,
        [STUDY_TABLE_SOURCES] = study_table_sources,
        [STUDY_TABLE_NETWORKS] = study_table_networks,
        [STUDY_TABLE_AGREEMENT] = study_table_agreement,
        [STUDY_TABLE_DTYPES] = study_table_dtypes,
        [STUDY_TABLE_LATENCY] = study_table_latency,
        [STUDY_TABLE_SEARCH] = study_table_search,
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

/* ---- the comparison ---- */

static const struct table_column comparison_columns[] = {
    COMPARED_COLUMNS,
    {.name = "without", .unit = "%", .audience = TABLE_PEOPLE},
    {.name = "with", .unit = "%", .audience = TABLE_PEOPLE},
    {.name = "difference", .unit = "points", .audience = TABLE_PEOPLE},
    {.name = "without_mean", .unit = "%", .audience = TABLE_MACHINES},
    {.name = "without_sd", .unit = "%", .audience = TABLE_MACHINES},
    {.name = "with_mean", .unit = "%", .audience = TABLE_MACHINES},
    {.name = "with_sd", .unit = "%", .audience = TABLE_MACHINES},
    {.name = "difference_mean", .unit = "points", .audience = TABLE_MACHINES},
    {.name = "difference_sd", .unit = "points", .audience = TABLE_MACHINES},
    {.name = "difference_median", .title = "median", .unit = "points", .decimals = 2},
    {.name = "difference_low", .unit = "points", .audience = TABLE_MACHINES},
    {.name = "difference_high", .unit = "points", .audience = TABLE_MACHINES},
    {.name = "bootstrap_low", .unit = "points", .audience = TABLE_MACHINES},
    {.name = "bootstrap_high", .unit = "points", .audience = TABLE_MACHINES},
    {.name = "improvement", .title = "P(better)", .decimals = 2},
    {.name = "verdict"},
    {.name = "could_show", .title = "could have been shown", .unit = "points", .decimals = 2},
    {.name = "pairs"},
    {.name = "inserted", .audience = TABLE_MACHINES},
    {.name = "seeds", .audience = TABLE_MACHINES},
    {.name = "diverged", .audience = TABLE_MACHINES},
    {.name = "p", .decimals = 4},
    {.name = "p_corrected", .title = "corrected p", .decimals = 4},
    {.name = "p_holm", .title = "Holm", .decimals = 4},
    {.name = "smallest_p", .audience = TABLE_MACHINES},
    {.name = "family"},
    {.name = "family_size", .audience = TABLE_MACHINES},
    {.name = "train_without", .unit = "%", .audience = TABLE_MACHINES},
    {.name = "train_with", .unit = "%", .audience = TABLE_MACHINES},
    MADE_COLUMNS,
    {.name = "command_without", .audience = TABLE_MACHINES},
};

static void put_difference(struct table *table, const struct paired *d)
{
    const char *few = "no interval below 6 pairs";
    study_put_interval(table, "difference", d);
    study_put_percent(table, "difference_mean", d->all.mean, "no pairs");
    study_put_percent(table, "difference_sd", d->all.sd, "fewer than 2 pairs");
    study_put_percent(table, "difference_median", d->median, "no pairs");
    study_put_percent(table, "difference_low", d->bounded ? d->low : (double)NAN, few);
    study_put_percent(table, "difference_high", d->bounded ? d->high : (double)NAN, few);
    study_put_percent(table, "bootstrap_low", d->boot_low, "no pairs");
    study_put_percent(table, "bootstrap_high", d->boot_high, "no pairs");
    study_put_percent(table, "could_show", d->could_show, "nothing");
    if (d->all.n > 0)
        table_number(table, "improvement", d->improvement);
}

static void put_sides(struct table *table, const struct comparison *c)
{
    const struct paired *test = &c->outcome[OUTCOME_TEST];
    study_put_spread(table, "without", &test->without_all);
    study_put_spread(table, "with", &test->with_all);
    study_put_percent(table, "without_mean", test->without_all.mean, "no finished run");
    study_put_percent(table, "without_sd", test->without_all.sd, "fewer than 2 finished runs");
    study_put_percent(table, "with_mean", test->with_all.mean, "no finished run");
    study_put_percent(table, "with_sd", test->with_all.sd, "fewer than 2 finished runs");
    study_put_percent(table, "train_without", c->without_train.mean, "-");
    study_put_percent(table, "train_with", c->with_train.mean, "-");
}

static void put_verdict(struct table *table, const struct study_data *data,
                        const struct comparison *c)
{
    const struct paired *test = &c->outcome[OUTCOME_TEST];
    bool held = c->family >= 0;
    table_text(table, "verdict", verdict_name(c->verdict));
    table_number(table, "pairs", test->all.n);
    table_number(table, "seeds", data->seeds.count);
    table_number(table, "diverged", c->diverged);
    table_number(table, "smallest_p", test->smallest_p);
    table_text(table, "family", held ? data->claims.families[c->family].name : "none");
    table_number(table, "family_size", c->family_size);
    if (test->all.n == 0)
        return;
    table_number(table, "p", test->p);
    if (held) {
        table_number(table, "p_corrected", test->p_max_t);
        table_number(table, "p_holm", test->p_holm);
    } else {
        table_missing(table, "p_corrected", "exploratory");
        table_missing(table, "p_holm", "exploratory");
    }
}

/* The row of the cell's source; NULL when it starts from none of this study. */
static const struct store_row *source_of(const struct study_data *data, const struct store_row *row)
{
    int source = *row->cell.source ? study_data_row(data, row->cell.source) : -1;
    return source < 0 ? NULL : &data->rows.rows[source];
}

/* Whether the attention of a comparison was put into a source that had been trained with another,
 * or none; where a weights file takes the source's place, whether more of the network is not in it
 * than of the one compared with. */
static bool is_inserted(const struct study_data *data, const struct comparison *c)
{
    int cell = study_data_find(data, &c->place);
    const struct train_result *with = study_data_result(data, &c->place);
    const struct train_result *without = study_data_result(data, &c->base);
    if (cell < 0)
        return false;
    const struct store_row *row = &data->rows.rows[cell], *source = source_of(data, row);
    if (source)
        return strcmp(source->cell.settings.attention, row->cell.settings.attention) != 0;
    return data->claims.compare == AXIS_ATTENTION && with && without &&
           strcmp(row->cell.settings.init, "random") != 0 && with->missing > without->missing;
}

/* How many comparisons each family holds. */
static void note_families(struct table *table, const struct study_data *data,
                          const struct comparisons *all)
{
    char text[1024] = "";
    int outside = 0;
    for (int f = 0; f < data->claims.family_count; f++) {
        int size = 0;
        size_t used = strlen(text);
        for (int i = 0; i < all->count; i++)
            size += all->items[i].family == f;
        snprintf(text + used, sizeof text - used, "%s%s (%d)", f ? ", " : "",
                 data->claims.families[f].name, size);
    }
    for (int i = 0; i < all->count; i++)
        outside += all->items[i].family < 0;
    table_note(table, "Families, as the study file declares them, and their comparisons: %s.%s",
               text, outside ? " What no family holds is exploratory: no verdict, and its p is not "
               "corrected." : "");
}

static void comparison_notes(struct table *table, const struct study_data *data,
                             const struct comparisons *all)
{
    int most = 0, inserted = 0;
    for (int i = 0; i < all->count; i++)
        inserted += is_inserted(data, &all->items[i]);
    if (inserted > 0)
        table_note(table, "In %d of these rows attention was inserted into a source that had been "
                   "trained with another, or none: the column inserted of CSV and JSON.", inserted);
    for (int i = 0; i < all->count; i++) {
        int n = all->items[i].outcome[OUTCOME_TEST].all.n;
        most = n > most ? n : most;
    }
    table_note(table, "Test accuracy, mean ± sample standard deviation over seeds; the difference "
               "is the mean over pairs with the same seed, with its 95 %% interval (sign-flip test "
               "inverted; none below %d pairs). P(better): share of pairs with a positive "
               "difference, ties half.", STATS_INTERVAL_MIN);
    table_note(table, "p: exact two-sided sign-flip test; corrected for the comparisons of its "
               "family by step-down max-T over sign flips shared by seed, with Holm's correction "
               "beside it. better or worse: corrected p below %g.", COMPARE_LEVEL);
    note_families(table, data, all);
    table_note(table, "could have been shown: the least mean difference that, with the spread of "
               "these pairs, would have been called better or worse.");
    table_note(table, "The smallest p that %d pairs can reach is %.4g%s.", most,
               stats_smallest_p(most), stats_smallest_p(most) < COMPARE_LEVEL
               ? "" : ": so few seeds cannot show any difference, 6 can");
}

static void make_title(const struct study_data *data, char *title, size_t size)
{
    char name[STUDY_TEXT_MAX];
    if (data->claims.compare == AXIS_TRANSFER)
        snprintf(title, size, "Does the way of transfer matter? Test accuracy against %s",
                 data->arms.text[0]);
    else if (data->claims.compare == AXIS_MODELS)
        snprintf(title, size, "Which network is better? Test accuracy against %s",
                 data->models.text[0]);
    else
        snprintf(title, size, "Does %s help? Test accuracy after transfer",
                 data->attention.count == 2
                     ? study_attention_title(data->attention.text[1], name, sizeof name)
                     : "attention");
}

/* The command that repeats the baseline's first run, beside that of the other side. */
static void put_baseline_command(struct table *table, const struct study_data *data,
                                 const struct comparison *c)
{
    struct grid_place place = c->base;
    for (place.seed = 0; place.seed < data->seeds.count; place.seed++) {
        int cell = study_data_find(data, &place);
        if (cell >= 0 && data->results[cell] && data->rows.rows[cell].command) {
            table_text(table, "command_without", data->rows.rows[cell].command);
            return;
        }
    }
}

enum status study_table_comparison(const struct study_tables_input *input, struct table **out)
{
    const struct study_data *data = input->data;
    const struct comparisons *all = input->comparisons;
    int cells[2 * STUDY_SEEDS_MAX];
    char title[2 * STUDY_TEXT_MAX];
    make_title(data, title, sizeof title);
    struct table *table = *out = table_new("comparison", title, comparison_columns,
                                           COLUMN_COUNT(comparison_columns));
    study_name_sides(table, data);
    study_table_prepare(table, input);
    if (data->claims.family_count == 1)
        table_hide(table, "family");
    for (int i = 0; i < all->count; i++) {
        const struct comparison *c = &all->items[i];
        table_row(table);
        study_put_compared(table, data, c);
        table_bool(table, "inserted", is_inserted(data, c));
        put_sides(table, c);
        put_difference(table, &c->outcome[OUTCOME_TEST]);
        put_verdict(table, data, c);
        TRY(study_put_made(table, input, cells, study_list_cells(data, c, cells)));
        put_baseline_command(table, data, c);
    }
    comparison_notes(table, data, all);
    return OK;
}

/* ---- seed by seed ---- */

static const struct table_column seed_columns[] = {
    COMPARED_COLUMNS,
    {.name = "seed"},
    {.name = "without", .unit = "%", .decimals = 2},
    {.name = "with", .unit = "%", .decimals = 2},
    {.name = "difference", .unit = "points", .decimals = 2},
    {.name = "train_without", .unit = "%", .decimals = 2},
    {.name = "train_with", .unit = "%", .decimals = 2},
    {.name = "shifted_without", .unit = "%", .decimals = 2},
    {.name = "shifted_with", .unit = "%", .decimals = 2},
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

/* The columns of one side, in the order of a cell's numbers below. */
struct side_columns {
    const char *test, *train, *shifted;
};
static const struct side_columns without_columns = {"without", "train_without", "shifted_without"};
static const struct side_columns with_columns = {"with", "train_with", "shifted_with"};

static void put_side(struct table *table, const struct study_data *data, int cell,
                     const struct side_columns *columns)
{
    const struct train_result *result = cell < 0 ? NULL : data->results[cell];
    const char *why = why_not(data, cell);
    bool good = result && !result->diverged;
    study_put_percent(table, columns->test, good ? result->test_accuracy : (double)NAN, why);
    study_put_percent(table, columns->train, good ? result->train_accuracy : (double)NAN, why);
    study_put_percent(table, columns->shifted, good ? result->shifted_accuracy : (double)NAN,
                      good ? "no shifted test" : why);
}

static enum status put_seed(struct table *table, const struct study_tables_input *input,
                            const struct comparison *c, int seed)
{
    const struct study_data *data = input->data;
    struct grid_place place = c->place, base = c->base;
    place.seed = base.seed = seed;
    int cells[2] = {study_data_find(data, &place), study_data_find(data, &base)};
    table_row(table);
    study_put_compared(table, data, c);
    table_text(table, "seed", data->seeds.text[seed]);
    put_side(table, data, cells[1], &without_columns);
    put_side(table, data, cells[0], &with_columns);
    study_put_percent(table, "difference", c->outcome[OUTCOME_TEST].difference[seed], "-");
    return study_put_made(table, input, cells, 2);
}

enum status study_table_seeds(const struct study_tables_input *input, struct table **out)
{
    const struct comparisons *all = input->comparisons;
    struct table *table = *out = table_new("seeds", "Test accuracy, seed by seed", seed_columns,
                                           COLUMN_COUNT(seed_columns));
    study_name_sides(table, input->data);
    study_table_prepare(table, input);
    if (!study_has_shifted(input->data, ROLE_TRANSFER)) {
        table_hide(table, "shifted_without");
        table_hide(table, "shifted_with");
    }
    for (int i = 0; i < all->count; i++)
        for (int seed = 0; seed < all->seeds; seed++)
            TRY(put_seed(table, input, &all->items[i], seed));
    return OK;
}
