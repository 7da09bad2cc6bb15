/* The results store: keys and graph, claims by several processes, leases, files that are none. */
#include "tests/study_fixture.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_graph),
        TEST(shared_sources),
        TEST(names_that_do_not_exist),
        TEST(everything_comes_back),
        TEST(only_one_has_it),
        TEST(a_killed_worker_loses_its_cell),
        TEST(the_lease_of_another_machine),
        TEST(a_reused_process_number),
        TEST(files_that_are_no_store),
        TEST(damaged_settings),
        TEST(latency_rows),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
