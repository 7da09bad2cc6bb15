/* An outcome in the formats that other tools read, each to a file of its own. Writers only format
 * what the outcome holds; no NaN or infinity gets into JSON. */
#ifndef BENCH_REGRESS_WRITE_H
#define BENCH_REGRESS_WRITE_H

#include "bench/regress/outcome.h"

enum write_kind {
    WRITE_VERDICT,     /* one line; its first word is the verdict */
    WRITE_JSON,        /* everything (outcome_table.h) */
    WRITE_CSV,
    WRITE_MD,
    WRITE_JUNIT,       /* a test case a row; inconclusive ones are skipped */
    WRITE_GITHUB,      /* github-action-benchmark, customSmallerIsBetter */
    WRITE_BENCHER,     /* Bencher metric format */
    WRITE_GBENCH_BASE, /* Google Benchmark's JSON of one side, for its compare.py: pair alone */
    WRITE_GBENCH_HEAD,
    WRITE_KINDS
};

struct write_request {
    enum write_kind kind;
    const char *path; /* borrowed */
};

/* "junit=FILE". ERR_USAGE lists the kinds. The text is changed. */
enum status write_parse(char *text, struct write_request *request);

/* Whether the gate can be written so: ERR_USAGE for counts as Google Benchmark's times. */
enum status write_check(const struct write_request *request, const char *gate);

/* Writes the file whole or not at all. */
enum status write_outcome(const struct regress_outcome *outcome,
                          const struct write_request *request);

/* The texts alone, allocated: free(). NULL when there is no memory. For write_outcome() and
 * tests. */
char *write_junit(const struct regress_outcome *outcome);
char *write_github(const struct regress_outcome *outcome);
char *write_bencher(const struct regress_outcome *outcome);
char *write_gbench(const struct regress_outcome *outcome, bool head);

#endif
