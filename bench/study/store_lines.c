/* The JSON lines of an exported study: see store_lines.h. */
#include "bench/study/store_lines.h"

#include <stdlib.h>

#define T COLUMN_TEXT
#define I COLUMN_INT
#define R COLUMN_REAL

const struct line_kind line_study = {
    "study", "studies", 4,
    {{"name", T}, {"updated", T}, {"latency_key", T}, {"claims", COLUMN_JSON_SORTED}}};

const struct line_kind line_provenance = {
    "provenance", "provenance", 3, {{"id", T}, {"commit_id", T}, {"json", COLUMN_JSON_SORTED}}};

/* Who ran a cell is nobody else's business: host, process and lease stay behind. */
const struct line_kind line_cell = {
    "cell", "cells", 16,
    {{"key", T}, {"role", T}, {"source", T}, {"state", T}, {"attempts", I}, {"error", T},
     {"started", T}, {"finished", T}, {"diverged", T}, {"how", T}, {"split_hash", T},
     {"data_hash", T}, {"command", T}, {"provenance", T}, {"identity", COLUMN_JSON_SORTED},
     {"settings", COLUMN_JSON}}};

const struct line_kind line_latency = {
    "latency", "latency", 6,
    {{"id", T}, {"study", T}, {"run", T}, {"created", T}, {"provenance", T},
     {"row", COLUMN_JSON}}};

const struct line_kind line_curve = {
    NULL, "curves", 7,
    {{"epoch", I}, {"lr", R}, {"train_loss", R}, {"train_accuracy", R}, {"val_loss", R},
     {"val_accuracy", R}, {"seconds", R}}};

const struct line_kind line_agreement = {
    NULL, "agreement", 5,
    {{"position", I}, {"impl", T}, {"images", I}, {"disagree", I}, {"max_logit_diff", R}}};

const struct line_kind line_search = {
    "search", "searches", 3, {{"id", T}, {"chosen", COLUMN_JSON}, {"value", R}}};

const struct line_kind line_trial = {
    NULL, "trials", 3, {{"position", I}, {"choice", COLUMN_JSON}, {"key", T}}};

json_t *line_value(sqlite3_stmt *stmt, int i, enum column_kind kind)
{
    if (sqlite3_column_type(stmt, i) == SQLITE_NULL)
        return json_null();
    switch (kind) {
    case COLUMN_TEXT:
        return json_string(db_text(stmt, i));
    case COLUMN_INT:
        return json_integer(sqlite3_column_int64(stmt, i));
    case COLUMN_REAL:
        return json_real(sqlite3_column_double(stmt, i));
    default:
        return json_loads(db_text(stmt, i), JSON_REJECT_DUPLICATES, NULL);
    }
}

static enum status bind_json(sqlite3_stmt *stmt, int i, enum column_kind kind, const json_t *value)
{
    size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(17);
    char *text = json_dumps(value, flags | (kind == COLUMN_JSON_SORTED ? JSON_SORT_KEYS : 0));
    if (!text)
        return fail(ERR_MEMORY, "no memory for a line");
    db_bind_text(stmt, i, text);
    free(text);
    return OK;
}

enum status line_bind(sqlite3_stmt *stmt, int i, const struct line_column *column,
                      const json_t *value)
{
    if (json_is_null(value))
        return OK; /* what is not bound is NULL */
    if (column->kind == COLUMN_TEXT && json_is_string(value))
        db_bind_text(stmt, i, json_string_value(value));
    else if (column->kind == COLUMN_INT && json_is_integer(value))
        db_bind_int(stmt, i, json_integer_value(value));
    else if (column->kind == COLUMN_REAL && json_is_number(value))
        db_bind_real(stmt, i, json_number_value(value));
    else if (column->kind >= COLUMN_JSON && json_is_object(value))
        return bind_json(stmt, i, column->kind, value);
    else
        return fail(ERR_FORMAT, "'%s' is missing or of the wrong type", column->name);
    return OK;
}
