/* One attention module by itself between an input and an output, on one implementation, so that a
 * test can set its weights, read its gates and take its gradients. Fails the running cmocka test on
 * any error. Knows no network and no data. */
#ifndef TESTS_MODULE_H
#define TESTS_MODULE_H

/* cmocka.h defines a macro fail(): our headers must come before it. */
#include "bench/net/attention.h"
#include "bench/net/program.h"

struct module {
    const struct impl *impl;
    struct impl_ctx *ctx;
    struct attention_spec spec;
    struct net *net, *lowered;
    struct program *program;
    int n, h, w, c;
};

/* How it runs, of primitives or fused as far as the implementation offers that. */
enum module_pass {
    MODULE_FORWARD,        /* inference; result and gates can be read */
    MODULE_FORWARD_FUSED,  /* inference; the gates are inside */
    MODULE_BACKWARD,       /* all parameters but batch normalisation train; so does the input */
    MODULE_BACKWARD_FUSED,
};

/* n maps of h x w x c under the specification, weights as fresh (seed 1). */
void module_open(struct module *m, const struct impl *impl, const char *spec, int n, int h, int w,
                 int c, enum module_pass pass);
void module_close(struct module *m);

/* The only site, and a parameter by the end of its name ("mlp.1.weight"). */
const struct net_site *module_site(const struct module *m);
struct net_param *module_param(const struct module *m, const char *end);

/* Sets all elements of a parameter; without `end` all elements of all of them. */
void module_set(const struct module *m, const char *end, float value);
void module_set_all(const struct module *m, float value);

/* Numbers in -1..1 that depend on position alone, times `scale`, into the input. */
void module_fill(const struct module *m, float scale);
float *module_input(const struct module *m);
size_t module_count(const struct module *m); /* elements of the input */

/* Runs it; views in NHWC order, valid until the next run. */
const float *module_forward(const struct module *m);
const float *module_channel_gate(const struct module *m); /* n x c */
const float *module_spatial_gate(const struct module *m); /* n x h x w */

/* Forward, then backward with these gradients of the output; returns those of the input. */
const float *module_backward(const struct module *m, const float *gradient);

#endif
