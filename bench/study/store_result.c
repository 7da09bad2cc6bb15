/* The results store: the numbers of a run, written and read by one list of fields: see store.h. */
#include "bench/study/store.h"
#include "bench/study/store_private.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum metric_kind { METRIC_REAL, METRIC_INT, METRIC_BOOL };

static const struct metric {
    const char *name;
    enum metric_kind kind;
    size_t offset;
    bool bf16; /* asked for by few studies, and not stored where there is none */
} metrics[] = {
#define METRIC(kind, member) {#member, kind, offsetof(struct train_result, member), false}
#define OF_BF16(kind, member) {#member, kind, offsetof(struct train_result, member), true}
    METRIC(METRIC_BOOL, diverged),        METRIC(METRIC_REAL, before_accuracy),
    METRIC(METRIC_REAL, train_accuracy),  METRIC(METRIC_REAL, train_loss),
    METRIC(METRIC_REAL, val_accuracy),    METRIC(METRIC_REAL, val_loss),
    METRIC(METRIC_REAL, test_accuracy),   METRIC(METRIC_REAL, test_top5),
    METRIC(METRIC_REAL, test_loss),       METRIC(METRIC_REAL, shifted_accuracy),
    METRIC(METRIC_REAL, shifted_loss),    METRIC(METRIC_INT, shifted_n),
    METRIC(METRIC_INT, train_n),          METRIC(METRIC_INT, val_n),
    METRIC(METRIC_INT, test_n),           METRIC(METRIC_INT, dropped),
    METRIC(METRIC_REAL, params),          METRIC(METRIC_REAL, trainable),
    METRIC(METRIC_REAL, macs),            METRIC(METRIC_REAL, seconds),
    METRIC(METRIC_REAL, images_per_s),    METRIC(METRIC_INT, epochs),
    METRIC(METRIC_BOOL, cached_features), METRIC(METRIC_INT, loaded),
    METRIC(METRIC_INT, missing),          METRIC(METRIC_INT, unexpected),
    METRIC(METRIC_INT, mismatched),
    METRIC(METRIC_REAL, attention_params),
    METRIC(METRIC_REAL, attention_trainable),
    OF_BF16(METRIC_REAL, bf16_accuracy),  OF_BF16(METRIC_REAL, bf16_loss),
    OF_BF16(METRIC_INT, bf16_n),          OF_BF16(METRIC_INT, bf16_disagree),
#undef OF_BF16
#undef METRIC
};

enum { METRICS = sizeof metrics / sizeof metrics[0] };

static double get_metric(const struct train_result *result, const struct metric *metric)
{
    const char *place = (const char *)result + metric->offset;
    if (metric->kind == METRIC_INT)
        return *(const int *)place;
    return metric->kind == METRIC_BOOL ? *(const bool *)place : *(const double *)place;
}

static void set_metric(struct train_result *result, const struct metric *metric, double value)
{
    char *place = (char *)result + metric->offset;
    if (metric->kind == METRIC_REAL)
        *(double *)place = value;
    else if (metric->kind == METRIC_INT)
        *(int *)place = isfinite(value) && fabs(value) < 2e9 ? (int)value : 0;
    else
        *(bool *)place = value != 0;
}

/* ---- writing ---- */

static enum status delete_from(struct store *store, const char *table, const char *key)
{
    sqlite3_stmt *stmt;
    char sql[64];
    snprintf(sql, sizeof sql, "DELETE FROM %s WHERE key = ?", table);
    TRY(db_prepare(&store->db, &stmt, sql));
    db_bind_text(stmt, 1, key);
    return db_run(&store->db, stmt);
}

static enum status put_metric(struct store *store, const char *key,
                              const struct train_result *result, const struct metric *metric)
{
    sqlite3_stmt *stmt;
    const double value = get_metric(result, metric);
    if (metric->bf16 && (result->bf16_n == 0 || isnan(value)))
        return OK;
    TRY(db_prepare(&store->db, &stmt, "INSERT INTO metrics VALUES (?, ?, ?)"));
    db_bind_text(stmt, 1, key);
    db_bind_text(stmt, 2, metric->name);
    db_bind_real(stmt, 3, value);
    return db_run(&store->db, stmt);
}

static enum status put_epoch(struct store *store, const char *key, const struct train_epoch *epoch)
{
    sqlite3_stmt *stmt;
    TRY(db_prepare(&store->db, &stmt, "INSERT INTO curves VALUES (?, ?, ?, ?, ?, ?, ?, ?)"));
    db_bind_text(stmt, 1, key);
    db_bind_int(stmt, 2, epoch->epoch);
    db_bind_real(stmt, 3, epoch->lr);
    db_bind_real(stmt, 4, epoch->train_loss);
    db_bind_real(stmt, 5, epoch->train_accuracy);
    db_bind_real(stmt, 6, epoch->val_loss);
    db_bind_real(stmt, 7, epoch->val_accuracy);
    db_bind_real(stmt, 8, epoch->seconds);
    return db_run(&store->db, stmt);
}

static enum status put_predictions(struct store *store, const char *key,
                                   const struct train_result *result)
{
    sqlite3_stmt *stmt;
    if (!result->predictions)
        return OK;
    TRY(db_prepare(&store->db, &stmt, "INSERT INTO predictions VALUES (?, ?)"));
    db_bind_text(stmt, 1, key);
    db_bind_blob(stmt, 2, result->predictions,
                 (size_t)result->test_n * sizeof *result->predictions);
    return db_run(&store->db, stmt);
}

