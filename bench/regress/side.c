/* A build under comparison: see side.h. */
#include "bench/regress/side.h"

#include "bench/regress/child.h"
#include "bench/regress/launch.h"
#include "bench/regress/planted.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHILD_SECONDS = 120, MOST_PADDING = 8192, MOST_WORDS = 24 };

static void keep(char *text, size_t size, const char *from)
{
    snprintf(text, size, "%.*s", (int)size - 1, from ? from : "");
}

/* ---- asking ---- */

/* What went wrong with a process, as a reason. */
static void explain(const struct launch_result *result, char *reason, size_t size)
{
    if (result->late)
        snprintf(reason, size, "no answer within %d s", CHILD_SECONDS);
    else if (result->code > 128)
        snprintf(reason, size, "ended by signal %d: %.150s", result->code - 128, result->error);
    else
        snprintf(reason, size, "ended with status %d: %.150s", result->code, result->error);
}

/* The answer as JSON; NULL, with the reason, when there is none. ERR_IO when the program cannot be
 * started. */
static enum status ask(const char *const *argv, char *const *environment, json_t **answer,
                       char *reason, size_t size)
{
    struct launch_result result;
    json_error_t error;
    enum status status = launch_run(argv, environment, CHILD_SECONDS, &result);
    *answer = NULL;
    if (status == OK && result.code == 0)
        *answer = json_loads(result.out, 0, &error);
    if (status == OK && result.code != 0)
        explain(&result, reason, size);
    else if (status == OK && !*answer)
        snprintf(reason, size, "no JSON in its answer");
    launch_free(&result);
    return status;
}

static enum side_state state_of(const json_t *answer, char *reason, size_t size)
{
    const char *state = json_string_value(json_object_get(answer, "state"));
    if (!answer)
        return SIDE_FAILED;
    if (state && strcmp(state, "ok") == 0)
        return SIDE_OK;
    keep(reason, size, json_string_value(json_object_get(answer, "reason")));
    return state && strcmp(state, "absent") == 0 ? SIDE_ABSENT : SIDE_FAILED;
}

static double number(const json_t *answer, const char *member)
{
    const json_t *value = json_object_get(answer, member);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

/* ---- opening ---- */

static bool is_program(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode) && access(path, X_OK) == 0;
}

static enum status find_program(struct regress_side *side, const char *where)
{
    static const char *const below[] = {"/build/cbam-bench", "/cbam-bench", ""};
    if (!where)
        return launch_self(side->program, sizeof side->program);
    for (size_t i = 0; i < sizeof below / sizeof below[0]; i++) {
        int length = snprintf(side->program, sizeof side->program, "%s%s", where, below[i]);
        if (length < SIDE_PATH && is_program(side->program))
            return OK;
    }
    return fail(ERR_USAGE, "--%s %s: a folder with build/cbam-bench in it, or the program itself, "
                "was expected", side->name, where);
}

enum status side_open(struct regress_side *side, const char *name, const char *where)
{
    static const char *const none[] = {NULL};
    char reason[256] = "";
    *side = (struct regress_side){.name = name};
    TRY(find_program(side, where));
    char **environment = launch_environment(true, none);
    if (!environment)
        return ERR_MEMORY;
    const char *const argv[] = {side->program, "regress", "child", "key", NULL};
    enum status status = ask(argv, environment, &side->key, reason, sizeof reason);
    free(environment);
    if (status != OK)
        return status;
    if (!side->key)
        return fail(ERR_UNSUPPORTED, "%s (%s) does not answer this regression check: %s", name,
                    side->program, reason);
    int protocol = (int)json_integer_value(json_object_get(side->key, "protocol"));
    if (protocol != CHILD_PROTOCOL)
        return fail(ERR_UNSUPPORTED, "%s (%s) speaks protocol %d of the check, this program %d",
                    name, side->program, protocol, CHILD_PROTOCOL);
    return OK;
}

void side_close(struct regress_side *side)
{
    json_decref(side->key);
    side->key = NULL;
}

const char *side_key(const struct regress_side *side, const char *member)
{
    const char *text = json_string_value(json_object_get(side->key, member));
    return text ? text : "";
}

/* ---- questions about a case ---- */

/* The words of a command line about a target. */
struct words {
    const char *list[MOST_WORDS];
    int count;
    char threads[16], samples[16], sample_ms[32], warm[32];
};

static void add(struct words *words, const char *word)
{
    CHECK(words->count < MOST_WORDS - 1);
    words->list[words->count++] = word;
}

static void start_words(struct words *words, const struct regress_side *side, const char *what)
{
    *words = (struct words){.count = 0};
    add(words, side->program);
    add(words, "regress");
    add(words, "child");
    add(words, what);
}

