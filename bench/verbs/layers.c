/* `cbam-bench layers`: every case is checked on all implementations, then timed on those asked for,
 * which take turns round by round. Knows no network. */

#include "bench/measure/machine.h"
#include "bench/verbs/layers_work.h"
#include "bench/verbs/verbs.h"
#include "impls/base/threads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VERB "layers"

/* The runs of a case that could be planned, all of the same operands, to be timed. */
struct group {
    struct layer_operands operands;
    int count;
    struct layer_run runs[OPTION_IMPLS];
    const struct layers_opened *of[OPTION_IMPLS];
    struct layer_verdict verdicts[OPTION_IMPLS];
    struct sample_series series[OPTION_IMPLS];
};

enum { KEY_CASES = 'c', KEY_IMPL = 'i', KEY_THREADS = 't', KEY_PASS = 'p', KEY_FORMAT = 'f',
       KEY_SAMPLES = 'n', KEY_BATCH = 'b', KEY_MIN_MS = 1000, KEY_SECONDS, KEY_SEED, KEY_CHECK };

static const struct argp_option options[] = {
    {"cases", KEY_CASES, "FILE|CASE,...", 0,
     "files of cases, or cases as text: 'conv2d n1 h56 w56 c64 oc64 k3 p1' (bench/cases/ has "
     "some). A problem of benchdnn (mb2ic64ih56oc64oh56kh3ph1) or a batch file of them is read, "
     "too; conv:, pool:, ip: or bnorm: in front says of which driver", 0},
    {"batch", KEY_BATCH, "N,...", 0, "run every case with these batch sizes instead of its own", 0},
    {"impl", KEY_IMPL, "NAMES", 0, "implementations to time: all (default), or names", 0},
    {"threads", KEY_THREADS, "N,...", 0, "numbers of threads (default: all there are)", 0},
    {"pass", KEY_PASS, "fwd,bwd", 0,
     "passes to time (default: what --dir in a batch file of benchdnn says, else fwd); bwd is the "
     "gradients of all sources and parameters", 0},
    {"check-only", KEY_CHECK, NULL, 0, "check and do not time: one implementation after the other, "
     "so that large batches fit into memory", 0},
    {"format", KEY_FORMAT, "FORMAT", 0, "text (default), json, csv or md", 0},
    {"samples", KEY_SAMPLES, "N", 0, "samples of each row (default 15)", 0},
    {"min-ms", KEY_MIN_MS, "MS", 0, "shorter calls are repeated until a sample lasts so long "
     "(default 10)", 0},
    {"seconds", KEY_SECONDS, "S", 0, "time on one row after which it gets no more samples, "
     "but at least 3 (default 5; 0: no limit)", 0},
    {"seed", KEY_SEED, "N", 0, "of operands and of the order within a round (default 1)", 0},
    {0}};

static enum status parse_cases(struct layers_settings *s, const char *text)
{
    struct option_list items;
    TRY(option_split("--cases", text, &items));
    enum status status = OK;
    for (int i = 0; status == OK && i < items.count; i++)
        status = case_list_add(&s->cases, items.items[i]);
    option_list_free(&items);
    return status == OK ? OK : fail_prefix(status, "--cases");
}

static enum status parse_passes(struct layers_settings *s, const char *text)
{
    static const char *const words[] = {"fwd", "bwd"};
    struct option_list items;
    TRY(option_split("--pass", text, &items));
    memset(s->pass, 0, sizeof s->pass);
    s->pass_given = true;
    enum status status = OK;
    for (int i = 0; status == OK && i < items.count; i++) {
        int pass = 0;
        status = option_word("--pass", items.items[i], words, PASS_COUNT, &pass);
        s->pass[pass] = true;
    }
    option_list_free(&items);
    return status;
}

