/* What a fresh process of the regression check answers: see child.h. */
#include "bench/regress/child.h"

#include "bench/measure/decide.h"
#include "bench/regress/accuracy.h"
#include "bench/regress/planted.h"
#include "bench/regress/quiet.h"
#include "bench/regress/subject.h"
#include "bench/report/provenance.h"
#include "impls/base/threads.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__has_include)
#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#define HAVE_CALLGRIND
#endif
#endif

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *without_time(const char *state)
{
    return json_pack("{s:s, s:s}", "state", state, "reason", fail_text());
}

/* ---- key ---- */

/* Flags that change the code: all but those that begin with -W. */
static void drop_warnings(char *flags)
{
    char *to = flags;
    for (const char *word = flags; *word; word += strspn(word, " ")) {
        size_t length = strcspn(word, " ");
        if (strncmp(word, "-W", 2) != 0) {
            if (to > flags)
                *to++ = ' ';
            memmove(to, word, length);
            to += length;
        }
        word += length;
    }
    *to = '\0';
}

json_t *child_key(void)
{
    struct provenance made;
    provenance_fill(&made);
    drop_warnings(made.flags);
    json_t *key = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s}", "protocol", CHILD_PROTOCOL,
                            "compiler", made.compiler, "flags", made.flags, "glibc", made.libc,
                            "cpu", made.cpu, "commit", made.commit);
    for (int i = 0; key && impls[i]; i++) {
        char version[160] = "";
        impls[i]->version(version, sizeof version);
        json_object_set_new(key, impls[i]->name, json_string(version));
    }
    return key;
}

/* ---- one case, open ---- */

struct opened {
    const struct impl *impl;
    struct impl_ctx *ctx;
    struct regress_case subject;
    struct algorithms algorithms;
    enum regress_pass pass;
    struct regress_subject ready;
};

/* ERR_UNSUPPORTED: this build does not have it. */
static enum status understand(struct opened *o, const struct child_question *question)
{
    struct regress_list none = {0};
    struct regress_targets targets;
    o->impl = impl_find(question->impl);
    if (!o->impl || regress_case_parse(&o->subject, question->subject) != OK)
        return ERR_UNSUPPORTED;
    none = (struct regress_list){.list = &o->subject, .count = 1};
    TRY(regress_targets_make(&targets, &none, &o->impl, 1, NULL));
    bool found = false;
    for (int i = 0; i < targets.count; i++)
        if (strcmp(regress_pass_name(targets.list[i].pass), question->pass) == 0) {
            o->pass = targets.list[i].pass;
            found = true;
        }
    regress_targets_free(&targets);
    return found ? OK : fail(ERR_UNSUPPORTED, "%s does not offer it", question->impl);
}

/* A fused operation may lack a plan for some form; a primitive may not. */
static enum status planned(const struct opened *o, enum status status)
{
    bool optional = !o->subject.network && o->subject.desc.kind >= OP_PRIMITIVES;
    return status == ERR_UNSUPPORTED && !optional ? ERR_LIBRARY : status;
}

static void close_case(struct opened *o)
{
    regress_subject_free(&o->ready);
    if (o->ctx)
        o->impl->close(o->ctx);
    algorithms_free(&o->algorithms);
}

static enum status open_case(struct opened *o, const struct child_question *question, bool check)
{
    TRY(understand(o, question));
    TRY(threads_set(question->threads));
    TRY(algorithms_parse("--algorithm", question->algorithm, &o->algorithms));
    if (o->algorithms.rule == ALGORITHM_WINOGRAD && !o->impl->ops[OP_CONV2D]->winograd)
        return fail(ERR_UNSUPPORTED, "%s does not offer Winograd's algorithms", o->impl->name);
    o->algorithms.decide = decide_algorithm;
    o->algorithms.fixed = !check; /* the check came first: nothing is left to decide by time */
    enum status status = o->impl->open(&o->ctx);
    if (status == OK)
        status = regress_subject_make(&o->ready, &o->subject, o->impl, o->ctx, &o->algorithms,
                                      o->pass, check);
    if (status != OK)
        close_case(o);
    return planned(o, status);
}

static json_t *no_answer(enum status status)
{
    return without_time(status == ERR_UNSUPPORTED ? "absent" : "failed");
}

json_t *child_check(const struct child_question *question)
{
    struct opened *o = calloc(1, sizeof *o);
    json_t *answer = NULL;
    enum status status = o ? open_case(o, question, true) : ERR_MEMORY;
    if (o && status == OK) {
        answer = json_pack("{s:s, s:s, s:o, s:o}", "state", "ok", "how", o->ready.how, "error",
                           number(o->ready.error), "results", sketch_json(&o->ready.results));
        close_case(o);
    } else if (o) {
        answer = no_answer(status);
        if (answer && o->ready.how[0])
            json_object_set_new(answer, "how", json_string(o->ready.how));
    }
    free(o);
    return answer;
}

/* ---- time ---- */

static bool put_line(FILE *out, json_t *answer)
{
    bool failed = !answer || json_dumpf(answer, out, JSON_COMPACT | JSON_REAL_PRECISION(17)) != 0;
    json_decref(answer);
    failed = fputc('\n', out) == EOF || failed;
    return fflush(out) == 0 && !failed;
}

