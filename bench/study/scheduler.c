/* Runs the cells of a grid: see scheduler.h. What a worker does is work.c. */
#include "bench/study/scheduler.h"
#include "bench/measure/clock.h"
#include "bench/study/study_progress.h"
#include "bench/study/worker.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { POLL_MS = 20, RENEW_MS = 10000, AWAY_MS = 1000, WORKER_ARGS = 32 };

enum place {
    PLACE_WAITING, PLACE_RUNNING, PLACE_AWAY, PLACE_DONE, PLACE_FAILED, PLACE_BLOCKED,
    PLACE_OUTSIDE /* not of this run */
};

/* A cell as this run sees it. */
struct task {
    enum place place;
    int source;       /* index of its source; -1: none */
    int search;       /* index of the search that chooses settings of it; -1: none */
    int tries;        /* times that it failed in this run */
    pid_t pid;
    int64_t since_ns; /* start of its worker, or when it was found to be away */
};

struct scheduler {
    struct store *store;
    const struct grid *grid;
    const struct scheduler_options *options;
    struct scheduler_report *report;
    struct task *tasks;
    bool *chosen; /* by search */
    int running;
    int64_t renewed_ns;
    struct study_progress progress;
};

static int64_t ms_since(int64_t start_ns)
{
    return (clock_now_ns() - start_ns) / 1000000;
}

/* ---- what there is to do ---- */

/* Sources, every arm without a number, and all top:K. */
static int kind_of(const struct cell *cell)
{
    if (cell->role == ROLE_SOURCE)
        return ARM_COUNT;
    return transfer_top(cell->settings.transfer) > 0 ? ARM_COUNT + 1
                                                     : (int)cell->settings.transfer;
}

static bool has_waiting_followers(const struct scheduler *s, int source)
{
    for (int i = 0; i < s->grid->count; i++)
        if (s->tasks[i].source == source && s->tasks[i].place == PLACE_WAITING)
            return true;
    return false;
}

/* A source counts as done only while the weights that others start from are there. */
static enum status check_weights(struct scheduler *s, int i)
{
    const struct cell *cell = &s->grid->cells[i];
    char path[640];
    enum cell_state state;
    bool diverged;
    if (cell->role != ROLE_SOURCE || s->tasks[i].place != PLACE_DONE ||
        !has_waiting_followers(s, i))
        return OK;
    TRY(store_look(s->store, cell->key, NULL, &state, &diverged));
    store_weights_path(s->store, cell->key, path, sizeof path);
    if (diverged || access(path, R_OK) == 0)
        return OK;
    s->tasks[i].place = PLACE_WAITING;
    return store_reset(s->store, cell->key);
}

/* A trial of a search that is not done; -1 when all are. */
static int open_trial(const struct scheduler *s, int search)
{
    int count = s->grid->point_count * s->grid->search_seeds;
    for (int t = 0; t < count; t++)
        if (s->tasks[s->grid->searches[search].trials[t]].place != PLACE_DONE)
            return s->grid->searches[search].trials[t];
    return -1;
}

/* A choice that came out differently than before makes cells that were done wait again. */
static enum status reopen(struct scheduler *s, int search)
{
    enum cell_state state;
    bool diverged;
    for (int i = 0; i < s->grid->count; i++) {
        if (s->tasks[i].search != search || s->tasks[i].place != PLACE_DONE)
            continue;
        TRY(store_look(s->store, s->grid->cells[i].key, NULL, &state, &diverged));
        if (state != STATE_DONE)
            s->tasks[i].place = PLACE_WAITING;
    }
    return OK;
}

/* Lets every search choose whose trials are all done. */
static enum status settle_searches(struct scheduler *s)
{
    int changed;
    for (int i = 0; i < s->grid->search_count; i++) {
        if (s->chosen[i] || open_trial(s, i) >= 0)
            continue;
        TRY(store_choose(s->store, s->grid->searches[i].id, &changed));
        s->chosen[i] = true;
        if (changed > 0)
            TRY(reopen(s, i));
    }
    return OK;
}

static enum status find_tasks(struct scheduler *s)
{
    bool diverged;
    for (int i = 0; i < s->grid->count; i++) {
        const struct cell *cell = &s->grid->cells[i];
        enum cell_state state;
        s->tasks[i].source = cell->source[0] ? grid_find(s->grid, cell->source) : -1;
        s->tasks[i].search = grid_find_search(s->grid, cell->search);
        TRY(store_look(s->store, cell->key, NULL, &state, &diverged));
        s->tasks[i].place = s->options->only && !s->options->only[i] ? PLACE_OUTSIDE
                            : state == STATE_DONE                    ? PLACE_DONE
                                                                     : PLACE_WAITING;
    }
    TRY(settle_searches(s));
    for (int i = 0; i < s->grid->count; i++)
        TRY(check_weights(s, i));
    return OK;
}

