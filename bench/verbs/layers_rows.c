/* The table of `layers`: see layers_work.h. Checks and times nothing. */
#include "bench/verbs/layers_work.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

static const struct table_column columns[] = {
    {.name = "case"},
    {.name = "pass"},
    {.name = "impl"},
    {.name = "dtype"},
    {.name = "how"},
    {.name = "threads"},
    {.name = "n"},
    {.name = "median_ms", .title = "median", .unit = "ms", .decimals = 4},
    {.name = "median_low_ms", .unit = "ms", .audience = TABLE_MACHINES},
    {.name = "median_high_ms", .unit = "ms", .audience = TABLE_MACHINES},
    {.name = "min_ms", .title = "min", .unit = "ms", .decimals = 4},
    {.name = "p90_ms", .title = "p90", .unit = "ms", .decimals = 4},
    {.name = "gflops", .title = "GFLOP/s", .decimals = -4},
    {.name = "gbs", .title = "GB/s", .decimals = -4},
    {.name = "macs", .audience = TABLE_MACHINES},
    {.name = "flops", .audience = TABLE_MACHINES},
    {.name = "bytes", .audience = TABLE_MACHINES},
    {.name = "bound_ms", .title = "bound", .unit = "ms", .decimals = 4},
    {.name = "of_bound", .title = "of the bound", .unit = "%", .decimals = 0},
    {.name = "check"},
    {.name = "check_error", .audience = TABLE_MACHINES},
    {.name = "checked", .title = "how it was checked"},
    {.name = "name"},
    {.name = "repeats", .audience = TABLE_MACHINES},
    {.name = "steady", .audience = TABLE_MACHINES},
    {.name = "cpu_per_wall", .audience = TABLE_MACHINES},
    {.name = "date", .audience = TABLE_MACHINES},
    {.name = "commit", .audience = TABLE_MACHINES},
    {.name = "cpu", .audience = TABLE_MACHINES},
    {.name = "libraries", .audience = TABLE_MACHINES},
    {.name = "samples_ms", .audience = TABLE_MACHINES},
};

/* Columns that people would see empty, or that would crowd out the times. */
static void hide_columns(struct table *table, const struct layers_settings *settings)
{
    static const char *const times[] = {"n", "median_ms", "min_ms", "p90_ms", "gflops", "gbs",
                                        "bound_ms", "of_bound"};
    bool named = false;
    for (int i = 0; i < settings->cases.count; i++)
        named |= settings->cases.info[i].name[0] != '\0';
    if (!named)
        table_hide(table, "name");
    if (!layers_in_bf16(settings))
        table_hide(table, "dtype");
    if (!settings->check_only)
        table_hide(table, "checked");
    for (size_t i = 0; settings->check_only && i < sizeof times / sizeof times[0]; i++)
        table_hide(table, times[i]);
}

struct table *layers_table_new(const struct layers_settings *settings)
{
    const int count = sizeof columns / sizeof columns[0];
    struct table *table = table_new("layers", "Layers", columns, count);
    hide_columns(table, settings);
    return table;
}

void layers_clear_progress(void)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

static void start_row(struct layers_work *work, const struct layers_case *c,
                      const struct layers_runner *runner, const char *how)
{
    char text[256];
    op_print(c->desc, text, sizeof text);
    table_row(work->table);
    table_text(work->table, "case", text);
    table_text(work->table, "pass", layer_pass_name(c->pass));
    table_text(work->table, "impl", runner->opened->impl->name);
    table_text(work->table, "dtype", dtype_name(runner->dtype));
    table_text(work->table, "how", how);
    table_number(work->table, "threads", work->threads);
    table_text(work->table, "name", c->name[0] ? c->name : NULL);
    record_row(&work->record, work->table);
    work->rows++;
}

