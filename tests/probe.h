/* A single run of one operation on operands that a test chooses itself: for the tests of one
 * property. Fails the running cmocka test on any error. */
#ifndef TESTS_PROBE_H
#define TESTS_PROBE_H

#include "tests/oracle.h"
#include "tests/rig.h"

struct probe {
    struct oracle operands;     /* to be filled by the test: src, param, diff_dst, labels */
    struct rig rig;
    char text[OPCHECK_TEXT];
};

/* Plans the case (op_parse form); in training all gradients of sources and parameters are
 * wanted. */
void probe_make(struct probe *p, const struct impl *impl, struct impl_ctx *ctx, const char *text,
                bool train);
void probe_free(struct probe *p);

/* Loads the operands and runs forward; probe_dst() is then valid until the next run. */
void probe_forward(struct probe *p);

/* Runs backward after probe_forward(); dst is gone then. */
void probe_backward(struct probe *p);

float probe_dst(struct probe *p, size_t i);
float probe_diff_src(struct probe *p, int source, size_t i);

#endif
