/* An equal search for every arm of a study: what the file may say, which runs it takes, what is
 * chosen, and that the choice is kept. How it is moved and shown: test_search_reports.c. */
#include "tests/search_fixture.h"

/* ---- the file ---- */

static void what_a_file_may_not_say(void **state)
{
    static const struct {
        const char *seeds, *search, *more, *says;
    } cases[] = {
        {"seeds: 2", "{lr: [0.1, 0.2]}", "transfer: [{arm: scratch}]", "seeds"},
        {"seeds: 2", "{seeds: 0, lr: [0.1, 0.2]}", "transfer: [{arm: scratch}]",
         "search: seeds is 0"},
        {"seeds: 2", "{seeds: two, lr: [0.1, 0.2]}", "transfer: [{arm: scratch}]", "seeds"},
        {"seeds: 2", "{seeds: 2}", "transfer: [{arm: scratch}]", "0 combinations"},
        {"seeds: 2", "{seeds: 2, lr: [0.1]}", "transfer: [{arm: scratch}]", "1 combination of"},
        {"seeds: 2", "{seeds: 2, lr: []}", "transfer: [{arm: scratch}]", "lr"},
        {"seeds: 2", "{seeds: 2, lr: 0.1}", "transfer: [{arm: scratch}]", "lr"},
        {"seeds: 2", "{seeds: 2, lr: [0.1, 0.10]}", "transfer: [{arm: scratch}]",
         "search: lr: '0.10' stands there twice"},
        {"seeds: 2", "{seeds: 2, lr: [0.1, much]}", "transfer: [{arm: scratch}]", "search: lr"},
        {"seeds: 2", "{seeds: 2, lr: [0.1, 0.2], lr: [1, 2]}", "transfer: [{arm: scratch}]", "lr"},
        {"seeds: 2", "{seeds: 2, epochs: [1, 2]}", "transfer: [{arm: scratch}]", "epochs"},
        {"seeds: 2", "{seeds: 2, rate: [1, 2]}", "transfer: [{arm: scratch}]", "rate"},
        {"seeds: 2", "{seeds: 2, lr: [0.1, 0.2]}", "transfer: [{arm: scratch, lr: 0.3}]",
         "transfer: 'lr' has no meaning beside 'search'"},
        {"seed-list: [3, 1000001]", "{seeds: 2, lr: [0.1, 0.2]}", "transfer: [{arm: scratch}]",
         "seed-list: 1000001 is a seed of the search"},
    };
    struct bench *b = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (load(b, cases[i].seeds, cases[i].search, cases[i].more) != ERR_FORMAT)
            fail_msg("'%s' was accepted", cases[i].search);
        assert_message(fail_text(), "study.yaml", cases[i].says);
    }
    assert_int_equal(load(b, "seed-list: [3, 1000002]", "{seeds: 2, lr: [0.1, 0.2]}",
                          "transfer: [{arm: scratch}]"), OK);
}

/* What has no validation images cannot be chosen on, and the test images do not stand in. */
static void a_target_without_validation_images(void **state)
{
    struct bench *b = *state;
    char path[300], text[1000];
    static const char *const data[] = {"fashion-mnist:classes=5-9", "fashion-mnist:per-class=4",
                                       "fashion-mnist:per-class=10:val=0"};
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/study.yaml", b->dir);
        snprintf(text, sizeof text, "name: s\nmodels: [resnet20]\nattention: [none]\nseeds: 1\n"
                 "target: {data: [\"fashion-mnist:per-class=10\", \"%s\"]}\n"
                 "transfer: [{arm: scratch}]\nsearch: {seeds: 1, lr: [0.1, 0.2]}\n", data[i]);
        file_put(path, text, strlen(text));
        assert_int_equal(study_load(&b->study, path), ERR_FORMAT);
        assert_message(fail_text(), "study.yaml", "target: data: ");
        assert_message(fail_text(), data[i], "has no validation images");
    }
}

/* ---- the budget ---- */

