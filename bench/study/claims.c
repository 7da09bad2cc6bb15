/* What a study claims: see claims.h. */
#include "bench/study/claims.h"

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const char *const axis_names[AXIS_COUNT] = {"attention", "transfer", "models"};

/* The lists of a family by name. */
static const struct {
    const char *key;
    size_t offset;
} members[] = {{"models", offsetof(struct study_family, models)},
               {"attention", offsetof(struct study_family, attention)},
               {"transfer", offsetof(struct study_family, transfer)},
               {"data", offsetof(struct study_family, data)}};
enum { MEMBERS = sizeof members / sizeof members[0] };

static const struct study_list *list_of(const struct study_family *family, int member)
{
    return (const struct study_list *)((const char *)family + members[member].offset);
}

void claims_default(struct study_claims *claims)
{
    memset(claims, 0, sizeof *claims);
    claims->family_count = 1;
    snprintf(claims->families[0].name, sizeof claims->families[0].name, "all");
}

const char *claims_axis_name(enum study_axis axis)
{
    return axis_names[axis];
}

enum status claims_parse_axis(const char *text, enum study_axis *axis)
{
    for (int i = 0; i < AXIS_COUNT; i++) {
        if (strcmp(text, axis_names[i]) == 0) {
            *axis = (enum study_axis)i;
            return OK;
        }
    }
    return fail(ERR_FORMAT, "compare is '%s': attention, transfer or models was expected", text);
}

/* ---- families ---- */

static bool list_has(const struct study_list *list, const char *text)
{
    for (int i = 0; i < list->count; i++)
        if (strcmp(list->text[i], text) == 0)
            return true;
    return false;
}

static bool holds(const struct study_list *list, const char *text)
{
    return list->count == 0 || list_has(list, text);
}

int claims_family(const struct study_claims *claims, const struct claims_place *place)
{
    for (int i = 0; i < claims->family_count; i++) {
        const struct study_family *f = &claims->families[i];
        if (holds(&f->models, place->model) && holds(&f->attention, place->attention) &&
            holds(&f->transfer, place->transfer) && holds(&f->data, place->data))
            return i;
    }
    return -1;
}

static enum status check_family(const struct study *study, const struct study_family *family)
{
    struct study_list arms = {.count = study->arm_count};
    for (int i = 0; i < arms.count; i++)
        snprintf(arms.text[i], STUDY_TEXT_MAX, "%s", study->arm_names[i]);
    const struct study_list *const axes[MEMBERS] = {&study->models, &study->attention, &arms,
                                                    &study->data};
    for (int m = 0; m < MEMBERS; m++) {
        const struct study_list *list = list_of(family, m);
        for (int i = 0; i < list->count; i++)
            if (!list_has(axes[m], list->text[i]))
                return fail(ERR_FORMAT, "families: %s: '%s' is no entry of the study's %s",
                            family->name, list->text[i], members[m].key);
    }
    return OK;
}

enum status claims_check(const struct study *study)
{
    for (int i = 0; i < study->claims.family_count; i++)
        TRY(check_family(study, &study->claims.families[i]));
    return OK;
}

/* ---- JSON ---- */

static json_t *list_json(const struct study_list *list)
{
    json_t *json = json_array();
    for (int i = 0; i < list->count; i++)
        json_array_append_new(json, json_string(list->text[i]));
    return json;
}

static json_t *family_json(const struct study_family *family)
{
    json_t *json = json_pack("{s:s}", "name", family->name);
    for (int m = 0; m < MEMBERS; m++)
        json_object_set_new(json, members[m].key, list_json(list_of(family, m)));
    return json;
}

char *claims_text(const struct study_claims *claims)
{
    json_t *families = json_array();
    for (int i = 0; i < claims->family_count; i++)
        json_array_append_new(families, family_json(&claims->families[i]));
    json_t *json = json_pack("{s:s, s:f, s:o}", "compare", axis_names[claims->compare], "reach",
                             claims->reach, "families", families);
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(17))
                      : NULL;
    json_decref(json);
    return text;
}

static enum status read_list(const json_t *json, struct study_list *list)
{
    size_t i;
    json_t *entry;
    if (!json_is_array(json) || json_array_size(json) > STUDY_LIST_MAX)
        return fail(ERR_FORMAT, "a list of a family is damaged");
    json_array_foreach(json, i, entry)
        snprintf(list->text[list->count++], STUDY_TEXT_MAX, "%s",
                 json_is_string(entry) ? json_string_value(entry) : "");
    return OK;
}

static enum status read_family(const json_t *json, struct study_family *family)
{
    const char *name = json_string_value(json_object_get(json, "name"));
    snprintf(family->name, sizeof family->name, "%s", name ? name : "");
    for (int m = 0; m < MEMBERS; m++)
        TRY(read_list(json_object_get(json, members[m].key),
                      (struct study_list *)((char *)family + members[m].offset)));
    return OK;
}

static enum status read_json(const json_t *json, struct study_claims *claims)
{
    const char *axis = json_string_value(json_object_get(json, "compare"));
    const json_t *families = json_object_get(json, "families");
    memset(claims, 0, sizeof *claims);
    TRY(claims_parse_axis(axis ? axis : "", &claims->compare));
    claims->reach = json_number_value(json_object_get(json, "reach"));
    size_t count = json_array_size(families);
    if (count < 1 || count > STUDY_FAMILIES_MAX)
        return fail(ERR_FORMAT, "%zu families: 1 to %d were expected", count, STUDY_FAMILIES_MAX);
    for (size_t i = 0; i < count; i++, claims->family_count++)
        TRY(read_family(json_array_get(families, i), &claims->families[i]));
    return OK;
}

enum status claims_read(const char *text, struct study_claims *claims)
{
    json_error_t error;
    if (!*text) {
        claims_default(claims);
        return OK;
    }
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    enum status status = json ? read_json(json, claims) : fail(ERR_FORMAT, "%s", error.text);
    json_decref(json);
    return status == OK ? OK : fail_prefix(ERR_FORMAT, "what the study claims, in the store");
}
