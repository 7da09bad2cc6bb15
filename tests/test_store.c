/* The results store and the scheduler: claims by several processes, killed workers, reuse, failures.
 * Training is replaced by a stand-in that does what the batch size tells it to; this program is its
 * own worker ("cell" as first argument). */
#include "bench/measure/clock.h"
#include "bench/study/scheduler.h"
#include "bench/study/study.h"
#include "bench/study/work.h"
#include "bench/study/worker.h"
#include "bench/transfer/settings.h"
#include "tests/temp_dir.h"

#include <errno.h>
#include <ftw.h>
#include <math.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>

/* Batch sizes with a meaning for the stand-in. */
enum { BATCH_FAILS = 101, BATCH_CRASHES, BATCH_DIVERGES, BATCH_HANGS, BATCH_SLOW };

/* ---- the stand-in ----
 * (cmocka has a macro fail(): the brackets call ours.) */

static enum status fake_train(const struct train_settings *s, const struct train_io *io,
                              struct train_result *result)
{
    bool faults = !getenv("STORE_TEST_HEALTHY");
    memset(result, 0, sizeof *result);
    if (strcmp(s->init, "random") != 0 && access(s->init, R_OK) != 0)
        return (fail)(ERR_IO, "%s: is missing", s->init);
    if (faults && s->batch == BATCH_FAILS)
        return (fail)(ERR_UNSUPPORTED, "this cell fails");
    if (faults && s->batch == BATCH_CRASHES)
        raise(SIGKILL);
    if (faults && s->batch == BATCH_HANGS)
        worker_pause(60000);
    if (s->batch == BATCH_SLOW)
        worker_pause(200);
    result->test_n = 3;
    result->predictions = calloc(3, sizeof *result->predictions);
    result->test_accuracy = 0.5 + 0.01 * (double)s->seed;
    if (faults && s->batch == BATCH_DIVERGES) {
        result->diverged = true;
        strcpy(result->diverged_at, "step 3: loss of the batch");
        return OK;
    }
    if (io->save)
        file_put(io->save, "weights", 7);
    return OK;
}

static enum status fake_agree(const struct train_settings *s, const char *weights, int limit,
                              int impl_count, const char *const *impl_names, int *disagree,
                              double *max_logit_diff)
{
    (void)s, (void)weights, (void)impl_names;
    for (int i = 0; i < impl_count; i++) {
        disagree[i] = i ? limit : 0;
        max_logit_diff[i] = 0.25 * i;
    }
    return OK;
}

static const struct work_ops fake_ops = {fake_train, fake_agree};

/* argv: program, "cell", store, "--key", key */
static int be_worker(char **argv)
{
    struct store *store;
    enum work_outcome outcome;
    if (store_open(&store, argv[2], false) != OK)
        return 9;
    enum status status = work_cell(store, argv[4], &fake_ops, 2, &outcome);
    store_close(store);
    if (status != OK)
        return 8;
    return outcome == WORK_DONE     ? WORKER_EXIT_DONE
           : outcome == WORK_FAILED ? WORKER_EXIT_FAILED
                                    : WORKER_EXIT_ELSEWHERE;
}

/* ---- a store and a grid in a folder of their own ---- */

struct bench {
    char dir[256], path[300];
    struct study study;
    struct grid grid;
    struct store *store;
};

static int remove_entry(const char *path, const struct stat *info, int flag, struct FTW *ftw)
{
    (void)info, (void)flag, (void)ftw;
    return remove(path);
}

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    const char *root = getenv("TMPDIR");
    if (!b)
        return -1;
    snprintf(b->dir, sizeof b->dir, "%s/cbam-store-XXXXXX", root && *root ? root : P_tmpdir);
    *state = b;
    if (!mkdtemp(b->dir))
        return -1;
    snprintf(b->path, sizeof b->path, "%s/store.sqlite", b->dir);
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    store_close(b->store);
    grid_free(&b->grid);
    int result = nftw(b->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(b);
    return result;
}

static enum status fake_data_key(const char *data, char *text, size_t size)
{
    snprintf(text, size, "content of %s", data);
    return OK;
}

