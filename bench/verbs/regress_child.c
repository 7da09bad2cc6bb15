/* `cbam-bench regress child`: what a fresh process does for the regression check. Not for people:
 * it answers one question (bench/regress/child.h) with a line of JSON. */
#include "bench/verbs/regress_child.h"

#include "bench/regress/child.h"
#include "bench/regress/planted.h"
#include "bench/verbs/options.h"

#include <stdio.h>
#include <string.h>

#define VERB "regress child"

enum { KEY_CASE = 1000, KEY_IMPL, KEY_PASS, KEY_ALGORITHM, KEY_THREADS, KEY_MIN_MS, KEY_WARM,
       KEY_PROCESSOR, KEY_SELFTEST };

static const struct argp_option options[] = {
    {"case", KEY_CASE, "CASE", 0, "what is asked about", 0},
    {"impl", KEY_IMPL, "NAME", 0, "on which implementation", 0},
    {"pass", KEY_PASS, "fwd|bwd|infer|step", 0, "which pass", 0},
    {"algorithm", KEY_ALGORITHM, "NAME", 0, "of networks' convolutions", 0},
    {"threads", KEY_THREADS, "N", 0, "threads", 0},
    {"min-ms", KEY_MIN_MS, "MS", 0, "least time of a sample", 0},
    {"warm", KEY_WARM, "S", 0, "most time of the warm-up", 0},
    {"processor", KEY_PROCESSOR, "N", 0, "stay on the N-th processor", 0},
    {"selftest", KEY_SELFTEST, NULL, 0, "look at " PLANTED_VARIABLE, 0},
    {0}};

static enum status parse_option(struct child_question *question, int key, char *value)
{
    switch (key) {
    case KEY_CASE:
        question->subject = value;
        return OK;
    case KEY_IMPL:
        question->impl = value;
        return OK;
    case KEY_PASS:
        question->pass = value;
        return OK;
    case KEY_ALGORITHM:
        question->algorithm = value;
        return OK;
    case KEY_THREADS:
        return option_int("--threads", value, 1, 1024, &question->threads);
    case KEY_MIN_MS:
        return option_double("--min-ms", value, 0, 10000, &question->sample.sample_ms);
    case KEY_WARM:
        return option_double("--warm", value, 0, 1000, &question->sample.warm_seconds);
    case KEY_PROCESSOR:
        return option_int("--processor", value, 0, 1 << 20, &question->processor);
    default:
        question->selftest = true;
        return OK;
    }
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    for (const struct argp_option *option = options; option->name; option++)
        if (option->key == key)
            return option_error(parse_option(state->input, key, value));
    return option_unknown(key, value);
}

/* NULL for a question that is none. */
static json_t *answer(const char *what, const struct child_question *question)
{
    if (strcmp(what, "key") == 0)
        return child_key();
    if (strcmp(what, "check") == 0)
        return child_check(question);
    if (strcmp(what, "count") == 0)
        return child_count(question);
    if (strcmp(what, "accuracy") == 0)
        return child_accuracy(question);
    return NULL;
}

int regress_child(int argc, char **argv)
{
    static const struct argp argp = {.options = options, .parser = parse};
    struct child_question question = {.subject = "", .impl = "", .pass = "", .threads = 1,
                                      .algorithm = "direct", .processor = -1,
                                      .sample = sample_defaults()};
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "burn") == 0) {
        burn_forever();
        return 0;
    }
    enum status status = option_parse(&argp, VERB, argc > 1 ? argc - 1 : 1,
                                      argc > 1 ? argv + 1 : argv, &question);
    if (status != OK)
        return verb_fail(VERB, status);
    if (strcmp(what, "time") == 0 || strcmp(what, "control") == 0) {
        (*what == 't' ? child_time : child_control)(&question, stdin, stdout);
        return 0;
    }
    json_t *json = answer(what, &question);
    if (!json)
        return verb_fail(VERB, fail(ERR_USAGE, "'%s' is no question", what));
    int failed = json_dumpf(json, stdout, JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_decref(json);
    failed = putchar('\n') == EOF || failed;
    return failed || fflush(stdout) != 0 ? 1 : 0;
}
