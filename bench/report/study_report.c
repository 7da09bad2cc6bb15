/* The report of a study: see study_report.h. What a table holds is study_tables*.c. */
#include "bench/report/study_report.h"
#include "bench/net/atomic_file.h"
#include "bench/report/provenance.h"
#include "bench/report/study_plots.h"
#include "bench/report/study_tables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_SIZE = 1024 };

struct report {
    const char *study;
    const struct study_report_options *options;
    FILE *out;
    struct store *store;
    struct study_data data;
    struct comparisons comparisons;
    struct latency_rows latency;
    struct table *tables[STUDY_TABLE_COUNT];
    char folder[PATH_SIZE], plots[PATH_SIZE]; /* results/STUDY, plots/out/STUDY */
    bool drawn;
    char note[256];          /* why no plot was drawn */
    enum status draw_status; /* a failure there must not keep the tables back */
};

/* The tables that people are shown; the others are files only. */
static const enum study_table shown[] = {STUDY_TABLE_COMPARISON, STUDY_TABLE_GENERAL,
                                         STUDY_TABLE_COSTS, STUDY_TABLE_SEEDS,
                                         STUDY_TABLE_SOURCES, STUDY_TABLE_NETWORKS,
                                         STUDY_TABLE_SEARCH,
                                         STUDY_TABLE_AGREEMENT, STUDY_TABLE_DTYPES,
                                         STUDY_TABLE_LATENCY};
enum { SHOWN = sizeof shown / sizeof shown[0] };

/* A study with one entry on the axis that it compares has nothing to compare: it shows its runs.
 * Nothing shows an empty table. */
static bool is_shown(const struct report *r, int i, enum study_table *which)
{
    *which = shown[i];
    if (r->comparisons.count == 0 && shown[i] == STUDY_TABLE_COMPARISON)
        *which = STUDY_TABLE_RUNS;
    return table_rows(r->tables[*which]) > 0;
}

/* A study without a search, or in f32 alone, has no such table, nor a file of it. */
static bool is_made(const struct report *r, enum study_table which)
{
    const bool asked = which == STUDY_TABLE_SEARCH || which == STUDY_TABLE_DTYPES;
    return !asked || table_rows(r->tables[which]) > 0;
}

/* ---- reading ---- */

static enum status make_folder(const char *path)
{
    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        return fail(ERR_IO, "%s: the folder cannot be made: %s", path, strerror(errno));
    return OK;
}

enum status study_report_folder(const char *study, const char *store_path, char *path, size_t size)
{
    const char *slash = strrchr(store_path, '/');
    int length = slash ? (int)(slash - store_path) + 1 : 0;
    if ((size_t)length + strlen(study) + 64 >= size) /* room for the names of the files in it */
        return fail(ERR_USAGE, "%.60s...: the path is too long", store_path);
    snprintf(path, size, "%.*s%s", length, store_path, study);
    return make_folder(path);
}

static enum status set_folders(struct report *r)
{
    char data[PATH_SIZE + 8];
    TRY(study_report_folder(r->study, r->options->store_path, r->folder, sizeof r->folder));
    if (r->options->plots_out)
        snprintf(r->plots, sizeof r->plots, "%s", r->options->plots_out);
    else
        snprintf(r->plots, sizeof r->plots, "plots/out/%s", r->study);
    snprintf(data, sizeof data, "%s/plots", r->folder);
    return make_folder(data);
}

static enum status read_all(struct report *r)
{
    struct study_tables_input input = {&r->data, &r->comparisons, NULL};
    TRY(store_open(&r->store, r->options->store_path, false));
    input.store = r->store;
    TRY(study_data_read(&r->data, r->store, r->study));
    TRY(comparisons_make(&r->comparisons, &r->data));
    TRY(latency_rows_read(&r->latency, r->store, r->study));
    for (int i = 0; i < STUDY_TABLE_COUNT; i++)
        TRY(study_table_make((enum study_table)i, &input, &r->tables[i]));
    return OK;
}

static void free_all(struct report *r)
{
    for (int i = 0; i < STUDY_TABLE_COUNT; i++)
        table_free(r->tables[i]);
    latency_rows_free(&r->latency);
    comparisons_free(&r->comparisons);
    study_data_free(&r->data);
    store_close(r->store);
}

/* ---- writing ---- */