void layers_add_fault(struct layers_work *work, const struct layers_case *c,
                      const struct layers_runner *runner, const char *how, const char *message)
{
    start_row(work, c, runner, how);
    char reason[300];
    snprintf(reason, sizeof reason, "FAILED: %s", message);
    table_missing(work->table, "check", reason);
    table_number(work->table, "n", 0);
    work->faults++;
    char text[256];
    op_print(c->desc, text, sizeof text);
    layers_clear_progress();
    fprintf(stderr, "cbam-bench layers: %s on %s, %s%s: %s\n", text,
            runner->opened->impl->name, layer_pass_name(c->pass),
            runner->dtype == DTYPE_BF16 ? " in bf16" : "", message);
}

/* People see why it is missing; for machines it is just not there. */
static void add_p90(const struct layers_work *work, const struct sample_summary *summary)
{
    enum table_format format = work->settings->format;
    char note[32];
    snprintf(note, sizeof note, "n/a (n=%d)", summary->n);
    if (isfinite(summary->p90))
        table_number(work->table, "p90_ms", summary->p90);
    else if (format == TABLE_TEXT || format == TABLE_MD)
        table_missing(work->table, "p90_ms", note);
}

/* Rates at the median, and what the machine could do at most. */
static void add_rates(const struct layers_work *work, const struct layers_case *c,
                      enum dtype dtype, double median)
{
    struct table *table = work->table;
    const struct op_desc desc = layer_desc_in(c->desc, dtype);
    double macs = layer_pass_macs(c->desc, c->pass), flops = layer_pass_flops(c->desc, c->pass);
    double bytes = layer_pass_bytes(&desc, c->pass);
    double bound = peak_bound_ms(&work->peak, dtype, flops, bytes);
    table_number(table, "macs", macs);
    table_number(table, "flops", flops);
    table_number(table, "bytes", bytes);
    table_number(table, "bound_ms", bound);
    if (median <= 0)
        return;
    if (macs > 0)
        table_number(table, "gflops", 2e-6 * macs / median);
    table_number(table, "gbs", 1e-6 * bytes / median);
    table_number(table, "of_bound", 100 * bound / median);
}

static enum status add_times(struct layers_work *work, const struct layers_case *c,
                             enum dtype dtype, const struct sample_series *series)
{
    struct table *table = work->table;
    struct sample_summary summary;
    TRY(sample_summarise(series, &summary));
    table_number(table, "n", summary.n);
    table_number(table, "median_ms", summary.median);
    if (isfinite(summary.low)) {
        table_number(table, "median_low_ms", summary.low);
        table_number(table, "median_high_ms", summary.high);
    }
    table_number(table, "min_ms", summary.min);
    add_p90(work, &summary);
    add_rates(work, c, dtype, summary.median);
    table_number(table, "repeats", series->repeats);
    table_bool(table, "steady", series->steady);
    if (series->wall_seconds > 0)
        table_number(table, "cpu_per_wall", series->cpu_seconds / series->wall_seconds);
    json_t *samples = json_array();
    for (int k = 0; k < series->n; k++)
        json_array_append_new(samples, json_real(series->ms[k]));
    table_json(table, "samples_ms", samples);
    return OK;
}

enum status layers_add_row(struct layers_work *work, const struct layers_case *c,
                           const struct layers_runner *runner, const char *how,
                           const struct layer_verdict *verdict,
                           const struct sample_series *series)
{
    char checked[160];
    if (!verdict->ok) {
        layers_add_fault(work, c, runner, how, verdict->message);
        return OK;
    }
    start_row(work, c, runner, how);
    if (verdict->exact)
        table_text(work->table, "check", "exact");
    else
        table_printf(work->table, "check", "%.1e", verdict->error);
    table_number(work->table, "check_error", verdict->error);
    layer_verdict_print(verdict, checked, sizeof checked);
    table_text(work->table, "checked", checked);
    if (series)
        return add_times(work, c, runner->dtype, series);
    table_number(work->table, "n", 0);
    return OK;
}
