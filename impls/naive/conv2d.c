/* Convolution, forward and backward, grouped and depthwise: geometry and memory. The arithmetic is
 * in product.c (results and data gradients) and outer.c (weight gradients). */
#include "impls/naive/naive.h"

#include "impls/base/memory.h"
#include "impls/base/threads.h"
#include "impls/naive/columns.h"
#include "impls/naive/loops.h"
#include "impls/naive/tiles.h"

#include <stdlib.h>

struct conv {
    struct naive_packed forward, backward; /* backward: channels of src as columns */
    int *column;  /* [w] order in which backward visits the pixels of a row of src */
    float *zeros; /* a pixel of padding */
    int threads;
};

/* One axis of the map that a kernel position comes from: the output position whose window holds
 * `at` (already shifted by padding and tap), or -1. */
static inline int window_of(int at, int stride, int limit)
{
    if (at < 0)
        return -1;
    if (stride > 1) {
        if (at % stride)
            return -1;
        at /= stride;
    }
    return at < limit ? at : -1;
}

static void fill_source(const struct op_desc *d, int n, int oy, int ox, int32_t *source)
{
    int y = oy * d->conv.sh - d->conv.ph;
    for (int ky = 0; ky < d->conv.kh; ky++, y += d->conv.dh) {
        int x = ox * d->conv.sw - d->conv.pw;
        bool inside = y >= 0 && y < d->src[0].h;
        for (int kx = 0; kx < d->conv.kw; kx++, x += d->conv.dw, source += NAIVE_CHUNK)
            *source = inside && x >= 0 && x < d->src[0].w
                          ? (n * d->src[0].h + y) * d->src[0].w + x
                          : -1;
    }
}

/* The table of forward and of the weight gradient: pixels of dst, in their own order. */
static void fill_forward(const struct op_plan *plan, int first, struct naive_chunk *chunk)
{
    const struct op_desc *d = &plan->desc;
    int x = first % d->dst.w, y = first / d->dst.w % d->dst.h, n = first / d->dst.w / d->dst.h;
    for (int row = 0; row < chunk->rows; row++) {
        chunk->target[row] = first + row;
        fill_source(d, n, y, x, chunk->source + row);
        if (++x == d->dst.w) {
            x = 0;
            if (++y == d->dst.h) {
                y = 0;
                n++;
            }
        }
    }
}

static void fill_windows(const struct op_desc *d, int n, int y, int x, int32_t *source)
{
    for (int ky = 0; ky < d->conv.kh; ky++) {
        int oy = window_of(y + d->conv.ph - ky * d->conv.dh, d->conv.sh, d->dst.h);
        for (int kx = 0; kx < d->conv.kw; kx++, source += NAIVE_CHUNK) {
            int ox = oy < 0 ? -1
                            : window_of(x + d->conv.pw - kx * d->conv.dw, d->conv.sw, d->dst.w);
            *source = ox < 0 ? -1 : (n * d->dst.h + oy) * d->dst.w + ox;
        }
    }
}

/* The table of the data gradient: pixels of src, each row in the order of conv->column. */
static void fill_backward(const struct op_plan *plan, int first, struct naive_chunk *chunk)
{
    const struct op_desc *d = &plan->desc;
    const struct conv *conv = plan->priv;
    int w = d->src[0].w, h = d->src[0].h;
    for (int row = 0; row < chunk->rows; row++) {
        int i = first + row, line = i / w, x = conv->column[i % w];
        chunk->target[row] = line * w + x;
        fill_windows(d, line / h, line % h, x, chunk->source + row);
    }
}

/* With a stride, neighbours in a row meet different taps. Pixels of equal phase come one after
 * the other, so that most tiles can leave out the taps that none of their pixels meets. */
static void order_columns(int *column, int w, int stride)
{
    for (int phase = 0; phase < stride; phase++)
        for (int x = phase; x < w; x += stride)
            *column++ = x;
}

/* One filter for each channel: then vectors run over channels, whose groups are too small. */
static bool is_depthwise(const struct op_desc *d)
{
    int groups = d->conv.groups;
    return groups > 1 && groups == d->src[0].c && groups == d->conv.oc;
}

static void set_shapes(const struct op_desc *d, struct conv *conv)
{
    const int ic = d->src[0].c, oc = d->conv.oc, groups = d->conv.groups;
    const size_t taps = (size_t)d->conv.kh * (size_t)d->conv.kw;
    const size_t filter = (size_t)(ic / groups) * taps; /* weights of one output channel */
    conv->forward.shape = (struct naive_shape){groups, (int)taps, ic / groups, oc / groups, false};
    conv->forward.order = (struct naive_order){
        .group = (size_t)(oc / groups) * filter, .column = filter, .tap = 1, .depth = taps};
    conv->backward.shape = (struct naive_shape){groups, (int)taps, oc / groups, ic / groups,
                                                false};
    conv->backward.order = (struct naive_order){
        .group = (size_t)(oc / groups) * filter, .column = taps, .tap = 1, .depth = filter};
    if (is_depthwise(d)) {
        conv->forward.shape = (struct naive_shape){1, (int)taps, 1, oc, true};
        conv->forward.order = (struct naive_order){.column = taps, .tap = 1};
        conv->backward = conv->forward;
    }
}

static void release(struct op_plan *plan)
{
    struct conv *conv = plan->priv;
    if (!conv)
        return;
    memory_free(conv->forward.panels);
    memory_free(conv->backward.panels);
    memory_free(conv->zeros);
    free(conv->column);
    free(conv);
    plan->priv = NULL;
}

