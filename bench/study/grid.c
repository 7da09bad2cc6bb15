/* The graph of a study: see grid.h. */
#include "bench/study/grid.h"
#include "bench/study/claims.h"
#include "bench/study/search.h"
#include "bench/models/model.h"
#include "bench/net/input_file.h"
#include "bench/transfer/arm.h"
#include "bench/transfer/settings.h"
#include "datasets/dataset.h"
#include "impls/layer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DATA_KEY_MAX = 1024, ALGORITHM_TEXTS = STUDY_LIST_MAX + 1 };

struct builder {
    const struct study *study;
    struct grid *grid;
    int capacity;
    char source_data[DATA_KEY_MAX]; /* data keys */
    uint64_t weights_hash; /* of the file in the place of source trainings */
    char target_data[STUDY_LIST_MAX][DATA_KEY_MAX];
    char source_shifted[DATA_KEY_MAX]; /* "": no shifted test */
    char target_shifted[STUDY_LIST_MAX][DATA_KEY_MAX];
    struct {
        char text[sizeof ((struct train_settings *)0)->algorithm];
        char key[ALGORITHM_NAME];
    } algorithms[ALGORITHM_TEXTS]; /* whose files of decisions were read */
    int algorithm_count;
};

enum status grid_dataset_key(const char *data, char *text, size_t size)
{
    struct dataset *ds = calloc(1, sizeof *ds);
    if (!ds)
        return fail(ERR_MEMORY, "no memory for data '%s'", data);
    enum status status = dataset_open(ds, data);
    if (status == OK) {
        dataset_key(ds, text, size);
        dataset_close(ds);
    }
    free(ds);
    return status;
}

int grid_find(const struct grid *grid, const char *key)
{
    for (int i = 0; i < grid->count; i++)
        if (strcmp(grid->cells[i].key, key) == 0)
            return i;
    return -1;
}

int grid_find_search(const struct grid *grid, const char *id)
{
    for (int i = 0; i < grid->search_count; i++)
        if (strcmp(grid->searches[i].id, id) == 0)
            return i;
    return -1;
}

/* Which combination of its search cell i tries, for people; "" when it is no such run. */
static void describe_trial(const struct grid *grid, int i, char *text, size_t size)
{
    int count = grid->point_count * grid->search_seeds;
    text[0] = '\0';
    for (int search = 0; grid->cells[i].trial && search < grid->search_count; search++)
        for (int t = 0; t < count; t++)
            if (grid->searches[search].trials[t] == i)
                search_print(grid->choices[t / grid->search_seeds], text, size);
}

void grid_describe(const struct grid *grid, int i, char text[GRID_LINE_MAX])
{
    const struct cell *cell = &grid->cells[i];
    const struct train_settings *s = &cell->settings;
    char trial[200];
    describe_trial(grid, i, trial, sizeof trial);
    snprintf(text, GRID_LINE_MAX, "%s %s %s%s%s seed %llu", s->model, s->attention,
             cell->role == ROLE_SOURCE ? "source" : cell->arm, *trial ? " search " : "", trial,
             (unsigned long long)s->seed);
}

static void free_searches(struct grid *grid)
{
    for (int i = 0; i < grid->search_count; i++)
        free(grid->searches[i].trials);
    for (int i = 0; grid->choices && i < grid->point_count; i++)
        free(grid->choices[i]);
    free(grid->searches);
    free(grid->choices);
}

void grid_free(struct grid *grid)
{
    for (int i = 0; i < grid->count; i++)
        free(grid->cells[i].identity);
    free_searches(grid);
    free(grid->cells);
    free(grid->places);
    free(grid->claims);
    *grid = (struct grid){0};
}

