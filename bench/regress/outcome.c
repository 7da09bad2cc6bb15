/* The one record behind all outputs: see outcome.h. */
#include "bench/regress/outcome.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_NAMED = 4 };

void outcome_start(struct regress_outcome *outcome, const char *gate)
{
    *outcome = (struct regress_outcome){
        .gate = gate, .noise_floor = NAN, .mean_ratio = NAN,
        .control = {.median = NAN, .low = NAN, .high = NAN}};
}

void outcome_free(struct regress_outcome *outcome)
{
    for (int i = 0; i < outcome->count; i++) {
        free(outcome->rows[i]->base_rounds);
        free(outcome->rows[i]->head_rounds);
        free(outcome->rows[i]->ratio_rounds);
        free(outcome->rows[i]);
    }
    free(outcome->rows);
    json_decref(outcome->base_key);
    json_decref(outcome->head_key);
    *outcome = (struct regress_outcome){.rows = NULL};
}

static bool make_room(struct regress_outcome *outcome)
{
    if (outcome->count < outcome->capacity)
        return true;
    int capacity = outcome->capacity ? 2 * outcome->capacity : 64;
    struct regress_row **grown = realloc(outcome->rows, (size_t)capacity * sizeof *grown);
    if (!grown)
        return false;
    outcome->rows = grown;
    outcome->capacity = capacity;
    return true;
}

struct regress_row *outcome_add(struct regress_outcome *outcome, const char *name,
                                const char *unit)
{
    struct regress_row *row = make_room(outcome) ? calloc(1, sizeof *row) : NULL;
    if (!row) {
        fail(ERR_MEMORY, "no memory for a result");
        return NULL;
    }
    *row = (struct regress_row){.unit = unit, .base = NAN, .head = NAN, .ratio = NAN, .low = NAN,
                                .high = NAN, .p = NAN, .bound = NAN, .allowed = NAN,
                                .difference = NAN, .accuracy = NAN};
    snprintf(row->name, sizeof row->name, "%s", name);
    const char *space = strchr(name, ' ');
    if (space) {
        snprintf(row->impl, sizeof row->impl, "%.*s", (int)(space - name), name);
        snprintf(row->pass, sizeof row->pass, "%.*s", (int)strcspn(space + 1, " "), space + 1);
    }
    outcome->rows[outcome->count++] = row;
    return row;
}

int outcome_count(const struct regress_outcome *outcome, enum regress_state state)
{
    int count = 0;
    for (int i = 0; i < outcome->count; i++)
        count += outcome->rows[i]->state == state;
    return count;
}

/* ---- verdict ---- */

static double geometric_mean(const struct regress_outcome *outcome)
{
    double sum = 0;
    int count = 0;
    for (int i = 0; i < outcome->count; i++) {
        const struct regress_row *row = outcome->rows[i];
        bool counts = strcmp(row->unit, "instructions") == 0 && isfinite(row->ratio) &&
                      !isfinite(row->allowed);
        sum += counts ? log(row->ratio) : 0;
        count += counts;
    }
    return count > 0 ? exp(sum / count) : NAN;
}

static void say(struct regress_outcome *outcome, const char *text)
{
    size_t used = strlen(outcome->reason);
    snprintf(outcome->reason + used, sizeof outcome->reason - used, "%s%s", used ? "; " : "",
             text);
}

/* Names the rows in a state, with what is wrong: the first few. */
static void name_rows(struct regress_outcome *outcome, enum regress_state state)
{
    char text[700];
    int named = 0;
    for (int i = 0; i < outcome->count; i++) {
        const struct regress_row *row = outcome->rows[i];
        if (row->state != state)
            continue;
        if (named++ == MOST_NAMED) {
            snprintf(text, sizeof text, "and %d more",
                     outcome_count(outcome, state) - MOST_NAMED);
            say(outcome, text);
            return;
        }
        if (state != REGRESS_REGRESSED || !isfinite(row->ratio))
            snprintf(text, sizeof text, "%s: %s", row->name, row->reason);
        else
            snprintf(text, sizeof text, "%s: %+.1f %%", row->name, 100 * (row->ratio - 1));
        say(outcome, text);
    }
}

static bool mean_rose(const struct regress_outcome *outcome)
{
    return outcome->mean_ratio > 1 + JUDGE_MEAN_BOUND;
}

static void explain_mean(struct regress_outcome *outcome)
{
    char text[128];
    snprintf(text, sizeof text, "geometric mean of all cases: %+.2f %% (bound %.1f %%)",
             100 * (outcome->mean_ratio - 1), 100 * JUDGE_MEAN_BOUND);
    say(outcome, text);
}

/* Rows in which base and head were held against each other; training runs aside. */
static int count_compared(const struct regress_outcome *outcome)
{
    int count = 0;
    for (int i = 0; i < outcome->count; i++) {
        const struct regress_row *row = outcome->rows[i];
        count += row->state != REGRESS_ADDED && row->state != REGRESS_REMOVED &&
                 strcmp(row->unit, "loss") != 0;
    }
    return count;
}

void outcome_settle(struct regress_outcome *outcome)
{
    outcome->reason[0] = '\0';
    outcome->mean_ratio = geometric_mean(outcome);
    bool regressed = outcome_count(outcome, REGRESS_REGRESSED) > 0 ||
                     outcome_count(outcome, REGRESS_FAILED) > 0;
    if (regressed || mean_rose(outcome)) {
        outcome->verdict = VERDICT_REGRESSED;
        name_rows(outcome, REGRESS_FAILED);
        name_rows(outcome, REGRESS_REGRESSED);
        if (mean_rose(outcome))
            explain_mean(outcome);
    } else if (count_compared(outcome) == 0) {
        outcome->verdict = VERDICT_NOTHING;
        say(outcome, outcome->count ? "no case is on both sides" : "no case was measured");
    } else if (outcome_count(outcome, REGRESS_INCONCLUSIVE) > 0) {
        outcome->verdict = VERDICT_INCONCLUSIVE;
        name_rows(outcome, REGRESS_INCONCLUSIVE);
    } else {
        outcome->verdict = VERDICT_OK;
    }
}

void outcome_refuse(struct regress_outcome *outcome)
{
    outcome->verdict = VERDICT_INCOMPARABLE;
    snprintf(outcome->reason, sizeof outcome->reason, "%.500s", fail_text());
}

int outcome_exit(const struct regress_outcome *outcome)
{
    if (outcome->verdict == VERDICT_INCONCLUSIVE && !outcome->strict)
        return 0;
    return (int)outcome->verdict;
}
