/* An outcome in files: which format goes where. See write.h. */
#include "bench/regress/write.h"

#include "bench/net/atomic_file.h"
#include "bench/regress/outcome_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kinds[WRITE_KINDS] = {"verdict", "json",    "csv",         "md",
                                               "junit",   "github",  "bencher",     "gbench-base",
                                               "gbench-head"};

enum status write_parse(char *text, struct write_request *request)
{
    char known[160] = "";
    char *path = strchr(text, '=');
    if (path)
        *path++ = '\0';
    for (int k = 0; k < WRITE_KINDS; k++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", k ? ", " : "", kinds[k]);
        if (path && *path && strcmp(text, kinds[k]) == 0) {
            *request = (struct write_request){(enum write_kind)k, path};
            return OK;
        }
    }
    return fail(ERR_USAGE, "--write %s: KIND=FILE was expected, KIND one of %s", text, known);
}

enum status write_check(const struct write_request *request, const char *gate)
{
    bool times = request->kind == WRITE_GBENCH_BASE || request->kind == WRITE_GBENCH_HEAD;
    if (times && strcmp(gate, "pair") != 0)
        return fail(ERR_USAGE, "--write %s: these are times; only `pair` has them",
                    kinds[request->kind]);
    return OK;
}

static char *verdict_text(const struct regress_outcome *outcome)
{
    char line[700];
    outcome_line(outcome, line, sizeof line - 1);
    strcat(line, "\n");
    return strdup(line);
}

static enum status save(char *text, const char *path)
{
    if (!text)
        return fail(ERR_MEMORY, "no memory for %s", path);
    enum status status = atomic_file_save(path, text, strlen(text));
    free(text);
    return status;
}

static enum status save_table(const struct regress_outcome *outcome, enum table_format format,
                              const char *path)
{
    struct table *table = outcome_table(outcome);
    enum status status = table_save(table, format, path);
    table_free(table);
    return status;
}

enum status write_outcome(const struct regress_outcome *outcome,
                          const struct write_request *request)
{
    const char *path = request->path;
    switch (request->kind) {
    case WRITE_JSON:
        return save_table(outcome, TABLE_JSON, path);
    case WRITE_CSV:
        return save_table(outcome, TABLE_CSV, path);
    case WRITE_MD:
        return save_table(outcome, TABLE_MD, path);
    case WRITE_JUNIT:
        return save(write_junit(outcome), path);
    case WRITE_GITHUB:
        return save(write_github(outcome), path);
    case WRITE_BENCHER:
        return save(write_bencher(outcome), path);
    case WRITE_GBENCH_BASE:
    case WRITE_GBENCH_HEAD:
        return save(write_gbench(outcome, request->kind == WRITE_GBENCH_HEAD), path);
    default:
        return save(verdict_text(outcome), path);
    }
}