/* A study of two attentions; `source` and the arms are YAML. */
static void make_grid(struct bench *b, int seeds, const char *source, const char *arms)
{
    char path[300], text[1024];
    snprintf(path, sizeof path, "%s/study.yaml", b->dir);
    snprintf(text, sizeof text,
             "name: s\nmodels: [resnet20]\nattention: [none, cbam]\nseeds: %d\nimpls: [naive]\n"
             "source: {data: fashion-mnist:classes=0-4, %s}\n"
             "target: {data: [fashion-mnist:classes=5-9]}\ntransfer: %s\n", seeds, source, arms);
    file_put(path, text, strlen(text));
    if (study_load(&b->study, path) != OK || grid_build(&b->grid, &b->study, fake_data_key) != OK)
        fail_msg("%s", fail_text());
}

static void open_store(struct bench *b)
{
    if (store_open(&b->store, b->path, true) != OK ||
        store_register(b->store, "s", &b->grid) != OK)
        fail_msg("%s", fail_text());
}

static enum status schedule_in(struct bench *b, struct store *store, int jobs,
                               struct scheduler_report *report)
{
    const char *const worker[] = {"test_store", "cell", b->path, NULL};
    const struct scheduler_options options = {WORKER_SELF, worker, jobs, NULL, false};
    return scheduler_run(store, &b->grid, &options, report);
}

static struct scheduler_report schedule(struct bench *b, int jobs)
{
    struct scheduler_report report;
    if (store_retry(b->store, "s", false, NULL) != OK || schedule_in(b, b->store, jobs, &report))
        fail_msg("%s", fail_text());
    return report;
}

/* Numbers of cells in a state, and of attempts at all. */
static int count_state(struct bench *b, enum cell_state state, int *attempts)
{
    struct store_rows rows;
    int count = 0;
    assert_int_equal(store_rows(b->store, "s", &rows), OK);
    *attempts = 0;
    for (int i = 0; i < rows.count; i++) {
        count += rows.rows[i].state == state;
        *attempts += rows.rows[i].attempts;
    }
    store_rows_free(&rows);
    return count;
}