enum status store_put_result(struct store *store, const char *key,
                             const struct train_result *result)
{
    static const char *const tables[] = {"metrics", "curves", "predictions", "agreement"};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        TRY(delete_from(store, tables[i], key));
    for (int i = 0; i < METRICS; i++)
        TRY(put_metric(store, key, result, &metrics[i]));
    for (int i = 0; i < result->epochs && i < TRAIN_CURVE_MAX; i++)
        TRY(put_epoch(store, key, &result->curve[i]));
    return put_predictions(store, key, result);
}

enum status store_put_agreement(struct store *store, const char *key,
                                const struct agreement *agreement)
{
    for (int i = 0; agreement && i < agreement->impl_count; i++) {
        sqlite3_stmt *stmt;
        TRY(db_prepare(&store->db, &stmt, "INSERT INTO agreement VALUES (?, ?, ?, ?, ?, ?)"));
        db_bind_text(stmt, 1, key);
        db_bind_int(stmt, 2, i);
        db_bind_text(stmt, 3, agreement->impls[i]);
        db_bind_int(stmt, 4, agreement->images);
        db_bind_int(stmt, 5, agreement->disagree[i]);
        db_bind_real(stmt, 6, agreement->max_logit_diff[i]);
        TRY(db_run(&store->db, stmt));
    }
    return OK;
}

/* ---- reading ---- */

/* A statement with the key bound as its one parameter. */
static enum status prepare_key(struct store *store, sqlite3_stmt **stmt, const char *sql,
                               const char *key)
{
    TRY(db_prepare(&store->db, stmt, sql));
    db_bind_text(*stmt, 1, key);
    return OK;
}

static enum status read_metrics(struct store *store, const char *key, struct train_result *result)
{
    sqlite3_stmt *stmt;
    bool row = false;
    enum status status;
    for (int i = 0; i < METRICS; i++)
        set_metric(result, &metrics[i], metrics[i].kind == METRIC_REAL ? NAN : 0);
    TRY(prepare_key(store, &stmt, "SELECT name, value FROM metrics WHERE key = ?", key));
    while ((status = db_step(&store->db, stmt, &row)) == OK && row)
        for (int i = 0; i < METRICS; i++)
            if (strcmp(metrics[i].name, db_text(stmt, 0)) == 0)
                set_metric(result, &metrics[i], db_real(stmt, 1));
    return db_finish(stmt, status);
}

static enum status read_curve(struct store *store, const char *key, struct train_result *result)
{
    sqlite3_stmt *stmt;
    bool row = false;
    enum status status;
    result->epochs = 0;
    TRY(prepare_key(store, &stmt,
                    "SELECT epoch, lr, train_loss, train_accuracy, val_loss, val_accuracy, seconds"
                    " FROM curves WHERE key = ? ORDER BY epoch", key));
    while ((status = db_step(&store->db, stmt, &row)) == OK && row &&
           result->epochs < TRAIN_CURVE_MAX)
        result->curve[result->epochs++] = (struct train_epoch){
            sqlite3_column_int(stmt, 0), db_real(stmt, 1), db_real(stmt, 2), db_real(stmt, 3),
            db_real(stmt, 4), db_real(stmt, 5), db_real(stmt, 6)};
    return db_finish(stmt, status);
}

static enum status read_texts(struct store *store, const char *key, struct train_result *result)
{
    sqlite3_stmt *stmt;
    bool row = false;
    TRY(prepare_key(store, &stmt,
                    "SELECT diverged, how, split_hash, data_hash FROM cells WHERE key = ?", key));
    enum status status = db_step(&store->db, stmt, &row);
    if (status == OK && row) {
        db_copy_text(stmt, 0, result->diverged_at, sizeof result->diverged_at);
        db_copy_text(stmt, 1, result->how, sizeof result->how);
        db_copy_text(stmt, 2, result->split_hash, sizeof result->split_hash);
        db_copy_text(stmt, 3, result->data_hash, sizeof result->data_hash);
    }
    return db_finish(stmt, status);
}

enum status store_result(struct store *store, const char *key, struct train_result *result)
{
    memset(result, 0, sizeof *result);
    TRY(read_metrics(store, key, result));
    TRY(read_texts(store, key, result));
    return read_curve(store, key, result);
}

enum status store_agreement(struct store *store, const char *key, struct agreement *agreement)
{
    sqlite3_stmt *stmt;
    bool row = false;
    enum status status;
    memset(agreement, 0, sizeof *agreement);
    TRY(prepare_key(store, &stmt, "SELECT impl, images, disagree, max_logit_diff FROM agreement"
                    " WHERE key = ? ORDER BY position", key));
    while ((status = db_step(&store->db, stmt, &row)) == OK && row &&
           agreement->impl_count < STORE_IMPLS_MAX) {
        int i = agreement->impl_count++;
        db_copy_text(stmt, 0, agreement->impls[i], sizeof agreement->impls[i]);
        agreement->images = sqlite3_column_int(stmt, 1);
        agreement->disagree[i] = sqlite3_column_int(stmt, 2);
        agreement->max_logit_diff[i] = db_real(stmt, 3);
    }
    return db_finish(stmt, status);
}