static void start_progress(struct scheduler *s)
{
    int left[PROGRESS_KINDS] = {0};
    for (int i = 0; i < s->grid->count; i++) {
        if (s->tasks[i].place == PLACE_OUTSIDE)
            continue;
        s->report->total++;
        if (s->tasks[i].place == PLACE_DONE)
            s->report->reused++;
        else
            left[kind_of(&s->grid->cells[i])]++;
    }
    study_progress_start(&s->progress, s->options->talk, s->options->terminal, s->options->jobs,
                         s->report->reused, left);
    if (s->report->reused > 0)
        study_progress_say(&s->progress, "%d of %d cells are in the store already",
                           s->report->reused, s->report->total);
}

/* ---- starting ---- */

static bool is_ready(const struct scheduler *s, int i)
{
    const struct task *task = &s->tasks[i];
    if (task->place == PLACE_AWAY)
        return ms_since(task->since_ns) >= AWAY_MS;
    return task->place == PLACE_WAITING &&
           (task->source < 0 || s->tasks[task->source].place == PLACE_DONE) &&
           (task->search < 0 || s->chosen[task->search]);
}

static void count_reused(struct scheduler *s, int i)
{
    s->tasks[i].place = PLACE_DONE;
    s->report->reused++;
    study_progress_reused(&s->progress, kind_of(&s->grid->cells[i]));
}

static void wait_away(struct scheduler *s, int i)
{
    s->tasks[i].place = PLACE_AWAY;
    s->tasks[i].since_ns = clock_now_ns();
}

/* Another run may be at the cell, or have done it: no worker is started in vain. */
static enum status look_around(struct scheduler *s, int i, bool *free_now)
{
    enum standing standing;
    TRY(store_standing(s->store, s->grid->cells[i].key, &standing));
    *free_now = standing == STANDING_FREE;
    if (standing == STANDING_DONE)
        count_reused(s, i);
    if (standing == STANDING_TAKEN)
        wait_away(s, i);
    return OK;
}

static enum status start_task(struct scheduler *s, int i)
{
    const char *argv[WORKER_ARGS + 3];
    int n = 0;
    while (s->options->worker[n] && n < WORKER_ARGS) {
        argv[n] = s->options->worker[n];
        n++;
    }
    argv[n++] = "--key";
    argv[n++] = s->grid->cells[i].key;
    argv[n] = NULL;
    TRY(worker_start(&s->tasks[i].pid, s->options->program, argv));
    s->tasks[i].place = PLACE_RUNNING;
    s->tasks[i].since_ns = clock_now_ns();
    s->running++;
    return OK;
}

static enum status start_ready(struct scheduler *s)
{
    for (int i = 0; i < s->grid->count && s->running < s->options->jobs; i++) {
        bool free_now = false;
        if (is_ready(s, i))
            TRY(look_around(s, i, &free_now));
        if (free_now)
            TRY(start_task(s, i));
    }
    return OK;
}

/* ---- ending ---- */

static void end_task(struct scheduler *s, int i, enum place place, const char *why)
{
    struct task *task = &s->tasks[i];
    char text[GRID_LINE_MAX];
    bool failed = place == PLACE_FAILED;
    task->place = place;
    task->tries += failed;
    s->report->done += !failed;
    s->report->failed += failed;
    grid_describe(s->grid, i, text);
    study_progress_cell(&s->progress, kind_of(&s->grid->cells[i]), failed,
                        (double)ms_since(task->since_ns) * 1e-3, text);
    if (failed)
        study_progress_say(&s->progress, "  %s", why);
}

/* A worker that ended without handing anything in: the cell is marked failed in its place. */
static enum status bury(struct scheduler *s, int i, int how)
{
    struct cell cell;
    int attempt;
    char why[200];
    if (how >= WORKER_KILLED)
        snprintf(why, sizeof why, "its worker was killed by signal %d (%s)", how - WORKER_KILLED,
                 strsignal(how - WORKER_KILLED));
    else
        snprintf(why, sizeof why, "its worker ended with status %d and no result", how);
    TRY(store_claim(s->store, s->grid->cells[i].key, &cell, &attempt));
    if (attempt == 0) { /* another run was quicker to see it */
        wait_away(s, i);
        return OK;
    }
    TRY(store_fail(s->store, cell.key, attempt, why));
    end_task(s, i, PLACE_FAILED, why);
    return OK;
}

static enum status explain_failure(struct scheduler *s, int i)
{
    char why[512] = "see `cbam-bench study status`";
    TRY(store_error(s->store, s->grid->cells[i].key, why, sizeof why));
    end_task(s, i, PLACE_FAILED, why);
    return OK;
}

