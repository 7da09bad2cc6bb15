/* An outcome as a table: see outcome_table.h. */
#include "bench/regress/outcome_table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct table_column columns[] = {
    {.name = "case"},
    {.name = "state"},
    {.name = "impl", .audience = TABLE_MACHINES},
    {.name = "pass", .audience = TABLE_MACHINES},
    {.name = "unit", .audience = TABLE_MACHINES},
    {.name = "base_text", .title = "base", .audience = TABLE_PEOPLE},
    {.name = "head_text", .title = "head", .audience = TABLE_PEOPLE},
    {.name = "change", .audience = TABLE_PEOPLE},
    {.name = "interval", .audience = TABLE_PEOPLE},
    {.name = "bound_text", .title = "bound", .audience = TABLE_PEOPLE},
    {.name = "note", .audience = TABLE_PEOPLE},
    {.name = "base", .audience = TABLE_MACHINES},
    {.name = "head", .audience = TABLE_MACHINES},
    {.name = "ratio", .audience = TABLE_MACHINES},
    {.name = "ratio_low", .audience = TABLE_MACHINES},
    {.name = "ratio_high", .audience = TABLE_MACHINES},
    {.name = "sign_flip_p", .audience = TABLE_MACHINES},
    {.name = "rounds", .audience = TABLE_MACHINES},
    {.name = "bound", .audience = TABLE_MACHINES},
    {.name = "allowed", .audience = TABLE_MACHINES},
    {.name = "results_difference", .audience = TABLE_MACHINES},
    {.name = "results_allowed", .audience = TABLE_MACHINES},
    {.name = "accuracy", .audience = TABLE_MACHINES},
    {.name = "reason", .audience = TABLE_MACHINES},
    {.name = "how_base", .audience = TABLE_MACHINES},
    {.name = "how_head", .audience = TABLE_MACHINES},
    {.name = "base_rounds_ms", .audience = TABLE_MACHINES},
    {.name = "head_rounds_ms", .audience = TABLE_MACHINES},
    {.name = "ratio_rounds", .audience = TABLE_MACHINES},
};

void outcome_percent(double ratio, char *text, size_t size)
{
    text[0] = '\0';
    if (isfinite(ratio))
        snprintf(text, size, "%+.*f %%", fabs(ratio - 1) < 0.1 ? 2 : 1, 100 * (ratio - 1));
}

void outcome_line(const struct regress_outcome *outcome, char *text, size_t size)
{
    snprintf(text, size, "%s%s%s", regress_verdict_name(outcome->verdict),
             outcome->reason[0] ? ": " : "", outcome->reason);
}

/* ---- cells ---- */

static void put_number(struct table *table, const char *column, double number)
{
    if (isfinite(number))
        table_number(table, column, number);
}

static void put_value(struct table *table, const char *column, const struct regress_row *row,
                      double value)
{
    if (!isfinite(value))
        return;
    if (strcmp(row->unit, "ms") == 0)
        table_printf(table, column, "%.4g ms", value);
    else if (strcmp(row->unit, "loss") == 0)
        table_printf(table, column, "loss %.4f", value);
    else
        table_printf(table, column, "%.0f", value);
}

static void put_note(struct table *table, const struct regress_row *row)
{
    char allowed[64] = "";
    if (isfinite(row->allowed))
        snprintf(allowed, sizeof allowed, "allowed: %+g %%%s", 100 * row->allowed,
                 row->reason[0] ? "; " : "");
    bool other = row->how_base[0] && row->how_head[0] && strcmp(row->how_base, row->how_head) != 0;
    if (other)
        table_printf(table, "note", "%s%s: %s -> %s", allowed, row->reason, row->how_base,
                     row->how_head);
    else if (allowed[0] || row->reason[0])
        table_printf(table, "note", "%s%s", allowed, row->reason);
}

static void put_people(struct table *table, const struct regress_row *row)
{
    char text[32], low[32], high[32];
    put_value(table, "base_text", row, row->base);
    put_value(table, "head_text", row, row->head);
    outcome_percent(row->ratio, text, sizeof text);
    if (text[0])
        table_text(table, "change", text);
    outcome_percent(row->low, low, sizeof low);
    outcome_percent(row->high, high, sizeof high);
    if (low[0] && high[0])
        table_printf(table, "interval", "%s .. %s", low, high);
    outcome_percent(1 + row->bound, text, sizeof text);
    if (text[0])
        table_text(table, "bound_text", text);
    put_note(table, row);
}

static json_t *rounds_json(const struct regress_sample *samples, int count)
{
    json_t *list = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(list, json_real(samples[i].ms));
    return list;
}

static json_t *ratios_json(const double *ratios, int count)
{
    json_t *list = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(list, json_real(ratios[i]));
    return list;
}

