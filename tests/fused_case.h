/* One fused convolution or batch normalisation on one implementation, with guarded and poisoned
 * buffers (rig.h), and what it has to give: its composition of primitives in double precision
 * (composition.h), compared in relative 2-norm. Every failure fails the running cmocka test. */
#ifndef TESTS_FUSED_CASE_H
#define TESTS_FUSED_CASE_H

/* cmocka.h defines a macro fail(): our headers must come before it. */
#include "tests/composition.h"
#include "tests/rig.h"

enum { FUSED_NAN_POISON = 0xff, FUSED_OTHER_POISON = 0x4b };

struct fused_case {
    const struct impl *impl;
    struct impl_ctx *ctx;
    struct rig rig;
    struct oracle due;
    char text[OPCHECK_TEXT];
};

/* Fails the running test unless `status` is OK; unless a function of the rig said true. */
void fused_must(enum status status);
void fused_must_hold(const struct fused_case *f, bool good);

/* Plans the case (op_parse form) and draws its operands. Skips the test when this build has no such
 * implementation. A plan that names reference code fails. */
void fused_case_open(struct fused_case *f, const char *impl, int threads, const char *text,
                     const struct opcheck_variant *variant);
void fused_case_close(struct fused_case *f);

/* Loads the operands, runs forward on poisoned memory, compares dst. */
void fused_case_forward(struct fused_case *f, int poison);

/* Fails unless got equals due to within 1e-5 of its length. */
void fused_case_compare(const struct fused_case *f, const char *what, const struct guarded *got,
                        const struct oracle_num *due, size_t count);

/* Outputs one behind the other, to be compared bit by bit with those of another run. */
struct fused_record {
    float *value; /* owned by whoever made the record: free() */
    size_t count;
};

void fused_record_add(struct fused_record *r, const struct guarded *g);

/* Whether two records are equal to the last bit. */
bool fused_record_same(const struct fused_record *a, const struct fused_record *b);

#endif