/* SQL straight into the file, for what another machine would have done. */
static void sql(struct bench *b, const char *text)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(b->path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static const char one_arm[] = "[{arm: scratch}]";

/* ---- the grid ---- */

static void the_graph(void **state)
{
    struct bench *b = *state;
    make_grid(b, 3, "epochs: 1", "[{arm: scratch}, {arm: frozen}, {arm: finetune}]");
    assert_int_equal(b->grid.count, 3 * 2 * (1 + 3));
    for (int i = 0; i < b->grid.count; i++) {
        const struct cell *cell = &b->grid.cells[i];
        int source = grid_find(&b->grid, cell->source);
        bool wants = cell->role == ROLE_TRANSFER && cell->settings.transfer != ARM_SCRATCH;
        assert_int_equal(grid_find(&b->grid, cell->key), i);
        assert_int_equal(source >= 0, wants);
        if (!wants)
            continue;
        assert_true(source < i);
        const struct train_settings *s = &b->grid.cells[source].settings;
        assert_string_equal(s->attention, cell->settings.attention);
        assert_true(s->seed == cell->settings.seed);
    }
}

/* With one attention for all sources, both arms start from the same one. */
static void shared_sources(void **state)
{
    struct bench *b = *state;
    make_grid(b, 2, "attention: none", "[{arm: finetune}]");
    assert_int_equal(b->grid.count, 2 * (1 + 2));
}

static void names_that_do_not_exist(void **state)
{
    struct bench *b = *state;
    struct grid grid;
    make_grid(b, 1, "epochs: 1", one_arm);
    strcpy(b->study.models.text[0], "resnet21");
    assert_int_not_equal(grid_build(&grid, &b->study, fake_data_key), OK);
    assert_non_null(strstr(fail_text(), "resnet21"));
    strcpy(b->study.models.text[0], "resnet20");
    strcpy(b->study.impls.text[0], "mkl");
    assert_int_not_equal(grid_build(&grid, &b->study, fake_data_key), OK);
    assert_non_null(strstr(fail_text(), "mkl"));
}

/* ---- one cell ---- */

static void fill_result(struct train_result *r)
{
    *r = (struct train_result){
        .before_accuracy = NAN, .train_accuracy = 0.1, .train_loss = 0.2, .val_accuracy = NAN,
        .val_loss = INFINITY, .test_accuracy = 1.0 / 3, .test_top5 = 0.9, .test_loss = 1e-300,
        .train_n = 1, .val_n = 2, .test_n = 4, .dropped = 5, .params = 25557032, .trainable = 6,
        .macs = 4.1e9, .seconds = 7.5, .images_per_s = 8, .epochs = 2, .cached_features = true,
        .loaded = 9, .missing = 10, .unexpected = 11, .mismatched = 12,
        .split_hash = "split", .data_hash = "data", .how = "brgconv; sgemm"};
    r->curve[0] = (struct train_epoch){1, 0.1, 2, 0.3, NAN, NAN, 1.5};
    r->curve[1] = (struct train_epoch){2, 0.05, 1, 0.6, 1.2, 0.5, 1.25};
    r->predictions = calloc(4, sizeof *r->predictions);
}

static void same_number(double a, double b)
{
    assert_true(a == b || (isnan(a) && isnan(b)));
}

static void everything_comes_back(void **state)
{
    struct bench *b = *state;
    struct train_result *in = calloc(1, sizeof *in), *out = calloc(1, sizeof *out);
    struct agreement said = {2, 50, {"naive", "onednn"}, {0, 3}, {0, 1e-5}}, heard;
    struct cell cell;
    int attempt;
    make_grid(b, 1, "epochs: 1", one_arm);
    open_store(b);
    const char *key = b->grid.cells[1].key;
    fill_result(in);
    assert_int_equal(store_claim(b->store, key, &cell, &attempt), OK);
    assert_int_equal(attempt, 1);
    assert_int_equal(store_finish(b->store, key, attempt, in, &said, "cbam-bench train"), OK);
    assert_int_equal(store_result(b->store, key, out), OK);
    same_number(out->before_accuracy, NAN);
    same_number(out->val_loss, NAN); /* what is not finite has no place in the store */
    same_number(out->test_accuracy, 1.0 / 3);
    same_number(out->test_loss, 1e-300);
    same_number(out->params, 25557032);
    same_number(out->images_per_s, 8);
    assert_int_equal(out->dropped, 5);
    assert_int_equal(out->mismatched, 12);
    assert_true(out->cached_features);
    assert_false(out->diverged);
    assert_string_equal(out->how, "brgconv; sgemm");
    assert_string_equal(out->split_hash, "split");
    assert_int_equal(out->epochs, 2);
    same_number(out->curve[1].val_accuracy, 0.5);
    same_number(out->curve[0].val_loss, NAN);
    assert_int_equal(store_agreement(b->store, key, &heard), OK);
    assert_int_equal(heard.impl_count, 2);
    assert_int_equal(heard.images, 50);
    assert_int_equal(heard.disagree[1], 3);
    same_number(heard.max_logit_diff[1], 1e-5);
    free(in->predictions);
    free(in);
    free(out);
}

static void only_one_has_it(void **state)
{
    struct bench *b = *state;
    struct store *other;
    struct cell cell;
    int attempt;
    make_grid(b, 1, "epochs: 1", one_arm);
    open_store(b);
    assert_int_equal(store_open(&other, b->path, false), OK);
    const char *key = b->grid.cells[0].key;
    assert_int_equal(store_claim(b->store, key, &cell, &attempt), OK);
    assert_int_equal(attempt, 1);
    assert_int_equal(cell.role, ROLE_SOURCE);
    assert_int_equal(store_claim(other, key, &cell, &attempt), OK);
    assert_int_equal(attempt, 0);
    assert_int_equal(store_claim(other, "0123", &cell, &attempt), ERR_USAGE);
    store_close(other);
}

/* A process claims and is killed; the cell is had by the next, and what the first would still write
 * is refused. */
static void a_killed_worker_loses_its_cell(void **state)
{
    struct bench *b = *state;
    struct train_result result = {.test_accuracy = 0.5};
    struct cell cell;
    int attempt, pipes[2];
    char byte;
    make_grid(b, 1, "epochs: 1", one_arm);
    open_store(b);
    const char *key = b->grid.cells[0].key;
    assert_int_equal(pipe(pipes), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct store *own;
        if (store_open(&own, b->path, false) == OK &&
            store_claim(own, key, &cell, &attempt) == OK && attempt == 1)
            (void)!write(pipes[1], "x", 1);
        worker_pause(60000);
        _exit(0);
    }
    assert_int_equal(read(pipes[0], &byte, 1), 1);
    assert_int_equal(store_claim(b->store, key, &cell, &attempt), OK);
    assert_int_equal(attempt, 0);
    kill(pid, SIGKILL);
    assert_int_equal(worker_wait(pid), WORKER_KILLED + SIGKILL);
    assert_int_equal(store_claim(b->store, key, &cell, &attempt), OK);
    assert_int_equal(attempt, 2);
    assert_int_equal(store_finish(b->store, key, 1, &result, NULL, NULL), ERR_USAGE);
    assert_int_equal(store_fail(b->store, key, 1, "late"), ERR_USAGE);
    assert_int_equal(store_finish(b->store, key, 2, &result, NULL, NULL), OK);
    assert_int_equal(store_finish(b->store, key, 2, &result, NULL, NULL), ERR_USAGE);
    close(pipes[0]);
    close(pipes[1]);
}

/* On another machine nobody can look whether a process lives: its lease decides. */
static void the_lease_of_another_machine(void **state)
{
    struct bench *b = *state;
    struct cell cell;
    int attempt;
    make_grid(b, 1, "epochs: 1", one_arm);
    open_store(b);
    const char *key = b->grid.cells[0].key;
    sql(b, "UPDATE cells SET state = 'running', attempts = 1, host = 'some-other-host', pid = 1,"
           " pid_start = 1, lease = unixepoch() + 30");
    assert_int_equal(store_claim(b->store, key, &cell, &attempt), OK);
    assert_int_equal(attempt, 0);
    sql(b, "UPDATE cells SET lease = unixepoch() - 1");
    assert_int_equal(store_claim(b->store, key, &cell, &attempt), OK);
    assert_int_equal(attempt, 2);
}

/* A process number that was given to somebody else meanwhile is not the worker. */
static void a_reused_process_number(void **state)
{
    struct bench *b = *state;
    struct cell cell;
    int attempt;
    char text[128];
    make_grid(b, 1, "epochs: 1", one_arm);
    open_store(b);
    const char *key = b->grid.cells[0].key;
    assert_int_equal(store_claim(b->store, key, &cell, &attempt), OK);
    snprintf(text, sizeof text, "UPDATE cells SET pid = %d, pid_start = pid_start - 1 WHERE "
             "state = 'running'", (int)getpid());
    sql(b, text);
    assert_int_equal(store_claim(b->store, key, &cell, &attempt), OK);
    assert_int_equal(attempt, 2);
}

/* ---- whole runs ---- */

static void a_run_and_its_repetition(void **state)
{
    struct bench *b = *state;
    int attempts;
    make_grid(b, 2, "epochs: 1", "[{arm: scratch}, {arm: frozen}, {arm: finetune}]");
    open_store(b);
    struct scheduler_report first = schedule(b, 2), second = schedule(b, 2);
    assert_int_equal(first.total, 16);
    assert_int_equal(first.done, 16);
    assert_int_equal(first.reused + first.failed + first.blocked, 0);
    assert_int_equal(second.reused, 16);
    assert_int_equal(second.done + second.failed, 0);
    assert_int_equal(count_state(b, STATE_DONE, &attempts), 16);
    assert_int_equal(attempts, 16);
    /* What follows from the weights of a source says so, and repeats itself by command line. */
    struct store_rows rows;
    assert_int_equal(store_rows(b->store, "s", &rows), OK);
    for (int i = 0; i < rows.count; i++) {
        const struct store_row *row = &rows.rows[i];
        char init[400];
        snprintf(init, sizeof init, "--init %s/cells/%s.safetensors", b->dir, row->cell.source);
        assert_non_null(strstr(row->command, *row->cell.source ? init : "--init random"));
        assert_true(*row->commit && *row->finished);
    }
    store_rows_free(&rows);
}

/* A new seed, and a changed arm, run what they concern and nothing else. */
static void only_what_changed_is_run(void **state)
{
    struct bench *b = *state;
    make_grid(b, 2, "epochs: 1", "[{arm: scratch}, {arm: finetune}]");
    open_store(b);
    assert_int_equal(schedule(b, 2).done, 12);
    grid_free(&b->grid);
    make_grid(b, 3, "epochs: 1", "[{arm: scratch}, {arm: finetune}]");
    assert_int_equal(store_register(b->store, "s", &b->grid), OK);
    struct scheduler_report report = schedule(b, 2);
    assert_int_equal(report.reused, 12);
    assert_int_equal(report.done, 6);
    grid_free(&b->grid);
    make_grid(b, 3, "epochs: 1", "[{arm: scratch, lr: 0.5}, {arm: finetune}]");
    assert_int_equal(store_register(b->store, "s", &b->grid), OK);
    report = schedule(b, 2);
    assert_int_equal(report.done, 6);
    grid_free(&b->grid);
    make_grid(b, 3, "epochs: 2", "[{arm: scratch, lr: 0.5}, {arm: finetune}]");
    assert_int_equal(store_register(b->store, "s", &b->grid), OK);
    report = schedule(b, 2);
    assert_int_equal(report.reused, 6); /* scratch has no source */
    assert_int_equal(report.done, 12);
}

static void failures_do_not_stop_the_rest(void **state)
{
    struct bench *b = *state;
    int attempts;
    char why[200];
    make_grid(b, 2, "epochs: 1",
              "[{arm: scratch, batch: 101}, {arm: frozen, batch: 102}, {arm: finetune}]");
    open_store(b);
    struct scheduler_report report = schedule(b, 3);
    assert_int_equal(report.failed, 8);
    assert_int_equal(report.done, 8);
    assert_int_equal(count_state(b, STATE_FAILED, &attempts), 8);
    for (int i = 0; i < b->grid.count; i++) {
        const struct cell *cell = &b->grid.cells[i];
        if (cell->role == ROLE_SOURCE)
            continue;
        assert_int_equal(store_error(b->store, cell->key, why, sizeof why), OK);
        assert_string_equal(why, cell->settings.batch == BATCH_FAILS ? "this cell fails"
                                 : cell->settings.batch == BATCH_CRASHES
                                     ? "its worker was killed by signal 9 (Killed)" : "");
    }
    setenv("STORE_TEST_HEALTHY", "1", 1);
    report = schedule(b, 3);
    unsetenv("STORE_TEST_HEALTHY");
    assert_int_equal(report.reused, 8);
    assert_int_equal(report.done, 8);
    assert_int_equal(report.failed, 0);
}

static void cells_of_a_failed_source(void **state)
{
    struct bench *b = *state;
    make_grid(b, 1, "batch: 101", "[{arm: scratch}, {arm: frozen}, {arm: finetune}]");
    open_store(b);
    struct scheduler_report report = schedule(b, 2);
    assert_int_equal(report.failed, 2);
    assert_int_equal(report.blocked, 4);
    assert_int_equal(report.done, 2);
}

static void cells_of_a_diverged_source(void **state)
{
    struct bench *b = *state;
    struct train_result *result = calloc(1, sizeof *result);
    make_grid(b, 1, "batch: 103", "[{arm: frozen}]");
    open_store(b);
    assert_int_equal(schedule(b, 2).done, 4);
    for (int i = 0; i < b->grid.count; i++) {
        assert_int_equal(store_result(b->store, b->grid.cells[i].key, result), OK);
        assert_true(result->diverged);
        assert_true(isnan(result->test_accuracy) && isnan(result->train_accuracy));
        assert_non_null(strstr(result->diverged_at, b->grid.cells[i].role == ROLE_SOURCE
                                                        ? "step 3" : "its source diverged"));
    }
    assert_int_equal(schedule(b, 2).reused, 4);
    free(result);
}

/* Weights that somebody deleted are made again, but only for a cell that needs them. */
static void weights_that_are_gone(void **state)
{
    struct bench *b = *state;
    char path[640];
    make_grid(b, 1, "epochs: 1", "[{arm: frozen}]");
    open_store(b);
    assert_int_equal(schedule(b, 2).done, 4);
    for (int i = 0; i < b->grid.count; i++) {
        store_weights_path(b->store, b->grid.cells[i].key, path, sizeof path);
        remove(path);
    }
    assert_int_equal(schedule(b, 2).reused, 4);
    assert_int_equal(store_reset(b->store, b->grid.cells[1].key), OK);
    struct scheduler_report report = schedule(b, 2);
    assert_int_equal(report.reused, 2);
    assert_int_equal(report.done, 2);
}

static pid_t start_run(struct bench *b, int jobs)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    struct store *own;
    struct scheduler_report report;
    if (store_open(&own, b->path, false) != OK)
        _exit(2);
    enum status status = schedule_in(b, own, jobs, &report);
    store_close(own);
    _exit(status == OK && report.failed == 0 && report.done + report.reused == report.total ? 0
                                                                                           : 1);
}

