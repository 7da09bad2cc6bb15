/* How a question to a process of a build is put, and what its answer says. Private to
 * bench/regress/side*.c. Starts no process. */
#ifndef BENCH_REGRESS_SIDE_WORDS_H
#define BENCH_REGRESS_SIDE_WORDS_H

#include "bench/regress/launch.h"
#include "bench/regress/side.h"

enum { SIDE_SECONDS = 120, SIDE_WORDS = 24 }; /* time for one answer; words of a command line */

/* A command line: PROGRAM regress child WHAT ... It points into itself, so it may not be copied. */
struct side_words {
    const char *list[SIDE_WORDS]; /* NULL-terminated */
    int count;
    char threads[16], sample_ms[32], warm[32], processor[16];
};

void side_words_start(struct side_words *words, const struct regress_side *side, const char *what);
void side_words_add(struct side_words *words, const char *option, const char *value);
void side_words_threads(struct side_words *words, int threads);
void side_words_target(struct side_words *words, const struct regress_side *side,
                       const struct regress_target *target, int threads);
void side_words_sampling(struct side_words *words, const struct side_settings *settings);

/* How a process ended that gave no answer, as a reason. */
void side_explain(const struct launch_result *result, char *reason, size_t size);

/* What an answer says of itself; the reason only when it is not SIDE_OK. NULL has failed, and
 * leaves the reason as it was. */
enum side_state side_answer_state(const json_t *answer, char *reason, size_t size);

/* NaN when the member is no number. */
double side_answer_number(const json_t *answer, const char *member);

/* Copies as much as fits; NULL is "". */
void side_answer_keep(char *text, size_t size, const char *from);

#endif
