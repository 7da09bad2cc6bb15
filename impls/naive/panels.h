/* Weights rearranged for the kernels of tiles.h. A panel holds NAIVE_COLS neighbouring output
 * channels: [group][block of NAIVE_COLS columns][tap][depth][NAIVE_COLS], the last block of a
 * group filled up with zeros. Knows neither convolution nor linear layer: only how many groups,
 * taps (kernel positions), input channels (depth) and output channels (width) there are. */
#ifndef IMPLS_NAIVE_PANELS_H
#define IMPLS_NAIVE_PANELS_H

#include "impls/layer.h"

enum { NAIVE_COLS = 8 };

/* A product: each group maps `taps` pixels of `depth` channels to `width` channels. When
 * depthwise, groups and depth are 1 and channel i of the result sees channel i of the source
 * alone. */
struct naive_shape {
    int groups, taps, depth, width;
    bool depthwise;
};

/* Where the parameter's own order keeps the weight of (group, column, tap, depth): distances in
 * floats. */
struct naive_order {
    size_t group, column, tap, depth;
};

/* Packed weights of one plan, and which state of which parameter they show. */
struct naive_packed {
    struct naive_shape shape;
    struct naive_order order;
    float *panels;             /* NULL when the plan does not need them */
    const struct param *param; /* NULL: nothing packed yet */
    const float *from;
    unsigned version;
};

int naive_shape_blocks(const struct naive_shape *shape);      /* of all groups */
size_t naive_shape_block_floats(const struct naive_shape *shape); /* of one panel */
size_t naive_shape_floats(const struct naive_shape *shape);   /* of all panels */

/* Allocates panels for `packed`, whose shape and order are set. The caller frees packed->panels
 * with memory_free(). */
enum status naive_packed_alloc(struct naive_packed *packed);

/* Packs unless the panels already show this version of this parameter. */
void naive_packed_update(struct naive_packed *packed, const struct param *param);

/* Panels of gradients back into the parameter's order; adds to `grad` when `add`. */
void naive_panels_unpack(const float *panels, const struct naive_shape *shape,
                         const struct naive_order *order, float *grad, bool add);

#endif
