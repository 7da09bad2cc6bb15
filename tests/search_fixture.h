/* A small study with a search, a stand-in for training whose validation accuracy depends on the
 * learning rate, and stores beside each other. The test's program is its own worker
 * (be_worker_with()). */
#ifndef TESTS_SEARCH_FIXTURE_H
#define TESTS_SEARCH_FIXTURE_H

#include "bench/study/search.h"
#include "bench/study/shard.h"
#include "bench/study/store_merge.h"
#include "bench/study/study_data.h"
#include "tests/store_dump.h"
#include "tests/study_fixture.h"

/* ---- the stand-in ----
 * Learning rates of 50 and more diverge; on validation images CBAM wants 0.1 and the plain network
 * 0.03; on test images 0.01 looks best of all. `$SEARCH_TEST_FAULT` is a rate that fails. */

static inline enum status train(const struct train_settings *s, const struct train_io *io,
                         struct train_result *result)
{
    const char *fault = getenv("SEARCH_TEST_FAULT");
    bool with = strcmp(s->attention, "none") != 0;
    if (fault && s->lr == strtod(fault, NULL))
        return (fail)(ERR_UNSUPPORTED, "this rate fails");
    TRY(fake_train(s, io, result));
    result->val_accuracy = 0.8 - fabs(s->lr - (with ? 0.1 : 0.03)) + 0.001 * (double)(s->seed % 7);
    result->test_accuracy = 0.9 - s->lr;
    if (s->lr >= 50) {
        result->diverged = true;
        strcpy(result->diverged_at, "step 1: loss of the batch");
    }
    return OK;
}

static const struct work_ops ops = {train, fake_agree};

static const char plain_search[] = "{seeds: 2, lr: [0.01, 0.03, 0.1, 100]}";
static const char arms[] = "[{arm: scratch}, {arm: finetune}]";
enum { UNITS = 4, POINTS = 4, SEARCH_SEEDS = 2, SEARCH_SOURCES = 4 };

/* Reads a study with that search; the status of study_load(). */
static inline enum status load(struct bench *b, const char *seeds, const char *search,
                               const char *more)
{
    char path[300], text[2000];
    snprintf(path, sizeof path, "%s/study.yaml", b->dir);
    snprintf(text, sizeof text,
             "name: s\nmodels: [resnet20]\nattention: [none, cbam]\nimpls: [naive]\n%s\n"
             "source: {data: fashion-mnist:classes=0-4, epochs: 1, lr: 0.5}\n"
             "target: {data: [fashion-mnist:classes=5-9:per-class=10]}\nsearch: %s\n%s\n", seeds,
             search, more);
    file_put(path, text, strlen(text));
    return study_load(&b->study, path);
}

static inline void make(struct bench *b, const char *seeds, const char *search)
{
    char more[200];
    snprintf(more, sizeof more, "transfer: %s", arms);
    grid_free(&b->grid);
    if (load(b, seeds, search, more) != OK ||
        grid_build(&b->grid, &b->study, fake_data_key) != OK)
        fail_msg("%s", fail_text());
}

/* In a store of that name; whole, or a shard of it. */
static inline struct scheduler_report run_in(struct bench *b, const char *name, int shard,
                                             int shards)
{
    bool mine[200];
    assert_true(b->grid.count <= 200);
    store_close(b->store);
    b->store = NULL;
    snprintf(b->path, sizeof b->path, "%s/%s", b->dir, name);
    open_store(b);
    assert_int_equal(shard_choose(&b->grid, shard, shards, mine), OK);
    b->only = shards > 1 ? mine : NULL;
    struct scheduler_report report = schedule(b, 2);
    b->only = NULL;
    return report;
}

static inline const char *beside(struct bench *b, const char *name, char path[400])
{
    snprintf(path, 400, "%s/%s", b->dir, name);
    return path;
}

#endif