static void add_target(struct words *words, const struct regress_target *target, int threads)
{
    snprintf(words->threads, sizeof words->threads, "%d", threads);
    add(words, "--case");
    add(words, target->subject->text);
    add(words, "--impl");
    add(words, target->impl->name);
    add(words, "--pass");
    add(words, regress_pass_name(target->pass));
    add(words, "--threads");
    add(words, words->threads);
}

static void add_sampling(struct words *words, const struct side_settings *settings)
{
    snprintf(words->samples, sizeof words->samples, "%d", settings->samples);
    snprintf(words->sample_ms, sizeof words->sample_ms, "%g", settings->sample_ms);
    snprintf(words->warm, sizeof words->warm, "%g", settings->warm_seconds);
    add(words, "--samples");
    add(words, words->samples);
    add(words, "--min-ms");
    add(words, words->sample_ms);
    add(words, "--warm");
    add(words, words->warm);
    if (settings->selftest)
        add(words, "--selftest");
}

enum status side_check(const struct regress_side *side, const struct regress_target *target,
                       int threads, struct side_check *answer)
{
    static const char *const none[] = {NULL};
    struct words words;
    json_t *json;
    *answer = (struct side_check){.state = SIDE_FAILED};
    start_words(&words, side, "check");
    add_target(&words, target, threads);
    char **environment = launch_environment(true, none);
    if (!environment)
        return ERR_MEMORY;
    enum status status = ask(words.list, environment, &json, answer->reason,
                             sizeof answer->reason);
    free(environment);
    TRY(status);
    answer->state = state_of(json, answer->reason, sizeof answer->reason);
    answer->error = number(json, "error");
    keep(answer->how, sizeof answer->how, json_string_value(json_object_get(json, "how")));
    if (answer->state == SIDE_OK &&
        sketch_from_json(json_object_get(json, "results"), &answer->results) != OK) {
        answer->state = SIDE_FAILED;
        keep(answer->reason, sizeof answer->reason, fail_text());
    }
    json_decref(json);
    return OK;
}

static void read_time(const json_t *json, struct side_time *answer)
{
    answer->state = state_of(json, answer->reason, sizeof answer->reason);
    answer->median_ms = number(json, "median_ms");
    answer->min_ms = number(json, "min_ms");
    answer->cpu_ms = number(json, "cpu_ms");
    answer->repeats = (int)number(json, "repeats");
    bool measured = answer->median_ms > 0 && isfinite(answer->median_ms);
    if (answer->state == SIDE_OK && !measured) {
        answer->state = SIDE_FAILED;
        keep(answer->reason, sizeof answer->reason, "its time is no positive number");
    }
}

enum status side_time(const struct regress_side *side, const struct regress_target *target,
                      const struct side_settings *settings, struct side_time *answer)
{
    char padding[MOST_PADDING + 32] = "CBAM_BENCH_PADDING=", planted[512] = "";
    struct words words;
    json_t *json;
    CHECK(settings->padding <= MOST_PADDING);
    memset(padding + strlen(padding), 'x', (size_t)settings->padding);
    snprintf(planted, sizeof planted, PLANTED_VARIABLE "=%s",
             settings->planted ? settings->planted : "0 nothing");
    const char *const set[] = {padding, planted, NULL};
    *answer = (struct side_time){.state = SIDE_FAILED};
    start_words(&words, side, target ? "time" : "control");
    if (target)
        add_target(&words, target, settings->threads);
    add_sampling(&words, settings);
    char **environment = launch_environment(true, set);
    if (!environment)
        return ERR_MEMORY;
    enum status status = ask(words.list, environment, &json, answer->reason,
                             sizeof answer->reason);
    free(environment);
    TRY(status);
    read_time(json, answer);
    json_decref(json);
    return OK;
}

enum status side_accuracy(const struct regress_side *side, const char *impl, int threads,
                          struct accuracy_curve *curve, enum side_state *state, char *reason,
                          size_t size)
{
    static const char *const none[] = {NULL};
    struct words words;
    json_t *json;
    start_words(&words, side, "accuracy");
    snprintf(words.threads, sizeof words.threads, "%d", threads);
    add(&words, "--impl");
    add(&words, impl);
    add(&words, "--threads");
    add(&words, words.threads);
    char **environment = launch_environment(true, none);
    if (!environment)
        return ERR_MEMORY;
    enum status status = ask(words.list, environment, &json, reason, size);
    free(environment);
    TRY(status);
    *state = state_of(json, reason, size);
    if (*state == SIDE_OK && accuracy_curve_from_json(json, curve) != OK) {
        *state = SIDE_FAILED;
        keep(reason, size, fail_text());
    }
    json_decref(json);
    return OK;
}
