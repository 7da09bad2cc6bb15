/* `cbam-bench layers`: every case is checked on all implementations, then timed on those asked for,
 * which take turns round by round. Knows no network. */

#include "bench/measure/case_list.h"
#include "bench/measure/layer_check.h"
#include "bench/measure/sample.h"
#include "bench/report/table.h"
#include "bench/verbs/options.h"
#include "bench/verbs/record.h"
#include "bench/verbs/verbs.h"
#include "impls/base/threads.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VERB "layers"

struct settings {
    struct case_list cases;
    const struct impl *impls[OPTION_IMPLS];
    int impl_count;
    int threads[OPTION_NUMBERS], thread_count;
    bool pass[PASS_COUNT];
    enum table_format format;
    struct sample_settings sample;
};

/* An implementation of this build, opened for one number of threads. */
struct opened {
    const struct impl *impl;
    struct impl_ctx *ctx;
    bool asked; /* the others only help to check */
};

/* One pass of one case: the runs that could be planned, all of the same operands. */
struct group {
    struct layer_operands operands;
    int count;
    struct layer_run runs[OPTION_IMPLS];
    const struct opened *of[OPTION_IMPLS];
    struct layer_verdict verdicts[OPTION_IMPLS];
    struct sample_series series[OPTION_IMPLS];
};

/* What the whole verb works on. */
struct work {
    const struct settings *settings;
    struct record record;
    struct table *table;
    struct opened opened[OPTION_IMPLS];
    int opened_count, threads;
    int rows, faults; /* faults: rows without a time */
};

enum { KEY_CASES = 'c', KEY_IMPL = 'i', KEY_THREADS = 't', KEY_PASS = 'p', KEY_FORMAT = 'f',
       KEY_SAMPLES = 'n', KEY_MIN_MS = 1000, KEY_SECONDS, KEY_SEED };

static const struct argp_option options[] = {
    {"cases", KEY_CASES, "FILE|CASE,...", 0,
     "files of cases, or cases as text: 'conv2d n1 h56 w56 c64 oc64 k3 p1' (bench/cases/ has some)",
     0},
    {"impl", KEY_IMPL, "NAMES", 0, "implementations to time: all (default), or names", 0},
    {"threads", KEY_THREADS, "N,...", 0, "numbers of threads (default: all there are)", 0},
    {"pass", KEY_PASS, "fwd,bwd", 0,
     "passes to time (default fwd); bwd is the gradients of all sources and parameters", 0},
    {"format", KEY_FORMAT, "FORMAT", 0, "text (default), json, csv or md", 0},
    {"samples", KEY_SAMPLES, "N", 0, "samples of each row (default 15)", 0},
    {"min-ms", KEY_MIN_MS, "MS", 0, "shorter calls are repeated until a sample lasts so long "
     "(default 10)", 0},
    {"seconds", KEY_SECONDS, "S", 0, "time on one row after which it gets no more samples, "
     "but at least 3 (default 5; 0: no limit)", 0},
    {"seed", KEY_SEED, "N", 0, "of operands and of the order within a round (default 1)", 0},
    {0}};

static enum status parse_cases(struct settings *s, const char *text)
{
    struct option_list items;
    TRY(option_split("--cases", text, &items));
    enum status status = OK;
    for (int i = 0; status == OK && i < items.count; i++)
        status = case_list_add(&s->cases, items.items[i]);
    option_list_free(&items);
    return status == OK ? OK : fail_prefix(status, "--cases");
}

static enum status parse_passes(struct settings *s, const char *text)
{
    static const char *const words[] = {"fwd", "bwd"};
    struct option_list items;
    TRY(option_split("--pass", text, &items));
    memset(s->pass, 0, sizeof s->pass);
    enum status status = OK;
    for (int i = 0; status == OK && i < items.count; i++) {
        int pass = 0;
        status = option_word("--pass", items.items[i], words, PASS_COUNT, &pass);
        s->pass[pass] = true;
    }
    option_list_free(&items);
    return status;
}