/* Every unit has the same number of trials, on seeds that do not count, and no run is both. */
static void equal_budgets(void **state)
{
    struct bench *b = *state;
    int trials = 0, sources = 0, counting = 0;
    make(b, "seeds: 3", "{seeds: 2, lr: [0.01, 0.03], weight-decay: [0, 0.5, 1]}");
    assert_int_equal(b->grid.search_count, UNITS);
    assert_int_equal(b->grid.point_count, 6);
    assert_string_equal(b->grid.choices[0], "{\"lr\":\"0.01\",\"weight-decay\":\"0\"}");
    assert_string_equal(b->grid.choices[1], "{\"lr\":\"0.01\",\"weight-decay\":\"0.5\"}");
    assert_string_equal(b->grid.choices[5], "{\"lr\":\"0.03\",\"weight-decay\":\"1\"}");
    for (int i = 0; i < b->grid.count; i++) {
        const struct cell *cell = &b->grid.cells[i];
        assert_int_equal(cell->trial, cell->settings.seed >= SEARCH_SEED_FIRST);
        assert_int_equal(*cell->search != 0, cell->role == ROLE_TRANSFER && !cell->trial);
        trials += cell->trial && cell->role == ROLE_TRANSFER;
        sources += cell->trial && cell->role == ROLE_SOURCE;
        counting += !cell->trial;
    }
    assert_int_equal(trials, UNITS * 6 * 2);
    assert_int_equal(sources, 2 * 2);
    assert_int_equal(counting, 3 * 2 * 3);
    for (int u = 0; u < UNITS; u++)
        for (int t = 0; t < 12; t++) {
            const struct cell *cell = &b->grid.cells[b->grid.searches[u].trials[t]];
            assert_int_equal(cell->settings.seed, SEARCH_SEED_FIRST + t % 2);
            assert_true(cell->settings.lr == (t < 6 ? 0.01 : 0.03));
        }
}

/* ---- choosing ---- */

/* The settings that counting cells ran with, by the command that repeats them. */
static void assert_chosen(struct bench *b, const char *without, const char *with)
{
    struct store_rows rows;
    int seen = 0;
    assert_int_equal(store_rows(b->store, "s", &rows), OK);
    for (int i = 0; i < rows.count; i++) {
        const struct store_row *row = &rows.rows[i];
        if (row->cell.role == ROLE_SOURCE || row->cell.trial)
            continue;
        const char *expected = strcmp(row->cell.settings.attention, "none") == 0 ? without : with;
        assert_int_equal(row->state, STATE_DONE);
        if (!strstr(row->command, expected))
            fail_msg("'%s' should have '%s'", row->command, expected);
        seen++;
    }
    assert_true(seen > 0);
    store_rows_free(&rows);
}

static void the_best_on_validation_images(void **state)
{
    struct bench *b = *state;
    make(b, "seeds: 2", plain_search);
    struct scheduler_report report = run_in(b, "store", 1, 1);
    assert_int_equal(report.done, UNITS * POINTS * SEARCH_SEEDS + SEARCH_SOURCES + 2 * 6);
    assert_int_equal(report.total, report.done);
    assert_chosen(b, " --lr 0.03 ", " --lr 0.1 ");
    for (int u = 0; u < UNITS; u++) {
        struct store_search search;
        const struct cell *cell = &b->grid.cells[b->grid.searches[u].trials[0]];
        assert_int_equal(store_search(b->store, b->grid.searches[u].id, &search), OK);
        bool with = strcmp(cell->settings.attention, "none") != 0;
        assert_string_equal(search.chosen, with ? "{\"lr\":\"0.1\"}" : "{\"lr\":\"0.03\"}");
        double mean = 0.8 + 0.001 * ((double)(1000000 % 7) + 1000001 % 7) / 2;
        assert_true(fabs(search.value - mean) < 1e-12);
        assert_true(isinf(store_search_mean(&search, 3)));
        store_search_free(&search);
    }
    /* Nothing is done twice, and the network of a trial is not kept. */
    assert_int_equal(schedule(b, 2).reused, report.total);
    for (int i = 0; i < b->grid.count; i++) {
        char path[640];
        const struct cell *cell = &b->grid.cells[i];
        store_weights_path(b->store, cell->key, path, sizeof path);
        assert_int_equal(access(path, F_OK) != 0, cell->trial && cell->role == ROLE_TRANSFER);
    }
}

static void the_first_of_equal_ones(void **state)
{
    struct bench *b = *state;
    make(b, "seeds: 1", "{seeds: 1, momentum: [0.7, 0.5, 0.9], batch: [8, 4]}");
    assert_int_equal(run_in(b, "store", 1, 1).failed, 0);
    assert_chosen(b, " --batch 8 ", " --momentum 0.7 ");
    assert_chosen(b, " --momentum 0.7 ", " --batch 8 ");
}

