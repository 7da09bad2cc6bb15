/* The tables of `latency`: rows, and what attention costs: see latency_work.h. */
#include "bench/verbs/latency_work.h"

#include "bench/measure/ratio.h"
#include "impls/ops.h"

#include <math.h>
#include <stdio.h>

static const struct table_column row_columns[] = {
    {.name = "model"},
    {.name = "attention"},
    {.name = "impl"},
    {.name = "how", .audience = TABLE_MACHINES},
    {.name = "fused", .audience = TABLE_MACHINES},
    {.name = "dtype"},
    {.name = "algorithm", .audience = TABLE_MACHINES},
    {.name = "batch"},
    {.name = "input", .audience = TABLE_PEOPLE},
    {.name = "input_h", .audience = TABLE_MACHINES},
    {.name = "input_w", .audience = TABLE_MACHINES},
    {.name = "classes", .audience = TABLE_MACHINES},
    {.name = "width", .audience = TABLE_MACHINES},
    {.name = "threads"},
    {.name = "pass"},
    {.name = "n"},
    {.name = "median_ms", .title = "median", .unit = "ms", .decimals = 3},
    {.name = "median_low_ms", .unit = "ms", .audience = TABLE_MACHINES},
    {.name = "median_high_ms", .unit = "ms", .audience = TABLE_MACHINES},
    {.name = "p50_ms", .unit = "ms", .audience = TABLE_MACHINES},
    {.name = "p90_ms", .title = "p90", .unit = "ms", .decimals = 3},
    {.name = "p95_ms", .unit = "ms", .audience = TABLE_MACHINES},
    {.name = "p99_ms", .title = "p99", .unit = "ms", .decimals = 3},
    {.name = "min_ms", .title = "min", .unit = "ms", .decimals = 3},
    {.name = "load_ms", .title = "load", .unit = "ms", .decimals = 0},
    {.name = "first_ms", .title = "first call", .unit = "ms", .decimals = 1},
    {.name = "images_per_s", .title = "images/s", .decimals = 1},
    {.name = "peak_rss_mb", .title = "peak memory", .unit = "MiB", .decimals = 0},
    {.name = "rss_mb", .title = "memory after", .unit = "MiB", .decimals = 0},
    {.name = "macs", .audience = TABLE_MACHINES},
    {.name = "params", .audience = TABLE_MACHINES},
    {.name = "base", .audience = TABLE_MACHINES},
    {.name = "ratio", .audience = TABLE_MACHINES},
    {.name = "ratio_low", .audience = TABLE_MACHINES},
    {.name = "ratio_high", .audience = TABLE_MACHINES},
    {.name = "ratio_pairs", .audience = TABLE_MACHINES},
    {.name = "steady", .audience = TABLE_MACHINES},
    {.name = "cpu_per_wall", .audience = TABLE_MACHINES},
    {.name = "seed", .audience = TABLE_MACHINES},
    {.name = "date", .audience = TABLE_MACHINES},
    {.name = "commit", .audience = TABLE_MACHINES},
    {.name = "cpu", .audience = TABLE_MACHINES},
    {.name = "libraries", .audience = TABLE_MACHINES},
    {.name = "samples_ms", .audience = TABLE_MACHINES},
};

static const struct table_column cost_columns[] = {
    {.name = "model"},
    {.name = "impl"},
    {.name = "dtype"},
    {.name = "attention"},
    {.name = "base", .audience = TABLE_MACHINES},
    {.name = "batch"},
    {.name = "input"},
    {.name = "threads"},
    {.name = "without_ms", .title = "without", .unit = "ms", .decimals = 3},
    {.name = "with_ms", .title = "with", .unit = "ms", .decimals = 3},
    {.name = "pairs"},
    {.name = "ratio", .decimals = 3},
    {.name = "interval", .title = "95 % interval", .audience = TABLE_PEOPLE},
    {.name = "ratio_low", .audience = TABLE_MACHINES},
    {.name = "ratio_high", .audience = TABLE_MACHINES},
    {.name = "confidence", .audience = TABLE_MACHINES},
    {.name = "resamples", .audience = TABLE_MACHINES},
    {.name = "seed", .audience = TABLE_MACHINES},
};

/* What is the same for all rows is said in the title. */
void latency_tables_new(struct latency_tables *tables, const struct latency_settings *s)
{
    char title[80], batch[32] = "", threads[32] = "";
    if (s->batch_count == 1)
        snprintf(batch, sizeof batch, ", batch %d", s->batches[0]);
    if (s->thread_count == 1)
        snprintf(threads, sizeof threads, ", %d threads", s->threads[0]);
    snprintf(title, sizeof title, "%s%s%s", s->shape.train ? "Training step" : "Inference", batch,
             threads);
    tables->rows = table_new("latency", title, row_columns,
                             sizeof row_columns / sizeof row_columns[0]);
    tables->costs = table_new("attention-cost", "Cost of attention", cost_columns,
                              sizeof cost_columns / sizeof cost_columns[0]);
    latency_layers_new(tables, s);
}

void latency_tables_free(struct latency_tables *tables)
{
    table_free(tables->rows);
    table_free(tables->costs);
    table_free(tables->layers);
    table_free(tables->kinds);
    json_decref(tables->peaks);
}

static void add_percentile(struct table *table, const char *column, double value, int n,
                           bool people)
{
    char note[32];
    snprintf(note, sizeof note, "n/a (n=%d)", n);
    if (isfinite(value))
        table_number(table, column, value);
    else if (people)
        table_missing(table, column, note);
}

static void add_finite(struct table *table, const char *column, double value)
{
    if (isfinite(value))
        table_number(table, column, value);
}