static enum status parse_option(struct settings *s, int key, const char *value)
{
    switch (key) {
    case KEY_CASES:
        return parse_cases(s, value);
    case KEY_IMPL:
        return option_impls("--impl", value, s->impls, &s->impl_count);
    case KEY_THREADS:
        return option_ints("--threads", value, 1, threads_available(), s->threads,
                           &s->thread_count);
    case KEY_PASS:
        return parse_passes(s, value);
    case KEY_FORMAT:
        return table_format_parse(value, &s->format);
    case KEY_SAMPLES:
        return option_int("--samples", value, 1, 1000000, &s->sample.samples);
    case KEY_MIN_MS:
        return option_double("--min-ms", value, 0, 10000, &s->sample.sample_ms);
    case KEY_SECONDS:
        return option_double("--seconds", value, 0, 86400, &s->sample.seconds);
    default:
        return option_seed("--seed", value, &s->sample.seed);
    }
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    for (const struct argp_option *option = options; option->name; option++)
        if (option->key == key)
            return option_error(parse_option(state->input, key, value));
    return option_unknown(key, value);
}

static enum status parse_settings(struct settings *s, int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .doc = "Check single operations and time them.\vEach case is first computed by every "
               "implementation of this build and compared with the definition in double precision, "
               "with identities of the gradients, and with the other implementations; on integers "
               "exactly where that is possible. A case that disagrees is reported and not timed."};
    TRY(option_parse(&argp, VERB, argc, argv, s));
    if (s->cases.count == 0)
        return fail(ERR_USAGE, "--cases is needed: a file of cases, or a case such as "
                               "'conv2d n1 h56 w56 c64 oc64 k3 p1'");
    if (s->impl_count == 0)
        TRY(option_impls("--impl", "all", s->impls, &s->impl_count));
    if (s->thread_count == 0)
        s->threads[s->thread_count++] = threads_available();
    return OK;
}

static const struct table_column columns[] = {
    {.name = "case"},
    {.name = "pass"},
    {.name = "impl"},
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
    {.name = "check"},
    {.name = "check_error", .audience = TABLE_MACHINES},
    {.name = "repeats", .audience = TABLE_MACHINES},
    {.name = "steady", .audience = TABLE_MACHINES},
    {.name = "cpu_per_wall", .audience = TABLE_MACHINES},
    {.name = "date", .audience = TABLE_MACHINES},
    {.name = "commit", .audience = TABLE_MACHINES},
    {.name = "cpu", .audience = TABLE_MACHINES},
    {.name = "libraries", .audience = TABLE_MACHINES},
    {.name = "samples_ms", .audience = TABLE_MACHINES},
};

static void start_row(struct work *work, const struct group *group, const struct impl *impl,
                      const char *how)
{
    char text[256];
    op_print(&group->operands.desc, text, sizeof text);
    table_row(work->table);
    table_text(work->table, "case", text);
    table_text(work->table, "pass", layer_pass_name(group->operands.pass));
    table_text(work->table, "impl", impl->name);
    table_text(work->table, "how", how);
    table_number(work->table, "threads", work->threads);
    record_row(&work->record, work->table);
    work->rows++;
}

static void clear_progress(void)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

/* A row that says why there is no time. */
static void add_fault(struct work *work, const struct group *group, const struct impl *impl,
                      const char *how, const char *message)
{
    start_row(work, group, impl, how);
    char reason[300];
    snprintf(reason, sizeof reason, "FAILED: %s", message);
    table_missing(work->table, "check", reason);
    table_number(work->table, "n", 0);
    work->faults++;
    char text[256];
    op_print(&group->operands.desc, text, sizeof text);
    clear_progress();
    fprintf(stderr, "cbam-bench " VERB ": %s on %s, %s: %s\n", text, impl->name,
            layer_pass_name(group->operands.pass), message);
}