static enum status allocate(const struct op_desc *d, struct conv *conv)
{
    int deepest = conv->forward.shape.depth;
    if (conv->backward.shape.depth > deepest)
        deepest = conv->backward.shape.depth;
    conv->zeros = memory_alloc(sizeof(float) * (size_t)(deepest + NAIVE_COLS));
    conv->column = calloc((size_t)d->src[0].w, sizeof *conv->column);
    if (!conv->zeros || !conv->column)
        return fail(ERR_MEMORY, "naive conv2d: out of memory");
    order_columns(conv->column, d->src[0].w, d->conv.sw);
    TRY(naive_packed_alloc(&conv->forward));
    if (d->want_diff_src & 1)
        TRY(naive_packed_alloc(&conv->backward));
    return OK;
}

static size_t scratch_bytes(const struct op_desc *d, const struct conv *conv)
{
    size_t most = naive_product_scratch(&conv->forward.shape, conv->threads);
    size_t panels = memory_round(naive_shape_floats(&conv->forward.shape) * sizeof(float));
    size_t outer = panels + naive_outer_scratch(&conv->forward.shape, conv->threads);
    size_t bias = naive_columns_bytes(&d->dst, false);
    if (d->want_diff_param & 1 && outer > most)
        most = outer;
    if (d->conv.bias && d->want_diff_param & 2 && bias > most)
        most = bias;
    return most;
}

static enum status plan_conv(struct impl_ctx *ctx, struct op_plan *plan)
{
    (void)ctx;
    const struct op_desc *d = &plan->desc;
    TRY(naive_plan_begin(plan, is_depthwise(d) ? "naive direct depthwise" : "naive direct"));
    struct conv *conv = calloc(1, sizeof *conv);
    if (!conv)
        return fail(ERR_MEMORY, "naive conv2d: out of memory");
    plan->priv = conv;
    plan->packed = 1;
    conv->threads = threads_get();
    set_shapes(d, conv);
    enum status status = allocate(d, conv);
    if (status != OK) {
        release(plan);
        return status;
    }
    plan->scratch_bytes = scratch_bytes(d, conv);
    return OK;
}

static struct naive_operand operand(const struct tensor *t, const struct naive_shape *shape,
                                    int channels)
{
    return (struct naive_operand){t->data, (size_t)t->stride,
                                  shape->groups > 1 ? (size_t)channels : 0};
}

static enum status forward(const struct op_plan *plan, const struct op_args *args)
{
    struct conv *conv = plan->priv;
    const struct naive_shape *shape = &conv->forward.shape;
    naive_packed_update(&conv->forward, args->param[0]);
    struct naive_walk walk = {fill_forward, plan, (int)naive_pixels(&args->dst), conv->threads,
                              args->scratch};
    struct naive_product product = {
        .shape = *shape,
        .source = operand(&args->src[0], shape, shape->depth),
        .result = operand(&args->dst, shape, shape->width),
        .panels = conv->forward.panels,
        .bias = plan->desc.conv.bias ? args->param[1]->data : NULL,
        .zeros = conv->zeros,
    };
    naive_product_run(&walk, &product);
    return OK;
}

static void backward_data(const struct op_plan *plan, const struct op_args *args)
{
    struct conv *conv = plan->priv;
    const struct naive_shape *shape = &conv->backward.shape;
    naive_packed_update(&conv->backward, args->param[0]);
    struct naive_walk walk = {fill_backward, plan, (int)naive_pixels(&args->diff_src[0]),
                              conv->threads, args->scratch};
    struct naive_product product = {
        .shape = *shape,
        .source = operand(&args->diff_dst, shape, shape->depth),
        .result = operand(&args->diff_src[0], shape, shape->width),
        .panels = conv->backward.panels,
        .zeros = conv->zeros,
        .add = args->add_diff_src & 1,
    };
    naive_product_run(&walk, &product);
}

static void backward_weight(const struct op_plan *plan, const struct op_args *args)
{
    const struct conv *conv = plan->priv;
    const struct naive_shape *shape = &conv->forward.shape;
    size_t panels = memory_round(naive_shape_floats(shape) * sizeof(float));
    struct naive_walk walk = {fill_forward, plan, (int)naive_pixels(&args->diff_dst),
                              conv->threads, (char *)args->scratch + panels};
    struct naive_outer outer = {
        .shape = *shape,
        .source = operand(&args->src[0], shape, shape->depth),
        .diff = operand(&args->diff_dst, shape, shape->width),
        .zeros = conv->zeros,
        .panels = args->scratch,
    };
    naive_outer_run(&walk, &outer);
    naive_panels_unpack(outer.panels, shape, &conv->forward.order, args->param[0]->grad,
                        args->add_diff_param & 1);
}

static enum status backward(const struct op_plan *plan, const struct op_args *args)
{
    const struct op_desc *d = &plan->desc;
    if (d->want_diff_src & 1)
        backward_data(plan, args);
    if (d->want_diff_param & 1)
        backward_weight(plan, args);
    if (d->want_diff_param & 2 && d->conv.bias)
        naive_columns_bias(args);
    return OK;
}

const struct op_entry naive_conv2d = {
    .name = "naive conv2d",
    .plan = plan_conv,
    .forward = forward,
    .backward = backward,
    .release = release,
};
