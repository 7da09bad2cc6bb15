/* The results store: one SQLite file (results/README.md explains its tables) and the weights files
 * beside it. All writing is in transactions: whatever dies, what was stored stays whole.
 *
 * A cell goes pending -> running -> done or failed. Who runs it holds a lease with host, process
 * number, that process's start time and an expiry: a worker that died (or whose lease ran out on
 * another machine) loses the cell to whoever claims it next, and what it might still write is
 * refused. Knows nothing of training. */
#ifndef BENCH_STUDY_STORE_H
#define BENCH_STUDY_STORE_H

#include "bench/study/grid.h"

#include <stdbool.h>

struct store;

/* Opens the store at `path`; with `create` makes it, and the folder for weights beside it. */
enum status store_open(struct store **store, const char *path, bool create);
void store_close(struct store *store); /* NULL is allowed */

/* Where the weights of a cell are kept: "results/cells/KEY.safetensors". */
void store_weights_path(const struct store *store, const char *key, char *path, size_t size);

/* Removes files that writers killed an hour ago or earlier left half written among the weights. */
void store_sweep(const struct store *store);

/* ---- studies ---- */

/* Records which cells a study has now, and those that are new as pending. */
enum status store_register(struct store *store, const char *study, const struct grid *grid);

/* Makes failed cells of a study pending again, and with `older` also those done by other code than
 * this program's commit. Returns their number in *count (may be NULL). */
enum status store_retry(struct store *store, const char *study, bool older, int *count);

/* Makes one cell that is done pending; for a source whose weights file is gone. */
enum status store_reset(struct store *store, const char *key);

/* ERR_IO when there is no room left where the store is. */
enum status store_check_room(const struct store *store);

/* ---- work ---- */

/* Takes a cell that is pending, failed, or running under a dead worker. On success *attempt > 0
 * identifies this claim and `cell` is filled (identity NULL); *attempt is 0 when it is done or
 * somebody alive has it. ERR_USAGE when there is no such cell. */
enum status store_claim(struct store *store, const char *key, struct cell *cell, int *attempt);

/* What store_claim() would find. */
enum standing { STANDING_FREE, STANDING_TAKEN, STANDING_DONE };
enum status store_standing(struct store *store, const char *key, enum standing *standing);

/* Prolongs the leases of cells that children of this process are running. */
enum status store_renew(struct store *store, const char *const *keys, int count);

/* How implementations agree on one trained network; the first is the one it was trained on. */
enum { STORE_IMPLS_MAX = 8 };
struct agreement {
    int impl_count, images;
    char impls[STORE_IMPLS_MAX][16];
    int disagree[STORE_IMPLS_MAX];
    double max_logit_diff[STORE_IMPLS_MAX];
};

/* Stores all that came of a claim and marks the cell done. ERR_USAGE, and nothing stored, when the
 * claim was lost meanwhile. `agreement` and `command` (that repeats the run) may be NULL. */
enum status store_finish(struct store *store, const char *key, int attempt,
                         const struct train_result *result, const struct agreement *agreement,
                         const char *command);

/* Marks the cell failed with the line that says why; `attempt` as above. */
enum status store_fail(struct store *store, const char *key, int attempt, const char *error);

/* ---- reading ---- */

enum cell_state { STATE_PENDING, STATE_RUNNING, STATE_DONE, STATE_FAILED, STATE_COUNT };
const char *cell_state_name(enum cell_state state);

/* What is known of a cell besides its numbers. */
struct store_row {
    struct cell cell; /* identity NULL */
    enum cell_state state;
    bool stale;       /* running, but its worker is dead */
    int attempts;
    char error[512], host[65], started[24], finished[24];
    int64_t pid;
    char diverged[160]; /* "" unless the run diverged: where */
    char how[256], commit[64], provenance[33];
    char *command;      /* owned; NULL when there is none */
};

struct store_rows {
    int count;
    struct store_row *rows;
};

/* What a study claims, as JSON (claims.h); "" when the store does not know it. Allocated:
 * free(). */
enum status store_claims(struct store *store, const char *study, char **json_text);

/* All cells of a study in its order; none when the store does not know it. */
enum status store_rows(struct store *store, const char *study, struct store_rows *rows);
void store_rows_free(struct store_rows *rows); /* a zeroed one is allowed */

/* One cell as claimed (`cell` may be NULL), its state, and whether its run diverged. ERR_USAGE when
 * there is no such cell. */
enum status store_look(struct store *store, const char *key, struct cell *cell,
                       enum cell_state *state, bool *diverged);

/* Why a cell failed; "" when it did not. */
enum status store_error(struct store *store, const char *key, char *text, size_t size);

/* The numbers of a done cell; predictions are not read (NULL). What was not finite when stored
 * comes back as NaN. */
enum status store_result(struct store *store, const char *key, struct train_result *result);

/* impl_count is 0 when nothing was stored. */
enum status store_agreement(struct store *store, const char *key, struct agreement *agreement);

/* A stored provenance as the JSON text of provenance_json(); "" when unknown. Allocated: free(). */
enum status store_provenance(struct store *store, const char *id, char **json_text);

/* ---- searches ---- */

struct store_trial {
    char key[CELL_KEY_SIZE];
    char *choice; /* the combination, as search_choice() writes it; owned */
    enum cell_state state;
    bool diverged;
    double val_accuracy; /* NaN unless done */
};

/* A search: its trials combination by combination, and what was chosen by their validation
 * accuracy, once all are done. */
struct store_search {
    char id[CELL_KEY_SIZE];
    char *chosen; /* a trial's choice; NULL while there is none; owned */
    double value; /* its mean validation accuracy; NaN when all combinations diverged */
    int count;
    struct store_trial *trials; /* owned */
};

/* ERR_USAGE when there is no such search. */
enum status store_search(struct store *store, const char *id, struct store_search *search);
void store_search_free(struct store_search *search); /* a zeroed one is allowed */

/* Seeds of each combination, and the mean validation accuracy of combination `point`: NaN while a
 * trial is missing, -infinity when one of them diverged. */
int store_search_seeds(const struct store_search *search);
double store_search_mean(const struct store_search *search, int point);

/* Chooses: the combination with the highest mean validation accuracy, the first of equal ones; one
 * that diverged on any seed comes after all others. Records it, and sets it in all cells that the
 * search decides; those that were run with other settings (*changed counts) become pending.
 * ERR_USAGE when a trial is not done. Test accuracy is not looked at. */
enum status store_choose(struct store *store, const char *id, int *changed);

/* What a cell has to do with searches: nothing (any more), a trial of one, or one whose settings
 * are not chosen yet. */
enum search_part { SEARCH_NONE, SEARCH_TRIAL, SEARCH_UNDECIDED };
enum status store_part(struct store *store, const char *key, enum search_part *part);

/* ---- latency ---- */

/* Adds one row of the latency verb to a study: json_text is the row as that verb prints it. */
enum status store_add_latency(struct store *store, const char *study, const char *json_text);

/* What the newest complete latency run of a study measured: a key chosen by the caller. Marking
 * gives all rows that were added since the last marking to that run. "" when there is none. */
enum status store_mark_latency(struct store *store, const char *study, const char *key);
enum status store_latency_key(struct store *store, const char *study, char *key, size_t size);

/* Calls `each` with the rows to show, oldest first: those of the newest complete run, and those
 * added since. Each has the row's JSON text, its date and its provenance's id. */
typedef enum status store_latency_row(void *data, const char *json_text, const char *date,
                                      const char *provenance);
enum status store_each_latency(struct store *store, const char *study, store_latency_row *each,
                               void *data);

#endif
