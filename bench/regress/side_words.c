/* Questions and answers as words: see side_words.h. */
#include "bench/regress/side_words.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void add(struct side_words *words, const char *word)
{
    CHECK(words->count < SIDE_WORDS - 1);
    words->list[words->count++] = word;
}

void side_words_start(struct side_words *words, const struct regress_side *side, const char *what)
{
    memset(words, 0, sizeof *words);
    add(words, side->program);
    add(words, "regress");
    add(words, "child");
    add(words, what);
}

void side_words_add(struct side_words *words, const char *option, const char *value)
{
    add(words, option);
    add(words, value);
}

void side_words_threads(struct side_words *words, int threads)
{
    snprintf(words->threads, sizeof words->threads, "%d", threads);
    side_words_add(words, "--threads", words->threads);
}

void side_words_target(struct side_words *words, const struct regress_side *side,
                       const struct regress_target *target, int threads)
{
    side_words_add(words, "--case", target->subject->text);
    side_words_add(words, "--impl", target->impl->name);
    side_words_add(words, "--pass", regress_pass_name(target->pass));
    if (side->algorithm && target->subject->network)
        side_words_add(words, "--algorithm", side->algorithm);
    side_words_threads(words, threads);
}

void side_words_sampling(struct side_words *words, const struct side_settings *settings)
{
    snprintf(words->sample_ms, sizeof words->sample_ms, "%g", settings->sample_ms);
    snprintf(words->warm, sizeof words->warm, "%g", settings->warm_seconds);
    side_words_add(words, "--min-ms", words->sample_ms);
    side_words_add(words, "--warm", words->warm);
    snprintf(words->processor, sizeof words->processor, "%d", settings->processor);
    side_words_add(words, "--processor", words->processor);
    if (settings->selftest)
        add(words, "--selftest");
}

void side_answer_keep(char *text, size_t size, const char *from)
{
    snprintf(text, size, "%.*s", (int)size - 1, from ? from : "");
}

void side_explain(const struct launch_result *result, char *reason, size_t size)
{
    if (result->late)
        snprintf(reason, size, "no answer within %d s", SIDE_SECONDS);
    else if (result->code > 128)
        snprintf(reason, size, "ended by signal %d: %.150s", result->code - 128, result->error);
    else if (result->code != 0)
        snprintf(reason, size, "ended with status %d: %.150s", result->code, result->error);
    else
        snprintf(reason, size, "no JSON in its answer");
}

enum side_state side_answer_state(const json_t *answer, char *reason, size_t size)
{
    const char *state = json_string_value(json_object_get(answer, "state"));
    if (!answer)
        return SIDE_FAILED;
    if (state && strcmp(state, "ok") == 0)
        return SIDE_OK;
    side_answer_keep(reason, size, json_string_value(json_object_get(answer, "reason")));
    return state && strcmp(state, "absent") == 0 ? SIDE_ABSENT : SIDE_FAILED;
}

double side_answer_number(const json_t *answer, const char *member)
{
    const json_t *value = json_object_get(answer, member);
    return json_is_number(value) ? json_number_value(value) : NAN;
}