/* Divergence is a result: where nothing else is left the first combination runs, and its row says
 * what came of it. */
static void all_diverged(void **state)
{
    struct bench *b = *state;
    struct store_search search;
    make(b, "seeds: 1", "{seeds: 2, lr: [200, 100]}");
    assert_int_equal(run_in(b, "store", 1, 1).failed, 0);
    assert_chosen(b, " --lr 2e+02 ", " --lr 2e+02 ");
    assert_int_equal(store_search(b->store, b->grid.searches[0].id, &search), OK);
    assert_true(isnan(search.value));
    store_search_free(&search);
}

/* A trial that fails leaves its search open, and the cells that wait for it fail by its name: a
 * choice among fewer trials would be an unequal one. What is well goes on; once all is well only
 * the rest is run. */
static void a_trial_that_fails(void **state)
{
    struct bench *b = *state;
    struct store_rows rows;
    make(b, "seeds: 1", plain_search);
    setenv("SEARCH_TEST_FAULT", "0.1", 1);
    struct scheduler_report report = run_in(b, "store", 1, 1);
    unsetenv("SEARCH_TEST_FAULT");
    assert_int_equal(report.failed, UNITS * SEARCH_SEEDS + UNITS);
    assert_int_equal(report.blocked, 0);
    assert_int_equal(store_rows(b->store, "s", &rows), OK);
    for (int i = 0; i < rows.count; i++)
        if (rows.rows[i].cell.search[0]) {
            assert_int_equal(rows.rows[i].state, STATE_FAILED);
            assert_message(rows.rows[i].error, "its search is not whole", "search lr 0.1 seed");
        }
    store_rows_free(&rows);
    report = schedule(b, 2);
    assert_int_equal(report.done, UNITS * SEARCH_SEEDS + UNITS);
    assert_int_equal(report.failed, 0);
    assert_chosen(b, " --lr 0.03 ", " --lr 0.1 ");
}

/* A worker that is given such a cell by hand trains nothing. */
static void a_cell_before_its_choice(void **state)
{
    struct bench *b = *state;
    enum work_outcome outcome;
    int attempts;
    make(b, "seeds: 1", plain_search);
    open_store(b);
    assert_int_equal(work_cell(b->store, b->grid.cells[b->grid.count - 2].key, &ops, 2, &outcome),
                     OK);
    assert_int_equal(outcome, WORK_FAILED);
    assert_non_null(strstr(fail_text(), "chosen nothing yet"));
    assert_int_equal(count_state(b, STATE_DONE, &attempts), 0);
}

/* ---- going on ---- */

static void one_more_seed_and_another_grid(void **state)
{
    struct bench *b = *state;
    make(b, "seeds: 2", plain_search);
    int before = run_in(b, "store", 1, 1).total;
    make(b, "seeds: 3", plain_search);
    struct scheduler_report report = run_in(b, "store", 1, 1);
    assert_int_equal(report.reused, before);
    assert_int_equal(report.done, 6);
    assert_chosen(b, " --lr 0.03 ", " --lr 0.1 ");
    /* A value more: a search of its own, which shares the trials that it has in common; the cells
     * that count have another search, though it chooses the same. */
    make(b, "seeds: 3", "{seeds: 2, lr: [0.01, 0.03, 0.1, 100, 0.02]}");
    report = run_in(b, "store", 1, 1);
    assert_int_equal(report.done, UNITS * SEARCH_SEEDS + UNITS * 3);
    make(b, "seeds: 3", "{seeds: 2, lr: [0.01, 0.02]}");
    report = run_in(b, "store", 1, 1);
    assert_int_equal(report.done, UNITS * 3);
    assert_chosen(b, " --lr 0.02 ", " --lr 0.02 ");
}

/* Numbers of trials that came out otherwise (other code) may choose otherwise: what was run under
 * the old choice is run again. */
static void another_choice(void **state)
{
    struct bench *b = *state;
    make(b, "seeds: 2", plain_search);
    int all = run_in(b, "store", 1, 1).total;
    sql(b, "UPDATE metrics SET value = 0.99 WHERE name = 'test_accuracy' AND key IN"
           " (SELECT key FROM trials WHERE choice = '{\"lr\":\"0.01\"}')");
    assert_int_equal(schedule(b, 2).reused, all);
    sql(b, "UPDATE metrics SET value = 0.99 WHERE name = 'val_accuracy' AND key IN"
           " (SELECT key FROM trials WHERE choice = '{\"lr\":\"0.01\"}')");
    struct scheduler_report report = schedule(b, 2);
    assert_int_equal(report.done, UNITS * 2);
    assert_chosen(b, " --lr 0.01 ", " --lr 0.01 ");
}

