/* `cbam-bench regress`: did head become slower, or wrong? Options and exit status; the gates are in
 * bench/regress. */
#include "bench/regress/gates.h"
#include "bench/regress/history.h"
#include "bench/regress/outcome_table.h"
#include "bench/regress/selftest.h"
#include "bench/regress/write.h"
#include "bench/verbs/algorithm_option.h"
#include "bench/verbs/options.h"
#include "bench/verbs/regress_child.h"
#include "bench/verbs/verbs.h"
#include "impls/base/threads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum action { COUNTS = 1, PAIR = 2, SELFTEST = 4 }; /* bits: an option belongs to some of them */

enum { MOST_WRITES = 16, MOST_TEXTS = 16 };

struct options {
    enum action action;
    struct regress_settings settings;
    struct write_request writes[MOST_WRITES];
    int write_count;
    struct option_list texts[MOST_TEXTS]; /* patterns and paths point into them */
    int text_count;
    const char *history, *algorithm;
    struct algorithm_option algorithm_used; /* opened, and what the settings point into */
    enum table_format format;
    struct selftest_settings selftest;
    bool cases_given, budget_given;
};

enum { KEY_BASE = 1000, KEY_HEAD, KEY_CASES, KEY_FILTER, KEY_IMPL, KEY_BASELINE, KEY_CURVES,
       KEY_UPDATE, KEY_NO_ACCURACY, KEY_JOBS, KEY_THREADS, KEY_ROUNDS, KEY_SAMPLES, KEY_MIN_MS,
       KEY_BUDGET, KEY_SEED, KEY_ALLOW, KEY_ALLOW_RESULTS, KEY_STRICT, KEY_FORMAT, KEY_WRITE,
       KEY_ALGORITHM,
       KEY_HISTORY, KEY_QUIET, KEY_RUNS, KEY_QUICK, KEY_STATE, KEY_RESTART };

/* argp's group of an option tells which actions know it. */
enum { BOTH = COUNTS | PAIR, ALL = COUNTS | PAIR | SELFTEST, TIMED = PAIR | SELFTEST };

