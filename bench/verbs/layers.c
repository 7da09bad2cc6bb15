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

/* The runs of a case that could be planned, all of the same operands, to be timed. */
struct group {
    struct layer_operands operands;
    int count;
    struct layer_run runs[LAYERS_RUNNERS];
    struct layers_runner of[LAYERS_RUNNERS];
    struct layer_verdict verdicts[LAYERS_RUNNERS];
    struct sample_series series[LAYERS_RUNNERS];
};

/* ---- who runs ---- */

/* Every implementation in f32, whether that is asked for or only helps to check; then in bf16
 * those that are asked for and offer it. Their number. */
static int list_runners(const struct layers_work *work, struct layers_runner *list)
{
    const struct layers_settings *s = work->settings;
    bool wanted[] = {[DTYPE_F32] = false, [DTYPE_BF16] = false};
    int count = 0;
    for (int d = 0; d < s->dtype_count; d++)
        wanted[s->dtypes[d]] = true;
    for (int d = DTYPE_F32; d <= DTYPE_BF16; d++)
        for (int i = 0; i < work->opened_count; i++) {
            const struct layers_opened *opened = &work->opened[i];
            const bool asked = wanted[d] && opened->asked &&
                               (d == DTYPE_F32 || impl_offers_bf16(opened->impl) == OK);
            if (asked || d == DTYPE_F32)
                list[count++] = (struct layers_runner){opened, (enum dtype)d, asked};
        }
    return count;
}

/* A fault for every row that was asked for. */
static void add_faults(struct layers_work *work, const struct layers_case *c, const char *message)
{
    struct layers_runner list[LAYERS_RUNNERS];
    const int count = list_runners(work, list);
    for (int i = 0; i < count; i++)
        if (list[i].asked)
            layers_add_fault(work, c, &list[i], NULL, message);
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
    return group->verdicts[i].ok && group->of[i].asked;
}

/* Times what was found right; the others stay without samples. */
static enum status time_group(const struct layers_settings *settings, struct group *group)
{
    struct sample_target targets[LAYERS_RUNNERS];
    struct sample_series series[LAYERS_RUNNERS] = {{0}};
    int count = 0, place[LAYERS_RUNNERS];
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
    struct layers_runner list[LAYERS_RUNNERS];
    const int count = list_runners(work, list);
    for (int i = 0; i < count; i++) {
        const struct layers_opened *opened = list[i].opened;
        struct layer_run *run = &group->runs[group->count];
        enum status status = layer_run_make_in(run, opened->impl, opened->ctx, &group->operands,
                                               list[i].dtype);
        if (status == OK) {
            group->of[group->count++] = list[i];
            continue;
        }
        layer_run_free(run);
        if (list[i].asked)
            layers_add_fault(work, c, &list[i], NULL, fail_text());
    }
}

/* The row of an implementation that was asked for; of another, only what is wrong with it. */
static enum status report(struct layers_work *work, const struct layers_case *c,
                          const struct layers_runner *runner, const char *how,
                          const struct layer_verdict *verdict, const struct sample_series *series)
{
    if (runner->asked)
        return layers_add_row(work, c, runner, how, verdict, series);
    if (!verdict->ok)
        fprintf(stderr, "cbam-bench layers: note: %s, which is not asked for, fails the check: "
                        "%s\n", runner->opened->impl->name, verdict->message);
    return OK;
}

static enum status finish_group(struct layers_work *work, const struct layers_case *c,
                                struct group *group)
{
    group->operands.exact_in_bf16 = layers_in_bf16(work->settings);
    make_runs(work, c, group);
    layer_check(&group->operands, group->runs, group->count, work->settings->sample.seed,
                group->verdicts);
    TRY(time_group(work->settings, group));
    for (int i = 0; i < group->count; i++)
        TRY(report(work, c, &group->of[i], group->runs[i].plan.how, &group->verdicts[i],
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

/* Memory is asked for before it is taken: what a machine does not have may end the process. */
static bool fits(const struct layers_work *work, const struct layers_case *c, char *message,
                 size_t size)
{
    /* A run in bf16 holds its dst as floats, too. */
    const int runs = layers_in_bf16(work->settings) ? 3 : 2;
    double needed = layer_run_memory(c->desc, c->pass, runs) / (1 << 20);
    snprintf(message, size, "needs %.0f MB of memory where the machine has %.0f", needed,
             work->memory_mb);
    return work->memory_mb <= 0 || needed <= work->memory_mb;
}

static enum status check_all(struct layers_work *work, const struct layers_case *c,
                             struct layer_operands *operands)
{
    struct layer_candidate candidates[LAYERS_RUNNERS];
    struct layer_verdict verdicts[LAYERS_RUNNERS];
    struct layers_runner list[LAYERS_RUNNERS];
    const int count = list_runners(work, list);
    operands->exact_in_bf16 = layers_in_bf16(work->settings);
    for (int i = 0; i < count; i++)
        candidates[i] = (struct layer_candidate){.impl = list[i].opened->impl,
                                                 .ctx = list[i].opened->ctx,
                                                 .dtype = list[i].dtype};
    layer_check_in_turn(operands, candidates, count, work->settings->sample.seed, verdicts);
    for (int i = 0; i < count; i++)
        TRY(report(work, c, &list[i], candidates[i].how, &verdicts[i], NULL));
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

static enum status measure_peak(struct layers_work *work)
{
    struct peak *peak = &work->peak;
    char text[160];
    TRY(peak_measure(peak));
    if (layers_in_bf16(work->settings))
        TRY(peak_measure_bf16(peak));
    peak_print(peak, text, sizeof text);
    table_note(work->table, "%s", text);
    return OK;
}

/* Contexts belong to one number of threads: layer.h asks for threads_set() before open(). */
static enum status run_threads(struct layers_work *work, int threads)
{
    TRY(threads_set(threads));
    work->threads = threads;
    enum status status = open_all(work);
    if (status == OK && !work->settings->check_only)
        status = measure_peak(work);
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
        fprintf(stderr, "cbam-bench layers: %s\n", text);
        table_note(work->table, "%s", text);
    }
    if (case_list_print_ignored(&work->settings->cases, text, sizeof text) > 0)
        fprintf(stderr, "cbam-bench layers: %s\n", text);
}

/* Those that have been asked for in bf16 and do not offer it. */
static void tell_f32_alone(struct layers_work *work)
{
    const struct layers_settings *s = work->settings;
    for (int i = 0; layers_in_bf16(s) && i < s->impl_count; i++)
        if (impl_offers_bf16(s->impls[i]) != OK)
            table_note(work->table, "%s runs no bf16: it is left out there", s->impls[i]->name);
}

static void add_notes(struct layers_work *work)
{
    tell_f32_alone(work);
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
    record_start(&work.record, "layers", argc, argv);
    enum status status = layers_parse(&settings, argc, argv);
    if (status == OK) {
        work.table = layers_table_new(&settings);
        status = run_all(&work);
        table_free(work.table);
    }
    case_list_free(&settings.cases);
    return verb_fail("layers", status);
}
