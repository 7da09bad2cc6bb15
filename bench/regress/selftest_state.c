/* What the self-test has done so far: see selftest_state.h. */
#include "bench/regress/selftest_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum status append_line(const char *path, const json_t *json, const char *mode)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9));
    FILE *file = fopen(path, mode);
    if (!text || !file) {
        free(text);
        if (file)
            fclose(file);
        return fail(ERR_IO, "%s: %s", path, strerror(errno));
    }
    fprintf(file, "%s\n", text);
    bool failed = fflush(file) != 0 || fsync(fileno(file)) != 0;
    failed = fclose(file) != 0 || failed;
    free(text);
    return failed ? fail(ERR_IO, "%s: cannot be written: %s", path, strerror(errno)) : OK;
}

/* The lines of an open file; where one does not parse the file is cut: a killed run. */
static enum status read_lines(struct selftest_state *state, FILE *file, const json_t *header)
{
    char *line = NULL;
    size_t size = 0;
    long whole = 0;
    enum status status = OK;
    while (status == OK && getline(&line, &size, file) >= 0) {
        json_error_t error;
        json_t *json = json_loads(line, 0, &error);
        if (!json)
            break;
        if (whole > 0)
            json_array_append(state->done, json);
        else if (!json_equal(json, header))
            status = fail(ERR_USAGE, "%s holds runs of another build, machine or setting: "
                          "--restart, or another --state FILE", state->path);
        whole = ftell(file);
        json_decref(json);
    }
    free(line);
    if (status == OK && truncate(state->path, whole) != 0)
        status = fail(ERR_IO, "%s: %s", state->path, strerror(errno));
    return status;
}

enum status selftest_state_open(struct selftest_state *state, const char *path,
                                const json_t *header, bool restart)
{
    *state = (struct selftest_state){.path = path, .done = json_array()};
    FILE *file = restart ? NULL : fopen(path, "r");
    if (!file)
        return append_line(path, header, "w");
    enum status status = read_lines(state, file, header);
    bool empty = ftell(file) == 0;
    fclose(file);
    return status == OK && empty ? append_line(path, header, "w") : status;
}

void selftest_state_close(struct selftest_state *state)
{
    json_decref(state->done);
    state->done = NULL;
}

enum status selftest_state_add(struct selftest_state *state, json_t *run)
{
    enum status status = append_line(state->path, run, "a");
    json_array_append_new(state->done, run);
    return status;
}

static bool is_of(const json_t *run, const struct selftest_cell *cell)
{
    return json_is_true(json_object_get(run, "busy")) == cell->busy &&
           json_integer_value(json_object_get(run, "planted")) == cell->planted;
}

bool selftest_state_has(const struct selftest_state *state, const struct selftest_cell *cell,
                        int run)
{
    size_t i;
    json_t *done;
    json_array_foreach(state->done, i, done)
        if (is_of(done, cell) && json_integer_value(json_object_get(done, "run")) == run)
            return true;
    return false;
}

static bool holds(const json_t *names, const char *name)
{
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)names, i, item)
        if (name && strcmp(json_string_value(item), name) == 0)
            return true;
    return false;
}

struct selftest_counts selftest_state_count(const struct selftest_state *state,
                                            const struct selftest_cell *cell)
{
    struct selftest_counts counts = {0};
    size_t i;
    json_t *run;
    json_array_foreach(state->done, i, run) {
        if (!is_of(run, cell))
            continue;
        const json_t *flagged = json_object_get(run, "flagged");
        const char *planted = json_string_value(json_object_get(run, "case"));
        bool found = cell->planted > 0 && holds(flagged, planted);
        int others = (int)json_array_size(flagged) - found;
        counts.runs++;
        counts.found += found;
        counts.alone += found && others == 0;
        counts.alarms += others > 0;
        counts.inconclusive += json_array_size(json_object_get(run, "undecided")) > 0;
    }
    return counts;
}