static void two_runs_at_once(void **state)
{
    struct bench *b = *state;
    int attempts;
    make_grid(b, 2, "batch: 105", "[{arm: scratch, batch: 105}, {arm: frozen, batch: 105}]");
    open_store(b);
    pid_t one = start_run(b, 2), two = start_run(b, 2);
    assert_int_equal(worker_wait(one), 0);
    assert_int_equal(worker_wait(two), 0);
    assert_int_equal(count_state(b, STATE_DONE, &attempts), 12);
    assert_int_equal(attempts, 12);
}

static bool wait_for(struct bench *b, enum cell_state state, int count)
{
    int attempts;
    for (int i = 0; i < 200; i++) {
        if (count_state(b, state, &attempts) == count)
            return true;
        worker_pause(50);
    }
    return false;
}

/* The whole run is killed while one cell hangs: its worker goes with it, and the next run loses
 * nothing but that cell. */
static void a_killed_run(void **state)
{
    struct bench *b = *state;
    int attempts;
    make_grid(b, 1, "epochs: 1", "[{arm: scratch}, {arm: finetune, batch: 104}]");
    open_store(b);
    pid_t pid = start_run(b, 1);
    assert_true(wait_for(b, STATE_DONE, 2)); /* source and scratch of `none`; finetune hangs */
    assert_true(wait_for(b, STATE_RUNNING, 1));
    kill(pid, SIGKILL);
    assert_int_equal(worker_wait(pid), WORKER_KILLED + SIGKILL);
    for (int i = 0; i < 100; i++) { /* until the worker is gone too */
        struct store_rows rows;
        bool stale = false;
        assert_int_equal(store_rows(b->store, "s", &rows), OK);
        for (int j = 0; j < rows.count; j++)
            stale = stale || rows.rows[j].stale;
        store_rows_free(&rows);
        if (stale)
            break;
        assert_true(i < 99);
        worker_pause(50);
    }
    setenv("STORE_TEST_HEALTHY", "1", 1);
    struct scheduler_report report = schedule(b, 2);
    unsetenv("STORE_TEST_HEALTHY");
    assert_int_equal(report.reused, 2);
    assert_int_equal(report.done, 4);
    assert_int_equal(count_state(b, STATE_DONE, &attempts), 6);
    assert_int_equal(attempts, 7);
}