/* What a text decides: a file of decisions is read once, however many cells name it. */
static enum status find_algorithm_key(struct builder *b, const char *text, const char **key)
{
    int i = 0;
    while (i < b->algorithm_count && strcmp(b->algorithms[i].text, text) != 0)
        i++;
    i = i < ALGORITHM_TEXTS ? i : ALGORITHM_TEXTS - 1; /* the last place is used again */
    if (i == b->algorithm_count || strcmp(b->algorithms[i].text, text) != 0) {
        TRY(cell_algorithm_key(text, b->algorithms[i].key));
        snprintf(b->algorithms[i].text, sizeof b->algorithms[i].text, "%s", text);
        b->algorithm_count = i + 1;
    }
    *key = b->algorithms[i].key;
    return OK;
}

/* Adds a cell whose role, source and settings are set; its key is then in cell->key. A source that
 * is there already (attention arms may share it) is not added again. */
static enum status add_cell(struct builder *b, struct cell *cell, const struct grid_place *place,
                            const char *data_key, const char *shifted_key)
{
    struct grid *grid = b->grid;
    const char *algorithm_key;
    TRY(find_algorithm_key(b, cell->settings.algorithm, &algorithm_key));
    TRY(cell_identify(cell, data_key, *shifted_key ? shifted_key : NULL, algorithm_key));
    if (grid_find(grid, cell->key) >= 0) {
        free(cell->identity);
        cell->identity = NULL;
        if (cell->role == ROLE_SOURCE)
            return OK;
        return fail(ERR_USAGE, "two cells of the study are the same run: %s, attention %s, data %s",
                    cell->settings.model, cell->settings.attention, cell->settings.data);
    }
    CHECK(grid->count < b->capacity);
    grid->cells[grid->count] = *cell;
    grid->places[grid->count++] = *place;
    return OK;
}

/* What the axes decide, on top of the settings of the source or an arm. */
static enum status place_settings(const struct study *study, const struct grid_place *place,
                                  struct train_settings *s)
{
    TRY(train_settings_set(s, "model", study->models.text[place->model]));
    TRY(train_settings_set(s, "attention", study->attention.text[place->attention]));
    TRY(train_settings_set(s, "impl", study->impls.text[place->impl]));
    TRY(train_settings_set(s, "init", "random"));
    s->seed = place->seed >= 0 ? study->seeds[place->seed] : search_seed(-1 - place->seed);
    s->threads = study->threads;
    return OK;
}

static enum status add_source(struct builder *b, const struct grid_place *at,
                              char key[CELL_KEY_SIZE])
{
    const struct study *study = b->study;
    struct cell cell = {.role = ROLE_SOURCE, .settings = study->source, .trial = at->seed < 0};
    struct grid_place place = *at;
    place.arm = -1;
    place.data = 0;
    TRY(place_settings(study, &place, &cell.settings));
    if (strcmp(study->source_attention, "same") != 0)
        TRY(train_settings_set(&cell.settings, "attention", study->source_attention));
    TRY(add_cell(b, &cell, &place, b->source_data, b->source_shifted));
    memcpy(key, cell.key, CELL_KEY_SIZE);
    return OK;
}

/* The search of that place; NULL without one. */
static struct grid_search *search_at(const struct builder *b, const struct grid_place *p)
{
    const struct study *s = b->study;
    int i = ((p->model * s->attention.count + p->attention) * s->data.count + p->data) *
                s->arm_count + p->arm;
    return b->grid->search_count ? &b->grid->searches[i] : NULL;
}

/* Whether a network that trained there is evaluated in bf16 where the study says so. What the
 * machine has does not matter: a key must not depend on it. */
static bool impl_has_bf16(const char *name)
{
    const struct impl *impl = impl_find(name);
    return impl && impl->bf16;
}

/* Adds a cell that counts, or, at the seed of a search, its trial of combination `point`. Of that
 * the validation accuracy alone is wanted: it is evaluated in f32, and is the same cell with
 * `dtypes` and without. */
