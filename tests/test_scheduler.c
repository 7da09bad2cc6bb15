/* Whole runs of a study with a stand-in for training: reuse, failures, divergence, several runs at
 * once, killed runs. This program is its own worker ("cell" as first argument). */
#include "tests/study_fixture.h"

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

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "cell") == 0)
        return be_worker(argv);
    const struct CMUnitTest tests[] = {
        TEST(a_run_and_its_repetition),
        TEST(only_what_changed_is_run),
        TEST(failures_do_not_stop_the_rest),
        TEST(cells_of_a_failed_source),
        TEST(cells_of_a_diverged_source),
        TEST(weights_that_are_gone),
        TEST(two_runs_at_once),
        TEST(a_killed_run),
        TEST(older_code),
    };
    return cmocka_run_group_tests_name("scheduler", tests, NULL, NULL);
}
