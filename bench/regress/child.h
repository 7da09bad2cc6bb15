/* What a fresh process of the regression check does: one question, answered by one JSON object.
 * Both sides of a comparison answer it, each by its own build, so what is said here is a protocol:
 * raise CHILD_PROTOCOL when an answer changes its meaning. Knows nothing of the other side.
 *
 * Answers about a case have "state": "ok", "failed" (with "reason") or "absent" (this build does
 * not know the case or does not offer it; with "reason"). */
#ifndef BENCH_REGRESS_CHILD_H
#define BENCH_REGRESS_CHILD_H

#include "bench/measure/sample.h"
#include "bench/regress/case.h"

#include <jansson.h>
#include <stdio.h>

enum { CHILD_PROTOCOL = 2 };

struct child_question {
    const char *subject, *impl, *pass; /* as text: this build may not know them */
    int threads;
    struct sample_settings sample;
    const char *algorithm; /* of networks' convolutions, as algorithms_parse() has it */
    int processor; /* of a timed process with one thread: quiet_pin(); below 0: any */
    bool selftest; /* look at PLANTED_VARIABLE */
};

/* What made this build and what it runs on: "protocol", "compiler", "flags" (without those for
 * warnings), "glibc", "cpu", "commit", and under the name of each implementation the version and
 * kernel set of its library. All members but the first are texts. A new reference. */
json_t *child_key(void);

/* Each returns a new reference, or NULL when there is no memory. */

/* Compares with the definition, and decides which algorithms convolutions run where an
 * `algorithm` auto:FILE lacks it; no other question decides. Beside the state "how", "error" and
 * "results" (sketch_json()). */
json_t *child_check(const struct child_question *question);

/* Times, in turns with the processes of the other side. Writes a line of JSON to `out` when the
 * case is ready ("how" beside the state), then one for each line that comes in on `in`:
 *   warm    warms up and calibrates: "repeats", "steady";
 *   sample  takes one sample (quiet.h): "ms", "cpu_ms", "disturbed";
 * each with its "state". Ends with the input, or when something failed. */
void child_time(const struct child_question *question, FILE *in, FILE *out);

/* The same of the control kernel. */
void child_control(const struct child_question *question, FILE *in, FILE *out);

/* Under callgrind started with --instr-atstart=no --collect-atstart=no: checks each pass of the
 * case, then counts one steady call of it and dumps the count with the pass's name as its trigger.
 * "key" (child_key()), "passes": an object with one answer, "how" in it, for each pass that this
 * build offers. `pass` is not looked at. */
json_t *child_count(const struct child_question *question);

/* The fixed training run of accuracy.h: "losses" of each step, "test_loss", "test_accuracy",
 * "test_images". */
json_t *child_accuracy(const struct child_question *question);

#endif