static const struct argp_option known[] = {
    {"base", KEY_BASE, "DIR", 0, "the build to compare with: a folder with build/cbam-bench in it, "
     "or the program (counts: instead of the baseline file)", BOTH},
    {"head", KEY_HEAD, "DIR", 0, "the build in question (counts: default this program)", BOTH},
    {"cases", KEY_CASES, "FILE|CASE,...", 0, "files of cases, or cases as text", BOTH},
    {"filter", KEY_FILTER, "PATTERN", 0, "only what the name matches, such as 'onednn fwd' or "
     "'*conv2d*|*network*'", BOTH},
    {"impl", KEY_IMPL, "NAMES", 0, "implementations: all (default), or names", BOTH},
    {"baseline", KEY_BASELINE, "FILE", 0, "counts to compare with (" SETTINGS_COUNTS ")", COUNTS},
    {"curves", KEY_CURVES, "FILE", 0, "training runs to compare with (" SETTINGS_ACCURACY ")",
     COUNTS},
    {"update", KEY_UPDATE, NULL, 0, "write these files anew instead", COUNTS},
    {"no-accuracy", KEY_NO_ACCURACY, NULL, 0, "leave the training runs out", BOTH},
    {"jobs", KEY_JOBS, "N", 0, "processes at a time (default: all processors)", COUNTS},
    {"threads", KEY_THREADS, "N", 0, "threads of what is timed (1)", PAIR},
    {"algorithm", KEY_ALGORITHM, ALGORITHM_VALUES, 0, "of convolutions of networks (direct); auto: "
     "base decides by timing, head runs the same; with FILE, what stands there is used, and what "
     "is lacking decided and added", PAIR},
    {"rounds", KEY_ROUNDS, "N", 0, "rounds at least (10)", TIMED},
    {"samples", KEY_SAMPLES, "N", 0, "samples in a process (5; --quick: 3)", TIMED},
    {"min-ms", KEY_MIN_MS, "MS", 0, "least time of a sample (10; --quick: 2)", TIMED},
    {"budget", KEY_BUDGET, "S", 0, "seconds within which undecided cases get more rounds (300; "
     "selftest: 20)",
     TIMED},
    {"seed", KEY_SEED, "N", 0, "of orders, paddings and resampling (default 0: drawn from the two "
     "commits)", TIMED},
    {"allow", KEY_ALLOW, "CASE=PCT,...", 0, "cases (a name, a part or a pattern of it) that may be "
     "slower by so many per cent; recorded in the verdict", BOTH},
    {"allow-results", KEY_ALLOW_RESULTS, "CASE,...", 0, "cases whose results may differ from those "
     "of base; recorded", BOTH},
    {"strict", KEY_STRICT, NULL, 0, "exit with 4 when the verdict is inconclusive", BOTH},
    {"format", KEY_FORMAT, "text|json|csv|md", 0, "how to print the table", ALL},
    {"write", KEY_WRITE, "KIND=FILE,...", 0, "write as well: verdict, json, csv, md, junit, "
     "github, bencher, gbench-base, gbench-head", BOTH},
    {"history", KEY_HISTORY, "DIR", 0, "append to the CSV files of a history (Hunter, Otava)",
     BOTH},
    {"quiet", KEY_QUIET, NULL, 0, "no progress", ALL},
    {"runs", KEY_RUNS, "N", 0, "runs of each kind (20; half as many with +5 % and +15 %)",
     SELFTEST},
    {"quick", KEY_QUICK, NULL, 0, "the machinery alone: nothing and +20 %, quiet", SELFTEST},
    {"state", KEY_STATE, "FILE", 0, "finished runs; an interrupted self-test goes on from there "
     "(results/regress-selftest.jsonl)", SELFTEST},
    {"restart", KEY_RESTART, NULL, 0, "forget the finished runs", SELFTEST},
};
enum { KNOWN = sizeof known / sizeof known[0] };

/* ---- options ---- */

static enum status keep_list(struct options *o, const char *option, const char *value,
                             struct option_list **list)
{
    if (o->text_count == MOST_TEXTS)
        return fail(ERR_USAGE, "%s: at most %d such options", option, MOST_TEXTS);
    *list = &o->texts[o->text_count];
    TRY(option_split(option, value, *list));
    o->text_count++;
    return OK;
}

static enum status parse_cases(struct options *o, const char *value)
{
    struct option_list *items = NULL;
    o->cases_given = true;
    if (!*value) /* an empty list measures nothing, and says so */
        return OK;
    TRY(keep_list(o, "--cases", value, &items));
    for (int i = 0; i < items->count; i++)
        if (regress_list_add(&o->settings.cases, items->items[i]) != OK)
            return fail_prefix(ERR_USAGE, "--cases");
    return OK;
}

static enum status parse_share(char *item, double *share)
{
    char *equals = strrchr(item, '=');
    if (!equals || equals == item)
        return fail(ERR_USAGE, "--allow %s: CASE=PCT was expected", item);
    *equals = '\0';
    TRY(option_double("--allow", equals + 1, 0, 10000, share));
    *share /= 100;
    return OK;
}

static enum status parse_allow(struct options *o, const char *option, const char *value)
{
    bool results = strcmp(option, "--allow-results") == 0;
    struct regress_settings *s = &o->settings;
    struct regress_allowance *list = results ? s->allow_results : s->allow;
    int *count = results ? &s->allow_results_count : &s->allow_count;
    struct option_list *items = NULL;
    TRY(keep_list(o, option, value, &items));
    for (int i = 0; i < items->count; i++) {
        if (*count == SETTINGS_ALLOWANCES)
            return fail(ERR_USAGE, "%s: at most %d cases", option, SETTINGS_ALLOWANCES);
        struct regress_allowance *allow = &list[(*count)++];
        *allow = (struct regress_allowance){.pattern = items->items[i]};
        if (!results)
            TRY(parse_share(items->items[i], &allow->share));
    }
    return OK;
}

