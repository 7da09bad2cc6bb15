/* The grid of a search: see search.h. */
#include "bench/study/search.h"
#include "bench/transfer/settings.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool search_allows(const char *option)
{
    static const char *const allowed[] = {
        "scheme", "augment", "batch", "lr", "backbone-rate", "probe-epochs", "probe-lr",
        "unfreeze-epochs", "momentum", "nesterov", "weight-decay", "label-smoothing", "schedule",
        "warmup", "pct-start", "cycle-momentum", "step-epochs", "step-factor"};
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++)
        if (strcmp(allowed[i], option) == 0)
            return true;
    return false;
}

/* A number in one form, so that 0.10 and 0.1 are one; the plainest that says all of it, where the
 * settings themselves would have "1e+02". */
static void print_value(const struct train_settings *settings, const struct setting_field *field,
                        char value[STUDY_TEXT_MAX])
{
    char plain[32];
    train_settings_get(settings, field, value, STUDY_TEXT_MAX);
    snprintf(plain, sizeof plain, "%g", strtod(value, NULL));
    if (field->kind == SETTING_REAL && strtod(plain, NULL) == strtod(value, NULL))
        memcpy(value, plain, sizeof plain);
}

static enum status add_value(struct study_search_axis *axis, const struct setting_field *field,
                             const char *text)
{
    struct train_settings settings;
    struct study_list *values = &axis->values;
    char *value = values->text[values->count];
    train_defaults(&settings);
    if (train_settings_set(&settings, axis->option, text) != OK)
        return fail_prefix(ERR_FORMAT, "search");
    print_value(&settings, field, value);
    for (int i = 0; i < values->count; i++)
        if (strcmp(values->text[i], value) == 0)
            return fail(ERR_FORMAT, "search: %s: '%s' stands there twice", axis->option, text);
    values->count++;
    return OK;
}

enum status search_add(struct study_search *search, const char *option, char *const *texts,
                       int count)
{
    const struct setting_field *field = train_settings_find(option);
    CHECK(field && count <= STUDY_LIST_MAX);
    if (!search_allows(option))
        return fail(ERR_FORMAT, "search: '%s' cannot be searched", option);
    if (search->axis_count == SEARCH_AXES_MAX)
        return fail(ERR_FORMAT, "search: more than %d settings", SEARCH_AXES_MAX);
    struct study_search_axis *axis = &search->axes[search->axis_count++];
    snprintf(axis->option, sizeof axis->option, "%s", option);
    for (int i = 0; i < count; i++)
        TRY(add_value(axis, field, texts[i]));
    return OK;
}

bool search_has(const struct study_search *search, const char *option)
{
    for (int i = 0; i < search->axis_count; i++)
        if (strcmp(search->axes[i].option, option) == 0)
            return true;
    return false;
}

int search_points(const struct study_search *search)
{
    int points = search->axis_count > 0;
    for (int i = 0; i < search->axis_count; i++)
        points *= search->axes[i].values.count;
    return points;
}

uint64_t search_seed(int i)
{
    return SEARCH_SEED_FIRST + (uint64_t)i;
}

/* ---- as text ---- */

char *search_choice(const struct study_search *search, int point)
{
    json_t *json = json_object();
    int left = search_points(search);
    bool bad = !json;
    for (int i = 0; i < search->axis_count && !bad; i++) {
        const struct study_search_axis *axis = &search->axes[i];
        left /= axis->values.count;
        const char *value = axis->values.text[point / left % axis->values.count];
        bad = json_object_set_new(json, axis->option, json_string(value)) != 0;
    }
    char *text = bad ? NULL : json_dumps(json, JSON_COMPACT);
    json_decref(json);
    return text;
}

static enum status apply_json(json_t *json, struct train_settings *settings)
{
    const char *option;
    json_t *value;
    json_object_foreach(json, option, value) {
        if (!json_is_string(value) || !train_settings_find(option) || !search_allows(option))
            return fail(ERR_FORMAT, "'%s' is no setting that was searched", option);
        if (train_settings_set(settings, option, json_string_value(value)) != OK)
            return ERR_FORMAT;
    }
    return OK;
}

enum status search_apply(const char *choice, struct train_settings *settings)
{
    json_error_t error;
    json_t *json = json_loads(choice, JSON_REJECT_DUPLICATES, &error);
    enum status status = json_is_object(json) ? apply_json(json, settings)
                                              : fail(ERR_FORMAT, "is no combination of settings");
    json_decref(json);
    return status == OK ? OK : fail_prefix(ERR_FORMAT, "what a search chose, in the store");
}

void search_print(const char *choice, char *text, size_t size)
{
    json_error_t error;
    const char *option;
    json_t *value, *json = json_loads(choice, 0, &error);
    size_t used = 0;
    text[0] = '\0';
    json_object_foreach(json, option, value) {
        const char *word = json_string_value(value);
        if (used < size)
            used += (size_t)snprintf(text + used, size - used, "%s%s %s", used ? ", " : "", option,
                                     word ? word : "");
    }
    json_decref(json);
}
