/* The results store: searches: see store.h. What may be tried and how a combination is written is
 * search.c. */
#include "bench/study/search.h"
#include "bench/study/store.h"
#include "bench/study/store_private.h"
#include "bench/transfer/settings.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- recording ---- */

static enum status put_search(struct store *store, const char *id)
{
    sqlite3_stmt *stmt;
    TRY(db_prepare(&store->db, &stmt, "INSERT OR IGNORE INTO searches (id) VALUES (?)"));
    db_bind_text(stmt, 1, id);
    return db_run(&store->db, stmt);
}

static enum status put_trial(struct store *store, const char *id, int position, const char *choice,
                             const char *key)
{
    sqlite3_stmt *stmt;
    TRY(db_prepare(&store->db, &stmt, "INSERT OR IGNORE INTO trials (search, position, choice, key)"
                   " VALUES (?, ?, ?, ?)"));
    db_bind_text(stmt, 1, id);
    db_bind_int(stmt, 2, position);
    db_bind_text(stmt, 3, choice);
    db_bind_text(stmt, 4, key);
    return db_run(&store->db, stmt);
}

enum status store_put_searches(struct store *store, const struct grid *grid)
{
    for (int i = 0; i < grid->search_count; i++)
        TRY(put_search(store, grid->searches[i].id));
    return OK;
}

enum status store_put_trials(struct store *store, const struct grid *grid)
{
    int trials = grid->point_count * grid->search_seeds;
    for (int i = 0; i < grid->search_count; i++)
        for (int t = 0; t < trials; t++)
            TRY(put_trial(store, grid->searches[i].id, t, grid->choices[t / grid->search_seeds],
                          grid->cells[grid->searches[i].trials[t]].key));
    return OK;
}

/* ---- what was chosen, in the cells ---- */

/* The settings of a cell with the choice in them; allocated. */
static enum status chosen_settings(const char *before, const char *choice, char **after)
{
    struct train_settings settings;
    json_error_t error;
    json_t *json = json_loads(before, JSON_REJECT_DUPLICATES, &error);
    enum status status = json ? train_settings_from_json(json, &settings)
                              : fail(ERR_FORMAT, "settings: %s", error.text);
    json_decref(json);
    TRY(status);
    TRY(search_apply(choice, &settings));
    json = train_settings_json(&settings);
    *after = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(json);
    return *after ? OK : fail(ERR_MEMORY, "no memory for the settings of a cell");
}

/* A cell that already ran with other settings has to run again. */
static enum status apply_to_cell(struct store *store, const char *key, const char *before,
                                 const char *choice, int *changed)
{
    sqlite3_stmt *stmt;
    char *after;
    TRY(chosen_settings(before, choice, &after));
    enum status status = db_prepare(&store->db, &stmt,
                                    "UPDATE cells SET settings = ?2, state = 'pending'"
                                    " WHERE key = ?1 AND settings <> ?2");
    if (status == OK) {
        db_bind_text(stmt, 1, key);
        db_bind_text(stmt, 2, after);
        status = db_run(&store->db, stmt);
    }
    if (status == OK)
        *changed += db_changes(&store->db);
    free(after);
    return status;
}

static enum status apply_choice(struct store *store, const char *id, const char *choice,
                                int *changed)
{
    sqlite3_stmt *stmt;
    bool row = false;
    enum status status;
    TRY(db_prepare(&store->db, &stmt, "SELECT key, settings FROM cells WHERE search = ?"
                   " ORDER BY key"));
    db_bind_text(stmt, 1, id);
    while ((status = db_step(&store->db, stmt, &row)) == OK && row)
        if ((status = apply_to_cell(store, db_text(stmt, 0), db_text(stmt, 1), choice,
                                    changed)) != OK)
            break;
    return db_finish(stmt, status);
}

enum status store_set_choice(struct store *store, const struct cell *cell,
                             struct train_settings *settings)
{
    struct store_search search;
    *settings = cell->settings;
    if (!cell->search[0])
        return OK;
    TRY(store_search(store, cell->search, &search));
    enum status status = search.chosen ? search_apply(search.chosen, settings) : OK;
    store_search_free(&search);
    return status;
}

/* ---- choosing ---- */

static double mean_of(const struct store_trial *trials, int count)
{
    double sum = 0;
    for (int i = 0; i < count; i++)
        sum += trials[i].state != STATE_DONE ? (double)NAN
               : trials[i].diverged || isnan(trials[i].val_accuracy) ? -(double)INFINITY
                                                                     : trials[i].val_accuracy;
    return sum / count;
}

int store_search_seeds(const struct store_search *search)
{
    int seeds = 0;
    while (seeds < search->count &&
           strcmp(search->trials[seeds].choice, search->trials[0].choice) == 0)
        seeds++;
    return seeds;
}

double store_search_mean(const struct store_search *search, int point)
{
    int seeds = store_search_seeds(search);
    return mean_of(&search->trials[point * seeds], seeds);
}

/* The first of the best combinations. */
static int best_of(const struct store_search *search)
{
    int best = 0, points = search->count / store_search_seeds(search);
    for (int i = 1; i < points; i++)
        if (store_search_mean(search, i) > store_search_mean(search, best))
            best = i;
    return best;
}

