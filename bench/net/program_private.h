/* The inside of a program, shared by program.c (running) and program_compile.c (making). */
#ifndef BENCH_NET_PROGRAM_PRIVATE_H
#define BENCH_NET_PROGRAM_PRIVATE_H

#include "bench/net/arena.h"
#include "bench/net/program.h"

enum { NO_AREA = -1 };

/* What is known of a node's value. */
struct value {
    bool selected;       /* computed or fed in this program */
    bool is_input, is_output;
    bool needs_grad;
    int step;            /* that computes it; -1 for inputs */
    int consumers;       /* steps that read it */
    int last_consumer;   /* the last of them; -1 */
    int area, grad_area; /* indices into areas; NO_AREA */
    int width;           /* channels of the growing map that it is a view of; 0: dense */
    int grows_from;      /* value that it appends to in the same area; NO_NODE */
    struct tensor shape; /* with the program's batch size */
};

struct step {
    const struct net_node *node;
    int value;                /* its result */
    int src[OP_MAX_SRC];      /* values it reads */
    struct op_plan plan;
    struct op_args args;
    int save_area;
    bool backward;
};

struct program {
    const struct net *net;
    struct net_node loss_node;
    bool train, loss;
    enum dtype dtype;         /* of maps between steps */
    bool drop_weights;        /* still to be done, in the next forward pass */
    size_t dropped_bytes;
    int batch;
    struct value *values;     /* one a node of the net, and one more for the loss */
    int value_count;
    struct step *steps;
    int step_count;
    struct arena_area *areas;
    int area_count;
    int *inputs, *outputs;    /* node ids */
    int input_count, output_count;
    char *slab, *scratch;
    size_t slab_bytes, scratch_bytes;
    int32_t *labels;
    float *loss_gradient;     /* 1/batch for each sample */
};

/* Marks values that are views of a growing map (width, grows_from). */
void program_mark_growth(struct program *program, const struct impl *impl);

/* Tensor of a value, or of its gradient, in the slab; data NULL when it has no area. */
struct tensor program_value(const struct program *program, int value);
struct tensor program_gradient(const struct program *program, int value);

#endif
