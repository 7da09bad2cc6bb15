/* The tables of a study beside the comparison: does the network generalise, and what does the gain
 * cost: see study_tables.h. */
#include "bench/report/study_columns.h"
#include "bench/report/study_latency.h"
#include "bench/report/study_tables.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- generalisation ---- */

static const struct table_column general_columns[] = {
    COMPARED_COLUMNS,
    {.name = "train_without", .unit = "%", .decimals = 2},
    {.name = "train_with", .unit = "%", .decimals = 2},
    {.name = "gap_without", .unit = "points", .decimals = 2},
    {.name = "gap_with", .unit = "points", .decimals = 2},
    {.name = "gap_difference", .title = "difference of the gaps", .unit = "points",
     .audience = TABLE_PEOPLE},
    {.name = "gap_difference_mean", .unit = "points", .audience = TABLE_MACHINES},
    {.name = "gap_difference_low", .unit = "points", .audience = TABLE_MACHINES},
    {.name = "gap_difference_high", .unit = "points", .audience = TABLE_MACHINES},
    {.name = "gap_p", .audience = TABLE_MACHINES},
    {.name = "gap_p_corrected", .title = "corrected p (gap)", .decimals = 4},
    {.name = "shifted_without", .unit = "%", .decimals = 2},
    {.name = "shifted_with", .unit = "%", .decimals = 2},
    {.name = "shifted_difference", .title = "difference, shifted", .unit = "points",
     .audience = TABLE_PEOPLE},
    {.name = "shifted_difference_mean", .unit = "points", .audience = TABLE_MACHINES},
    {.name = "shifted_difference_low", .unit = "points", .audience = TABLE_MACHINES},
    {.name = "shifted_difference_high", .unit = "points", .audience = TABLE_MACHINES},
    {.name = "shifted_p", .audience = TABLE_MACHINES},
    {.name = "shifted_p_corrected", .title = "corrected p (shifted)", .decimals = 4},
    {.name = "pairs"},
    {.name = "family", .audience = TABLE_MACHINES},
    MADE_COLUMNS,
};

/* Columns "gap_..." and "shifted_..." of one outcome. */
static void put_outcome(struct table *table, const char *prefix, const struct paired *o,
                        const char *none)
{
    const struct {
        const char *name;
        double share;
    } percents[] = {{"without", o->without_all.mean}, {"with", o->with_all.mean},
                    {"difference_mean", o->all.mean},
                    {"difference_low", o->bounded ? o->low : (double)NAN},
                    {"difference_high", o->bounded ? o->high : (double)NAN}};
    char column[64];
    for (size_t i = 0; i < sizeof percents / sizeof percents[0]; i++) {
        snprintf(column, sizeof column, "%s_%s", prefix, percents[i].name);
        study_put_percent(table, column, percents[i].share, o->all.n > 0 ? "-" : none);
    }
    snprintf(column, sizeof column, "%s_difference", prefix);
    study_put_interval(table, column, o);
    if (o->all.n == 0)
        return;
    snprintf(column, sizeof column, "%s_p", prefix);
    table_number(table, column, o->p);
    snprintf(column, sizeof column, "%s_p_corrected", prefix);
    if (isnan(o->p_max_t))
        table_missing(table, column, "exploratory");
    else
        table_number(table, column, o->p_max_t);
}

static void hide_shifted(struct table *table)
{
    for (int c = 0; c < COLUMN_COUNT(general_columns); c++)
        if (strncmp(general_columns[c].name, "shifted", 7) == 0)
            table_hide(table, general_columns[c].name);
}