/* What is timed in turns. */
struct turns {
    const struct sample_target *target;
    const struct child_question *question;
    int threads, repeats;
};

static json_t *warm_up(struct turns *turns)
{
    struct sample_series series = {0};
    enum status status = sample_warm(turns->target, &turns->question->sample, &series);
    const bool steady = series.steady;
    turns->repeats = series.repeats;
    sample_free(&series);
    return status == OK ? json_pack("{s:s, s:i, s:b}", "state", "ok", "repeats", turns->repeats,
                                    "steady", steady)
                        : without_time("failed");
}

static json_t *take_sample(const struct turns *turns)
{
    struct quiet_sample sample;
    if (quiet_take(turns->target, turns->repeats, turns->threads, &sample) != OK)
        return without_time("failed");
    return json_pack("{s:s, s:f, s:f, s:b}", "state", "ok", "ms", sample.ms, "cpu_ms",
                     sample.cpu_ms, "disturbed", sample.disturbed);
}

static void take_turns(struct turns *turns, const char *how, FILE *in, FILE *out)
{
    char line[64];
    if (turns->threads == 1 && turns->question->processor >= 0)
        quiet_pin(turns->question->processor);
    bool going = put_line(out, json_pack("{s:s, s:s}", "state", "ok", "how", how));
    while (going && fgets(line, sizeof line, in)) {
        line[strcspn(line, "\r\n")] = '\0';
        if (strcmp(line, "warm") == 0)
            going = put_line(out, warm_up(turns));
        else if (strcmp(line, "sample") == 0)
            going = put_line(out, take_sample(turns));
        else
            going = false;
    }
}

static void time_case(struct opened *o, const struct child_question *question, FILE *in, FILE *out)
{
    char name[400];
    struct planted planted = {.target = {regress_subject_run, &o->ready}};
    snprintf(name, sizeof name, "%s %s %s", o->impl->name, question->pass, o->subject.text);
    if (question->selftest && planted_share(name, &planted.share) != OK) {
        put_line(out, without_time("failed"));
        return;
    }
    struct sample_target slowed = {planted_run, &planted};
    struct turns turns = {.target = planted.share > 0 ? &slowed : &planted.target,
                          .question = question, .threads = question->threads, .repeats = 1};
    take_turns(&turns, o->ready.how, in, out);
}

void child_time(const struct child_question *question, FILE *in, FILE *out)
{
    struct opened *o = calloc(1, sizeof *o);
    enum status status = o ? open_case(o, question, false) : ERR_MEMORY;
    if (o && status == OK) {
        time_case(o, question, in, out);
        close_case(o);
    } else {
        put_line(out, no_answer(status));
    }
    free(o);
}

void child_control(const struct child_question *question, FILE *in, FILE *out)
{
    static const struct sample_target control = {control_run, NULL};
    struct turns turns = {.target = &control, .question = question, .threads = 1, .repeats = 1};
    if (threads_set(1) != OK)
        put_line(out, without_time("failed"));
    else
        take_turns(&turns, "fixed loop", in, out);
}

/* ---- counts ---- */

#ifdef HAVE_CALLGRIND

static enum status count_call(struct regress_subject *ready, const char *pass)
{
    if (!RUNNING_ON_VALGRIND)
        return fail(ERR_USAGE, "this process does not run under valgrind");
    for (int warm = 0; warm < 2; warm++)
        TRY(regress_subject_run(ready));
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_ZERO_STATS;
    CALLGRIND_TOGGLE_COLLECT;
    enum status status = regress_subject_run(ready);
    CALLGRIND_TOGGLE_COLLECT;
    CALLGRIND_DUMP_STATS_AT(pass);
    CALLGRIND_STOP_INSTRUMENTATION;
    return status;
}

#else

static enum status count_call(struct regress_subject *ready, const char *pass)
{
    (void)ready, (void)pass;
    return fail(ERR_USAGE, "built without valgrind/callgrind.h: package valgrind");
}

#endif

static json_t *count_pass(const struct child_question *question)
{
    struct opened *o = calloc(1, sizeof *o);
    json_t *answer = NULL;
    enum status status = o ? open_case(o, question, true) : ERR_MEMORY;
    if (o && status == OK) {
        answer = count_call(&o->ready, question->pass) == OK
                     ? json_pack("{s:s, s:s}", "state", "ok", "how", o->ready.how)
                     : without_time("failed");
        close_case(o);
    } else if (o) {
        answer = no_answer(status);
    }
    free(o);
    return answer;
}

json_t *child_count(const struct child_question *question)
{
    json_t *passes = json_object();
    for (int pass = 0; passes && pass < REGRESS_PASSES; pass++) {
        struct child_question one = *question;
        one.pass = regress_pass_name((enum regress_pass)pass);
        json_t *answer = count_pass(&one);
        const char *state = json_string_value(json_object_get(answer, "state"));
        if (state && strcmp(state, "absent") == 0)
            json_decref(answer);
        else
            json_object_set_new(passes, one.pass, answer);
    }
    return passes ? json_pack("{s:o, s:o}", "key", child_key(), "passes", passes) : NULL;
}

/* ---- accuracy ---- */

json_t *child_accuracy(const struct child_question *question)
{
    struct accuracy_curve curve;
    if (accuracy_train(question->impl, question->threads, &curve) != OK)
        return without_time("failed");
    return accuracy_curve_json(&curve);
}
