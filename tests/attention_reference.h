/* Attention in double precision, straight from its formulas with plain loops: one function for all
 * forms. It shares nothing with bench/net/attention.c, neither the parser nor the composition, so
 * that it can judge both; a test says in its own words (struct reference_form) what a specification
 * is to mean. Gradients are taken by central differences of it. */
#ifndef TESTS_ATTENTION_REFERENCE_H
#define TESTS_ATTENTION_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>

/* What a form of attention does. Zero is the authors' form but for the gates, which must be set. */
struct reference_form {
    bool channel, spatial;
    char order;       /* 'c' channel first (and 0), 's' spatial first, 'p' both on the input */
    bool article;     /* channel gate: sigmoid in each branch, then the sum */
    char cpool;       /* 'b' mean and max (and 0), 'a' mean, 'm' max, 'h' half of each, one pass */
    char spool;       /* 'b' both planes (and 0), 'r' 1x1 convolution, 'h' half of each in one */
    bool mean_first;  /* planes [mean, max] instead of [max, mean] */
    bool inner;       /* x + x g */
    bool twice;       /* both gates doubled */
    bool alpha;       /* x + a (x g - x) */
    int hidden, k;
    bool mlp_bias, conv_bias, bn;
};

enum reference_value {
    REFERENCE_X,        /* [n][h][w][c] */
    REFERENCE_W0, REFERENCE_B0, REFERENCE_W1, REFERENCE_B1, /* [hidden][c], [hidden], ... */
    REFERENCE_REDUCE,   /* [c] */
    REFERENCE_CONV, REFERENCE_CONV_BIAS, /* [planes][k][k], [1] */
    REFERENCE_GAMMA, REFERENCE_BETA, REFERENCE_MEAN, REFERENCE_VAR, /* [1] */
    REFERENCE_ALPHA,    /* [1] */
    REFERENCE_VALUES
};

enum { REFERENCE_MOST = 512, REFERENCE_CHANNELS = 16 };

/* A module with its operands and results; plain value, no memory of its own. */
struct reference {
    struct reference_form form;
    bool batch_stats;   /* normalise with the statistics of this batch */
    int n, h, w, c;
    double value[REFERENCE_VALUES][REFERENCE_MOST];
    double y[REFERENCE_MOST], channel_gate[REFERENCE_MOST], spatial_gate[REFERENCE_MOST];
};

/* Number of elements of a value; 0 when the form has none. */
size_t reference_count(const struct reference *r, enum reference_value which);

/* Computes y and the gates. */
void reference_forward(struct reference *r);

/* Gradient of sum(weight * y) with respect to element i of a value, by central differences. */
double reference_gradient(struct reference *r, const double *weight, enum reference_value which,
                          size_t i);

#endif
