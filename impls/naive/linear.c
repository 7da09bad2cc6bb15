/* Fully connected layer: a product with one tap, whose weights are packed so that the features of
 * an image, h*w*c floats in NHWC order, meet weights that PyTorch keeps in C,H,W order. */
#include "impls/naive/naive.h"

#include "impls/base/memory.h"
#include "impls/base/threads.h"
#include "impls/naive/columns.h"
#include "impls/naive/loops.h"
#include "impls/naive/tiles.h"

#include <stdlib.h>

/* Packing sees h*w taps of c inputs. The panels are in memory just like those of one tap of h*w*c
 * inputs, which is what forward and the weight gradient see. Backward has h*w groups: each gives
 * the gradient of the c features of one pixel. */
struct linear {
    struct naive_packed forward, backward;
    struct naive_shape flat; /* forward's panels as one tap */
    int threads;
};

static void fill(const struct op_plan *plan, int first, struct naive_chunk *chunk)
{
    (void)plan;
    for (int row = 0; row < chunk->rows; row++)
        chunk->source[row] = chunk->target[row] = first + row;
}

static void set_shapes(const struct op_desc *d, struct linear *linear)
{
    const int c = d->src[0].c, hw = d->src[0].h * d->src[0].w, oc = d->linear.oc;
    const size_t features = (size_t)hw * (size_t)c;
    linear->flat = (struct naive_shape){1, 1, hw * c, oc, false};
    linear->forward.shape = (struct naive_shape){1, hw, c, oc, false};
    linear->forward.order = (struct naive_order){
        .column = features, .tap = 1, .depth = (size_t)hw};
    linear->backward.shape = (struct naive_shape){hw, 1, oc, c, false};
    linear->backward.order = (struct naive_order){
        .group = 1, .column = (size_t)hw, .depth = features};
}

static void release(struct op_plan *plan)
{
    struct linear *linear = plan->priv;
    if (!linear)
        return;
    memory_free(linear->forward.panels);
    memory_free(linear->backward.panels);
    free(linear);
    plan->priv = NULL;
}

static enum status allocate(const struct op_desc *d, struct linear *linear)
{
    TRY(naive_packed_alloc(&linear->forward));
    if (d->want_diff_src & 1)
        TRY(naive_packed_alloc(&linear->backward));
    return OK;
}

/* Bytes of the panels of gradients, which come first in the scratch of backward. */
static size_t panels_bytes(const struct linear *linear)
{
    return memory_round(naive_shape_floats(&linear->flat) * sizeof(float));
}

static size_t scratch_bytes(const struct op_desc *d, const struct linear *linear)
{
    size_t most = naive_product_scratch(&linear->flat, linear->threads);
    size_t outer = panels_bytes(linear) + naive_outer_scratch(&linear->flat, linear->threads);
    size_t bias = naive_columns_bytes(&d->dst, false);
    if (d->want_diff_param & 1 && outer > most)
        most = outer;
    if (d->linear.bias && d->want_diff_param & 2 && bias > most)
        most = bias;
    return most;
}

static enum status plan_linear(struct impl_ctx *ctx, struct op_plan *plan)
{
    (void)ctx;
    const struct op_desc *d = &plan->desc;
    TRY(naive_plan_begin(plan, "naive direct"));
    struct linear *linear = calloc(1, sizeof *linear);
    if (!linear)
        return fail(ERR_MEMORY, "naive linear: out of memory");
    plan->priv = linear;
    plan->packed = 1;
    linear->threads = threads_get();
    set_shapes(d, linear);
    enum status status = allocate(d, linear);
    if (status != OK) {
        release(plan);
        return status;
    }
    plan->scratch_bytes = scratch_bytes(d, linear);
    return OK;
}

/* A map as rows of features, one row for each image. */
static struct naive_operand rows_of(const struct tensor *t, bool grouped)
{
    size_t c = (size_t)t->c;
    return (struct naive_operand){
        t->data, (size_t)t->h * (size_t)t->w * c, grouped ? c : 0};
}

static enum status forward(const struct op_plan *plan, const struct op_args *args)
{
    struct linear *linear = plan->priv;
    naive_packed_update(&linear->forward, args->param[0]);
    struct naive_walk walk = {fill, plan, args->dst.n, linear->threads, args->scratch};
    struct naive_product product = {
        .shape = linear->flat,
        .source = rows_of(&args->src[0], false),
        .result = rows_of(&args->dst, false),
        .panels = linear->forward.panels,
        .bias = plan->desc.linear.bias ? args->param[1]->data : NULL,
    };
    naive_product_run(&walk, &product);
    return OK;
}

static void backward_data(const struct op_plan *plan, const struct op_args *args)
{
    struct linear *linear = plan->priv;
    naive_packed_update(&linear->backward, args->param[0]);
    struct naive_walk walk = {fill, plan, args->diff_dst.n, linear->threads, args->scratch};
    struct naive_product product = {
        .shape = linear->backward.shape,
        .source = rows_of(&args->diff_dst, false),
        .result = rows_of(&args->diff_src[0], true),
        .panels = linear->backward.panels,
        .add = args->add_diff_src & 1,
    };
    naive_product_run(&walk, &product);
}

static void backward_weight(const struct op_plan *plan, const struct op_args *args)
{
    const struct linear *linear = plan->priv;
    struct naive_walk walk = {fill, plan, args->diff_dst.n, linear->threads,
                              (char *)args->scratch + panels_bytes(linear)};
    struct naive_outer outer = {
        .shape = linear->flat,
        .source = rows_of(&args->src[0], false),
        .diff = rows_of(&args->diff_dst, false),
        .panels = args->scratch,
    };
    naive_outer_run(&walk, &outer);
    naive_panels_unpack(outer.panels, &linear->forward.shape, &linear->forward.order,
                        args->param[0]->grad, args->add_diff_param & 1);
}

static enum status backward(const struct op_plan *plan, const struct op_args *args)
{
    if (plan->desc.want_diff_src & 1)
        backward_data(plan, args);
    if (plan->desc.want_diff_param & 1)
        backward_weight(plan, args);
    if (plan->desc.want_diff_param & 2 && plan->desc.linear.bias)
        naive_columns_bias(args);
    return OK;
}

const struct op_entry naive_linear = {
    .name = "naive linear",
    .plan = plan_linear,
    .forward = forward,
    .backward = backward,
    .release = release,
};
