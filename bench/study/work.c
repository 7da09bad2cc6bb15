/* One cell, from claim to stored result: see work.h. */
#include "bench/study/work.h"
#include "bench/transfer/evaluate.h"
#include "bench/transfer/settings.h"
#include "impls/layer.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const struct work_ops work_real = {train_run, evaluate_agreement};

struct work {
    struct store *store;
    const struct work_ops *ops;
    struct cell cell;
    int attempt, agreement_images;
    char weights[640];
    struct train_result result;
    struct agreement agreement;
    char *command;
    bool trial;   /* of a search: only its validation accuracy is wanted */
    bool inserts; /* the source has other attention: its tensors may be missing from the file */
};

/* Attention tensors under the names that the networks give them. */
static const char *const attention_names[] = {"*.cbam.*", "*cbam[0-9].*", "*.se.*", "*.ca.*",
                                              "*.sa.*", "*.control.*", NULL};

/* A diverged run has no accuracy: no number may be taken for one. */
static void blank_numbers(struct train_result *r)
{
    r->train_accuracy = r->train_loss = r->val_accuracy = r->val_loss = NAN;
    r->test_accuracy = r->test_top5 = r->test_loss = NAN;
    r->shifted_accuracy = r->shifted_loss = NAN;
    r->bf16_accuracy = r->bf16_loss = NAN;
}

/* Points init at the source's weights; *train is false when the source diverged, and the cell with
 * it. */
static enum status prepare_source(struct work *work, bool *train)
{
    struct cell source;
    enum cell_state state;
    bool diverged = false;
    *train = true;
    if (!work->cell.source[0]) {
        work->inserts = strcmp(work->cell.settings.init, "random") != 0;
        return OK;
    }
    TRY(store_look(work->store, work->cell.source, &source, &state, &diverged));
    if (state != STATE_DONE)
        return fail(ERR_USAGE, "its source, cell %s, is %s", source.key, cell_state_name(state));
    if (diverged) {
        *train = false;
        work->result.diverged = true;
        snprintf(work->result.diverged_at, sizeof work->result.diverged_at,
                 "its source diverged (cell %s)", source.key);
        return OK;
    }
    char path[640];
    store_weights_path(work->store, source.key, path, sizeof path);
    work->inserts = strcmp(source.settings.attention, work->cell.settings.attention) != 0;
    return train_settings_set(&work->cell.settings, "init", path);
}

/* A folder beside the weights for features that cells share; "" when it cannot be made. */
static void features_folder(const struct work *work, char *path, size_t size)
{
    const char *slash = strrchr(work->weights, '/');
    int length = slash ? (int)(slash - work->weights) + 1 : 0;
    snprintf(path, size, "%.*sfeatures", length, work->weights);
    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        path[0] = '\0';
}

static enum status train(struct work *work)
{
    char features[sizeof work->weights + 16];
    features_folder(work, features, sizeof features);
    struct train_io io = {.save = work->trial ? NULL : work->weights,
                          .features = features[0] ? features : NULL,
                          .allow_missing = work->inserts ? attention_names : NULL};
    return work->ops->train(&work->cell.settings, &io, &work->result);
}

/* All implementations compiled in, the one that trained first. */
static enum status compare(struct work *work)
{
    struct agreement *a = &work->agreement;
    const char *names[STORE_IMPLS_MAX] = {work->cell.settings.impl};
    a->impl_count = 1;
    for (int i = 0; impls[i] && a->impl_count < STORE_IMPLS_MAX; i++)
        if (strcmp(impls[i]->name, names[0]) != 0)
            names[a->impl_count++] = impls[i]->name;
    for (int i = 0; i < a->impl_count; i++)
        snprintf(a->impls[i], sizeof a->impls[i], "%s", names[i]);
    a->images = work->result.test_n < work->agreement_images ? work->result.test_n
                                                             : work->agreement_images;
    if (work->ops->agree(&work->cell.settings, work->weights, a->images, a->impl_count, names,
                         a->disagree, a->max_logit_diff) != OK)
        return fail_prefix(ERR_LIBRARY, "comparing the implementations on the trained network");
    return OK;
}

/* The command line that repeats the run, with what the settings do not hold. */
static enum status make_command(struct work *work)
{
    work->command = train_settings_command(&work->cell.settings,
                                           work->trial ? NULL : work->weights);
    for (int i = 0; work->inserts && work->command && attention_names[i]; i++) {
        char *before = work->command;
        if (asprintf(&work->command, "%s --allow-missing '%s'", before, attention_names[i]) < 0)
            work->command = NULL;
        free(before);
    }
    return work->command ? OK : fail(ERR_MEMORY, "no memory for a command line");
}

static enum status look_at_search(struct work *work)
{
    enum search_part part;
    TRY(store_part(work->store, work->cell.key, &part));
    if (part == SEARCH_UNDECIDED)
        return fail(ERR_USAGE, "its search has chosen nothing yet");
    work->trial = part == SEARCH_TRIAL;
    return OK;
}

static enum status run_claimed(struct work *work)
{
    bool wanted = true;
    TRY(look_at_search(work));
    TRY(prepare_source(work, &wanted));
    TRY(make_command(work));
    if (wanted)
        TRY(train(work));
    if (work->result.diverged) {
        blank_numbers(&work->result);
        return OK;
    }
    if (work->cell.role == ROLE_TRANSFER && !work->trial && work->agreement_images > 0)
        TRY(compare(work));
    return OK;
}

static enum status work_claim(struct work *work, const char *key, enum work_outcome *outcome)
{
    *outcome = WORK_ELSEWHERE;
    TRY(store_claim(work->store, key, &work->cell, &work->attempt));
    if (work->attempt == 0)
        return OK;
    *outcome = WORK_FAILED;
    store_weights_path(work->store, key, work->weights, sizeof work->weights);
    if (run_claimed(work) != OK) {
        char reason[512];
        snprintf(reason, sizeof reason, "%s", fail_text());
        TRY(store_fail(work->store, key, work->attempt, reason));
        fail(ERR_USAGE, "%s", reason);
        return OK;
    }
    TRY(store_finish(work->store, key, work->attempt, &work->result, &work->agreement,
                     work->command));
    *outcome = WORK_DONE;
    return OK;
}

enum status work_cell(struct store *store, const char *key, const struct work_ops *ops,
                      int agreement_images, enum work_outcome *outcome)
{
    struct work *work = calloc(1, sizeof *work);
    if (!work)
        return fail(ERR_MEMORY, "no memory for a cell");
    work->store = store;
    work->ops = ops;
    work->agreement_images = agreement_images;
    enum status status = work_claim(work, key, outcome);
    free(work->result.predictions);
    free(work->command);
    free(work);
    return status;
}