static enum status parse_write(struct options *o, const char *value)
{
    struct option_list *items = NULL;
    TRY(keep_list(o, "--write", value, &items));
    for (int i = 0; i < items->count; i++) {
        if (o->write_count == MOST_WRITES)
            return fail(ERR_USAGE, "--write: at most %d files", MOST_WRITES);
        struct write_request *request = &o->writes[o->write_count];
        TRY(write_parse(items->items[i], request));
        TRY(write_check(request, o->action == PAIR ? "pair" : "counts"));
        o->write_count++;
    }
    return OK;
}

static enum status parse_number(struct options *o, int key, const char *value)
{
    struct regress_settings *s = &o->settings;
    switch (key) {
    case KEY_JOBS:
        return option_int("--jobs", value, 1, 1024, &s->jobs);
    case KEY_THREADS:
        return option_int("--threads", value, 1, threads_available(), &s->threads);
    case KEY_ROUNDS:
        return option_int("--rounds", value, JUDGE_ROUNDS_MIN, 100, &s->rounds);
    case KEY_SAMPLES:
        return option_int("--samples", value, 1, PAIR_SAMPLES, &s->samples);
    case KEY_MIN_MS:
        return option_double("--min-ms", value, 0, 10000, &s->sample_ms);
    case KEY_BUDGET:
        o->budget_given = true;
        return option_double("--budget", value, 0, 86400, &s->budget);
    case KEY_SEED:
        return option_seed("--seed", value, &s->seed);
    default:
        return option_int("--runs", value, 1, 1000, &o->selftest.runs);
    }
}

static enum status parse_word(struct options *o, int key, char *value)
{
    struct regress_settings *s = &o->settings;
    switch (key) {
    case KEY_CASES:
        return parse_cases(o, value);
    case KEY_IMPL:
        return option_impls("--impl", value, s->impls, &s->impl_count);
    case KEY_ALLOW:
        return parse_allow(o, "--allow", value);
    case KEY_ALLOW_RESULTS:
        return parse_allow(o, "--allow-results", value);
    case KEY_WRITE:
        return parse_write(o, value);
    case KEY_FORMAT:
        return table_format_parse(value, &o->format);
    default:
        return parse_number(o, key, value);
    }
}

