/* The history of a case: see history.h. */
#include "bench/regress/history.h"

#include "bench/measure/clock.h"
#include "bench/net/atomic_file.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_SIZE = 4096, NAME_SIZE = 200 };

static const char extension[] = ".csv";

/* What the value of a row is called, in its header and in the configuration. */
static const char *metric_of(const char *unit)
{
    return strcmp(unit, "loss") == 0 ? "test_loss" : unit;
}

/* "pair-onednn-fwd-conv2d-h8-w8": what a file may be called anywhere. */
static void file_name(const struct regress_outcome *outcome, const struct regress_row *row,
                      char *name)
{
    int used = snprintf(name, NAME_SIZE, "%s-%.*s", outcome->gate, NAME_SIZE - 20, row->name);
    for (int i = 0; i < used && i < NAME_SIZE - 1; i++)
        if (!isalnum((unsigned char)name[i]) && name[i] != '.')
            name[i] = '-';
}

/* Quoted, so that a comma in a processor's name does no harm. */
static void put_text(FILE *file, const json_t *key, const char *member)
{
    const char *text = json_string_value(json_object_get(key, member));
    fputc('"', file);
    for (; text && *text; text++)
        fputc(*text == '"' ? '\'' : *text, file);
    fputs("\",", file);
}

static void put_line(FILE *file, const struct regress_outcome *outcome,
                     const struct regress_row *row, const char *date)
{
    fprintf(file, "%s,", date);
    put_text(file, outcome->head_key, "commit");
    put_text(file, outcome->head_key, "cpu");
    fprintf(file, "%s,%.17g", regress_state_name(row->state), row->head);
    if (row->rounds > 0)
        fprintf(file, ",%.17g", row->ratio);
    fputc('\n', file);
}

static enum status append_row(const char *folder, const struct regress_outcome *outcome,
                              const struct regress_row *row, const char *date)
{
    char path[PATH_SIZE], name[NAME_SIZE];
    file_name(outcome, row, name);
    snprintf(path, sizeof path, "%s/%s%s", folder, name, extension);
    FILE *file = fopen(path, "a");
    if (!file)
        return fail(ERR_IO, "%s: %s", path, strerror(errno));
    fseek(file, 0, SEEK_END);
    if (ftell(file) == 0)
        fprintf(file, "time,commit,cpu,state,%s%s\n", metric_of(row->unit),
                row->rounds > 0 ? ",ratio" : "");
    put_line(file, outcome, row, date);
    bool failed = ferror(file) != 0;
    failed = fclose(file) != 0 || failed;
    return failed ? fail(ERR_IO, "%s: cannot be written: %s", path, strerror(errno)) : OK;
}

/* ---- configuration ---- */

/* One test a file; its metrics are what follows the fourth column. */
static void put_test(FILE *out, const char *folder, const char *file_found)
{
    char path[PATH_SIZE], header[256] = "", *rest = header;
    snprintf(path, sizeof path, "%s/%s", folder, file_found);
    FILE *file = fopen(path, "r");
    if (!file || !fgets(header, sizeof header, file))
        header[0] = '\0';
    if (file)
        fclose(file);
    header[strcspn(header, "\r\n")] = '\0';
    fprintf(out, "  %.*s:\n    type: csv\n    file: %s\n    time_column: time\n"
            "    attributes: [commit, cpu, state]\n    metrics:\n",
            (int)(strlen(file_found) - strlen(extension)), file_found, path);
    for (int column = 0; rest; column++) {
        const char *word = strsep(&rest, ",");
        if (column > 3)
            fprintf(out, "      %s:\n        direction: -1\n        scale: 1\n", word);
    }
    fputs("    csv_options:\n      delimiter: ','\n      quote_char: '\"'\n", out);
}

static int is_history(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name), tail = strlen(extension);
    return length > tail && strcmp(entry->d_name + length - tail, extension) == 0;
}

static enum status write_configuration(const char *folder)
{
    struct dirent **entries;
    char path[PATH_SIZE], *text = NULL;
    size_t size = 0;
    int count = scandir(folder, &entries, is_history, alphasort);
    if (count < 0)
        return fail(ERR_IO, "%s: %s", folder, strerror(errno));
    FILE *out = open_memstream(&text, &size);
    if (out)
        fputs("tests:\n", out);
    for (int i = 0; i < count; i++) {
        if (out)
            put_test(out, folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    bool whole = out && fclose(out) == 0;
    snprintf(path, sizeof path, "%s/otava.yaml", folder);
    enum status status = whole ? atomic_file_save(path, text, size)
                               : fail(ERR_MEMORY, "no memory for %s", path);
    free(text);
    return status;
}

enum status history_append(const char *folder, const struct regress_outcome *outcome)
{
    char date[32];
    clock_date(date, sizeof date);
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return fail(ERR_IO, "--history %s: %s", folder, strerror(errno));
    for (int i = 0; i < outcome->count; i++)
        if (isfinite(outcome->rows[i]->head))
            TRY(append_row(folder, outcome, outcome->rows[i], date));
    return write_configuration(folder);
}
