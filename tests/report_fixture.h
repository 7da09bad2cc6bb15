/* Reports of the study "s" of a bench (study_fixture.h): what is printed, the tables written. */
#ifndef TESTS_REPORT_FIXTURE_H
#define TESTS_REPORT_FIXTURE_H

#include "bench/report/study_report.h"
#include "tests/study_fixture.h"

/* The report of the store at `path`; the caller frees it. */
static inline char *report_as(struct bench *b, const char *path, enum table_format format,
                              bool plots_only)
{
    char plots[300], *text = NULL;
    size_t size = 0;
    snprintf(plots, sizeof plots, "%s/plots-out", b->dir);
    struct study_report_options options = {path, plots, format, plots_only, NULL};
    FILE *out = open_memstream(&text, &size);
    enum status status = study_report("s", &options, out);
    fclose(out);
    if (status != OK)
        fail_msg("%s", fail_text());
    return text;
}

/* A table that a report wrote, as JSON; json_decref() it. */
static inline json_t *load_table(struct bench *b, const char *name)
{
    char path[400];
    json_error_t error;
    snprintf(path, sizeof path, "%s/s/%s.json", b->dir, name);
    json_t *json = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (!json)
        fail_msg("%s: %s", path, error.text);
    return json;
}

#endif