static void put_machines(struct table *table, const struct regress_row *row)
{
    table_text(table, "impl", row->impl);
    table_text(table, "pass", row->pass);
    table_text(table, "unit", row->unit);
    put_number(table, "base", row->base);
    put_number(table, "head", row->head);
    put_number(table, "ratio", row->ratio);
    put_number(table, "ratio_low", row->low);
    put_number(table, "ratio_high", row->high);
    put_number(table, "sign_flip_p", row->p);
    table_number(table, "rounds", row->rounds);
    put_number(table, "bound", row->bound);
    put_number(table, "allowed", row->allowed);
    put_number(table, "results_difference", row->difference);
    table_bool(table, "results_allowed", row->results_allowed);
    put_number(table, "accuracy", row->accuracy);
    table_text(table, "reason", row->reason[0] ? row->reason : NULL);
    table_text(table, "how_base", row->how_base[0] ? row->how_base : NULL);
    table_text(table, "how_head", row->how_head[0] ? row->how_head : NULL);
    if (row->rounds > 0) {
        table_json(table, "base_rounds_ms", rounds_json(row->base_rounds, row->rounds));
        table_json(table, "head_rounds_ms", rounds_json(row->head_rounds, row->rounds));
        table_json(table, "ratio_rounds", ratios_json(row->ratio_rounds, row->rounds));
    }
}

static void put_row(struct table *table, const struct regress_row *row)
{
    table_row(table);
    table_text(table, "case", row->name);
    table_text(table, "state", regress_state_name(row->state));
    put_people(table, row);
    put_machines(table, row);
}

/* ---- the whole ---- */

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static void put_meta(struct table *table, const struct regress_outcome *o)
{
    table_meta(table, "gate", json_string(o->gate));
    table_meta(table, "verdict", json_string(regress_verdict_name(o->verdict)));
    table_meta(table, "exit", json_integer(outcome_exit(o)));
    table_meta(table, "strict", json_boolean(o->strict));
    table_meta(table, "reason", json_string(o->reason));
    table_meta(table, "base_made_by", o->base_key ? json_incref(o->base_key) : json_null());
    table_meta(table, "head_made_by", o->head_key ? json_incref(o->head_key) : json_null());
    table_meta(table, "threads", json_integer(o->threads));
    table_meta(table, "geometric_mean", number(o->mean_ratio));
    if (o->control.n == 0)
        return;
    table_meta(table, "seed", json_integer((json_int_t)o->seed));
    table_meta(table, "seconds", number(o->seconds));
    table_meta(table, "noise_floor", number(o->noise_floor));
    table_meta(table, "algorithm", json_string(o->algorithm));
    table_meta(table, "control",
               json_pack("{s:i, s:o, s:o, s:o}", "rounds", o->control.n, "median",
                         number(o->control.median), "low", number(o->control.low), "high",
                         number(o->control.high)));
}

static void put_notes(struct table *table, const struct regress_outcome *o)
{
    char line[700];
    outcome_line(o, line, sizeof line);
    table_note(table, "verdict: %s", line);
    table_note(table, "%d ok, %d improved, %d regressed, %d failed, %d inconclusive, %d added, "
                      "%d removed",
               outcome_count(o, REGRESS_OK), outcome_count(o, REGRESS_IMPROVED),
               outcome_count(o, REGRESS_REGRESSED), outcome_count(o, REGRESS_FAILED),
               outcome_count(o, REGRESS_INCONCLUSIVE), outcome_count(o, REGRESS_ADDED),
               outcome_count(o, REGRESS_REMOVED));
    if (isfinite(o->mean_ratio))
        table_note(table, "geometric mean of the counts: %+.3f %%", 100 * (o->mean_ratio - 1));
    if (o->control.n > 0)
        table_note(table, "control kernel: %+.2f %% (%+.2f .. %+.2f); noise floor %.2f %%; %d "
                          "rounds, seed %llu, %.0f s",
                   100 * (o->control.median - 1), 100 * (o->control.low - 1),
                   100 * (o->control.high - 1), 100 * o->noise_floor, o->control.n,
                   (unsigned long long)o->seed, o->seconds);
}

struct table *outcome_table(const struct regress_outcome *outcome)
{
    static const enum regress_state worst_first[REGRESS_STATES] = {
        REGRESS_FAILED, REGRESS_REGRESSED, REGRESS_INCONCLUSIVE, REGRESS_REMOVED,
        REGRESS_ADDED, REGRESS_IMPROVED, REGRESS_OK};
    struct table *table = table_new("regress", strcmp(outcome->gate, "pair") == 0
                                                   ? "Paired wall time, head against base"
                                                   : "Instruction counts, head against base",
                                    columns, sizeof columns / sizeof columns[0]);
    for (int s = 0; s < REGRESS_STATES; s++)
        for (int i = 0; i < outcome->count; i++)
            if (outcome->rows[i]->state == worst_first[s])
                put_row(table, outcome->rows[i]);
    put_meta(table, outcome);
    put_notes(table, outcome);
    return table;
}