static enum status add_transfer(struct builder *b, const struct grid_place *place,
                                const char *source, int point)
{
    const struct study *study = b->study;
    struct cell cell = {.role = ROLE_TRANSFER, .settings = study->arms[place->arm]};
    struct grid_search *search = search_at(b, place);
    cell.trial = place->seed < 0;
    TRY(place_settings(study, place, &cell.settings));
    if (cell.trial || !impl_has_bf16(cell.settings.impl))
        TRY(train_settings_set(&cell.settings, "dtypes", "f32"));
    if (cell.trial)
        TRY(search_apply(b->grid->choices[point], &cell.settings));
    else if (search)
        memcpy(cell.search, search->id, CELL_KEY_SIZE);
    TRY(train_settings_set(&cell.settings, "data", study->data.text[place->data]));
    bool starts = arm_needs_source(cell.settings.transfer);
    if (starts && study->source_weights[0]) {
        TRY(train_settings_set(&cell.settings, "init", study->source_weights));
        cell.init_hash = b->weights_hash;
    } else if (starts) {
        memcpy(cell.source, source, CELL_KEY_SIZE);
    }
    snprintf(cell.arm, sizeof cell.arm, "%s", study->arm_names[place->arm]);
    if (study->shifted.count > 0)
        TRY(train_settings_set(&cell.settings, "shifted", study->shifted.text[place->data]));
    if (cell.trial)
        search->trials[point * study->search.seeds - 1 - place->seed] = b->grid->count;
    return add_cell(b, &cell, place, b->target_data[place->data], b->target_shifted[place->data]);
}

/* All transfer cells of one network, one attention, one implementation, one seed. */
static enum status add_transfers(struct builder *b, struct grid_place place, const char *source)
{
    int points = place.seed < 0 ? b->grid->point_count : 1;
    for (place.data = 0; place.data < b->study->data.count; place.data++)
        for (place.arm = 0; place.arm < b->study->arm_count; place.arm++)
            for (int point = 0; point < points; point++)
                TRY(add_transfer(b, &place, source, point));
    return OK;
}

/* Everything of one seed. A search runs on the first implementation, for all of them: what it
 * chooses is how to train, which is no matter of kernels. */
static enum status add_networks(struct builder *b, int seed)
{
    const struct study *study = b->study;
    struct grid_place place = {.seed = seed};
    int impl_count = seed < 0 ? 1 : study->impls.count;
    for (place.impl = 0; place.impl < impl_count; place.impl++)
        for (place.model = 0; place.model < study->models.count; place.model++)
            for (place.attention = 0; place.attention < study->attention.count;
                 place.attention++) {
                char source[CELL_KEY_SIZE] = "";
                if (study->has_source && !study->source_weights[0])
                    TRY(add_source(b, &place, source));
                TRY(add_transfers(b, place, source));
            }
    return OK;
}

/* ---- searches ---- */

enum status grid_search_id(const char *const *keys, int count, char id[CELL_KEY_SIZE])
{
    char *text = malloc((size_t)count * CELL_KEY_SIZE + 1), *at = text;
    if (!text)
        return fail(ERR_MEMORY, "no memory for a search of %d runs", count);
    for (int i = 0; i < count; i++)
        at += sprintf(at, "%.*s\n", CELL_KEY_SIZE - 1, keys[i]);
    cell_hash(text, id);
    free(text);
    return OK;
}

static enum status identify_search(struct grid *grid, struct grid_search *search)
{
    const char *keys[SEARCH_POINTS_MAX * SEARCH_SEEDS_MAX];
    int count = grid->point_count * grid->search_seeds;
    for (int i = 0; i < count; i++)
        keys[i] = grid->cells[search->trials[i]].key;
    return grid_search_id(keys, count, search->id);
}

static enum status make_searches(struct builder *b, int count, int points)
{
    struct grid *grid = b->grid;
    size_t trials = (size_t)(points * b->study->search.seeds);
    grid->searches = calloc((size_t)count, sizeof *grid->searches);
    grid->choices = calloc((size_t)points, sizeof *grid->choices);
    grid->search_count = grid->searches ? count : 0;
    grid->point_count = grid->choices ? points : 0;
    grid->search_seeds = b->study->search.seeds;
    bool good = grid->searches && grid->choices;
    for (int i = 0; i < count && good; i++)
        good = (grid->searches[i].trials = calloc(trials, sizeof(int))) != NULL;
    for (int i = 0; i < points && good; i++)
        good = (grid->choices[i] = search_choice(&b->study->search, i)) != NULL;
    return good ? OK : fail(ERR_MEMORY, "no memory for %d searches of %d runs", count, points);
}