/* What became of a cell whose worker ended, by the store's word. */
static enum status collect(struct scheduler *s, int i, int how)
{
    enum cell_state state;
    bool diverged;
    s->running--;
    TRY(store_look(s->store, s->grid->cells[i].key, NULL, &state, &diverged));
    if (state == STATE_DONE && how == WORKER_EXIT_ELSEWHERE)
        count_reused(s, i);
    else if (state == STATE_DONE)
        end_task(s, i, PLACE_DONE, NULL);
    else if (state == STATE_FAILED)
        TRY(explain_failure(s, i));
    else if (how == WORKER_EXIT_ELSEWHERE)
        wait_away(s, i);
    else
        TRY(bury(s, i, how));
    return s->tasks[i].place == PLACE_FAILED ? store_check_room(s->store) : OK;
}

static enum status collect_ended(struct scheduler *s)
{
    int how;
    for (int i = 0; i < s->grid->count; i++)
        if (s->tasks[i].place == PLACE_RUNNING && worker_ended(s->tasks[i].pid, &how))
            TRY(collect(s, i, how));
    return OK;
}

/* ---- the loop ---- */

static enum status renew_leases(struct scheduler *s)
{
    if (ms_since(s->renewed_ns) < RENEW_MS)
        return OK;
    const char **keys = calloc((size_t)s->grid->count + 1, sizeof *keys);
    int count = 0;
    if (!keys)
        return fail(ERR_MEMORY, "no memory for a list of cells");
    for (int i = 0; i < s->grid->count; i++)
        if (s->tasks[i].place == PLACE_RUNNING)
            keys[count++] = s->grid->cells[i].key;
    enum status status = store_renew(s->store, keys, count);
    free(keys);
    s->renewed_ns = clock_now_ns();
    return status;
}

static bool is_over(const struct scheduler *s)
{
    for (int i = 0; i < s->grid->count; i++)
        if (s->tasks[i].place == PLACE_RUNNING || s->tasks[i].place == PLACE_AWAY ||
            is_ready(s, i))
            return false;
    return true;
}

/* Cells that failed and may be tried once more; true when there are any. */
static bool try_again(struct scheduler *s)
{
    bool any = false;
    for (int i = 0; i < s->grid->count; i++) {
        struct task *task = &s->tasks[i];
        if (task->place != PLACE_FAILED || task->tries > s->options->retries)
            continue;
        task->place = PLACE_WAITING;
        s->report->failed--;
        study_progress_again(&s->progress, kind_of(&s->grid->cells[i]));
        any = true;
    }
    return any;
}

/* A cell whose search is not whole fails, by the name of the trial: a choice among what is left
 * would give its arm fewer trials than the others. */
static enum status fail_unchosen(struct scheduler *s, int i)
{
    struct cell cell;
    int attempt, trial = open_trial(s, s->tasks[i].search);
    char what[GRID_LINE_MAX], why[GRID_LINE_MAX + 64];
    grid_describe(s->grid, trial, what);
    snprintf(why, sizeof why, "its search is not whole: %s %s", what,
             s->tasks[trial].place == PLACE_FAILED ? "failed" : "could not run");
    TRY(store_claim(s->store, s->grid->cells[i].key, &cell, &attempt));
    if (attempt > 0)
        TRY(store_fail(s->store, cell.key, attempt, why));
    s->tasks[i].place = PLACE_FAILED;
    s->report->failed++;
    grid_describe(s->grid, i, what);
    study_progress_say(&s->progress, "%s FAILED: %s", what, why);
    return OK;
}

/* A source that failed during this run leaves its cells waiting for ever, and so does a trial. */
static enum status count_blocked(struct scheduler *s)
{
    for (int i = 0; i < s->grid->count; i++) {
        struct task *task = &s->tasks[i];
        if (task->place != PLACE_WAITING)
            continue;
        if (task->search >= 0 && !s->chosen[task->search]) {
            TRY(fail_unchosen(s, i));
            continue;
        }
        task->place = PLACE_BLOCKED;
        s->report->blocked++;
    }
    return OK;
}

static enum status loop(struct scheduler *s)
{
    TRY(find_tasks(s));
    start_progress(s);
    s->renewed_ns = clock_now_ns();
    while (!is_over(s) || try_again(s)) {
        TRY(start_ready(s));
        study_progress_tick(&s->progress);
        worker_pause(POLL_MS);
        TRY(collect_ended(s));
        TRY(settle_searches(s));
        TRY(renew_leases(s));
    }
    TRY(count_blocked(s));
    study_progress_end(&s->progress);
    return OK;
}

enum status scheduler_run(struct store *store, const struct grid *grid,
                          const struct scheduler_options *options, struct scheduler_report *report)
{
    struct scheduler s = {.store = store, .grid = grid, .options = options, .report = report};
    CHECK(options->jobs > 0);
    *report = (struct scheduler_report){0};
    s.tasks = calloc((size_t)grid->count + 1, sizeof *s.tasks);
    s.chosen = calloc((size_t)grid->search_count + 1, sizeof *s.chosen);
    enum status status = s.tasks && s.chosen ? loop(&s)
                                             : fail(ERR_MEMORY, "no memory for %d cells",
                                                    grid->count);
    free(s.tasks);
    free(s.chosen);
    return status;
}
