/* Lists of layer cases: in files, one a line ("conv2d n1 h56 w56 c64 oc64 k3 p1  # comment"), or
 * given as text. Knows what ops.h parses, and nothing of timing. */
#ifndef BENCH_MEASURE_CASE_LIST_H
#define BENCH_MEASURE_CASE_LIST_H

#include "impls/ops.h"

struct case_list {
    struct op_desc *list; /* owned; every dst is inferred */
    int count, capacity;
};

/* Appends what one item names: a case when its first word is an operation, else a file of cases.
 * Empty lines and what follows a '#' are ignored. ERR_USAGE or ERR_FORMAT names file and line. */
enum status case_list_add(struct case_list *cases, const char *item);
void case_list_free(struct case_list *cases); /* a zeroed list is allowed */

#endif