static enum status save_tables(const struct report *r)
{
    for (int i = 0; i < STUDY_TABLE_COUNT; i++) {
        char path[PATH_SIZE + 64];
        if (!is_made(r, (enum study_table)i))
            continue;
        snprintf(path, sizeof path, "%s/%s.csv", r->folder, table_name(r->tables[i]));
        TRY(table_save(r->tables[i], TABLE_CSV, path));
        snprintf(path, sizeof path, "%s/%s.json", r->folder, table_name(r->tables[i]));
        TRY(table_save(r->tables[i], TABLE_JSON, path));
    }
    for (int i = 0; i < SHOWN; i++) {
        char path[PATH_SIZE + 64];
        if (!is_made(r, shown[i]))
            continue;
        snprintf(path, sizeof path, "%s/%s.tex", r->folder, table_name(r->tables[shown[i]]));
        TRY(table_save(r->tables[shown[i]], TABLE_LATEX, path));
    }
    return OK;
}

static enum status draw(struct report *r)
{
    char data[PATH_SIZE + 8];
    snprintf(data, sizeof data, "%s/plots", r->folder);
    TRY(study_plots_write(&r->data, &r->comparisons, &r->latency, data));
    r->draw_status = study_plots_draw(data, r->plots, &r->drawn, r->note, sizeof r->note);
    if (r->draw_status != OK)
        snprintf(r->note, sizeof r->note, "%s", fail_text());
    return OK;
}

/* How many cells are in which state, when not all are done. */
static void put_states(const struct report *r, FILE *out)
{
    int count[STATE_COUNT] = {0}, diverged = 0;
    for (int i = 0; i < r->data.rows.count; i++) {
        count[r->data.rows.rows[i].state]++;
        diverged += r->data.results[i] && r->data.results[i]->diverged;
    }
    fprintf(out, "%d of %d cells are done", count[STATE_DONE], r->data.rows.count);
    if (diverged)
        fprintf(out, ", %d of these diverged", diverged);
    for (int i = 0; i < STATE_COUNT; i++)
        if (i != STATE_DONE && count[i] > 0)
            fprintf(out, ", %d %s", count[i], cell_state_name((enum cell_state)i));
    fputs(".\n", out);
}

/* Where the pictures are, seen from the report's folder: in it, when that is so; else the way from
 * there up to where we are, and down again. */
static void put_place(const struct report *r, FILE *out)
{
    size_t length = strlen(r->folder);
    if (strncmp(r->plots, r->folder, length) == 0 && strchr("/", r->plots[length])) {
        const char *below = r->plots + length + (r->plots[length] == '/');
        fprintf(out, "%s%s", below, *below ? "/" : "");
        return;
    }
    if (r->plots[0] != '/' && r->folder[0] != '/') {
        fputs("../", out);
        for (const char *at = strchr(r->folder, '/'); at; at = strchr(at + 1, '/'))
            fputs("../", out);
    }
    fprintf(out, "%s/", r->plots);
}

static void put_picture(const struct report *r, const char *name, const char *title, FILE *out)
{
    fprintf(out, "![%s](", title);
    put_place(r, out);
    fprintf(out, "%s.png)\n\n", name);
}

/* The commands that repeat the first run of each side of each row. */
static enum status put_commands(const struct table *table, FILE *out)
{
    static const char *const keys[] = {"command_without", "command"};
    size_t i;
    json_t *row, *rows = table_rows_json(table);
    if (!rows)
        return fail(ERR_MEMORY, "no memory for a report");
    json_array_foreach(rows, i, row) {
        for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
            const char *command = json_string_value(json_object_get(row, keys[k]));
            if (command)
                fprintf(out, "    %s\n", command);
        }
    }
    json_decref(rows);
    return OK;
}

static enum status put_repetition(const struct report *r, FILE *out)
{
    enum study_table which;
    fputs("## What repeats it\n\nOf each row of the first table, and of the sources before it, the "
          "first seed; another `--seed` gives the others. Networks that are started from must be "
          "there: `cbam-bench study run` of the same study trains them.\n\n", out);
    TRY(put_commands(r->tables[STUDY_TABLE_SOURCES], out));
    is_shown(r, 0, &which);
    TRY(put_commands(r->tables[which], out));
    fputc('\n', out);
    return OK;
}

static enum status put_markdown(const struct report *r, FILE *out)
{
    char plots[PATH_SIZE + 8];
    fprintf(out, "# Study %s\n\n", r->study);
    put_states(r, out);
    fputc('\n', out);
    for (int i = 0; i < SHOWN; i++) {
        enum study_table which;
        if (!is_shown(r, i, &which))
            continue;
        fprintf(out, "## %s\n\n", table_title(r->tables[which]));
        TRY(table_write(r->tables[which], TABLE_MD, out));
        fputc('\n', out);
    }
    if (r->drawn) {
        fputs("## Plots\n\n", out);
        snprintf(plots, sizeof plots, "%s/plots", r->folder);
        for (int i = 0; i < STUDY_PLOTS; i++)
            if (study_plot_has_data(&study_plot_list[i], plots))
                put_picture(r, study_plot_list[i].name, study_plot_list[i].title, out);
    }
    TRY(put_repetition(r, out));
    fputs("## What made it\n\n", out);
    TRY(table_write(r->tables[STUDY_TABLE_MADE], TABLE_MD, out));
    fputs("\nThe CSV and JSON files beside this one have all digits; each of their rows carries "
          "what made it and the command line that repeats it.\n", out);
    return OK;
}

