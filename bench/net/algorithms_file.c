/* Decisions about algorithms as a JSON file: see algorithms.h. */
#include "bench/net/algorithms.h"

#include "bench/net/atomic_file.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT "cbam-bench algorithms 1"

/* ---- writing ---- */

static json_t *figures(const double values[CONV_ALGORITHMS])
{
    json_t *json = json_object();
    for (int i = 0; i < CONV_ALGORITHMS; i++)
        if (isfinite(values[i]))
            json_object_set_new(json, algorithm_name((enum conv_algorithm)i),
                                json_real(values[i]));
    return json;
}

static json_t *decision_json(const struct decision *d)
{
    return json_pack("{s:s, s:s, s:i, s:i, s:s, s:o, s:o}", "case", d->text, "impl", d->impl,
                     "threads", d->threads, "gradients", (int)d->gradients, "algorithm",
                     algorithm_name(d->algorithm), "ms", figures(d->ms), "error",
                     figures(d->error));
}

enum status algorithms_write(const struct algorithms *algorithms, const char *path)
{
    json_t *list = json_array();
    for (int i = 0; i < algorithms->count; i++)
        json_array_append_new(list, decision_json(&algorithms->list[i]));
    json_t *json = json_pack("{s:s, s:o}", "format", FORMAT, "decisions", list);
    char *text = json ? json_dumps(json, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) : NULL;
    json_decref(json);
    if (!text)
        return fail(ERR_MEMORY, "%s: out of memory for the decisions", path);
    struct atomic_file file = {0};
    enum status status = atomic_file_open(&file, path);
    if (status == OK)
        status = atomic_file_write(&file, text, strlen(text));
    if (status == OK)
        status = atomic_file_write(&file, "\n", 1);
    if (status == OK)
        status = atomic_file_commit(&file);
    free(text);
    return status;
}

/* ---- reading ---- */

static bool read_algorithm(const char *name, enum conv_algorithm *algorithm)
{
    for (int i = 0; i < CONV_ALGORITHMS; i++)
        if (name && strcmp(name, algorithm_name((enum conv_algorithm)i)) == 0) {
            *algorithm = (enum conv_algorithm)i;
            return true;
        }
    return false;
}

static void read_figures(const json_t *json, const char *key, double values[CONV_ALGORITHMS])
{
    for (int i = 0; i < CONV_ALGORITHMS; i++) {
        const json_t *value =
            json_object_get(json_object_get(json, key), algorithm_name((enum conv_algorithm)i));
        values[i] = json_is_number(value) ? json_number_value(value) : NAN;
    }
}

static bool read_text(const json_t *json, const char *key, char *text, size_t size)
{
    const char *value = json_string_value(json_object_get(json, key));
    if (!value || !*value || strlen(value) >= size)
        return false;
    strcpy(text, value);
    return true;
}

static bool read_number(const json_t *json, const char *key, int low, int high, int *number)
{
    const json_t *value = json_object_get(json, key);
    const json_int_t integer = json_integer_value(value);
    *number = (int)integer;
    return json_is_integer(value) && integer >= low && integer <= high;
}

static bool read_decision(const json_t *json, struct decision *d)
{
    int gradients;
    *d = (struct decision){.threads = 0};
    if (!read_text(json, "case", d->text, sizeof d->text) ||
        !read_text(json, "impl", d->impl, sizeof d->impl) ||
        !read_number(json, "threads", 1, 1 << 16, &d->threads) ||
        !read_number(json, "gradients", 0, 3, &gradients) ||
        !read_algorithm(json_string_value(json_object_get(json, "algorithm")), &d->algorithm))
        return false;
    d->gradients = (unsigned)gradients;
    read_figures(json, "ms", d->ms);
    read_figures(json, "error", d->error);
    return true;
}

static enum status read_list(struct algorithms *algorithms, const json_t *json, const char *path)
{
    const json_t *list = json_object_get(json, "decisions");
    const char *format = json_string_value(json_object_get(json, "format"));
    if (!format || strcmp(format, FORMAT) != 0 || !json_is_array(list))
        return fail(ERR_FORMAT, "%s: no file of decisions (\"format\": \"%s\" was expected)", path,
                    FORMAT);
    const size_t count = json_array_size(list), old = (size_t)algorithms->count;
    struct decision *grown = realloc(algorithms->list, (old + count + 1) * sizeof *grown);
    if (!grown)
        return fail(ERR_MEMORY, "%s: out of memory for the decisions", path);
    algorithms->list = grown;
    for (size_t i = 0; i < count; i++) {
        if (!read_decision(json_array_get(list, i), &grown[old + i]))
            return fail(ERR_FORMAT, "%s: decision %zu: case, impl, threads, gradients and "
                        "algorithm were expected", path, i);
        algorithms->count++;
    }
    return OK;
}

enum status algorithms_read(struct algorithms *algorithms, const char *path)
{
    json_error_t error;
    json_t *json = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (!json)
        return fail(ERR_FORMAT, "%s: line %d: %s", path, error.line, error.text);
    const enum status status = read_list(algorithms, json, path);
    json_decref(json);
    return status;
}
