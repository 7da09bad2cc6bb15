/* The multiply-accumulate kernels of convolution and linear layers, as an indirect convolution
 * (Dukhan, "The Indirect Convolution Algorithm", 2019): a table tells for each pixel of the result
 * and each tap which pixel of the source meets it, and a tile of NAIVE_ROWS pixels by NAIVE_COLS
 * channels is summed in registers over all taps and input channels. Forward and backward data
 * differ in the table and the packing alone. Results do not depend on the number of threads. */
#ifndef IMPLS_NAIVE_TILES_H
#define IMPLS_NAIVE_TILES_H

#include "impls/naive/panels.h"

enum {
    NAIVE_ROWS = 4,  /* pixels of a tile: 4 x 8 sums fit the 16 SSE registers */
    NAIVE_CHUNK = 64 /* most pixels of a table: a multiple of NAIVE_ROWS */
};

/* The table of a run of pixels. source[tap*NAIVE_CHUNK + row]: index of the source pixel, or -1
 * when it lies outside of the map. target[row]: index of the pixel in the result. */
struct naive_chunk {
    int rows;
    int32_t *source, *target;
};

/* How to enumerate the pixels of a result: fills both arrays of the chunk for its `rows` pixels
 * from number `first` on. */
struct naive_walk {
    void (*fill)(const struct op_plan *plan, int first, struct naive_chunk *chunk);
    const struct op_plan *plan;
    int pixels;
    int threads;   /* most that the scratch was sized for */
    void *scratch;
};

/* A map as the kernels see it: floats from pixel to pixel and from group to group. */
struct naive_operand {
    float *data;
    size_t pixel, group;
};

/* result[target][group][o] = bias[group][o]
 *     + sum over taps and k of source[pixel of tap][group][k] * weight[group][o][tap][k] */
struct naive_product {
    struct naive_shape shape;
    struct naive_operand source, result;
    const float *panels;
    const float *bias;  /* may be NULL */
    const float *zeros; /* stands for a pixel outside: at least depth and NAIVE_COLS floats */
    bool add;           /* add into the result */
};
size_t naive_product_scratch(const struct naive_shape *shape, int threads);
void naive_product_run(const struct naive_walk *walk, const struct naive_product *product);

/* grad[group][o][tap][k] = sum over pixels of
 *     source[pixel of tap][group][k] * diff[target][group][o],  in panels of `shape` */
struct naive_outer {
    struct naive_shape shape;
    struct naive_operand source, diff;
    const float *zeros;
    float *panels;
};
size_t naive_outer_scratch(const struct naive_shape *shape, int threads);
void naive_outer_run(const struct naive_walk *walk, const struct naive_outer *outer);

#endif
