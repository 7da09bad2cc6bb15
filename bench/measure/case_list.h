/* Lists of layer cases: in files, one a line ("conv2d n1 h56 w56 c64 oc64 k3 p1  # comment"), or
 * given as text; and benchdnn's problem descriptors with the options around them (benchdnn.h), in
 * the same places. Knows nothing of timing. */
#ifndef BENCH_MEASURE_CASE_LIST_H
#define BENCH_MEASURE_CASE_LIST_H

#include "bench/measure/benchdnn.h"

/* What is known of a case beside its operation. */
struct case_info {
    char name[BENCHDNN_NAME]; /* as the descriptor says, "" when it does not */
    unsigned passes;          /* bits of enum layer_pass that its file asks for; 0: it does not */
};

enum { CASE_TALLIES = 24 };

/* How often something was met. */
struct case_tally {
    char what[64];
    int count;
};

struct case_list {
    struct op_desc *list;   /* owned; every dst is inferred */
    struct case_info *info; /* owned; one for each of list */
    int count, capacity;
    struct case_tally out_of_scope[CASE_TALLIES]; /* problems left out, by reason */
    struct case_tally ignored[CASE_TALLIES];      /* options of benchdnn that mean nothing here */
};

/* Appends what one item names: a case when its first word is an operation; a problem when it is a
 * descriptor; else a file of either. "conv:", "pool:", "ip:" or "bnorm:" in front insists on that
 * driver of benchdnn. Empty lines and what follows a '#' are ignored. ERR_USAGE or ERR_FORMAT names
 * file and line. Problems that cannot be expressed are counted in out_of_scope; ERR_UNSUPPORTED
 * when nothing else was there. */
enum status case_list_add(struct case_list *cases, const char *item);

/* Replaces every case by one for each of these batch sizes. ERR_USAGE when one gets too large. */
enum status case_list_batches(struct case_list *cases, const int *batches, int count);

/* "12 problems are out of scope: three-dimensional (7), another driver (5)" into text, "" when
 * there is none; their number. */
int case_list_print_scope(const struct case_list *cases, char *text, size_t size);

/* "options without a meaning here: --stag (3), --mode (1)"; the number of different ones. */
int case_list_print_ignored(const struct case_list *cases, char *text, size_t size);
void case_list_free(struct case_list *cases); /* a zeroed list is allowed */

#endif
