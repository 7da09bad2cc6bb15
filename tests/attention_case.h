/* What the tests of fused attention share: sites in both forms, the composition of primitives and
 * one fused operation; what a run of one gives, and how two runs are compared; every instruction
 * set and number of threads that there is here. Every failure fails the running cmocka test. */
#ifndef TESTS_ATTENTION_CASE_H
#define TESTS_ATTENTION_CASE_H

/* cmocka.h defines a macro fail(): our headers must come before it. */
#include "bench/net/attention.h"
#include "bench/net/net.h"

/* Forms and shapes that are worth trying. */
enum { FUSED_SPECS = 32, FUSED_SHAPES = 14 };
extern const char *const fused_specs[FUSED_SPECS];
extern const struct fused_shape {
    int n, h, w, c;
} fused_shapes[FUSED_SHAPES];

/* Fails the running test unless `status` is OK. */
void attention_must(enum status status);

/* The first implementation, with a table that borrows the fused entries. */
struct impl fused_borrower(void);

/* Number i of a stream: bell-shaped, deviation 1, cheap enough for millions. */
double fused_bell(uint64_t stream, size_t i);

/* One site: y = attention(x), or relu(attention(x) + s), in both forms. */
struct attention_case {
    struct attention_spec spec;
    struct net *net, *composed, *whole;
    struct impl_ctx *ctx; /* of the first implementation */
    int inputs[2];        /* nodes of x and s */
    bool sum;
};
void attention_case_open(struct attention_case *site, const char *spec,
                         const struct fused_shape *shape, bool sum);
void attention_case_close(struct attention_case *site);

/* The one operation of the fused form. */
const struct net_node *attention_case_node(const struct attention_case *site);

/* Values of their own for parameters, or for running statistics alone, none of them 0 or 1 by
 * chance. Weights are as small as their fan-in asks for: a saturated gate would make every rounding
 * error large. */
void fused_fill_params(const struct params *params, bool buffers_alone);

/* Named copies of what a run gives. */
enum { FUSED_OUTCOMES = 3 + 2 * OP_MAX_PARAM };
struct fused_results {
    struct fused_outcome {
        float *data;
        size_t count;
        char name[PARAM_NAME];
    } list[FUSED_OUTCOMES];
    int count;
};
void fused_results_add(struct fused_results *r, const char *name, const float *data,
                       size_t count);
void fused_results_free(struct fused_results *r);

/* How many outcomes are further apart than 1e-5 of their 2-norm; the first ones are printed. */
int fused_results_compare(const struct fused_results *due, const struct fused_results *got,
                          const char *what);

/* Instruction sets and numbers of threads. */
enum { FUSED_WAYS = 6 };
struct fused_way {
    const char *isa;
    int threads;
};
struct fused_way fused_way_at(int i);

/* Makes it the way of plans to come. False where this machine has no such threads or
 * instructions. */
bool fused_way_begin(struct fused_way way);

#endif
