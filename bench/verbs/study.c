/* `study`: runs a grid of training runs from a study file, tells how far it is, reports, and moves
 * results between stores. */
#include "bench/report/paper.h"
#include "bench/report/study_report.h"
#include "bench/report/study_status.h"
#include "bench/study/shard.h"
#include "bench/study/store_merge.h"
#include "bench/study/study_run.h"
#include "bench/study/work.h"
#include "bench/verbs/options.h"
#include "bench/verbs/verbs.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { KEY_STORE = 1000, KEY_OLDER, KEY_LATENCY, KEY_FORMAT, KEY_PLOTS, KEY_PLOTS_OUT, KEY_KEY,
       KEY_STYLE, KEY_IMAGES, KEY_SHARD, KEY_RETRIES, KEY_OUTPUT,
       KEY_PREDICTIONS, KEY_LAST };

static const char default_store[] = "results/store.sqlite";

/* What the sub-verbs are given; each takes the options that its list has. */
struct options {
    const char *subject; /* a study file, or the name of a study */
    const char *store, *plots_out, *key, *output;
    char *const *others; /* further words of the line */
    int other_count, shard, shards, retries;
    bool older, plots, predictions, takes_many;
    int jobs, latency, agreement_images, style;
    enum table_format format;
};

enum { LATENCY_AUTO, LATENCY_AGAIN, LATENCY_OFF };
enum { STYLE_PLAIN, STYLE_PAPER };

#define STORE_OPTION \
    {"store", KEY_STORE, "FILE", 0, "the results store (results/store.sqlite)", 0}
#define FORMAT_OPTION \
    {"format", KEY_FORMAT, "text|json|csv|md|latex", 0, "how to print", 0}

static const struct argp_option run_options[] = {
    STORE_OPTION,
    {"jobs", 'j', "N", 0, "cells at once (as the file says, else processors / threads)", 0},
    {"shard", KEY_SHARD, "I/N", 0, "run only the part that machine I of N runs, sources with all "
     "that start from them, and no latency; each machine has a store of its own", 0},
    {"retries", KEY_RETRIES, "N", 0, "try a cell that fails again, after the others (1)", 0},
    {"older", KEY_OLDER, NULL, 0, "run cells again that another commit's code made", 0},
    {"latency", KEY_LATENCY, "auto|again|off", 0, "measure latency when it is not in the store "
     "(auto), in any case, or not at all", 0},
    {0}};

static const struct argp_option status_options[] = {STORE_OPTION, FORMAT_OPTION, {0}};

static const struct argp_option report_options[] = {
    STORE_OPTION, FORMAT_OPTION,
    {"style", KEY_STYLE, "plain|paper", 0, "paper: one table in the layout of Woo et al., the "
     "published numbers beside", 0},
    {"plots", KEY_PLOTS, NULL, 0, "draw the plots, print no table", 0},
    {"plots-out", KEY_PLOTS_OUT, "DIR", 0, "folder of the pictures (plots/out/NAME)", 0},
    {0}};

static const struct argp_option export_options[] = {
    STORE_OPTION,
    {"output", KEY_OUTPUT, "FILE", 0, "write to this file (standard output)", 0},
    {"predictions", KEY_PREDICTIONS, NULL, 0, "with the class of every test image", 0},
    {0}};

static const struct argp_option store_options[] = {STORE_OPTION, {0}};

static const struct argp_option cell_options[] = {
    STORE_OPTION,
    {"key", KEY_KEY, "KEY", 0, "the cell", 0},
    {"agreement-images", KEY_IMAGES, "N", 0, "test images to compare implementations on", 0},
    {0}};

