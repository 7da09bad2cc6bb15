/* The committed baselines: see baseline.h. */
#include "bench/regress/baseline.h"

#include "bench/net/atomic_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- reading ---- */

static enum status read_json(const char *path, json_t **json)
{
    json_error_t error;
    if (access(path, R_OK) != 0)
        return fail(ERR_IO, "%s: no baseline there that can be read (--update makes one)", path);
    *json = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (!*json)
        return fail(ERR_FORMAT, "%s, line %d: %s", path, error.line, error.text);
    return OK;
}

static enum status check_cases(const char *path, const json_t *json)
{
    const char *name;
    json_t *entry, *cases = json_object_get(json, "cases");
    if (!json_is_object(json_object_get(json, "key")) || !json_is_object(cases))
        return fail(ERR_FORMAT, "%s: a baseline with 'key' and 'cases' was expected", path);
    json_object_foreach(cases, name, entry) {
        const json_t *count = json_object_get(entry, "instructions");
        if (!json_is_number(count) || !(json_number_value(count) > 0))
            return fail(ERR_FORMAT, "%s: %s: its number of instructions is no positive number",
                        path, name);
    }
    return OK;
}

enum status baseline_read(const char *path, json_t **json)
{
    *json = NULL;
    TRY(read_json(path, json));
    enum status status = check_cases(path, *json);
    if (status != OK) {
        json_decref(*json);
        *json = NULL;
    }
    return status;
}

bool baseline_case(const json_t *json, const char *name, double *instructions, const char **how)
{
    const json_t *entry = json_object_get(json_object_get(json, "cases"), name);
    const char *text = json_string_value(json_object_get(entry, "how"));
    *instructions = json_number_value(json_object_get(entry, "instructions"));
    *how = text ? text : "";
    return entry != NULL;
}

/* ---- keys ---- */

static bool is_aside(const char *member)
{
    return strcmp(member, "protocol") == 0 || strcmp(member, "cpu") == 0 ||
           strcmp(member, "commit") == 0;
}

static const char *text_of(const json_t *key, const char *member)
{
    const char *text = json_string_value(json_object_get(key, member));
    return text ? text : "(none)";
}

static enum status same_members(const json_t *of, const json_t *base, const json_t *head)
{
    const char *member;
    json_t *value;
    json_object_foreach((json_t *)of, member, value) {
        const char *a = text_of(base, member), *b = text_of(head, member);
        if (!is_aside(member) && strcmp(a, b) != 0)
            return fail(ERR_UNSUPPORTED, "another %s: '%s' in the baseline, '%s' here", member, a,
                        b);
    }
    return OK;
}

enum status baseline_same_key(const json_t *base, const json_t *head)
{
    TRY(same_members(base, base, head));
    return same_members(head, base, head);
}

/* ---- writing ---- */

static void put_json(FILE *out, const json_t *value)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(9));
    fputs(text ? text : "null", out);
    free(text);
}

static void put_text(FILE *out, const char *text)
{
    json_t *value = json_string(text);
    put_json(out, value);
    json_decref(value);
}

static void put_key(FILE *out, const json_t *key)
{
    const char *member, *comma = "";
    json_t *value;
    json_object_foreach((json_t *)key, member, value) {
        if (strcmp(member, "protocol") == 0)
            continue;
        fprintf(out, "%s\n  ", comma);
        put_text(out, member);
        fputs(": ", out);
        put_json(out, value);
        comma = ",";
    }
}

static void put_counts(FILE *out, const struct regress_outcome *outcome)
{
    const char *comma = "";
    for (int i = 0; i < outcome->count; i++) {
        const struct regress_row *row = outcome->rows[i];
        if (strcmp(row->unit, "instructions") != 0 || !isfinite(row->head))
            continue;
        fprintf(out, "%s\n  ", comma);
        put_text(out, row->name);
        fprintf(out, ": {\"instructions\": %.0f, \"how\": ", row->head);
        put_text(out, row->how_head);
        putc('}', out);
        comma = ",";
    }
}

/* Closes the stream and saves what it holds. */
static enum status finish(FILE *out, char **text, const char *path)
{
    bool failed = ferror(out) != 0;
    failed = fclose(out) != 0 || failed;
    enum status status = failed ? fail(ERR_MEMORY, "no memory for %s", path)
                                : atomic_file_save(path, *text, strlen(*text));
    free(*text);
    return status;
}

enum status baseline_write(const char *path, const struct regress_outcome *outcome)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return fail(ERR_MEMORY, "no memory for %s", path);
    fputs("{\n \"made_by\": \"cbam-bench regress counts --update\",\n \"key\": {", out);
    put_key(out, outcome->head_key);
    fputs("\n },\n \"cases\": {", out);
    put_counts(out, outcome);
    fputs("\n }\n}\n", out);
    return finish(out, &text, path);
}

/* ---- curves ---- */

enum status baseline_read_curve(const char *path, const char *impl, struct accuracy_curve *curve)
{
    json_t *json;
    TRY(read_json(path, &json));
    const json_t *entry = json_object_get(json_object_get(json, "curves"), impl);
    enum status status = entry ? accuracy_curve_from_json(entry, curve)
                               : fail(ERR_UNSUPPORTED, "%s: has no curve of %s", path, impl);
    json_decref(json);
    return status == ERR_FORMAT ? fail_prefix(status, "%s: %s", path, impl) : status;
}

enum status baseline_write_curves(const char *path, const char *const *impls_trained,
                                  const struct accuracy_curve *curves, int count)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return fail(ERR_MEMORY, "no memory for %s", path);
    fputs("{\n \"made_by\": \"cbam-bench regress counts --update\",\n \"run\": ", out);
    put_text(out, accuracy_title());
    fputs(",\n \"curves\": {", out);
    for (int i = 0; i < count; i++) {
        json_t *curve = accuracy_curve_json(&curves[i]);
        json_object_del(curve, "state");
        fprintf(out, "%s\n  ", i ? "," : "");
        put_text(out, impls_trained[i]);
        fputs(": ", out);
        put_json(out, curve);
        json_decref(curve);
    }
    fputs("\n }\n}\n", out);
    return finish(out, &text, path);
}
