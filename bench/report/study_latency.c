/* The latency rows of a study: see study_latency.h. */
#include "bench/report/study_latency.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    struct latency_rows *rows;
    struct store *store;
};

static bool same_measurement(const json_t *a, const json_t *b)
{
    static const char *const keys[] = {"model", "attention", "impl", "dtype", "pass", "batch",
                                       "threads", "input_h", "input_w", "classes"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        json_t *x = json_object_get(a, keys[i]), *y = json_object_get(b, keys[i]);
        if (x != y && !json_equal(x, y))
            return false;
    }
    return true;
}

/* Adds the members of the stored provenance that the row does not have by itself. */
static enum status add_provenance(json_t *row, struct store *store, const char *id)
{
    char *text;
    json_error_t error;
    TRY(store_provenance(store, id, &text));
    json_t *made = json_loads(text, 0, &error);
    free(text);
    if (made)
        json_object_update_missing(row, made);
    json_decref(made);
    return OK;
}

static enum status put_row(struct latency_rows *rows, json_t *row)
{
    for (int i = 0; i < rows->count; i++) {
        if (same_measurement(rows->items[i], row)) {
            json_decref(rows->items[i]);
            rows->items[i] = row;
            return OK;
        }
    }
    if (rows->count == rows->capacity) {
        int capacity = rows->capacity ? 2 * rows->capacity : 16;
        json_t **bigger = realloc(rows->items, (size_t)capacity * sizeof(json_t *));
        if (!bigger) {
            json_decref(row);
            return fail(ERR_MEMORY, "no memory for latency rows");
        }
        rows->items = bigger;
        rows->capacity = capacity;
    }
    rows->items[rows->count++] = row;
    return OK;
}

static enum status read_row(void *data, const char *text, const char *date, const char *provenance)
{
    struct reader *reader = data;
    json_error_t error;
    json_t *row = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(row)) {
        json_decref(row);
        return fail(ERR_FORMAT, "a stored latency row is damaged: %s", error.text);
    }
    if (!json_object_get(row, "date"))
        json_object_set_new(row, "date", json_string(date));
    enum status status = add_provenance(row, reader->store, provenance);
    if (status != OK) {
        json_decref(row);
        return status;
    }
    return put_row(reader->rows, row);
}

enum status latency_rows_read(struct latency_rows *rows, struct store *store, const char *study)
{
    struct reader reader = {rows, store};
    *rows = (struct latency_rows){0};
    enum status status = store_each_latency(store, study, read_row, &reader);
    if (status != OK)
        latency_rows_free(rows);
    return status;
}

void latency_rows_free(struct latency_rows *rows)
{
    for (int i = 0; i < rows->count; i++)
        json_decref(rows->items[i]);
    free(rows->items);
    *rows = (struct latency_rows){0};
}

/* ---- finding ---- */

static double member(const json_t *row, const char *key)
{
    const json_t *value = json_object_get(row, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static bool says(const json_t *row, const char *key, const char *text)
{
    const char *value = json_string_value(json_object_get(row, key));
    return value && strcmp(value, text) == 0;
}

static bool is_smaller(const json_t *a, const json_t *b)
{
    if (member(a, "batch") < member(b, "batch") || member(a, "batch") > member(b, "batch"))
        return member(a, "batch") < member(b, "batch");
    return member(a, "threads") < member(b, "threads");
}

const json_t *latency_row_find(const struct latency_rows *rows, const struct study_data *data,
                               const struct grid_place *place)
{
    const json_t *found = NULL;
    for (int i = 0; i < rows->count; i++) {
        const json_t *row = rows->items[i];
        if (!says(row, "model", data->models.text[place->model]) ||
            !says(row, "attention", data->attention.text[place->attention]) ||
            !says(row, "impl", data->impls.text[place->impl]) || says(row, "pass", "train") ||
            !isfinite(member(row, "median_ms")))
            continue;
        found = !found || is_smaller(row, found) ? row : found;
    }
    return found;
}

bool latency_ratio_find(const struct latency_rows *rows, const struct study_data *data,
                        const struct grid_place *base, const struct grid_place *place,
                        struct latency_ratio *out)
{
    const json_t *without = latency_row_find(rows, data, base);
    const json_t *with = latency_row_find(rows, data, place);
    if (!without || !with)
        return false;
    *out = (struct latency_ratio){member(with, "median_ms") / member(without, "median_ms"), NAN,
                                  NAN, member(with, "input_h")};
    /* The latency verb pairs with the network without attention. */
    bool paired = says(without, "attention", "none") && base->model == place->model &&
                  isfinite(member(with, "ratio"));
    if (paired) {
        out->ratio = member(with, "ratio");
        out->low = member(with, "ratio_low");
        out->high = member(with, "ratio_high");
    }
    return true;
}
