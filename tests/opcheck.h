/* Checks one operation of one implementation against the oracle: results, gradients, and every
 * promise of impls/layer.h about memory. Used by the tests alone; prints nothing.
 *
 * One run plans the case, gives it guarded buffers (guarded.h), and executes it two or three times:
 *   round 0  outputs, save and scratch poisoned with NaN; what is not wanted is NULL;
 *   round 1  the same operands, another poison, unwanted gradients given but not to be written:
 *            every output must be bit-equal to round 0;
 *   round 2  (float data, dense, nothing added) other operands in the same plan, parameters with a
 *            new version.
 * Between forward and backward scratch is poisoned again, and so are src and dst where ops.h says
 * that backward does not read them. Each round compares all outputs with the oracle: exactly where
 * small integers make every float sum exact, else within factor * FLT_EPSILON * size (oracle.h). */
#ifndef TESTS_OPCHECK_H
#define TESTS_OPCHECK_H

#include "impls/ops.h"

/* What the maps hold; parameters and gradients are integers for all but FLOAT and OFFSET. */
enum opcheck_data {
    OPCHECK_INTEGER,  /* -4..4: many ties */
    OPCHECK_FLOAT,    /* bell-shaped, deviation 1 */
    OPCHECK_EQUAL,    /* all 2 */
    OPCHECK_ZERO,     /* all 0 */
    OPCHECK_NEGATIVE, /* -4..-1 */
    OPCHECK_OFFSET,   /* 1000 + such floats: what cancels badly shows */
    OPCHECK_DATA
};

enum { OPCHECK_STRIDED_DST = 1 << OP_MAX_SRC }; /* bit i below it: src[i] */

struct opcheck_variant {
    enum opcheck_data data;
    bool train, in_place;
    unsigned want_src, want_param; /* as want_diff_* of struct op_desc; 0 and 0: forward only */
    unsigned add_src, add_param;   /* as add_diff_* of struct op_args */
    unsigned strided;
    uint64_t seed;
};

enum { OPCHECK_VARIANTS = 32, OPCHECK_TEXT = 768 };

struct opcheck_result {
    char text[OPCHECK_TEXT];       /* one line: how to repeat it, what differs */
    double slack_used[2];          /* worst |x - oracle| / bound, forward and backward */
};

/* Runs the case; true when nothing is wrong. `ctx` was opened after threads_set(). */
bool opcheck_run(const struct impl *impl, struct impl_ctx *ctx, const struct op_desc *desc,
                 const struct opcheck_variant *variant, struct opcheck_result *result);

/* The same for per-sample independence (report R07): operands of image 1 alone are changed, all
 * other images must keep bit-equal outputs and gradients. True for cases where that cannot be
 * asked: one image, or batch statistics. */
bool opcheck_independent(const struct impl *impl, struct impl_ctx *ctx,
                         const struct op_desc *desc, struct opcheck_result *result);

/* All variants that make sense for the case and its entry (strided, in place); returns how many. */
int opcheck_variants(const struct op_entry *entry, const struct op_desc *desc,
                     struct opcheck_variant variant[OPCHECK_VARIANTS]);

/* "float train want_src=1 want_param=3 strided=4 seed=7": zero fields are left out. */
void opcheck_variant_print(const struct opcheck_variant *variant, char *text, size_t size);
enum status opcheck_variant_parse(const char *text, struct opcheck_variant *variant);

#endif
