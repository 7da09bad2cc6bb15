/* A whole study: see study_run.h. */
#include "bench/study/study_run.h"
#include "bench/study/latency_run.h"
#include "bench/study/lock.h"
#include "bench/study/shard.h"
#include "bench/study/worker.h"
#include "impls/base/threads.h"
#include "impls/layer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_MS = 200 };

struct run {
    const struct study *study;
    const struct study_run_options *options;
    struct store *store;
    struct lock lock;
    struct grid grid;
    bool *mine; /* cells of the shard; NULL: all */
    struct scheduler_report *report;
};

static void say(const struct run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say(const struct run *run, const char *format, ...)
{
    va_list args;
    if (!run->options->talk)
        return;
    va_start(args, format);
    vfprintf(run->options->talk, format, args);
    va_end(args);
    fputc('\n', run->options->talk);
}

/* Takes the machine, shared or alone; waits while another run excludes it, saying why. */
static enum status take_machine(struct run *run, bool alone)
{
    bool taken = false;
    for (bool said = false; !taken;) {
        TRY(lock_try(&run->lock, alone, &taken));
        if (!taken && !said)
            say(run, "waiting: another run on %s is %s", run->options->store_path,
                alone ? "busy, and latency needs the machine alone" : "measuring latency");
        said = true;
        if (!taken)
            worker_pause(WAIT_MS);
    }
    return OK;
}

static int jobs_of(const struct run *run)
{
    int jobs = run->options->jobs > 0 ? run->options->jobs : run->study->jobs;
    if (jobs == 0)
        jobs = threads_available() / run->study->threads;
    return jobs > 0 ? jobs : 1;
}

static enum status choose_shard(struct run *run)
{
    const struct study_run_options *o = run->options;
    if (o->shards == 0)
        return OK;
    run->mine = calloc((size_t)run->grid.count + 1, sizeof *run->mine);
    if (!run->mine)
        return fail(ERR_MEMORY, "no memory for a shard");
    TRY(shard_choose(&run->grid, o->shard, o->shards, run->mine));
    say(run, "shard %d of %d; `cbam-bench study merge` brings them together", o->shard, o->shards);
    return OK;
}

/* What cells would fail of is said before the first one trains. Implementations without bf16 stay
 * in f32, but one has to have it; and those that have it need the processor for it. */
static enum status check_dtypes(const struct study *study)
{
    enum status status = OK;
    bool any = false;
    for (int i = 0; study->bf16 && i < study->impls.count && !any; i++) {
        const struct impl *impl = impl_find(study->impls.text[i]);
        any = impl && impl->bf16;
        status = impl ? impl_offers_bf16(impl) : ERR_USAGE;
    }
    return status == OK ? OK : fail_prefix(status, "study %s, dtypes", study->name);
}

static enum status prepare(struct run *run)
{
    int again = 0;
    TRY(grid_build(&run->grid, run->study, grid_dataset_key));
    TRY(check_dtypes(run->study));
    TRY(choose_shard(run));
    TRY(store_open(&run->store, run->options->store_path, true));
    TRY(lock_open(&run->lock, run->options->store_path));
    TRY(take_machine(run, false));
    store_sweep(run->store);
    TRY(store_register(run->store, run->study->name, &run->grid));
    TRY(store_retry(run->store, run->study->name, run->options->older, &again));
    if (again > 0)
        say(run, "%d cells that failed%s are run again", again,
            run->options->older ? " or were made by other code" : "");
    return OK;
}

static enum status run_cells(struct run *run)
{
    char images[16];
    const char *const worker[] = {"cbam-bench", "study", "cell", "--store",
                                  run->options->store_path, "--agreement-images", images, NULL};
    struct scheduler_options options = {
        .program = WORKER_SELF, .worker = worker, .jobs = jobs_of(run),
        .retries = run->options->retries, .only = run->mine, .talk = run->options->talk,
        .terminal = run->options->terminal};
    snprintf(images, sizeof images, "%d", run->study->agreement_images);
    say(run, "study %s: %d cells, %d at once, %d thread%s each", run->study->name, run->grid.count,
        options.jobs, run->study->threads, run->study->threads == 1 ? "" : "s");
    return scheduler_run(run->store, &run->grid, &options, run->report);
}

static enum status measure(struct run *run)
{
    bool stored = false;
    if (!run->study->latency.wanted || run->options->no_latency || run->mine)
        return OK;
    TRY(latency_is_stored(run->store, run->study, &stored));
    if (stored && !run->options->latency_again) {
        say(run, "latency is in the store already, for this build on this machine");
        return OK;
    }
    TRY(take_machine(run, true));
    say(run, "measuring latency");
    return latency_run(run->store, run->study, run->options->store_path, WORKER_SELF);
}

static enum status run_all(struct run *run)
{
    TRY(prepare(run));
    TRY(run_cells(run));
    TRY(measure(run));
    const struct scheduler_report *r = run->report;
    if (r->failed + r->blocked > 0)
        return fail(ERR_NUMERIC, "study %s: %d cells failed, %d could not run because their source "
                    "failed; `cbam-bench study status` lists them, the next run tries again",
                    run->study->name, r->failed, r->blocked);
    return OK;
}

enum status study_run(const struct study *study, const struct study_run_options *options,
                      struct scheduler_report *report)
{
    struct run run = {.study = study, .options = options, .lock = {-1}, .report = report};
    memset(report, 0, sizeof *report);
    enum status status = run_all(&run);
    lock_close(&run.lock);
    grid_free(&run.grid);
    free(run.mine);
    store_close(run.store);
    return status;
}
