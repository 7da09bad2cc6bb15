/* A cell and its key: see cell.h. */
#include "bench/study/cell.h"
#include "bench/net/input_file.h"
#include "bench/transfer/settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *cell_role_name(enum cell_role role)
{
    return role == ROLE_SOURCE ? "source" : "transfer";
}

void cell_hash(const char *text, char key[CELL_KEY_SIZE])
{
    uint64_t a = hash_bytes(HASH_START, text, strlen(text));
    uint64_t b = hash_bytes(~HASH_START, text, strlen(text));
    snprintf(key, CELL_KEY_SIZE, "%016" PRIx64 "%016" PRIx64, a, b);
}

enum status cell_algorithm_key(const char *algorithm, char key[ALGORITHM_NAME])
{
    struct algorithms algorithms = {.rule = ALGORITHM_DIRECT};
    enum status status = OK;
    if (algorithm[0])
        status = algorithms_parse("algorithm", algorithm, &algorithms);
    if (status == OK && algorithms.rule == ALGORITHM_AUTO &&
        (!algorithms.path || access(algorithms.path, F_OK) != 0))
        status = fail(ERR_USAGE, "algorithm %s: a study needs auto:FILE, a file of decisions that "
                      "exists (cbam-bench train --algorithm auto:FILE makes one)", algorithm);
    algorithms_name(&algorithms, key);
    algorithms_free(&algorithms);
    return status;
}

static json_t *identity_json(const struct cell *cell, const char *data_key,
                             const char *shifted_key, const char *algorithm_key)
{
    json_t *settings = train_settings_json(&cell->settings);
    int bad = !settings || json_object_set_new(settings, "data", json_string(data_key));
    if (!bad && shifted_key)
        bad = json_object_set_new(settings, "shifted", json_string(shifted_key));
    if (!bad && strncmp(cell->settings.algorithm, "auto:", 5) == 0)
        bad = json_object_set_new(settings, "algorithm", json_string(algorithm_key));
    if (!bad && cell->source[0])
        bad = json_object_set_new(settings, "init", json_sprintf("cell:%s", cell->source));
    else if (!bad && strcmp(cell->settings.init, "random") != 0)
        bad = json_object_set_new(settings, "init",
                                  json_sprintf("file:%016" PRIx64, cell->init_hash));
    if (bad) {
        json_decref(settings);
        return NULL;
    }
    json_t *json = json_pack("{s:i, s:s, s:o}", "schema", CELL_SCHEMA, "role",
                             cell_role_name(cell->role), "settings", settings);
    if (json && cell->search[0] &&
        json_object_set_new(json, "search", json_string(cell->search)) != 0) {
        json_decref(json);
        return NULL;
    }
    return json;
}

enum status cell_identify(struct cell *cell, const char *data_key, const char *shifted_key,
                          const char *algorithm_key)
{
    json_t *json = identity_json(cell, data_key, shifted_key, algorithm_key);
    char *text = json ? json_dumps(json, JSON_SORT_KEYS | JSON_COMPACT | JSON_REAL_PRECISION(17))
                      : NULL;
    json_decref(json);
    if (!text)
        return fail(ERR_MEMORY, "no memory for the key of a cell, or settings that are no UTF-8");
    cell_hash(text, cell->key);
    cell->identity = text;
    return OK;
}
