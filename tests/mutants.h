/* Deliberately wrong operations: each takes an entry of the first implementation in impls[] and
 * breaks one thing, as a programmer might. The checks are only worth something if every one of
 * them is caught (tests/test_mutants.c). */
#ifndef TESTS_MUTANTS_H
#define TESTS_MUTANTS_H

#include "impls/layer.h"

struct mutant {
    const char *name;      /* what is wrong */
    const char *text;      /* a case that shows it, as in tests/cases/ops.txt */
    const char *says;      /* what the message that catches it must contain */
    struct op_entry entry; /* the functions that are replaced; NULL: as they were */
};

/* All mutants, by what is wrong: results, gradients, use of memory. A NULL name ends a list. */
extern const struct mutant mutants_forward[], mutants_backward[], mutants_memory[];

/* The entry that a mutant was made from. */
const struct op_entry *mutant_base(const struct op_plan *plan);

/* The implementation with the mutant in place; `entry` is where its entry lives, and must stay. */
struct impl mutant_impl(const struct mutant *mutant, enum op_kind kind, struct op_entry *entry);

/* Element (n, y, x, c) of a map, whatever its stride. */
float *mutant_at(const struct tensor *t, int n, int y, int x, int c);

/* Element i in NHWC order, whatever the stride. */
float *mutant_element(const struct tensor *t, size_t i);

#endif
