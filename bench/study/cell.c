/* A cell and its key: see cell.h. */
#include "bench/study/cell.h"
#include "bench/net/input_file.h"
#include "bench/transfer/settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static json_t *identity_json(const struct cell *cell, const char *data_key,
                             const char *shifted_key)
{
    json_t *settings = train_settings_json(&cell->settings);
    int bad = !settings || json_object_set_new(settings, "data", json_string(data_key));
    if (!bad && shifted_key)
        bad = json_object_set_new(settings, "shifted", json_string(shifted_key));
    if (!bad && cell->source[0])
        bad = json_object_set_new(settings, "init", json_sprintf("cell:%s", cell->source));
    else if (!bad && strcmp(cell->settings.init, "random") != 0)
        bad = json_object_set_new(settings, "init",
                                  json_sprintf("file:%016" PRIx64, cell->init_hash));
    if (bad) {
        json_decref(settings);
        return NULL;
    }
    return json_pack("{s:i, s:s, s:o}", "schema", CELL_SCHEMA, "role", cell_role_name(cell->role),
                     "settings", settings);
}

enum status cell_identify(struct cell *cell, const char *data_key, const char *shifted_key)
{
    json_t *json = identity_json(cell, data_key, shifted_key);
    char *text = json ? json_dumps(json, JSON_SORT_KEYS | JSON_COMPACT | JSON_REAL_PRECISION(17))
                      : NULL;
    json_decref(json);
    if (!text)
        return fail(ERR_MEMORY, "no memory for the key of a cell, or settings that are no UTF-8");
    cell_hash(text, cell->key);
    cell->identity = text;
    return OK;
}
