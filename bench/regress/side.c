/* A build under comparison: see side.h. */
#include "bench/regress/side.h"

#include "bench/regress/child.h"
#include "bench/regress/side_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- asking ---- */

/* The answer as JSON; NULL, with the reason, when there is none. ERR_IO when the program cannot be
 * started. */
static enum status ask(const char *const *argv, char *const *environment, json_t **answer,
                       char *reason, size_t size)
{
    struct launch_result result;
    json_error_t error;
    enum status status = launch_run(argv, environment, SIDE_SECONDS, &result);
    *answer = NULL;
    if (status == OK && result.code == 0)
        *answer = json_loads(result.out, 0, &error);
    if (status == OK && !*answer)
        side_explain(&result, reason, size);
    launch_free(&result);
    return status;
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

enum status side_check(const struct regress_side *side, const struct regress_target *target,
                       int threads, struct side_check *answer)
{
    static const char *const none[] = {NULL};
    struct side_words words;
    json_t *json;
    *answer = (struct side_check){.state = SIDE_FAILED};
    side_words_start(&words, side, "check");
    side_words_target(&words, side, target, threads);
    char **environment = launch_environment(true, none);
    if (!environment)
        return ERR_MEMORY;
    enum status status = ask(words.list, environment, &json, answer->reason,
                             sizeof answer->reason);
    free(environment);
    TRY(status);
    answer->state = side_answer_state(json, answer->reason, sizeof answer->reason);
    answer->error = side_answer_number(json, "error");
    side_answer_keep(answer->how, sizeof answer->how,
                     json_string_value(json_object_get(json, "how")));
    if (answer->state == SIDE_OK &&
        sketch_from_json(json_object_get(json, "results"), &answer->results) != OK) {
        answer->state = SIDE_FAILED;
        side_answer_keep(answer->reason, sizeof answer->reason, fail_text());
    }
    json_decref(json);
    return OK;
}

enum status side_accuracy(const struct regress_side *side, const char *impl, int threads,
                          struct accuracy_curve *curve, enum side_state *state, char *reason,
                          size_t size)
{
    static const char *const none[] = {NULL};
    struct side_words words;
    json_t *json;
    side_words_start(&words, side, "accuracy");
    side_words_add(&words, "--impl", impl);
    side_words_threads(&words, threads);
    char **environment = launch_environment(true, none);
    if (!environment)
        return ERR_MEMORY;
    enum status status = ask(words.list, environment, &json, reason, size);
    free(environment);
    TRY(status);
    *state = side_answer_state(json, reason, size);
    if (*state == SIDE_OK && accuracy_curve_from_json(json, curve) != OK) {
        *state = SIDE_FAILED;
        side_answer_keep(reason, size, fail_text());
    }
    json_decref(json);
    return OK;
}