static enum status parse_option(struct layers_settings *s, int key, const char *value)
{
    switch (key) {
    case KEY_CASES:
        return parse_cases(s, value);
    case KEY_BATCH:
        return option_ints("--batch", value, 1, 65536, s->batches, &s->batch_count);
    case KEY_IMPL:
        return option_impls("--impl", value, s->impls, &s->impl_count);
    case KEY_THREADS:
        return option_ints("--threads", value, 1, threads_available(), s->threads,
                           &s->thread_count);
    case KEY_PASS:
        return parse_passes(s, value);
    case KEY_CHECK:
        s->check_only = true;
        return OK;
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

static enum status parse_settings(struct layers_settings *s, int argc, char **argv)
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
    return s->batch_count > 0 ? case_list_batches(&s->cases, s->batches, s->batch_count) : OK;
}

/* ---- timing ---- */

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
static enum status time_group(const struct layers_settings *settings, struct group *group)
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

static void make_runs(struct layers_work *work, const struct layers_case *c, struct group *group)
{
    for (int i = 0; i < work->opened_count; i++) {
        const struct layers_opened *opened = &work->opened[i];
        struct layer_run *run = &group->runs[group->count];
        enum status status = layer_run_make(run, opened->impl, opened->ctx, &group->operands);
        if (status == OK) {
            group->of[group->count++] = opened;
            continue;
        }
        layer_run_free(run);
        if (opened->asked)
            layers_add_fault(work, c, opened->impl, NULL, fail_text());
    }
}

/* The row of an implementation that was asked for; of another, only what is wrong with it. */
static enum status report(struct layers_work *work, const struct layers_case *c,
                          const struct layers_opened *opened, const char *how,
                          const struct layer_verdict *verdict, const struct sample_series *series)
{
    if (opened->asked)
        return layers_add_row(work, c, opened->impl, how, verdict, series);
    if (!verdict->ok)
        fprintf(stderr, "cbam-bench " VERB ": note: %s, which is not asked for, fails the check: "
                        "%s\n", opened->impl->name, verdict->message);
    return OK;
}

static enum status finish_group(struct layers_work *work, const struct layers_case *c,
                                struct group *group)
{
    make_runs(work, c, group);
    layer_check(&group->operands, group->runs, group->count, work->settings->sample.seed,
                group->verdicts);
    TRY(time_group(work->settings, group));
    for (int i = 0; i < group->count; i++)
        TRY(report(work, c, group->of[i], group->runs[i].plan.how, &group->verdicts[i],
                   &group->series[i]));
    return OK;
}

/* Checks and times one pass of one case. */
static enum status time_case(struct layers_work *work, const struct layers_case *c)
{
    struct group *group = calloc(1, sizeof *group);
    if (!group)
        return fail(ERR_MEMORY, "no memory for a case");
    enum status status = layer_operands_make(&group->operands, c->desc, c->pass);
    if (status == OK)
        status = finish_group(work, c, group);
    for (int i = 0; i < group->count; i++) {
        sample_free(&group->series[i]);
        layer_run_free(&group->runs[i]);
    }
    layer_operands_free(&group->operands);
    free(group);
    return status;
}

/* ---- checking alone ---- */

/* A fault for every implementation that was asked for. */
static void add_faults(struct layers_work *work, const struct layers_case *c, const char *message)
{
    for (int i = 0; i < work->opened_count; i++)
        if (work->opened[i].asked)
            layers_add_fault(work, c, work->opened[i].impl, NULL, message);
}

/* Memory is asked for before it is taken: what a machine does not have may end the process. */
static bool fits(const struct layers_work *work, const struct layers_case *c, char *message,
                 size_t size)
{
    double needed = layer_run_memory(c->desc, c->pass, 2) / (1 << 20);
    snprintf(message, size, "needs %.0f MB of memory where the machine has %.0f", needed,
             work->memory_mb);
    return work->memory_mb <= 0 || needed <= work->memory_mb;
}

static enum status check_all(struct layers_work *work, const struct layers_case *c,
                             struct layer_operands *operands)
{
    struct layer_candidate candidates[OPTION_IMPLS];
    struct layer_verdict verdicts[OPTION_IMPLS];
    for (int i = 0; i < work->opened_count; i++)
        candidates[i] = (struct layer_candidate){.impl = work->opened[i].impl,
                                                 .ctx = work->opened[i].ctx};
    layer_check_in_turn(operands, candidates, work->opened_count, work->settings->sample.seed,
                        verdicts);
    for (int i = 0; i < work->opened_count; i++)
        TRY(report(work, c, &work->opened[i], candidates[i].how, &verdicts[i], NULL));
    return OK;
}

static enum status check_case(struct layers_work *work, const struct layers_case *c)
{
    struct layer_operands operands = {.params = 0};
    char message[160];
    enum status status = OK;
    if (!fits(work, c, message, sizeof message))
        add_faults(work, c, message);
    else if (layer_operands_make(&operands, c->desc, c->pass) != OK)
        add_faults(work, c, fail_text());
    else
        status = check_all(work, c, &operands);
    layer_operands_free(&operands);
    return status;
}

/* ---- all cases ---- */

static void show_progress(const struct layers_work *work, int done)
{
    const struct case_list *cases = &work->settings->cases;
    if (!isatty(STDERR_FILENO))
        return;
    char text[256];
    op_print(&cases->list[done], text, sizeof text);
    layers_clear_progress();
    fprintf(stderr, "%d threads, %d/%d: %s", work->threads, done + 1, cases->count, text);
}

static bool is_wanted(const struct layers_settings *s, int i, int pass)
{
    unsigned said = s->cases.info[i].passes;
    if (s->pass_given)
        return s->pass[pass];
    return said ? said >> pass & 1 : pass == PASS_FWD;
}

static enum status run_cases(struct layers_work *work)
{
    const struct layers_settings *s = work->settings;
    for (int i = 0; i < s->cases.count; i++) {
        show_progress(work, i);
        for (int pass = 0; pass < PASS_COUNT; pass++) {
            struct layers_case c = {&s->cases.list[i], s->cases.info[i].name,
                                    (enum layer_pass)pass};
            if (is_wanted(s, i, pass))
                TRY(s->check_only ? check_case(work, &c) : time_case(work, &c));
        }
    }
    layers_clear_progress();
    return OK;
}

static bool is_asked(const struct layers_settings *settings, const struct impl *impl)
{
    for (int i = 0; i < settings->impl_count; i++)
        if (settings->impls[i] == impl)
            return true;
    return false;
}

/* Opens every implementation of this build; one that only helps to check may fail to open. */
static enum status open_all(struct layers_work *work)
{
    for (int i = 0; impls[i] && work->opened_count < OPTION_IMPLS; i++) {
        struct layers_opened *opened = &work->opened[work->opened_count];
        *opened = (struct layers_opened){.impl = impls[i],
                                         .asked = is_asked(work->settings, impls[i])};
        enum status status = impls[i]->open(&opened->ctx);
        if (status != OK && opened->asked)
            return fail_prefix(status, "%s", impls[i]->name);
        work->opened_count += status == OK;
    }
    return OK;
}

static void close_all(struct layers_work *work)
{
    while (work->opened_count > 0) {
        const struct layers_opened *opened = &work->opened[--work->opened_count];
        opened->impl->close(opened->ctx);
    }
}

/* Contexts belong to one number of threads: layer.h asks for threads_set() before open(). */
static enum status run_threads(struct layers_work *work, int threads)
{
    TRY(threads_set(threads));
    work->threads = threads;
    enum status status = open_all(work);
    if (status == OK && !work->settings->check_only)
        status = peak_measure(&work->peak);
    if (status == OK && !work->settings->check_only)
        table_note(work->table, "this machine at most, measured with %d threads: %.0f GFLOP/s "
                   "(%s), %.1f GB/s from memory, %.0f GB/s from the last cache", threads,
                   work->peak.gflops, work->peak.isa, work->peak.memory_gbs, work->peak.cache_gbs);
    if (status == OK)
        status = run_cases(work);
    close_all(work);
    return status;
}

/* What of benchdnn's was left out or does not matter: on stderr at once, and with the table. */
static void tell_scope(const struct layers_work *work)
{
    char text[1024];
    if (case_list_print_scope(&work->settings->cases, text, sizeof text) > 0) {
        fprintf(stderr, "cbam-bench " VERB ": %s\n", text);
        table_note(work->table, "%s", text);
    }
    if (case_list_print_ignored(&work->settings->cases, text, sizeof text) > 0)
        fprintf(stderr, "cbam-bench " VERB ": %s\n", text);
}

static void add_notes(struct layers_work *work)
{
    if (!work->settings->check_only)
        table_note(work->table,
                   "GFLOP/s counts two operations for each multiply-accumulate, bwd twice "
                   "those of fwd; GB/s the bytes that the pass must move at least.");
    if (!work->settings->check_only)
        table_note(work->table,
                   "bound: the least time for these operations (additions and the like counted "
                   "too) at the machine's peak, or for these bytes from memory. Repeated calls "
                   "find their data in the caches and may need less: `latency --per-layer` shows "
                   "layers as a network meets them.");
    table_note(work->table, "check: exact, or the largest relative error against the definition "
                            "and the other implementations.");
    record_finish(&work->record, work->table);
}

static enum status run_all(struct layers_work *work)
{
    const struct layers_settings *s = work->settings;
    struct machine machine;
    machine_read(&machine);
    work->memory_mb = machine.memory_mb;
    tell_scope(work);
    for (int i = 0; i < s->thread_count; i++)
        TRY(run_threads(work, s->threads[i]));
    add_notes(work);
    TRY(table_write(work->table, s->format, stdout));
    if (work->faults > 0)
        return fail(ERR_NUMERIC, "%d of %d rows were not %s", work->faults, work->rows,
                    s->check_only ? "right" : "timed");
    return OK;
}

int verb_layers(int argc, char **argv)
{
    struct layers_settings settings = {.sample = sample_defaults()};
    settings.sample.seconds = 5;
    struct layers_work work = {.settings = &settings};
    record_start(&work.record, VERB, argc, argv);
    enum status status = parse_settings(&settings, argc, argv);
    if (status == OK) {
        work.table = layers_table_new(&settings);
        status = run_all(&work);
        table_free(work.table);
    }
    case_list_free(&settings.cases);
    return verb_fail(VERB, status);
}