/* Registering again, as a second process does, leaves a running cell and its choice alone. */
static void a_second_process(void **state)
{
    struct bench *b = *state;
    struct cell cell;
    int attempt, again;
    make(b, "seeds: 1", plain_search);
    run_in(b, "store", 1, 1);
    const char *key = b->grid.cells[b->grid.count - 1].key;
    assert_int_equal(store_reset(b->store, key), OK);
    assert_int_equal(store_claim(b->store, key, &cell, &attempt), OK);
    assert_true(attempt > 0 && cell.settings.lr == 0.1);
    assert_int_equal(store_register(b->store, "s", &b->grid), OK);
    assert_int_equal(store_choose(b->store, b->grid.searches[UNITS - 1].id, &again), OK);
    assert_int_equal(again, 0);
    assert_int_equal(store_look(b->store, key, &cell, &(enum cell_state){STATE_PENDING},
                                &(bool){false}), OK);
    assert_true(cell.settings.lr == 0.1);
    assert_int_equal(store_fail(b->store, key, attempt, "the claim is still ours"), OK);
}

static void killed_and_gone_on(void **state)
{
    struct bench *b = *state;
    char whole[400], killed[400];
    int status;
    make(b, "seeds: 2", plain_search);
    run_in(b, "whole", 1, 1);
    store_close(b->store);
    b->store = NULL;
    snprintf(b->path, sizeof b->path, "%s/killed", b->dir);
    for (int i = 0; i < 4; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            open_store(b);
            schedule(b, 2);
            _exit(0);
        }
        worker_pause(60 + 70 * i);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
    }
    assert_int_equal(run_in(b, "killed", 1, 1).failed, 0);
    assert_same_stores(beside(b, "whole", whole), beside(b, "killed", killed));
}

/* ---- several machines ---- */

static void shards_keep_what_belongs_together(void **state)
{
    struct bench *b = *state;
    struct store *all;
    struct merge_report merged;
    bool before[200], after[200];
    char path[400], whole[400];
    make(b, "seeds: 3", plain_search);
    int trials = b->grid.count;
    run_in(b, "whole", 1, 1);
    assert_int_equal(store_open(&all, beside(b, "all", path), true), OK);
    int done = 0;
    for (int shard = 1; shard <= 3; shard++) {
        char name[24];
        snprintf(name, sizeof name, "shard%d", shard);
        struct scheduler_report report = run_in(b, name, shard, 3);
        assert_int_equal(report.failed + report.blocked, 0);
        assert_true(report.done > 0);
        done += report.done;
        if (store_merge(all, beside(b, name, path), &merged) != OK)
            fail_msg("%s", fail_text());
        assert_int_equal(merged.differ + merged.running, 0);
    }
    assert_int_equal(done, trials); /* no trial was run by two */
    store_close(all);
    assert_same_stores(beside(b, "all", path), beside(b, "whole", whole));
    assert_int_equal(shard_choose(&b->grid, 2, 3, before), OK);
    int searching = UNITS * POINTS * SEARCH_SEEDS + SEARCH_SOURCES;
    make(b, "seeds: 4", plain_search);
    assert_int_equal(shard_choose(&b->grid, 2, 3, after), OK);
    for (int i = 0; i < trials; i++) /* the new seed comes last */
        assert_int_equal(before[i], after[i]);
    assert_true(searching < trials);
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "cell") == 0)
        return be_worker_with(argv, &ops);
    const struct CMUnitTest tests[] = {
        TEST(what_a_file_may_not_say),
        TEST(a_target_without_validation_images),
        TEST(equal_budgets),
        TEST(the_best_on_validation_images),
        TEST(the_first_of_equal_ones),
        TEST(all_diverged),
        TEST(a_trial_that_fails),
        TEST(a_cell_before_its_choice),
        TEST(one_more_seed_and_another_grid),
        TEST(another_choice),
        TEST(a_second_process),
        TEST(killed_and_gone_on),
        TEST(shards_keep_what_belongs_together),
    };
    return cmocka_run_group_tests_name("study_search", tests, NULL, NULL);
}