/* What the row is about. */
static void add_subject(struct table *table, const struct latency_entry *entry)
{
    const struct latency_program *program = entry->program;
    const struct latency_shape *shape = program->shape;
    const struct latency_network *network = program->network;
    table_text(table, "model", entry->model);
    table_text(table, "attention", network->attention);
    table_text(table, "impl", program->impl->name);
    table_text(table, "how", program->how);
    table_bool(table, "fused", !shape->compose);
    table_text(table, "dtype", dtype_name(shape->dtype));
    char algorithm[ALGORITHM_NAME];
    algorithms_name(shape->dtype == DTYPE_F32 ? shape->algorithms : NULL, algorithm);
    table_text(table, "algorithm", algorithm);
    table_number(table, "batch", shape->batch);
    table_printf(table, "input", "%dx%d", network->spec.input_h, network->spec.input_w);
    table_number(table, "input_h", network->spec.input_h);
    table_number(table, "input_w", network->spec.input_w);
    table_number(table, "classes", shape->classes);
    table_number(table, "width", network->spec.width);
    table_number(table, "threads", shape->threads);
    table_text(table, "pass", shape->train ? "train" : "inference");
    table_number(table, "macs", net_macs(network->net));
    table_number(table, "params", params_count(network->net->params));
    table_number(table, "seed", (double)shape->seed);
}

static void add_samples(struct table *table, const struct sample_series *series)
{
    json_t *samples = json_array();
    for (int i = 0; i < series->n; i++)
        json_array_append_new(samples, json_real(series->ms[i]));
    table_json(table, "samples_ms", samples);
}

static void add_times(struct table *table, const struct latency_entry *entry,
                      const struct sample_summary *s, bool people)
{
    const struct sample_series *series = &entry->series;
    table_number(table, "n", s->n);
    table_number(table, "median_ms", s->median);
    add_finite(table, "median_low_ms", s->low);
    add_finite(table, "median_high_ms", s->high);
    add_finite(table, "p50_ms", s->p50);
    add_percentile(table, "p90_ms", s->p90, s->n, people);
    add_finite(table, "p95_ms", s->p95);
    add_percentile(table, "p99_ms", s->p99, s->n, people);
    table_number(table, "min_ms", s->min);
    table_number(table, "load_ms", entry->probe.load_ms);
    table_number(table, "first_ms", entry->probe.first_ms);
    if (series->wall_seconds > 0)
        table_number(table, "images_per_s", (double)series->n * series->repeats *
                                                entry->program->shape->batch /
                                                series->wall_seconds);
    if (entry->probe.peak_rss_mb > 0)
        table_number(table, "peak_rss_mb", entry->probe.peak_rss_mb);
    if (entry->probe.rss_mb > 0)
        table_number(table, "rss_mb", entry->probe.rss_mb);
    table_bool(table, "steady", series->steady);
    if (series->wall_seconds > 0)
        table_number(table, "cpu_per_wall", series->cpu_seconds / series->wall_seconds);
    add_samples(table, series);
}

static void add_cost(struct table *table, const struct latency_entry *entry,
                     const struct ratio *ratio, double without, double with)
{
    table_row(table);
    table_text(table, "model", entry->model);
    table_text(table, "impl", entry->program->impl->name);
    table_text(table, "dtype", dtype_name(entry->program->shape->dtype));
    table_text(table, "attention", entry->program->network->attention);
    table_text(table, "base", entry->base->program->network->attention);
    table_number(table, "batch", entry->program->shape->batch);
    table_printf(table, "input", "%dx%d", entry->program->network->spec.input_h,
                 entry->program->network->spec.input_w);
    table_number(table, "threads", entry->program->shape->threads);
    table_number(table, "without_ms", without);
    table_number(table, "with_ms", with);
    table_number(table, "pairs", ratio->n);
    table_number(table, "ratio", ratio->median);
    if (isfinite(ratio->low))
        table_printf(table, "interval", "%.3f to %.3f", ratio->low, ratio->high);
    else
        table_printf(table, "interval", "n/a (%d pairs)", ratio->n);
    add_finite(table, "ratio_low", ratio->low);
    add_finite(table, "ratio_high", ratio->high);
    table_number(table, "confidence", 0.95);
    table_number(table, "resamples", RATIO_RESAMPLES);
    table_number(table, "seed", (double)entry->program->shape->seed);
}

static enum status add_ratio(struct latency_tables *tables, const struct latency_entry *entry,
                             double with)
{
    const struct sample_series *base = &entry->base->series;
    struct sample_summary without;
    struct ratio ratio;
    int pairs = base->n < entry->series.n ? base->n : entry->series.n;
    TRY(ratio_of_pairs(base->ms, entry->series.ms, pairs, entry->program->shape->seed, &ratio));
    TRY(sample_summarise(base, &without));
    table_text(tables->rows, "base", entry->base->program->network->attention);
    table_number(tables->rows, "ratio", ratio.median);
    add_finite(tables->rows, "ratio_low", ratio.low);
    add_finite(tables->rows, "ratio_high", ratio.high);
    table_number(tables->rows, "ratio_pairs", ratio.n);
    add_cost(tables->costs, entry, &ratio, without.median, with);
    return OK;
}

enum status latency_tables_add(struct latency_tables *tables, const struct latency_entry *entry,
                               const struct record *record, bool people)
{
    struct sample_summary summary;
    TRY(sample_summarise(&entry->series, &summary));
    table_row(tables->rows);
    add_subject(tables->rows, entry);
    add_times(tables->rows, entry, &summary, people);
    record_row(record, tables->rows);
    return entry->base ? add_ratio(tables, entry, summary.median) : OK;
}
