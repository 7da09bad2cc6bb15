/* A process of a build that is timed in turns with others: see side_timer in side.h. */
#include "bench/regress/side_words.h"

#include "bench/regress/planted.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PADDING = 8192 };

/* The process has ended, or did not answer in time: why. */
static void give_up(struct side_timer *timer)
{
    struct launch_result result;
    launch_close(&timer->session, &result);
    timer->state = SIDE_FAILED;
    side_explain(&result, timer->reason, sizeof timer->reason);
}

/* Sends a word (NULL: none) and keeps what the answer says. A new reference; NULL when the timer is
 * of no use any more. */
static json_t *ask(struct side_timer *timer, const char *word)
{
    json_error_t error;
    if (timer->state != SIDE_OK)
        return NULL;
    char *line = launch_ask(&timer->session, word, SIDE_SECONDS);
    json_t *answer = line ? json_loads(line, 0, &error) : NULL;
    free(line);
    if (!answer)
        give_up(timer);
    else
        timer->state = side_answer_state(answer, timer->reason, sizeof timer->reason);
    if (answer && timer->state != SIDE_OK) {
        json_decref(answer);
        answer = NULL;
    }
    return answer;
}

static enum status start(struct side_timer *timer, const struct side_words *words,
                         const struct side_settings *settings)
{
    char padding[MOST_PADDING + 32] = "CBAM_BENCH_PADDING=", planted[512] = "";
    CHECK(settings->padding <= MOST_PADDING);
    memset(padding + strlen(padding), 'x', (size_t)settings->padding);
    snprintf(planted, sizeof planted, PLANTED_VARIABLE "=%s",
             settings->planted ? settings->planted : "0 nothing");
    const char *const set[] = {padding, planted, NULL};
    char **environment = launch_environment(true, set);
    if (!environment)
        return ERR_MEMORY;
    enum status status = launch_open(words->list, environment, &timer->session);
    free(environment);
    return status;
}

enum status side_timer_open(struct side_timer *timer, const struct regress_side *side,
                            const struct regress_target *target,
                            const struct side_settings *settings)
{
    struct side_words words;
    *timer = (struct side_timer){.state = SIDE_OK, .session = {.socket = -1}};
    side_words_start(&words, side, target ? "time" : "control");
    if (target)
        side_words_target(&words, side, target, settings->threads);
    side_words_sampling(&words, settings);
    TRY(start(timer, &words, settings));
    json_decref(ask(timer, NULL));
    return OK;
}

void side_timer_warm(struct side_timer *timer)
{
    json_t *answer = ask(timer, "warm");
    timer->repeats = (int)json_integer_value(json_object_get(answer, "repeats"));
    json_decref(answer);
}

void side_timer_sample(struct side_timer *timer, double *ms, double *cpu_ms)
{
    json_t *answer = ask(timer, "sample");
    *ms = side_answer_number(answer, "ms");
    *cpu_ms = side_answer_number(answer, "cpu_ms");
    if (answer && !(*ms > 0 && isfinite(*ms))) {
        timer->state = SIDE_FAILED;
        side_answer_keep(timer->reason, sizeof timer->reason, "its time is no positive number");
    }
    json_decref(answer);
}

void side_timer_close(struct side_timer *timer)
{
    struct launch_result result;
    launch_close(&timer->session, &result);
}
