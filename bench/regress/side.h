/* A build under comparison: where its program is, and the questions that a fresh process of it
 * answers (child.h). */
#ifndef BENCH_REGRESS_SIDE_H
#define BENCH_REGRESS_SIDE_H

#include "bench/regress/accuracy.h"
#include "bench/regress/case.h"
#include "bench/regress/launch.h"
#include "bench/regress/sketch.h"

enum { SIDE_PATH = 4096 };

struct regress_side {
    const char *name; /* "base", "head" */
    char program[SIDE_PATH];
    json_t *key;      /* what child_key() says there */
    const char *algorithm; /* of convolutions of networks: said to its processes, both sides the
                              same; NULL: nothing is said. Borrowed */
};

/* Finds the program of a build: DIR/build/cbam-bench, DIR/cbam-bench, or the file itself; NULL:
 * this very program. Asks it for its key. ERR_USAGE when there is none; ERR_UNSUPPORTED when it
 * cannot answer (it knows no `regress`, or another protocol). side_close() in every case. */
enum status side_open(struct regress_side *side, const char *name, const char *where);
void side_close(struct regress_side *side); /* a zeroed one is allowed */

/* A member of the key; "" when there is none. */
const char *side_key(const struct regress_side *side, const char *member);

enum side_state { SIDE_OK, SIDE_FAILED, SIDE_ABSENT };

/* Whether the case is right there. */
struct side_check {
    enum side_state state;
    char how[512], reason[256];
    double error;
    struct sketch results;
};

struct side_settings {
    int threads;
    double sample_ms, warm_seconds;
    int processor;       /* a timer with one thread stays there; the N-th of those allowed */
    int padding;         /* bytes that the environment is made larger by */
    bool selftest;       /* ask as the self-test does */
    const char *planted; /* then: a value of PLANTED_VARIABLE; NULL: none */
};

/* A program that cannot be started is ERR_IO; everything else, a crash too, is in the answer. */
enum status side_check(const struct regress_side *side, const struct regress_target *target,
                       int threads, struct side_check *answer);

/* A process that waits to be timed in turns with those of the other side. What is wrong with it, a
 * crash too, is its `state`, with the reason; from then on it answers nothing. */
struct side_timer {
    struct launch_session session;
    enum side_state state;
    char reason[256];
    int repeats; /* calls in a sample; known after the warm-up */
};

/* Starts it and waits until the case is ready; NULL for target: the control kernel. A program that
 * cannot be started is ERR_IO. side_timer_close() in every case. */
enum status side_timer_open(struct side_timer *timer, const struct regress_side *side,
                            const struct regress_target *target,
                            const struct side_settings *settings);
void side_timer_warm(struct side_timer *timer);

/* One sample: wall clock and processor time of a call. NaN when the timer is of no use. */
void side_timer_sample(struct side_timer *timer, double *ms, double *cpu_ms);
void side_timer_close(struct side_timer *timer);

/* The training run of accuracy.h. `reason` when it is not SIDE_OK. */
enum status side_accuracy(const struct regress_side *side, const char *impl, int threads,
                          struct accuracy_curve *curve, enum side_state *state, char *reason,
                          size_t size);

/* What callgrind counted in one process: one entry for each pass of the case. */
struct side_count {
    enum side_state state[REGRESS_PASSES]; /* SIDE_ABSENT where the pass is not offered */
    double instructions[REGRESS_PASSES];
    char how[REGRESS_PASSES][512], reason[REGRESS_PASSES][256];
    json_t *key; /* of the process under valgrind, with "valgrind"; owned by the caller */
};

/* Counts the case on one implementation under valgrind. ERR_UNSUPPORTED when valgrind is not
 * installed or the program was built without its header. */
enum status side_count(const struct regress_side *side, const char *subject, const char *impl,
                       struct side_count *answer);

#endif
