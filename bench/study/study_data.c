/* What the store knows of a study: see study_data.h. */
#include "bench/study/study_data.h"
#include "bench/report/provenance.h"
#include "bench/study/claims.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool study_data_is_foreign(const struct store_row *row)
{
    return row->state == STATE_DONE && strcmp(row->commit, provenance_commit()) != 0;
}

/* Index of a text on an axis; -1 when it is not there. */
static int find_text(const struct data_axis *axis, const char *text)
{
    for (int i = 0; i < axis->count; i++)
        if (strcmp(axis->text[i], text) == 0)
            return i;
    return -1;
}

/* The same, adding it at the end; -1 when the axis is full. */
static int add_text(struct data_axis *axis, const char *text)
{
    int found = find_text(axis, text);
    if (found >= 0 || axis->count == STUDY_SEEDS_MAX)
        return found;
    snprintf(axis->text[axis->count], STUDY_TEXT_MAX, "%s", text);
    return axis->count++;
}

static void seed_text(const struct train_settings *s, char text[24])
{
    snprintf(text, 24, "%" PRIu64, s->seed);
}

/* The axes are those of the transfer cells; sources then stand on them. */
static enum status place_transfer(struct study_data *data, int i)
{
    const struct train_settings *s = &data->rows.rows[i].cell.settings;
    char seed[24];
    seed_text(s, seed);
    struct grid_place *place = &data->places[i];
    *place = (struct grid_place){
        .model = add_text(&data->models, s->model),
        .attention = add_text(&data->attention, s->attention),
        .data = add_text(&data->data, s->data), .impl = add_text(&data->impls, s->impl),
        .arm = add_text(&data->arms, data->rows.rows[i].cell.arm),
        .seed = add_text(&data->seeds, seed)};
    if (place->model < 0 || place->attention < 0 || place->data < 0 || place->impl < 0 ||
        place->arm < 0 || place->seed < 0)
        return fail(ERR_FORMAT, "study %s: more than %d entries on an axis", data->name,
                    STUDY_SEEDS_MAX);
    return OK;
}

static void place_source(struct study_data *data, int i)
{
    const struct train_settings *s = &data->rows.rows[i].cell.settings;
    char seed[24];
    seed_text(s, seed);
    data->places[i] = (struct grid_place){
        .model = find_text(&data->models, s->model),
        .attention = find_text(&data->attention, s->attention), .data = -1,
        .impl = find_text(&data->impls, s->impl), .arm = -1,
        .seed = find_text(&data->seeds, seed)};
}

/* A trial stands at no seed and no arm: nothing that looks for results finds it. */
static void place_trial(struct study_data *data, int i)
{
    place_source(data, i);
    data->places[i].seed = -1;
    if (data->rows.rows[i].cell.role == ROLE_TRANSFER)
        data->places[i].data = find_text(&data->data, data->rows.rows[i].cell.settings.data);
}

static enum status place_all(struct study_data *data)
{
    for (int i = 0; i < data->rows.count; i++)
        if (data->rows.rows[i].cell.role == ROLE_TRANSFER && !data->rows.rows[i].cell.trial)
            TRY(place_transfer(data, i));
    for (int i = 0; i < data->rows.count; i++) {
        if (data->rows.rows[i].cell.trial)
            place_trial(data, i);
        else if (data->rows.rows[i].cell.role == ROLE_SOURCE)
            place_source(data, i);
    }
    return OK;
}

static enum status read_result(struct study_data *data, struct store *store, int i)
{
    const struct store_row *row = &data->rows.rows[i];
    if (row->state != STATE_DONE)
        return OK;
    data->results[i] = calloc(1, sizeof **data->results);
    if (!data->results[i])
        return fail(ERR_MEMORY, "no memory for the results of study %s", data->name);
    TRY(store_result(store, row->cell.key, data->results[i]));
    return store_agreement(store, row->cell.key, &data->agreements[i]);
}

/* The commit of the cell that was finished last; of several in the same second, the last by name,
 * so that the order of rows does not matter. */
static void find_newest(struct study_data *data)
{
    const struct store_row *newest = NULL;
    for (int i = 0; i < data->rows.count; i++) {
        const struct store_row *row = &data->rows.rows[i];
        int later = newest ? strcmp(row->finished, newest->finished) : 1;
        if (row->state == STATE_DONE &&
            (later > 0 || (later == 0 && strcmp(row->commit, newest->commit) > 0)))
            newest = row;
    }
    snprintf(data->newest, sizeof data->newest, "%s", newest ? newest->commit : "");
    for (int i = 0; i < data->rows.count; i++)
        data->older += data->rows.rows[i].state == STATE_DONE &&
                       strcmp(data->rows.rows[i].commit, data->newest) != 0;
}

static enum status read_claims(struct study_data *data, struct store *store)
{
    char *text;
    TRY(store_claims(store, data->name, &text));
    enum status status = claims_read(text, &data->claims);
    free(text);
    return status;
}

static enum status read_all(struct study_data *data, struct store *store)
{
    TRY(store_rows(store, data->name, &data->rows));
    if (data->rows.count == 0)
        return fail(ERR_USAGE, "the results store has no study '%s': run it first", data->name);
    size_t count = (size_t)data->rows.count;
    data->results = calloc(count, sizeof *data->results);
    data->agreements = calloc(count, sizeof *data->agreements);
    data->places = calloc(count, sizeof *data->places);
    if (!data->results || !data->agreements || !data->places)
        return fail(ERR_MEMORY, "no memory for the results of study %s", data->name);
    TRY(place_all(data));
    TRY(read_claims(data, store));
    for (int i = 0; i < data->rows.count; i++)
        TRY(read_result(data, store, i));
    find_newest(data);
    return OK;
}

enum status study_data_read(struct study_data *data, struct store *store, const char *study)
{
    memset(data, 0, sizeof *data);
    snprintf(data->name, sizeof data->name, "%s", study);
    enum status status = read_all(data, store);
    if (status != OK)
        study_data_free(data);
    return status;
}

void study_data_free(struct study_data *data)
{
    for (int i = 0; data->results && i < data->rows.count; i++)
        free(data->results[i]);
    free(data->results);
    free(data->agreements);
    free(data->places);
    store_rows_free(&data->rows);
    data->results = NULL;
    data->agreements = NULL;
    data->places = NULL;
}

int study_data_row(const struct study_data *data, const char *key)
{
    for (int i = 0; i < data->rows.count; i++)
        if (strcmp(data->rows.rows[i].cell.key, key) == 0)
            return i;
    return -1;
}

int study_data_find(const struct study_data *data, const struct grid_place *at)
{
    for (int i = 0; i < data->rows.count; i++) {
        const struct grid_place *p = &data->places[i];
        if (p->model == at->model && p->attention == at->attention && p->impl == at->impl &&
            p->arm == at->arm && p->seed == at->seed && (at->arm < 0 || p->data == at->data))
            return i;
    }
    return -1;
}

const struct train_result *study_data_result(const struct study_data *data,
                                             const struct grid_place *place)
{
    int i = study_data_find(data, place);
    const struct train_result *result = i < 0 ? NULL : data->results[i];
    return result && !result->diverged ? result : NULL;
}
