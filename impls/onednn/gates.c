/* Addition and the two gates: forward by oneDNN's binary primitive, backward by our own loops (the
 * library has none). A weighted addition is our own loop both ways. */
#include "impls/onednn/onednn.h"

#include "impls/onednn/own.h"
#include "impls/onednn/shim.h"
#include "impls/ops.h"

#include <stdlib.h>

struct gate {
    struct shim_prim binary; /* not made: our own loop */
};

static size_t pixels_of(const struct tensor *t)
{
    return (size_t)t->h * (size_t)t->w;
}

static bool own_forward(const struct op_desc *d)
{
    return d->kind == OP_ADD && (d->add.a != 1 || d->add.b != 1);
}

/* A matrix of `rows` rows; with one column it is broadcast along the rows. */
static struct shim_view matrix(enum dtype dtype, size_t rows, size_t columns)
{
    return (struct shim_view){.dtype = dtype, .ndims = 2,
                              .dims = {(dnnl_dim_t)rows, (dnnl_dim_t)columns},
                              .strides = {(dnnl_dim_t)columns, 1}};
}

/* How the library is to see the two sources. Said as maps, a spatial gate of width 1 and a channel
 * gate on one channel would get reference code; as a matrix times a column they are fast. */
static void views(const struct op_desc *d, struct shim_view *src0, struct shim_view *src1)
{
    const struct tensor *s = &d->src[0];
    size_t rows = (size_t)s->n * (d->kind == OP_MUL_SPATIAL ? pixels_of(s) : 1);
    bool column = d->kind == OP_MUL_SPATIAL || (d->kind == OP_MUL_CHANNEL && s->c == 1);
    *src0 = column ? matrix(s->dtype, rows, tensor_count(s) / rows) : shim_map(s);
    *src1 = column ? matrix(d->src[1].dtype, rows, 1) : shim_map(&d->src[1]);
}

static enum status build(struct impl_ctx *ctx, struct op_plan *plan)
{
    const struct op_desc *d = &plan->desc;
    struct gate *gate = plan->priv;
    const char *backward = d->want_diff_src ? " / bwd own loops" : "";
    if (d->kind == OP_MUL_CHANNEL && (d->want_diff_src & 2u))
        plan->scratch_bytes =
            dnn_own_channel_scratch(d->src[0].n, pixels_of(&d->src[0]), d->src[0].c);
    if (d->dst.dtype != d->src[0].dtype || (own_forward(d) && op_has_bf16(d)))
        return fail(ERR_UNSUPPORTED, "no kernel for these dtypes");
    if (own_forward(d)) {
        shim_say(plan, "own loops");
        return OK;
    }
    struct shim_view src0, src1;
    views(d, &src0, &src1);
    TRY(shim_make_binary(ctx, d->kind == OP_ADD ? dnnl_binary_add : dnnl_binary_mul, &src0, &src1,
                         &gate->binary));
    if (plan->scratch_bytes < gate->binary.scratch_bytes)
        plan->scratch_bytes = gate->binary.scratch_bytes;
    shim_say(plan, "%s%s%s", *backward ? "fwd " : "", gate->binary.name, backward);
    return OK;
}

static void release(struct op_plan *plan)
{
    struct gate *gate = plan->priv;
    shim_release(&gate->binary);
    free(gate);
}

static enum status plan_gate(struct impl_ctx *ctx, struct op_plan *plan)
{
    return shim_plan(ctx, plan, sizeof(struct gate), build, release);
}

static enum status forward(const struct op_plan *plan, const struct op_args *args)
{
    const struct gate *gate = plan->priv;
    if (!gate->binary.prim) {
        const struct op_desc *d = &plan->desc;
        dnn_own_blend(args->dst.data, d->add.a, args->src[0].data, d->add.b, args->src[1].data,
                      tensor_count(&d->dst));
        return OK;
    }
    const struct shim_bind binds[] = {{DNNL_ARG_SRC_0, args->src[0].data},
                                      {DNNL_ARG_SRC_1, args->src[1].data},
                                      {DNNL_ARG_DST, args->dst.data}};
    return shim_run(&gate->binary, &plan->desc, args->scratch, binds, 3);
}

/* src1's gradient first: src0's may lie where the gradient of the result is. */
static enum status backward_add(const struct op_plan *plan, const struct op_args *args)
{
    const struct op_desc *d = &plan->desc;
    size_t count = tensor_count(&d->dst);
    for (int i = 1; i >= 0; i--)
        if (d->want_diff_src >> i & 1u)
            dnn_own_scale(args->diff_src[i].data, i ? d->add.b : d->add.a, args->diff_dst.data,
                        args->add_diff_src >> i & 1u, count);
    return OK;
}

static enum status backward_mul(const struct op_plan *plan, const struct op_args *args)
{
    const struct op_desc *d = &plan->desc;
    const struct tensor *s = &d->src[0];
    const struct dnn_gate_backward g = {
        .n = s->n, .c = s->c, .pixels = pixels_of(s),
        .dy = args->diff_dst.data, .x = args->src[0].data, .gate = args->src[1].data,
        .dx = d->want_diff_src & 1u ? args->diff_src[0].data : NULL,
        .dgate = d->want_diff_src & 2u ? args->diff_src[1].data : NULL,
        .add_dx = args->add_diff_src & 1u, .add_dgate = args->add_diff_src & 2u,
        .scratch = args->scratch};
    if (d->kind == OP_MUL_CHANNEL)
        dnn_own_channel_backward(&g);
    else
        dnn_own_spatial_backward(&g);
    return OK;
}

const struct op_entry onednn_add = {.name = "onednn add", .bf16 = true, .plan = plan_gate,
                                    .forward = forward, .backward = backward_add,
                                    .release = release};
const struct op_entry onednn_mul_channel = {.name = "onednn mul_channel", .bf16 = true,
                                            .plan = plan_gate, .forward = forward,
                                            .backward = backward_mul, .release = release};
const struct op_entry onednn_mul_spatial = {.name = "onednn mul_spatial", .bf16 = true,
                                            .plan = plan_gate, .forward = forward,
                                            .backward = backward_mul, .release = release};