static enum status save_markdown(const struct report *r)
{
    char path[PATH_SIZE + 16], *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return fail(ERR_MEMORY, "no memory for a report");
    enum status status = put_markdown(r, out);
    if (fclose(out) != 0 && status == OK)
        status = fail(ERR_MEMORY, "no memory for a report");
    snprintf(path, sizeof path, "%s/report.md", r->folder);
    if (status == OK)
        status = atomic_file_save(path, text, size);
    free(text);
    return status;
}

/* ---- printing ---- */

static enum status print_text(const struct report *r, FILE *out)
{
    for (int i = 0; i < SHOWN; i++) {
        enum study_table which;
        if (!is_shown(r, i, &which) || which == STUDY_TABLE_SEEDS)
            continue;
        TRY(table_write(r->tables[which], TABLE_TEXT, out));
        fputs("\n\n", out);
    }
    put_states(r, out);
    return OK;
}

static void print_places(const struct report *r, FILE *out)
{
    fprintf(out, "report  %s/report.md\n", r->folder);
    fprintf(out, "tables  %s/*.csv, %s/*.json, %s/*.tex\n", r->folder, r->folder, r->folder);
    if (r->drawn)
        fprintf(out, "plots   %s/*.png, %s/*.svg\n", r->plots, r->plots);
    fprintf(out, "store   %s\n", r->options->store_path);
}

static enum status print_json(const struct report *r, FILE *out)
{
    fputs("[\n", out);
    for (int i = 0; i < STUDY_TABLE_COUNT; i++) {
        if (!is_made(r, (enum study_table)i))
            continue;
        TRY(table_write(r->tables[i], TABLE_JSON, out));
        fputs(i + 1 < STUDY_TABLE_COUNT ? ",\n" : "]\n", out);
    }
    return OK;
}

static enum status print_latex(const struct report *r, FILE *out)
{
    for (int i = 0; i < SHOWN; i++) {
        enum study_table which;
        if (!is_shown(r, i, &which))
            continue;
        TRY(table_write(r->tables[which], TABLE_LATEX, out));
        fputc('\n', out);
    }
    return OK;
}

static enum status print(const struct report *r)
{
    FILE *out = r->out;
    enum status status = OK;
    if (r->options->plots_only)
        print_places(r, out);
    else if (r->options->format == TABLE_JSON)
        status = print_json(r, out);
    else if (r->options->format == TABLE_CSV)
        status = table_write(r->tables[STUDY_TABLE_COMPARISON], TABLE_CSV, out);
    else if (r->options->format == TABLE_LATEX)
        status = print_latex(r, out);
    else if (r->options->format == TABLE_MD)
        status = put_markdown(r, out);
    else {
        status = print_text(r, out);
        print_places(r, out);
    }
    TRY(status);
    if (fflush(out) != 0)
        return fail(ERR_IO, "the report cannot be printed: %s", strerror(errno));
    return OK;
}

/* That the cells are not of this program's build is said beside the report, not in it: the same
 * store gives the same report, whatever build makes it. */
static void say_whose(const struct report *r)
{
    int foreign = 0;
    for (int i = 0; i < r->data.rows.count; i++)
        foreign += study_data_is_foreign(&r->data.rows.rows[i]);
    if (foreign > 0 && r->options->talk)
        fprintf(r->options->talk, "note: %d of %d cells were made by code of another commit than "
                "this program's (%s); `study run --older` makes them anew\n", foreign,
                r->data.rows.count, provenance_commit());
}

static enum status report_all(struct report *r)
{
    TRY(read_all(r));
    TRY(set_folders(r));
    TRY(save_tables(r));
    TRY(draw(r));
    TRY(save_markdown(r));
    TRY(print(r));
    if (r->draw_status != OK)
        return fail(r->draw_status, "%s", r->note);
    if (r->note[0] && r->options->talk)
        fprintf(r->options->talk, "%s\n", r->note);
    say_whose(r);
    return OK;
}

enum status study_report(const char *study, const struct study_report_options *options, FILE *out)
{
    struct report *r = calloc(1, sizeof *r);
    if (!r)
        return fail(ERR_MEMORY, "no memory for a report");
    r->study = study;
    r->options = options;
    r->out = out;
    enum status status = report_all(r);
    free_all(r);
    free(r);
    return status;
}