/* Cells that another commit's code made are run again when that is asked for. */
static void older_code(void **state)
{
    struct bench *b = *state;
    int count;
    make_grid(b, 1, "epochs: 1", one_arm);
    open_store(b);
    assert_int_equal(schedule(b, 2).done, 4);
    assert_int_equal(store_retry(b->store, "s", true, &count), OK);
    assert_int_equal(count, 0);
    sql(b, "UPDATE provenance SET commit_id = 'before'");
    assert_int_equal(store_retry(b->store, "s", false, &count), OK);
    assert_int_equal(count, 0);
    assert_int_equal(store_retry(b->store, "s", true, &count), OK);
    assert_int_equal(count, 4);
}

/* ---- files that are no store ---- */

static void files_that_are_no_store(void **state)
{
    struct bench *b = *state;
    struct store *store;
    char path[400];
    assert_int_equal(store_open(&store, b->path, false), ERR_IO);
    assert_message(fail_text(), "store.sqlite", "no results store");
    snprintf(path, sizeof path, "%s/none/deeper/store.sqlite", b->dir);
    assert_int_equal(store_open(&store, path, true), ERR_IO);
    file_put(b->path, "this is a text, and a long one at that, not a database at all ........."
                      "..............................................", 110);
    assert_int_equal(store_open(&store, b->path, true), ERR_FORMAT);
    assert_message(fail_text(), "store.sqlite", "no results store");
    remove(b->path);
    sql(b, "CREATE TABLE cats (name TEXT)");
    assert_int_equal(store_open(&store, b->path, true), ERR_FORMAT);
    assert_message(fail_text(), "store.sqlite", "another program");
    remove(b->path);
    assert_int_equal(store_open(&store, b->path, true), OK);
    store_close(store);
    sql(b, "PRAGMA user_version = 99");
    assert_int_equal(store_open(&store, b->path, true), ERR_FORMAT);
    assert_message(fail_text(), "store.sqlite", "version 99");
}