enum status study_table_general(const struct study_tables_input *input, struct table **out)
{
    const struct study_data *data = input->data;
    const struct comparisons *all = input->comparisons;
    int cells[2 * STUDY_SEEDS_MAX];
    struct table *table = *out = table_new("generalisation", "Does the network generalise better?",
                                           general_columns, COLUMN_COUNT(general_columns));
    study_name_sides(table, data);
    study_table_prepare(table, input);
    if (!study_has_shifted(data, ROLE_TRANSFER))
        hide_shifted(table);
    for (int i = 0; i < all->count; i++) {
        const struct comparison *c = &all->items[i];
        table_row(table);
        study_put_compared(table, data, c);
        study_put_percent(table, "train_without", c->without_train.mean, "-");
        study_put_percent(table, "train_with", c->with_train.mean, "-");
        put_outcome(table, "gap", &c->outcome[OUTCOME_GAP], "no pairs");
        put_outcome(table, "shifted", &c->outcome[OUTCOME_SHIFTED], "no shifted test");
        table_number(table, "pairs", c->outcome[OUTCOME_GAP].all.n);
        table_text(table, "family",
                   c->family < 0 ? "none" : data->claims.families[c->family].name);
        TRY(study_put_made(table, input, cells, study_list_cells(data, c, cells)));
    }
    table_note(table, "Gap: train accuracy (a clean pass at the end) less test accuracy; a smaller "
               "gap at equal test accuracy is less over-fitting. Shifted: accuracy on test images "
               "of other data, looked at once. Each is corrected in families of its own; no "
               "verdict follows from this table.");
    return OK;
}

/* ---- costs ---- */

static const struct table_column cost_columns[] = {
    COMPARED_COLUMNS,
    {.name = "gain", .title = "test accuracy", .unit = "points", .audience = TABLE_PEOPLE},
    {.name = "gain_mean", .unit = "points", .audience = TABLE_MACHINES},
    {.name = "verdict"},
    {.name = "params_without", .audience = TABLE_MACHINES},
    {.name = "params_with", .audience = TABLE_MACHINES},
    {.name = "params_extra", .title = "parameters", .unit = "%", .decimals = 2},
    {.name = "macs_without", .audience = TABLE_MACHINES},
    {.name = "macs_with", .audience = TABLE_MACHINES},
    {.name = "macs_extra", .title = "MACs", .unit = "%", .decimals = 2},
    {.name = "latency", .title = "latency, times", .audience = TABLE_PEOPLE},
    {.name = "latency_ratio", .audience = TABLE_MACHINES},
    {.name = "latency_low", .audience = TABLE_MACHINES},
    {.name = "latency_high", .audience = TABLE_MACHINES},
    {.name = "latency_input", .title = "at", .unit = "px", .audience = TABLE_MACHINES},
    {.name = "seconds_without", .unit = "s", .decimals = 1},
    {.name = "seconds_with", .unit = "s", .decimals = 1},
    {.name = "reach", .title = "accuracy to reach", .unit = "%", .audience = TABLE_MACHINES},
    {.name = "reach_without", .unit = "s", .audience = TABLE_PEOPLE},
    {.name = "reach_with", .unit = "s", .audience = TABLE_PEOPLE},
    {.name = "reach_without_s", .unit = "s", .audience = TABLE_MACHINES},
    {.name = "reach_with_s", .unit = "s", .audience = TABLE_MACHINES},
    {.name = "reached_without", .audience = TABLE_MACHINES},
    {.name = "reached_with", .audience = TABLE_MACHINES},
    MADE_COLUMNS,
};

/* What the finished runs of one side cost. */
struct side_cost {
    int runs, reached;
    double params, macs, seconds; /* seconds: mean over runs; NaN without runs */
    double reach;                 /* median over those that reached it */
};

/* Seconds of training until the validation accuracy was first reached; NaN when it never was. */
static double seconds_to(const struct train_result *result, double accuracy)
{
    double seconds = 0;
    for (int i = 0; i < result->epochs; i++) {
        seconds += result->curve[i].seconds;
        if (result->curve[i].val_accuracy >= accuracy)
            return seconds;
    }
    return NAN;
}

static struct side_cost cost_of(const struct study_data *data, struct grid_place place)
{
    double seconds[STUDY_SEEDS_MAX], reach[STUDY_SEEDS_MAX];
    struct side_cost cost = {.params = NAN, .macs = NAN};
    for (place.seed = 0; place.seed < data->seeds.count; place.seed++) {
        const struct train_result *result = study_data_result(data, &place);
        if (!result)
            continue;
        cost.params = result->params;
        cost.macs = result->macs;
        seconds[cost.runs++] = result->seconds;
        double first = seconds_to(result, data->claims.reach);
        if (!isnan(first))
            reach[cost.reached++] = first;
    }
    cost.seconds = stats_summarise(seconds, cost.runs).mean;
    cost.reach = stats_median(reach, cost.reached);
    return cost;
}

static void put_number(struct table *table, const char *column, double value, const char *none)
{
    if (isfinite(value))
        table_number(table, column, value);
    else
        table_missing(table, column, none);
}