/* Options that only set a text or a switch. False: none of them. */
static bool set_plain(struct options *o, int key, const char *value)
{
    struct regress_settings *s = &o->settings;
    const struct { int key; const char **text; } texts[] = {
        {KEY_BASE, &s->base}, {KEY_HEAD, &s->head}, {KEY_FILTER, &s->filter},
        {KEY_BASELINE, &s->counts_file}, {KEY_CURVES, &s->accuracy_file},
        {KEY_ALGORITHM, &o->algorithm}, {KEY_HISTORY, &o->history},
        {KEY_STATE, &o->selftest.state}};
    const struct { int key; bool *flag, value; } flags[] = {
        {KEY_UPDATE, &s->update, true}, {KEY_NO_ACCURACY, &s->accuracy, false},
        {KEY_STRICT, &s->strict, true}, {KEY_QUIET, &s->talk, false},
        {KEY_QUICK, &o->selftest.quick, true}, {KEY_RESTART, &o->selftest.restart, true}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (texts[i].key == key) {
            *texts[i].text = value;
            return true;
        }
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (flags[i].key == key) {
            *flags[i].flag = flags[i].value;
            return true;
        }
    return false;
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct options *o = state->input;
    for (int i = 0; i < KNOWN; i++)
        if (known[i].key == key)
            return set_plain(o, key, value) ? 0 : option_error(parse_word(o, key, value));
    return option_unknown(key, value);
}

static enum status parse_options(struct options *o, const char *verb, const char *doc, int argc,
                                 char **argv)
{
    struct argp_option mine[KNOWN + 1] = {{0}};
    int count = 0;
    for (int i = 0; i < KNOWN; i++)
        if (known[i].group & (int)o->action) {
            mine[count] = known[i];
            mine[count++].group = 0;
        }
    const struct argp argp = {.options = mine, .parser = parse, .doc = doc};
    return option_parse(&argp, verb, argc, argv, o);
}

static void set_defaults(struct options *o, enum action action)
{
    *o = (struct options){
        .action = action,
        .settings = {.counts_file = SETTINGS_COUNTS, .accuracy_file = SETTINGS_ACCURACY,
                     .accuracy = true, .threads = 1, .jobs = threads_available(),
                     .rounds = JUDGE_ROUNDS_MIN, .sample_ms = -1, .warm_seconds = 0.3,
                     .budget = 300, .talk = true},
        .selftest = {.runs = 20, .state = "results/regress-selftest.jsonl"}};
    o->selftest.pair = &o->settings;
}

/* One file of decisions for all processes of both sides. */
static enum status open_algorithm(struct options *o)
{
    if (!o->algorithm)
        return OK;
    TRY(algorithm_option_open(&o->algorithm_used, o->algorithm));
    if (o->algorithm_used.algorithms.rule != ALGORITHM_DIRECT)
        o->settings.algorithm = o->algorithm_used.text;
    return OK;
}

static enum status complete(struct options *o)
{
    struct regress_settings *s = &o->settings;
    bool quick = o->selftest.quick;
    if (s->impl_count == 0)
        TRY(option_impls("--impl", "all", s->impls, &s->impl_count));
    if (s->samples == 0)
        s->samples = quick ? 3 : 5;
    if (s->sample_ms < 0)
        s->sample_ms = quick ? 2 : 10;
    if (o->action == PAIR && (!s->base || !s->head))
        return fail(ERR_USAGE, "--base DIR and --head DIR are needed: the two builds");
    if (s->update && (s->base || s->filter || o->write_count > 0))
        return fail(ERR_USAGE, "--update measures this build whole: without --base, --filter and "
                    "--write");
    TRY(open_algorithm(o));
    if (o->action == SELFTEST || o->cases_given)
        return OK;
    return regress_list_add(&s->cases, o->action == PAIR ? SETTINGS_PAIR_CASES
                                                         : SETTINGS_COUNT_CASES);
}

static void free_options(struct options *o)
{
    for (int i = 0; i < o->text_count; i++)
        option_list_free(&o->texts[i]);
    regress_list_free(&o->settings.cases);
    algorithm_option_close(&o->algorithm_used);
}

/* ---- actions ---- */

/* Faults are of usage or of files; 1 means regressed. */
static int fail_with(const char *verb, enum status status)
{
    verb_fail(verb, status);
    return status == OK ? 0 : 2;
}

static enum status give_out(const struct options *o, const struct regress_outcome *outcome)
{
    struct table *table = outcome_table(outcome);
    enum status status = table_write(table, o->format, stdout);
    table_free(table);
    for (int i = 0; status == OK && i < o->write_count; i++)
        status = write_outcome(outcome, &o->writes[i]);
    if (status == OK && o->history)
        status = history_append(o->history, outcome);
    return status;
}

static void warn_of_unused(const struct regress_settings *settings, const char *verb)
{
    const char *unused = settings_unused_allowance(settings);
    if (unused)
        fprintf(stderr, "cbam-bench %s: warning: what is allowed for '%s' matches no case that was "
                        "measured\n", verb, unused);
}

static enum status measure(struct options *o, struct regress_outcome *outcome)
{
    outcome->strict = o->settings.strict;
    TRY(o->action == PAIR ? regress_pair(&o->settings, outcome)
                          : regress_counts(&o->settings, outcome));
    return give_out(o, outcome);
}

/* The verdict goes to stderr as well, where a log shows it. */
static int run_gate(struct options *o, const char *verb)
{
    struct regress_outcome outcome;
    char line[700];
    outcome_start(&outcome, o->action == PAIR ? "pair" : "counts");
    enum status status = measure(o, &outcome);
    int code = fail_with(verb, status);
    if (status == OK) {
        outcome_line(&outcome, line, sizeof line);
        fflush(stdout);
        warn_of_unused(&o->settings, verb);
        fprintf(stderr, "cbam-bench %s: %s\n", verb, line);
        code = outcome_exit(&outcome);
    }
    outcome_free(&outcome);
    return code;
}

static int run_selftest(struct options *o, const char *verb)
{
    struct table *table;
    bool passed;
    if (!o->budget_given)
        o->settings.budget = 20;
    if (o->settings.seed == 0)
        o->settings.seed = 1;
    enum status status = selftest_run(&o->selftest, &table, &passed);
    if (status == OK)
        status = table_write(table, o->format, stdout);
    table_free(table);
    return status == OK ? !passed : fail_with(verb, status);
}

static const struct {
    const char *name, *doc;
    enum action action;
} actions[] = {
    {"counts", "Instructions of one steady call of each case, under callgrind, one thread: exact, "
     "and the same however busy the machine is.\vEvery case is first compared with its "
     "definition. Exit status: 0 ok, 1 regressed or wrong, 2 usage, 3 incomparable (another "
     "compiler or library than the baseline's, or no baseline), 4 inconclusive (with --strict), 5 "
     "nothing measured.", COUNTS},
    {"pair", "Wall time of two builds in turns: a fresh process a side and round, ratios formed "
     "within a round, a control kernel that no change touches.\vEvery case is first compared with "
     "its definition, and head's results with base's. Exit status: 0 ok, 1 regressed or wrong, 2 "
     "usage, 3 incomparable, 4 inconclusive (with --strict), 5 nothing measured.", PAIR},
    {"selftest", "The pair gate tried on this build: false alarms, and slow-downs planted in one "
     "layer.\vExit status 0 when it passes.", SELFTEST},
};
enum { ACTIONS = sizeof actions / sizeof actions[0] };

static int run_action(int index, int argc, char **argv)
{
    struct options *o = calloc(1, sizeof *o);
    char verb[32];
    int code;
    if (!o)
        return 2;
    snprintf(verb, sizeof verb, "regress %s", actions[index].name);
    set_defaults(o, actions[index].action);
    enum status status = parse_options(o, verb, actions[index].doc, argc, argv);
    if (status == OK)
        status = complete(o);
    if (status != OK)
        code = fail_with(verb, status);
    else
        code = o->action == SELFTEST ? run_selftest(o, verb) : run_gate(o, verb);
    free_options(o);
    free(o);
    return code;
}

static void print_help(FILE *out)
{
    fprintf(out, "Usage: cbam-bench regress ACTION [options]\n\nDid a change make anything slower, "
                 "or wrong?\n\n  counts    instruction counts against a committed baseline, or "
                 "against another build\n  pair      wall time of two builds, in turns\n  selftest "
                 " how often `pair` cries wolf, and how often it finds what is planted\n\n"
                 "cbam-bench regress ACTION --help tells the options.\n");
}

int verb_regress(int argc, char **argv)
{
    const char *action = argc > 1 ? argv[1] : "";
    if (strcmp(action, "child") == 0)
        return regress_child(argc - 1, argv + 1);
    for (int i = 0; i < ACTIONS; i++)
        if (strcmp(actions[i].name, action) == 0)
            return run_action(i, argc - 1, argv + 1);
    if (strcmp(action, "--help") == 0) {
        print_help(stdout);
        return 0;
    }
    fprintf(stderr, "cbam-bench regress: '%s' is no action: counts, pair or selftest was expected "
                    "(cbam-bench regress --help)\n", action);
    return 2;
}