static void damaged_settings(void **state)
{
    struct bench *b = *state;
    struct store_rows rows;
    struct cell cell;
    int attempt;
    make_grid(b, 1, "epochs: 1", one_arm);
    open_store(b);
    sql(b, "UPDATE cells SET settings = replace(settings, '\"lr\":', '\"LR\":')");
    assert_int_equal(store_claim(b->store, b->grid.cells[0].key, &cell, &attempt), ERR_FORMAT);
    assert_int_equal(attempt, 0);
    assert_int_equal(store_rows(b->store, "s", &rows), ERR_FORMAT);
    assert_non_null(strstr(fail_text(), "lr"));
}

/* ---- latency ---- */

struct heard {
    int count;
    char text[8][64];
};

static enum status hear(void *data, const char *json_text, const char *date, const char *provenance)
{
    struct heard *heard = data;
    assert_true(*date && *provenance);
    snprintf(heard->text[heard->count++], 64, "%s", json_text);
    return OK;
}

static void latency_rows(void **state)
{
    struct bench *b = *state;
    struct heard heard = {0};
    char key[64];
    make_grid(b, 1, "epochs: 1", one_arm);
    open_store(b);
    assert_int_equal(store_latency_key(b->store, "s", key, sizeof key), OK);
    assert_string_equal(key, "");
    assert_int_equal(store_add_latency(b->store, "s", "{\"median_ms\": 1}"), OK);
    assert_int_equal(store_mark_latency(b->store, "s", "first"), OK);
    assert_int_equal(store_add_latency(b->store, "s", "{\"median_ms\": 2}"), OK);
    assert_int_equal(store_mark_latency(b->store, "s", "second"), OK);
    assert_int_equal(store_add_latency(b->store, "s", "{\"median_ms\": 3}"), OK);
    assert_int_equal(store_add_latency(b->store, "t", "{\"median_ms\": 4}"), OK);
    assert_int_equal(store_add_latency(b->store, "s", "[1]"), ERR_FORMAT);
    assert_int_equal(store_add_latency(b->store, "s", "{"), ERR_FORMAT);
    assert_int_equal(store_latency_key(b->store, "s", key, sizeof key), OK);
    assert_string_equal(key, "second");
    assert_int_equal(store_each_latency(b->store, "s", hear, &heard), OK);
    assert_int_equal(heard.count, 2);
    assert_string_equal(heard.text[0], "{\"median_ms\": 2}");
    assert_string_equal(heard.text[1], "{\"median_ms\": 3}");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "cell") == 0)
        return be_worker(argv);
    const struct CMUnitTest tests[] = {
        TEST(the_graph),
        TEST(shared_sources),
        TEST(names_that_do_not_exist),
        TEST(everything_comes_back),
        TEST(only_one_has_it),
        TEST(a_killed_worker_loses_its_cell),
        TEST(the_lease_of_another_machine),
        TEST(a_reused_process_number),
        TEST(a_run_and_its_repetition),
        TEST(only_what_changed_is_run),
        TEST(failures_do_not_stop_the_rest),
        TEST(cells_of_a_failed_source),
        TEST(cells_of_a_diverged_source),
        TEST(weights_that_are_gone),
        TEST(two_runs_at_once),
        TEST(a_killed_run),
        TEST(older_code),
        TEST(files_that_are_no_store),
        TEST(damaged_settings),
        TEST(latency_rows),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