static enum status check_whole(const struct store_search *search)
{
    for (int i = 0; i < search->count; i++)
        if (search->trials[i].state != STATE_DONE)
            return fail(ERR_USAGE, "its search is not whole: trial %s is %s",
                        search->trials[i].key, cell_state_name(search->trials[i].state));
    return search->count > 0 ? OK : fail(ERR_FORMAT, "search %s has no trials", search->id);
}

static enum status record(struct store *store, const struct store_search *search, int best)
{
    sqlite3_stmt *stmt;
    TRY(db_prepare(&store->db, &stmt, "UPDATE searches SET chosen = ?2, value = ?3 WHERE id = ?1"));
    db_bind_text(stmt, 1, search->id);
    db_bind_text(stmt, 2, search->trials[best * store_search_seeds(search)].choice);
    db_bind_real(stmt, 3, store_search_mean(search, best));
    return db_run(&store->db, stmt);
}

static enum status choose(struct store *store, const char *id, int *changed)
{
    struct store_search search;
    TRY(store_search(store, id, &search));
    enum status status = check_whole(&search);
    int best = status == OK ? best_of(&search) : 0;
    if (status == OK)
        status = record(store, &search, best);
    if (status == OK)
        status = apply_choice(store, id, search.trials[best * store_search_seeds(&search)].choice,
                              changed);
    store_search_free(&search);
    return status;
}

enum status store_choose(struct store *store, const char *id, int *changed)
{
    *changed = 0;
    TRY(db_begin(&store->db));
    return db_end(&store->db, choose(store, id, changed));
}

/* ---- reading ---- */

void store_search_free(struct store_search *search)
{
    for (int i = 0; i < search->count; i++)
        free(search->trials[i].choice);
    free(search->trials);
    free(search->chosen);
    *search = (struct store_search){.count = 0};
}

static enum status add_trial(sqlite3_stmt *stmt, struct store_search *search)
{
    struct store_trial *more = realloc(search->trials,
                                       (size_t)(search->count + 1) * sizeof *more);
    if (!more)
        return fail(ERR_MEMORY, "no memory for a search");
    search->trials = more;
    struct store_trial *trial = &more[search->count];
    *trial = (struct store_trial){.choice = strdup(db_text(stmt, 0)),
                                  .state = store_parse_state(db_text(stmt, 2)),
                                  .diverged = sqlite3_column_int(stmt, 3) != 0,
                                  .val_accuracy = db_real(stmt, 4)};
    db_copy_text(stmt, 1, trial->key, sizeof trial->key);
    if (!trial->choice)
        return fail(ERR_MEMORY, "no memory for a search");
    search->count++;
    return OK;
}

static enum status read_trials(struct store *store, struct store_search *search)
{
    sqlite3_stmt *stmt;
    bool row = false;
    enum status status;
    TRY(db_prepare(&store->db, &stmt,
                   "SELECT t.choice, t.key, c.state, c.diverged IS NOT NULL, m.value FROM trials t"
                   " JOIN cells c ON c.key = t.key LEFT JOIN metrics m ON m.key = t.key"
                   " AND m.name = 'val_accuracy' WHERE t.search = ? ORDER BY t.position"));
    db_bind_text(stmt, 1, search->id);
    while ((status = db_step(&store->db, stmt, &row)) == OK && row)
        if ((status = add_trial(stmt, search)) != OK)
            break;
    return db_finish(stmt, status);
}

static enum status read_search(struct store *store, struct store_search *search)
{
    sqlite3_stmt *stmt;
    bool row = false;
    TRY(db_prepare(&store->db, &stmt, "SELECT chosen, value FROM searches WHERE id = ?"));
    db_bind_text(stmt, 1, search->id);
    enum status status = db_step(&store->db, stmt, &row);
    if (status == OK && !row)
        status = fail(ERR_USAGE, "%s: there is no search '%s'", store->db.path, search->id);
    if (status == OK && *db_text(stmt, 0) && !(search->chosen = strdup(db_text(stmt, 0))))
        status = fail(ERR_MEMORY, "no memory for a search");
    search->value = status == OK ? db_real(stmt, 1) : (double)NAN;
    return db_finish(stmt, status);
}

enum status store_search(struct store *store, const char *id, struct store_search *search)
{
    *search = (struct store_search){.count = 0};
    snprintf(search->id, sizeof search->id, "%s", id);
    enum status status = read_search(store, search);
    if (status == OK)
        status = read_trials(store, search);
    if (status != OK)
        store_search_free(search);
    return status;
}

enum status store_part(struct store *store, const char *key, enum search_part *part)
{
    sqlite3_stmt *stmt;
    bool row;
    TRY(db_prepare(&store->db, &stmt,
                   "SELECT EXISTS (SELECT 1 FROM trials WHERE key = ?1), EXISTS (SELECT 1 FROM"
                   " cells c JOIN searches s ON s.id = c.search WHERE c.key = ?1 AND"
                   " s.chosen IS NULL)"));
    db_bind_text(stmt, 1, key);
    enum status status = db_step(&store->db, stmt, &row);
    *part = status != OK                  ? SEARCH_NONE
            : sqlite3_column_int(stmt, 0) ? SEARCH_TRIAL
            : sqlite3_column_int(stmt, 1) ? SEARCH_UNDECIDED
                                          : SEARCH_NONE;
    return db_finish(stmt, status);
}
