/* How far a study is: see study_status.h. */
#include "bench/report/study_status.h"

#include <math.h>
#include <string.h>

static const struct table_column count_columns[] = {
    {.name = "cells"}, {.name = "all"},     {.name = "done"},
    {.name = "diverged", .title = "of these diverged"},
    {.name = "older", .title = "of these by other code"},
    {.name = "running"}, {.name = "stale", .title = "worker died"}, {.name = "pending"},
    {.name = "failed"},
    {.name = "left_s", .title = "left, one at a time", .unit = "s"},
};

static const struct table_column fault_columns[] = {
    {.name = "network"}, {.name = "attention"}, {.name = "cells"}, {.name = "seed"},
    {.name = "state"},   {.name = "attempts"},  {.name = "reason"}, {.name = "key"},
};

#define COUNT(columns) ((int)(sizeof(columns) / sizeof((columns)[0])))

static const char *kind_name(const struct cell *cell)
{
    return cell->role == ROLE_SOURCE ? "source" : cell->arm;
}

/* Cells that are counted together: the runs of searches apart from those that count. */
static const char *count_name(const struct cell *cell)
{
    return cell->trial ? "search" : kind_name(cell);
}

/* ---- time left ---- */

static bool is_finished(const struct study_data *data, int i)
{
    return data->results[i] && isfinite(data->results[i]->seconds) &&
           !data->results[i]->diverged;
}

/* Mean seconds of the finished cells that are like cell `like`: of its kind and network, or of its
 * kind, or any. NaN when there is none. */
enum likeness { SAME_NETWORK, SAME_KIND, ANY_CELL };
static double mean_seconds(const struct study_data *data, int like, enum likeness likeness)
{
    const struct cell *cell = &data->rows.rows[like].cell;
    double sum = 0;
    int count = 0;
    for (int i = 0; i < data->rows.count; i++) {
        const struct cell *other = &data->rows.rows[i].cell;
        if (!is_finished(data, i) ||
            (likeness < ANY_CELL && strcmp(kind_name(other), kind_name(cell)) != 0) ||
            (likeness == SAME_NETWORK && strcmp(other->settings.model, cell->settings.model) != 0))
            continue;
        sum += data->results[i]->seconds;
        count++;
    }
    return count ? sum / count : NAN;
}

/* Seconds that a cell which is not done will take. */
static double seconds_left(const struct study_data *data, int i)
{
    double seconds = NAN;
    for (int likeness = SAME_NETWORK; likeness <= ANY_CELL && isnan(seconds); likeness++)
        seconds = mean_seconds(data, i, (enum likeness)likeness);
    return seconds;
}

/* What is left, and how long that takes with as many at once as are running now. */
static void note_time(struct table *table, const struct study_data *data)
{
    double seconds = 0;
    int running = 0, left = 0;
    for (int i = 0; i < data->rows.count; i++) {
        const struct store_row *row = &data->rows.rows[i];
        running += row->state == STATE_RUNNING && !row->stale;
        if (row->state == STATE_DONE)
            continue;
        left++;
        seconds += seconds_left(data, i);
    }
    if (left == 0)
        return;
    if (!isfinite(seconds))
        table_note(table, "%d cells left; how long they take is not known before one is done.",
                   left);
    else
        table_note(table, "%d cells left: about %.0f s of training one after the other, %.0f s "
                   "with %d at once as now. By the mean of those that are done.", left, seconds,
                   seconds / (running > 1 ? running : 1), running > 1 ? running : 1);
}

/* ---- counts ---- */

/* One row for the cells of that kind; NULL: of all kinds. */
static void put_counts(struct table *table, const struct study_data *data, const char *kind)
{
    int state[STATE_COUNT] = {0}, all = 0, diverged = 0, older = 0, stale = 0;
    double left = 0;
    for (int i = 0; i < data->rows.count; i++) {
        const struct store_row *row = &data->rows.rows[i];
        if (kind && strcmp(kind, count_name(&row->cell)) != 0)
            continue;
        all++;
        state[row->state]++;
        stale += row->stale;
        older += study_data_is_foreign(row);
        diverged += data->results[i] && data->results[i]->diverged;
        left += row->state == STATE_DONE ? 0 : seconds_left(data, i);
    }
    if (all == 0)
        return;
    table_row(table);
    table_text(table, "cells", kind ? kind : "all");
    table_number(table, "all", all);
    table_number(table, "done", state[STATE_DONE]);
    table_number(table, "diverged", diverged);
    table_number(table, "older", older);
    table_number(table, "running", state[STATE_RUNNING] - stale);
    table_number(table, "stale", stale);
    table_number(table, "pending", state[STATE_PENDING]);
    table_number(table, "failed", state[STATE_FAILED]);
    if (isfinite(left))
        table_number(table, "left_s", left);
    else
        table_missing(table, "left_s", "none done yet");
}

struct table *study_status_counts(const struct study_data *data)
{
    char title[128];
    snprintf(title, sizeof title, "Study %s", data->name);
    struct table *table = table_new("status", title, count_columns, COUNT(count_columns));
    put_counts(table, data, "search");
    put_counts(table, data, "source");
    for (int i = 0; i < data->arms.count; i++)
        put_counts(table, data, data->arms.text[i]);
    put_counts(table, data, NULL);
    note_time(table, data);
    return table;
}

struct table *study_status_faults(const struct study_data *data)
{
    struct table *table = table_new("faults", "Cells without a number", fault_columns,
                                    COUNT(fault_columns));
    for (int i = 0; i < data->rows.count; i++) {
        const struct store_row *row = &data->rows.rows[i];
        bool diverged = data->results[i] && data->results[i]->diverged;
        if (row->state != STATE_FAILED && !row->stale && !diverged)
            continue;
        table_row(table);
        table_text(table, "network", row->cell.settings.model);
        table_text(table, "attention", row->cell.settings.attention);
        table_printf(table, "cells", "%s%s", row->cell.trial ? "search: " : "",
                     kind_name(&row->cell));
        table_printf(table, "seed", "%llu", (unsigned long long)row->cell.settings.seed);
        table_text(table, "state", diverged ? "diverged" : row->stale ? "worker died"
                                                                      : "failed");
        table_number(table, "attempts", row->attempts);
        table_text(table, "reason", diverged ? row->diverged : row->error);
        table_text(table, "key", row->cell.key);
    }
    return table;
}