static void put_reach(struct table *table, const char *side, const struct side_cost *cost)
{
    char column[32];
    snprintf(column, sizeof column, "reach_%s", side);
    if (cost->reached > 0)
        table_printf(table, column, "%.1f (%d of %d)", cost->reach, cost->reached, cost->runs);
    else
        table_missing(table, column, "not reached");
    snprintf(column, sizeof column, "reach_%s_s", side);
    put_number(table, column, cost->reach, "not reached");
    snprintf(column, sizeof column, "reached_%s", side);
    table_number(table, column, cost->reached);
}

static void put_costs(struct table *table, const struct study_data *data,
                      const struct comparison *c)
{
    struct side_cost without = cost_of(data, c->base), with = cost_of(data, c->place);
    const char *none = "no finished run";
    put_number(table, "params_without", without.params, none);
    put_number(table, "params_with", with.params, none);
    put_number(table, "params_extra", 100 * (with.params / without.params - 1), none);
    put_number(table, "macs_without", without.macs, none);
    put_number(table, "macs_with", with.macs, none);
    put_number(table, "macs_extra", 100 * (with.macs / without.macs - 1), none);
    put_number(table, "seconds_without", without.seconds, none);
    put_number(table, "seconds_with", with.seconds, none);
    if (!(data->claims.reach > 0))
        return;
    table_number(table, "reach", 100 * data->claims.reach);
    put_reach(table, "without", &without);
    put_reach(table, "with", &with);
}

static void put_latency(struct table *table, const struct study_data *data,
                        const struct comparison *c, const struct latency_rows *rows)
{
    struct latency_ratio ratio;
    if (!latency_ratio_find(rows, data, &c->base, &c->place, &ratio)) {
        table_missing(table, "latency", "not measured");
        table_missing(table, "latency_ratio", "not measured");
        return;
    }
    if (isfinite(ratio.low))
        table_printf(table, "latency", "%.3f [%.3f, %.3f]", ratio.ratio, ratio.low, ratio.high);
    else
        table_printf(table, "latency", "%.3f", ratio.ratio);
    table_number(table, "latency_ratio", ratio.ratio);
    put_number(table, "latency_low", ratio.low, "no interval");
    put_number(table, "latency_high", ratio.high, "no interval");
    table_number(table, "latency_input", ratio.input);
}

static void hide_reach(struct table *table)
{
    table_hide(table, "reach_without");
    table_hide(table, "reach_with");
}

static void cost_notes(struct table *table, const struct study_data *data)
{
    table_note(table, "Parameters and MACs: how much more than the baseline. Latency: inference of "
               "the network as it was trained, median of paired ratios to the baseline with its 95 "
               "%% interval, where the study timed it. Seconds: training, mean over seeds, with "
               "other cells running beside.");
    if (data->claims.reach > 0)
        table_note(table, "reach: seconds of training until the validation accuracy first was %g "
                   "%%, median over the seeds that reached it, and how many did.",
                   100 * data->claims.reach);
}

enum status study_table_costs(const struct study_tables_input *input, struct table **out)
{
    const struct study_data *data = input->data;
    const struct comparisons *all = input->comparisons;
    struct latency_rows rows;
    int cells[2 * STUDY_SEEDS_MAX];
    enum status status = OK;
    struct table *table = *out = table_new("costs", "What it costs beside what it gains",
                                           cost_columns, COLUMN_COUNT(cost_columns));
    study_name_sides(table, data);
    study_table_prepare(table, input);
    if (!(data->claims.reach > 0))
        hide_reach(table);
    TRY(latency_rows_read(&rows, input->store, data->name));
    for (int i = 0; i < all->count && status == OK; i++) {
        const struct comparison *c = &all->items[i];
        table_row(table);
        study_put_compared(table, data, c);
        study_put_interval(table, "gain", &c->outcome[OUTCOME_TEST]);
        study_put_percent(table, "gain_mean", c->outcome[OUTCOME_TEST].all.mean, "no pairs");
        table_text(table, "verdict", verdict_name(c->verdict));
        put_costs(table, data, c);
        put_latency(table, data, c, &rows);
        status = study_put_made(table, input, cells, study_list_cells(data, c, cells));
    }
    cost_notes(table, data);
    latency_rows_free(&rows);
    return status;
}