/* People see why it is missing; for machines it is just not there. */
static void add_p90(const struct work *work, const struct sample_summary *summary)
{
    enum table_format format = work->settings->format;
    char note[32];
    snprintf(note, sizeof note, "n/a (n=%d)", summary->n);
    if (isfinite(summary->p90))
        table_number(work->table, "p90_ms", summary->p90);
    else if (format == TABLE_TEXT || format == TABLE_MD)
        table_missing(work->table, "p90_ms", note);
}

static enum status add_times(struct work *work, const struct group *group, int i)
{
    struct table *table = work->table;
    const struct op_desc *desc = &group->operands.desc;
    const struct sample_series *series = &group->series[i];
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
    double macs = layer_pass_macs(desc, group->operands.pass);
    if (macs > 0 && summary.median > 0)
        table_number(table, "gflops", 2e-6 * macs / summary.median);
    if (summary.median > 0)
        table_number(table, "gbs",
                     1e-6 * layer_pass_bytes(desc, group->operands.pass) / summary.median);
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

static enum status add_row(struct work *work, const struct group *group, int i)
{
    const struct layer_verdict *verdict = &group->verdicts[i];
    const struct layer_run *run = &group->runs[i];
    if (!verdict->ok) {
        add_fault(work, group, run->impl, run->plan.how, verdict->message);
        return OK;
    }
    start_row(work, group, run->impl, run->plan.how);
    if (verdict->exact)
        table_text(work->table, "check", "exact");
    else
        table_printf(work->table, "check", "%.1e", verdict->error);
    table_number(work->table, "check_error", verdict->error);
    return add_times(work, group, i);
}

static enum status run_forward(void *run)
{
    return layer_run_forward(run);
}

static enum status run_backward(void *run)
{
    return layer_run_backward(run);
}

static bool is_timed(const struct group *group, int i)
{
    return group->verdicts[i].ok && group->of[i]->asked;
}

/* Times what was found right; the others stay without samples. */
static enum status time_group(const struct settings *settings, struct group *group)
{
    struct sample_target targets[OPTION_IMPLS];
    struct sample_series series[OPTION_IMPLS] = {{0}};
    int count = 0, place[OPTION_IMPLS];
    for (int i = 0; i < group->count; i++)
        if (is_timed(group, i)) {
            bool forward = group->operands.pass == PASS_FWD;
            place[count] = i;
            targets[count++] = (struct sample_target){forward ? run_forward : run_backward,
                                                      &group->runs[i]};
        }
    if (count == 0)
        return OK;
    enum status status = sample_rounds(targets, count, &settings->sample, series);
    for (int k = 0; k < count; k++)
        group->series[place[k]] = series[k];
    return status;
}

static void make_runs(struct work *work, struct group *group)
{
    for (int i = 0; i < work->opened_count; i++) {
        const struct opened *opened = &work->opened[i];
        struct layer_run *run = &group->runs[group->count];
        enum status status =
            layer_run_make(run, opened->impl, opened->ctx, &group->operands);
        if (status == OK) {
            group->of[group->count++] = opened;
            continue;
        }
        layer_run_free(run);
        if (opened->asked)
            add_fault(work, group, opened->impl, NULL, fail_text());
    }
}

static enum status finish_group(struct work *work, struct group *group)
{
    make_runs(work, group);
    layer_check(&group->operands, group->runs, group->count, work->settings->sample.seed,
                group->verdicts);
    TRY(time_group(work->settings, group));
    for (int i = 0; i < group->count; i++) {
        if (group->of[i]->asked)
            TRY(add_row(work, group, i));
        else if (!group->verdicts[i].ok)
            fprintf(stderr, "cbam-bench " VERB ": note: %s, which is not timed, fails the check: "
                            "%s\n", group->of[i]->impl->name, group->verdicts[i].message);
    }
    return OK;
}

static enum status run_group(struct work *work, const struct op_desc *desc, enum layer_pass pass)
{
    struct group *group = calloc(1, sizeof *group);
    if (!group)
        return fail(ERR_MEMORY, "no memory for a case");
    enum status status = layer_operands_make(&group->operands, desc, pass);
    if (status == OK)
        status = finish_group(work, group);
    for (int i = 0; i < group->count; i++) {
        sample_free(&group->series[i]);
        layer_run_free(&group->runs[i]);
    }
    layer_operands_free(&group->operands);
    free(group);
    return status;
}

static void show_progress(const struct work *work, int done)
{
    const struct case_list *cases = &work->settings->cases;
    if (!isatty(STDERR_FILENO))
        return;
    char text[256];
    op_print(&cases->list[done], text, sizeof text);
    clear_progress();
    fprintf(stderr, "%d threads, %d/%d: %s", work->threads, done + 1, cases->count, text);
}

static enum status run_cases(struct work *work)
{
    const struct settings *s = work->settings;
    for (int i = 0; i < s->cases.count; i++) {
        show_progress(work, i);
        for (int pass = 0; pass < PASS_COUNT; pass++)
            if (s->pass[pass])
                TRY(run_group(work, &s->cases.list[i], (enum layer_pass)pass));
    }
    clear_progress();
    return OK;
}

static bool is_asked(const struct settings *settings, const struct impl *impl)
{
    for (int i = 0; i < settings->impl_count; i++)
        if (settings->impls[i] == impl)
            return true;
    return false;
}

/* Opens every implementation of this build; one that only helps to check may fail to open. */
static enum status open_all(struct work *work)
{
    for (int i = 0; impls[i] && work->opened_count < OPTION_IMPLS; i++) {
        struct opened *opened = &work->opened[work->opened_count];
        *opened = (struct opened){.impl = impls[i], .asked = is_asked(work->settings, impls[i])};
        enum status status = impls[i]->open(&opened->ctx);
        if (status != OK && opened->asked)
            return fail_prefix(status, "%s", impls[i]->name);
        work->opened_count += status == OK;
    }
    return OK;
}

static void close_all(struct work *work)
{
    while (work->opened_count > 0) {
        const struct opened *opened = &work->opened[--work->opened_count];
        opened->impl->close(opened->ctx);
    }
}

/* Contexts belong to one number of threads: layer.h asks for threads_set() before open(). */
static enum status run_threads(struct work *work, int threads)
{
    TRY(threads_set(threads));
    work->threads = threads;
    enum status status = open_all(work);
    if (status == OK)
        status = run_cases(work);
    close_all(work);
    return status;
}

static enum status run_all(struct work *work)
{
    const struct settings *s = work->settings;
    for (int i = 0; i < s->thread_count; i++)
        TRY(run_threads(work, s->threads[i]));
    table_note(work->table, "GFLOP/s counts two operations for each multiply-accumulate, bwd twice "
                            "those of fwd; GB/s the bytes that the pass must move at least.");
    table_note(work->table, "check: exact, or the largest relative error against the definition "
                            "and the other implementations.");
    record_finish(&work->record, work->table);
    TRY(table_write(work->table, s->format, stdout));
    if (work->faults > 0)
        return fail(ERR_NUMERIC, "%d of %d rows were not timed", work->faults, work->rows);
    return OK;
}

int verb_layers(int argc, char **argv)
{
    struct settings settings = {.pass = {[PASS_FWD] = true}, .sample = sample_defaults()};
    settings.sample.seconds = 5;
    struct work work = {.settings = &settings};
    record_start(&work.record, VERB, argc, argv);
    enum status status = parse_settings(&settings, argc, argv);
    if (status == OK) {
        work.table = table_new(VERB, "Layers", columns, sizeof columns / sizeof columns[0]);
        status = run_all(&work);
        table_free(work.table);
    }
    case_list_free(&settings.cases);
    return verb_fail(VERB, status);
}
