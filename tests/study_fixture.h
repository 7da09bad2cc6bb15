/* For tests of the store and of whole runs: a folder with a study and a store, and a stand-in for
 * training that does what the batch size tells it to. */
#ifndef TESTS_STUDY_FIXTURE_H
#define TESTS_STUDY_FIXTURE_H

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

static inline enum status fake_train(const struct train_settings *s, const struct train_io *io,
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

static inline enum status fake_agree(const struct train_settings *s, const char *weights, int limit,
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
static inline int be_worker_with(char **argv, const struct work_ops *ops)
{
    struct store *store;
    enum work_outcome outcome;
    if (store_open(&store, argv[2], false) != OK)
        return 9;
    enum status status = work_cell(store, argv[4], ops, 2, &outcome);
    store_close(store);
    if (status != OK)
        return 8;
    return outcome == WORK_DONE     ? WORKER_EXIT_DONE
           : outcome == WORK_FAILED ? WORKER_EXIT_FAILED
                                    : WORKER_EXIT_ELSEWHERE;
}

static inline int be_worker(char **argv)
{
    return be_worker_with(argv, &fake_ops);
}

/* ---- a store and a grid in a folder of their own ---- */

struct bench {
    char dir[256], path[300];
    struct study study;
    struct grid grid;
    struct store *store;
    int retries;       /* of the scheduler */
    const bool *only;
};

static inline int remove_entry(const char *path, const struct stat *info, int flag, struct FTW *ftw)
{
    (void)info, (void)flag, (void)ftw;
    return remove(path);
}

static inline int setup(void **state)
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

static inline int teardown(void **state)
{
    struct bench *b = *state;
    store_close(b->store);
    grid_free(&b->grid);
    int result = nftw(b->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(b);
    return result;
}

static inline enum status fake_data_key(const char *data, char *text, size_t size)
{
    snprintf(text, size, "content of %s", data);
    return OK;
}

/* A study of two attentions; `source` and the arms are YAML. */
static inline void make_grid(struct bench *b, int seeds, const char *source, const char *arms)
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

static inline void open_store(struct bench *b)
{
    if (store_open(&b->store, b->path, true) != OK ||
        store_register(b->store, "s", &b->grid) != OK)
        fail_msg("%s", fail_text());
}

static inline enum status schedule_in(struct bench *b, struct store *store, int jobs,
                                      struct scheduler_report *report)
{
    const char *const worker[] = {"test_store", "cell", b->path, NULL};
    const struct scheduler_options options = {.program = WORKER_SELF, .worker = worker,
                                              .jobs = jobs, .retries = b->retries,
                                              .only = b->only};
    return scheduler_run(store, &b->grid, &options, report);
}

static inline struct scheduler_report schedule(struct bench *b, int jobs)
{
    struct scheduler_report report;
    if (store_retry(b->store, "s", false, NULL) != OK || schedule_in(b, b->store, jobs, &report))
        fail_msg("%s", fail_text());
    return report;
}

/* Numbers of cells in a state, and of attempts at all. */
static inline int count_state(struct bench *b, enum cell_state state, int *attempts)
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
static inline void sql(struct bench *b, const char *text)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(b->path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static const char one_arm[] = "[{arm: scratch}]";

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