/* The trials, seed by seed; and then the ids, which the cells that count need. */
static enum status add_searches(struct builder *b)
{
    const struct study *s = b->study;
    if (s->search.seeds == 0)
        return OK;
    TRY(make_searches(b, s->models.count * s->attention.count * s->data.count * s->arm_count,
                      search_points(&s->search)));
    for (int i = 0; i < s->search.seeds; i++)
        TRY(add_networks(b, -1 - i));
    for (int i = 0; i < b->grid->search_count; i++)
        TRY(identify_search(b->grid, &b->grid->searches[i]));
    return OK;
}

/* ---- the whole ---- */

/* Names that cannot be are found before the first cell runs, not in each of them. */
static enum status check_names(const struct study *study)
{
    struct model_spec spec;
    for (int m = 0; m < study->models.count; m++)
        for (int a = 0; a < study->attention.count; a++)
            TRY(model_parse(study->models.text[m], study->attention.text[a], &spec));
    if (study->has_source && strcmp(study->source_attention, "same") != 0)
        TRY(model_parse(study->models.text[0], study->source_attention, &spec));
    for (int i = 0; i < study->impls.count; i++)
        if (!impl_find(study->impls.text[i]))
            return ERR_USAGE;
    return OK;
}

static enum status read_data_keys(struct builder *b, grid_data_key *data_key)
{
    if (b->study->source_weights[0]) {
        char path[4096];
        TRY(input_file_find(b->study->source_weights, path, sizeof path));
        TRY(hash_file(&b->weights_hash, path));
    } else if (b->study->has_source)
        TRY(data_key(b->study->source.data, b->source_data, DATA_KEY_MAX));
    if (b->study->has_source && b->study->source.shifted[0])
        TRY(data_key(b->study->source.shifted, b->source_shifted, DATA_KEY_MAX));
    for (int i = 0; i < b->study->shifted.count; i++)
        TRY(data_key(b->study->shifted.text[i], b->target_shifted[i], DATA_KEY_MAX));
    for (int i = 0; i < b->study->data.count; i++)
        TRY(data_key(b->study->data.text[i], b->target_data[i], DATA_KEY_MAX));
    return OK;
}

static enum status build(struct builder *b, grid_data_key *data_key)
{
    const struct study *s = b->study;
    TRY(check_names(s));
    TRY(read_data_keys(b, data_key));
    int networks = s->models.count * s->attention.count, runs = s->data.count * s->arm_count;
    b->capacity = networks * (s->seed_count * s->impls.count * (1 + runs) +
                              s->search.seeds * (1 + runs * search_points(&s->search)));
    b->grid->cells = calloc((size_t)b->capacity, sizeof *b->grid->cells);
    b->grid->places = calloc((size_t)b->capacity, sizeof *b->grid->places);
    b->grid->claims = claims_text(&s->claims);
    if (!b->grid->cells || !b->grid->places || !b->grid->claims)
        return fail(ERR_MEMORY, "no memory for a study of %d cells", b->capacity);
    TRY(add_searches(b));
    for (int i = 0; i < s->seed_count; i++)
        TRY(add_networks(b, i));
    return OK;
}

enum status grid_build(struct grid *grid, const struct study *study, grid_data_key *data_key)
{
    struct builder *b = calloc(1, sizeof *b);
    *grid = (struct grid){0};
    if (!b)
        return fail(ERR_MEMORY, "no memory for a study");
    b->study = study;
    b->grid = grid;
    enum status status = build(b, data_key);
    free(b);
    if (status != OK)
        grid_free(grid);
    return status;
}
