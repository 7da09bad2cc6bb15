/* The worked example of attention: one small map and small weights, results worked out in double
 * precision elsewhere (with another program, from the formulas), and the check that a module on an
 * implementation gives them. What builds the module is the caller's affair: the real thing, or a
 * deliberately wrong one that the check must tell apart. */
#ifndef TESTS_ATTENTION_EXAMPLE_H
#define TESTS_ATTENTION_EXAMPLE_H

#include "tests/net_case.h"

enum { EXAMPLE_H = 2, EXAMPLE_W = 3, EXAMPLE_C = 2, EXAMPLE_TEXT = 200 };

/* The rows of the example. */
enum example_row {
    EXAMPLE_NORMALISED, /* the authors' form, inference, BN weight 1 */
    EXAMPLE_FRESH,      /* the authors' form, BN weight 0 as at its start */
    EXAMPLE_BARE,       /* the authors' form without BN */
    EXAMPLE_ARTICLE,
    EXAMPLE_LIGHT,
    EXAMPLE_ROWS
};

const char *example_name(enum example_row row);
const char *example_spec(enum example_row row); /* the attention specification it is of */

/* Builds a module on the input, node c->net->input, sets c->net->output, calls net_case_finish()
 * and gives the ids of the channel and of the spatial gate in c->infer; NO_NODE where they cannot
 * be read. */
typedef void example_builder(struct net_case *c, const void *detail, int gates[2]);

/* Gives the module the example's weights by the ends of their names and compares both gates, the
 * output, the gradient of the input and of every weight. False, with a line in `text`, at the first
 * difference. Weights that the example does not know keep what the builder gave them. */
bool example_check(const struct impl *impl, bool fused, enum example_row row,
                   example_builder *build, const void *detail, char text[EXAMPLE_TEXT]);

#endif
