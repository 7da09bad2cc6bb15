/* The latency rows of a study: see study_latency.h. */
#include "bench/report/study_latency.h"

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
