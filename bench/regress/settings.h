/* What a user asks of the regression check: filled by bench/verbs/regress.c, read by the gates. */
#ifndef BENCH_REGRESS_SETTINGS_H
#define BENCH_REGRESS_SETTINGS_H

#include "bench/regress/case.h"
#include "bench/regress/outcome.h"

enum { SETTINGS_ALLOWANCES = 64, SETTINGS_IMPLS = 8 };
enum { PAIR_ROUNDS = 100, PAIR_SAMPLES = 100 }; /* at most */

/* Files, where nothing else is given, seen from the checkout. */
#define SETTINGS_COUNT_CASES "bench/cases/regress-counts.txt"
#define SETTINGS_PAIR_CASES "bench/cases/regress-pair.txt"
#define SETTINGS_COUNTS "bench/regress/baseline-counts.json"
#define SETTINGS_ACCURACY "bench/regress/baseline-accuracy.json"

/* What was granted to the cases that match a pattern (regress_match()). */
struct regress_allowance {
    const char *pattern;
    double share; /* by which they may be slower */
    bool used;
};

struct regress_settings {
    struct regress_list cases;
    const struct impl *impls[SETTINGS_IMPLS];
    int impl_count;
    const char *filter;       /* NULL: all */
    const char *base, *head;  /* builds; NULL: a baseline file, this program */
    const char *counts_file, *accuracy_file;
    bool update;              /* write the baselines instead of comparing with them */
    bool accuracy;            /* compare the training runs as well */
    const char *algorithm;    /* of networks' convolutions, the same for both sides; NULL: direct */
    int threads, jobs;
    int rounds, samples;      /* least rounds; samples in a process */
    double sample_ms, warm_seconds, budget;
    uint64_t seed;            /* 0: drawn from the commits of the two builds */
    struct regress_allowance allow[SETTINGS_ALLOWANCES], allow_results[SETTINGS_ALLOWANCES];
    int allow_count, allow_results_count;
    bool strict;
    bool talk;                /* show progress on stderr */
    const char *planted;      /* of the self-test: value of PLANTED_VARIABLE for head, else NULL */
    bool selftest;
};

/* Finds what was granted to a row, and puts it there: allowed, results_allowed. */
void settings_allow(struct regress_settings *settings, struct regress_row *row);

/* The pattern of the first allowance that matched no row: a misspelt one, or one for the other
 * gate. NULL when all did. */
const char *settings_unused_allowance(const struct regress_settings *settings);

/* One line on stderr that the next one overwrites; nothing unless settings->talk, and a terminal is
 * there. An empty line clears it. */
void settings_talk(const struct regress_settings *settings, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