static enum status set_option(struct options *o, int key, const char *arg)
{
    static const char *const style_words[] = {"plain", "paper"};
    static const char *const latency_words[] = {"auto", "again", "off"};
    switch (key) {
    case 'j':
        return option_int("--jobs", arg, 1, 1024, &o->jobs);
    case KEY_STORE:
        o->store = arg;
        return OK;
    case KEY_SHARD:
        return shard_parse(arg, &o->shard, &o->shards);
    case KEY_RETRIES:
        return option_int("--retries", arg, 0, 100, &o->retries);
    case KEY_OUTPUT:
        o->output = arg;
        return OK;
    case KEY_PREDICTIONS:
        o->predictions = true;
        return OK;
    case KEY_OLDER:
        o->older = true;
        return OK;
    case KEY_LATENCY:
        return option_word("--latency", arg, latency_words, 3, &o->latency);
    case KEY_FORMAT:
        return table_format_parse(arg, &o->format);
    case KEY_STYLE:
        return option_word("--style", arg, style_words, 2, &o->style);
    case KEY_PLOTS:
        o->plots = true;
        return OK;
    case KEY_PLOTS_OUT:
        o->plots_out = arg;
        return OK;
    case KEY_KEY:
        o->key = arg;
        return OK;
    case KEY_IMAGES:
        return option_int("--agreement-images", arg, 0, 1000000, &o->agreement_images);
    default:
        return fail(ERR_USAGE, "unknown option");
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;
    if (key == ARGP_KEY_ARGS) { /* the rest of the line: whoever takes several words has it */
        o->others = state->argv + state->next;
        o->other_count = state->argc - state->next;
        return 0;
    }
    if (key == ARGP_KEY_ARG) {
        if (o->takes_many)
            return ARGP_ERR_UNKNOWN; /* they come as ARGP_KEY_ARGS */
        if (o->subject)
            return option_error(fail(ERR_USAGE, "one study was expected, not '%s' and '%s'",
                                     o->subject, arg));
        o->subject = arg;
        return 0;
    }
    if (key != 'j' && (key < KEY_STORE || key >= KEY_LAST))
        return ARGP_ERR_UNKNOWN; /* one of argp's own */
    return option_error(set_option(o, key, arg));
}

/* ---- sub-verbs ---- */

/* The name of the study that a command line means: a file's, or the word itself. */
static enum status study_name(const struct options *o, char name[64])
{
    struct study study;
    const char *dot = strrchr(o->subject, '.');
    bool file = strchr(o->subject, '/') || (dot && (strcmp(dot, ".yaml") == 0 ||
                                                    strcmp(dot, ".yml") == 0));
    if (file)
        TRY(study_load(&study, o->subject));
    snprintf(name, 64, "%s", file ? study.name : o->subject);
    return OK;
}

static enum status run(const struct options *o)
{
    struct study study;
    struct scheduler_report report;
    struct study_run_options options = {
        .store_path = o->store, .jobs = o->jobs, .older = o->older, .shard = o->shard,
        .shards = o->shards, .retries = o->retries,
        .no_latency = o->latency == LATENCY_OFF, .latency_again = o->latency == LATENCY_AGAIN,
        .talk = stderr, .terminal = isatty(STDERR_FILENO) != 0};
    TRY(study_load(&study, o->subject));
    enum status status = study_run(&study, &options, &report);
    if (report.total > 0)
        fprintf(stderr, "study %s: %d cells, %d of them in the store before, %d run, %d failed, "
                "%d not run\n", study.name, report.total, report.reused, report.done,
                report.failed, report.blocked);
    return status;
}

static enum status print_status(const struct options *o, const struct study_data *data)
{
    struct table *counts = study_status_counts(data), *faults = study_status_faults(data);
    enum status status;
    if (o->format == TABLE_JSON)
        table_meta(counts, "faults", table_rows_json(faults));
    status = table_write(counts, o->format, stdout);
    if (status == OK && o->format != TABLE_JSON && table_rows(faults) > 0) {
        putchar('\n');
        status = table_write(faults, o->format, stdout);
    }
    table_free(counts);
    table_free(faults);
    return status;
}

static enum status status_of(const struct options *o)
{
    char name[64];
    struct store *store;
    struct study_data data;
    TRY(study_name(o, name));
    TRY(store_open(&store, o->store, false));
    enum status status = study_data_read(&data, store, name);
    if (status == OK) {
        status = print_status(o, &data);
        study_data_free(&data);
    }
    store_close(store);
    return status;
}

static enum status report(const struct options *o)
{
    char name[64];
    struct study_report_options options = {.store_path = o->store, .plots_out = o->plots_out,
                                           .format = o->format, .plots_only = o->plots,
                                           .talk = stderr};
    TRY(study_name(o, name));
    if (o->style == STYLE_PAPER)
        return paper_report(name, o->store, o->format, stdout);
    return study_report(name, &options, stdout);
}

static enum status export(const struct options *o)
{
    char name[64];
    struct store *store;
    TRY(study_name(o, name));
    TRY(store_open(&store, o->store, false));
    enum status status = o->output ? store_export_file(store, name, o->predictions, o->output)
                                   : store_export(store, name, o->predictions, stdout);
    store_close(store);
    return status;
}

static void say_merged(const struct options *o, const char *path, const struct merge_report *r)
{
    fprintf(stderr, "%s: %d cells new to %s, %d further than there, %d kept as they were", path,
            r->added, o->store, r->improved, r->kept);
    if (r->weights > 0)
        fprintf(stderr, ", %d weights files", r->weights);
    fputc('\n', stderr);
    if (r->differ > 0)
        fprintf(stderr, "%s: note: %d cells are done in both with other numbers; those of %s are "
                "kept\n", path, r->differ, o->store);
    if (r->running > 0)
        fprintf(stderr, "%s: note: %d cells were running; merge again when they are done\n", path,
                r->running);
}

/* Takes in other stores, or exports, one after the other. */
static enum status take_in(const struct options *o,
                           enum status (*take)(struct store *, const char *, struct merge_report *))
{
    struct store *store;
    struct merge_report report;
    enum status status = OK;
    TRY(store_open(&store, o->store, true));
    for (int i = 0; i < o->other_count && status == OK; i++) {
        status = take(store, o->others[i], &report);
        if (status == OK)
            say_merged(o, o->others[i], &report);
    }
    store_close(store);
    return status;
}

static enum status import(const struct options *o)
{
    return take_in(o, store_import);
}

static enum status merge(const struct options *o)
{
    return take_in(o, store_merge);
}

/* What the scheduler starts: one cell in a process of its own. */
static int cell(const struct options *o)
{
    struct store *store;
    enum work_outcome outcome = WORK_FAILED;
    enum status status = o->key ? store_open(&store, o->store, false)
                                : fail(ERR_USAGE, "--key is missing");
    if (status == OK) {
        status = work_cell(store, o->key, &work_real, o->agreement_images, &outcome);
        store_close(store);
    }
    if (status != OK)
        return verb_fail("study cell", status);
    return outcome == WORK_DONE     ? WORKER_EXIT_DONE
           : outcome == WORK_FAILED ? WORKER_EXIT_FAILED
                                    : WORKER_EXIT_ELSEWHERE;
}

/* ---- the verb ---- */

static const struct sub {
    const char *name, *arguments, *help;
    const struct argp_option *options;
    enum status (*act)(const struct options *o);
    bool takes_many;
} subs[] = {
    {"run", "FILE", "Runs the cells of a study that are not in the store yet, then its latency "
     "part. A run may be stopped at any time and started again.", run_options, run, false},
    {"status", "FILE|NAME", "How many cells are done, and which failed and why.", status_options,
     status_of, false},
    {"report", "FILE|NAME", "Tables and plots from the store.", report_options, report, false},
    {"export", "FILE|NAME", "All that the store knows of a study, as JSON lines.", export_options,
     export, false},
    {"import", "LINES...", "Takes exported studies into the store.", store_options, import, true},
    {"merge", "STORE...", "Takes other stores into the store, such as those of shards.",
     store_options, merge, true},
    {"cell", "", "Runs one cell; started by `study run`.", cell_options, NULL, false},
};
enum { SUBS = sizeof subs / sizeof subs[0], HIDDEN = 1 };

static int run_sub(const struct sub *sub, int argc, char **argv)
{
    char name[32];
    struct options o = {.store = default_store, .retries = 1, .takes_many = sub->takes_many};
    const struct argp argp = {sub->options, parse, sub->arguments, sub->help, NULL, NULL, NULL};
    snprintf(name, sizeof name, "study %s", sub->name);
    enum status status = option_parse(&argp, name, argc, argv, &o);
    if (status == OK && sub->act && !o.subject && o.other_count == 0)
        status = fail(ERR_USAGE, "%s is missing: cbam-bench %s %s",
                      sub->takes_many ? "a file" : "a study", name, sub->arguments);
    if (status == OK && !sub->act)
        return cell(&o);
    if (status == OK)
        status = sub->act(&o);
    return verb_fail(name, status);
}

static void print_help(FILE *out)
{
    fputs("Usage: cbam-bench study SUB-VERB [options] FILE\n\n", out);
    for (int i = 0; i < SUBS - HIDDEN; i++)
        fprintf(out, "  %-7s %s\n", subs[i].name, subs[i].help);
    fputs("\ncbam-bench study SUB-VERB --help tells its options.\n", out);
}

int verb_study(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    for (int i = 0; i < SUBS; i++)
        if (strcmp(word, subs[i].name) == 0)
            return run_sub(&subs[i], argc - 1, argv + 1);
    bool asked = strcmp(word, "--help") == 0 || strcmp(word, "help") == 0;
    if (*word && !asked)
        return verb_fail("study", fail(ERR_USAGE, "'%s' is not known: run, status, report, "
                                       "export, import or merge was expected", word));
    print_help(asked ? stdout : stderr);
    return asked ? 0 : 2;
}
