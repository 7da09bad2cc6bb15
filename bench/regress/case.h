/* What the regression check measures: cases (an operation, or a small network), read from files
 * or from text, and targets (a case, an implementation and a pass). Measures nothing. */
#ifndef BENCH_REGRESS_CASE_H
#define BENCH_REGRESS_CASE_H

#include "impls/ops.h"

/* Of an operation: forward, backward (all gradients). Of a network: a forward pass of inference, a
 * training step (forward, backward, update). */
enum regress_pass { REGRESS_FWD, REGRESS_BWD, REGRESS_INFER, REGRESS_STEP, REGRESS_PASSES };

/* "fwd", "bwd", "infer", "step". */
const char *regress_pass_name(enum regress_pass pass);

struct regress_case {
    char text[320]; /* in its one canonical form: what op_print() writes, or "network ..." */
    bool network;
    struct op_desc desc; /* of an operation; its dst is inferred */
    char model[128], attention[128];
    int batch, size, classes; /* of a network */
    bool winograd; /* of a network: Winograd's algorithms wherever they fit, else as is asked for */
};

/* Reads "conv2d n1 h8 w8 c16 oc16 k3 p1" (impls/ops.h), or "network MODEL ATTENTION" with the words
 * nN (images, 1), iN (pixels, 32), classesN (10), winograd behind it. ERR_USAGE names what is
 * wrong. */
enum status regress_case_parse(struct regress_case *subject, const char *text);

struct regress_list {
    struct regress_case *list; /* owned */
    int count, capacity;
};

/* Appends what one item names: a case, or a file with a case a line ('#' starts a comment). A case
 * that is there already is not added again. ERR_USAGE or ERR_FORMAT names file and line; a file
 * without any case adds nothing. */
enum status regress_list_add(struct regress_list *cases, const char *item);
void regress_list_free(struct regress_list *cases); /* a zeroed list is allowed */

/* One thing to measure. Its name is unique: "onednn fwd conv2d h8 w8 c16 oc16 k3 p1". */
struct regress_target {
    const struct regress_case *subject; /* borrowed */
    const struct impl *impl;
    enum regress_pass pass;
    char name[400];
};

struct regress_targets {
    struct regress_target *list; /* owned */
    int count;
};

/* Every pass of every case on every implementation whose table offers it, in that order, of which
 * the name matches `filter` (regress_match(); NULL: all). The cases must outlive them. */
enum status regress_targets_make(struct regress_targets *targets, const struct regress_list *cases,
                                 const struct impl *const *impls_asked, int impl_count,
                                 const char *filter);
void regress_targets_free(struct regress_targets *targets); /* zeroed is allowed */

/* Whether a name matches one of the patterns that '|' separates: as a shell pattern when it has one
 * of *?[, else as a part of the name. */
bool regress_match(const char *pattern, const char *name);

#endif
