/* Convolutions as 1x1 windows without a stride: see pointwise.h. Operands are gathered before, and
 * gradients spread after, an ordinary plan of conv2d.c. */
#include "impls/onednn/pointwise.h"

#include "impls/base/memory.h"
#include "impls/onednn/onednn.h"
#include "impls/onednn/own.h"
#include "impls/onednn/shim.h"
#include "impls/onednn/unfold.h"
#include "impls/ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMALL_MAP = 64 };

struct pointwise {
    struct op_plan inner;
    bool unfolded;    /* map by map; else every sh-th row and sw-th pixel of the source */
    struct unfold unfold;
    size_t area_at;   /* of the source, or the matrix's gradient, in scratch */
    float *matrix;    /* owned: the weight as the inner plan has it */
    const float *packed; /* what it was made from, and which version of it */
    unsigned version;
    unsigned made;       /* how often: the matrix's own version */
};

static bool is_strided(const struct op_desc *d)
{
    return d->conv.kh == 1 && d->conv.kw == 1 && d->conv.ph == 0 && d->conv.pw == 0 &&
           (d->conv.sh > 1 || d->conv.sw > 1) && d->dst.h * d->dst.w <= SMALL_MAP;
}

bool dnn_pointwise_fits(const struct op_desc *d)
{
    const bool plain = d->kind == OP_CONV2D && !op_has_bf16(d) &&
                       d->conv.groups == 1 && d->conv.algorithm == CONV_DIRECT;
    return plain && (unfold_fits(d) || is_strided(d));
}

static void release(struct op_plan *plan)
{
    struct pointwise *p = plan->priv;
    plan_release(&p->inner);
    memory_free(p->matrix);
    free(p);
}

static struct op_desc inner_of(const struct op_desc *d, bool unfolded)
{
    const struct tensor *s = &d->src[0], *t = &d->dst;
    struct op_desc inner = *d;
    inner.src[0] = unfolded ? tensor_dense(NULL, s->n, 1, 1, s->h * s->w * s->c)
                         : tensor_dense(NULL, t->n, t->h, t->w, s->c);
    if (unfolded)
        inner.dst = tensor_dense(NULL, t->n, 1, 1, t->h * t->w * t->c);
    inner.conv.oc = inner.dst.c;
    inner.conv.kh = inner.conv.kw = inner.conv.sh = inner.conv.sw = 1;
    inner.conv.dh = inner.conv.dw = 1;
    inner.conv.ph = inner.conv.pw = 0;
    return inner;
}

static enum status make_matrix(struct op_plan *plan, struct pointwise *p)
{
    TRY(unfold_make(&p->unfold, &plan->desc));
    p->matrix = memory_alloc(unfold_count(&p->unfold) * sizeof(float));
    return p->matrix ? OK : ERR_MEMORY;
}

static enum status build(struct impl_ctx *ctx, struct op_plan *plan, struct pointwise *p)
{
    const struct op_desc *d = &plan->desc;
    p->unfolded = d->conv.kh > 1;
    p->inner.desc = inner_of(d, p->unfolded);
    p->inner.entry = &onednn_conv2d;
    TRY(onednn_conv2d.plan(ctx, &p->inner));
    const enum status status = p->unfolded ? make_matrix(plan, p) : OK;
    if (status != OK) {
        plan_release(&p->inner);
        return status;
    }
    size_t area = p->unfolded ? 0 : tensor_count(&p->inner.desc.src[0]);
    if (p->unfolded && (d->want_diff_param & 1u))
        area = unfold_count(&p->unfold);
    p->area_at = memory_round(p->inner.scratch_bytes);
    plan->scratch_bytes = p->area_at + memory_round(area * sizeof(float));
    plan->save_bytes = p->inner.save_bytes;
    plan->packed = p->unfolded ? p->inner.packed | 1u : p->inner.packed;
    shim_say(plan, "%s%s", p->unfolded ? "map as matrix+" : "gather+", p->inner.how);
    return OK;
}

/* ---- weights ---- */

static void use_matrix(struct pointwise *p, const struct param *weight)
{
    if (p->packed == weight->data && p->version == weight->version)
        return;
    unfold_weight(&p->unfold, weight->data, p->matrix);
    p->packed = weight->data;
    p->version = weight->version;
    p->made++;
}

/* ---- sources ---- */

/* The gradient of a source of which every sh-th row and sw-th pixel was used. */
static void spread_source(const struct op_desc *d, const float *from, float *to, bool add)
{
    const struct tensor *s = &d->src[0], *t = &d->dst;
    const size_t c = (size_t)s->c;
    const int rows = s->n * s->h;
#pragma omp parallel for schedule(static)
    for (int row = 0; row < rows; row++) {
        const int n = row / s->h, y = row % s->h;
        for (int x = 0; x < s->w; x++) {
            float *pixel = to + ((size_t)row * (size_t)s->w + (size_t)x) * c;
            const bool used = y % d->conv.sh == 0 && x % d->conv.sw == 0;
            const size_t place = ((size_t)n * (size_t)t->h + (size_t)(y / d->conv.sh)) *
                                     (size_t)t->w + (size_t)(x / d->conv.sw);
            if (used && add)
                for (size_t i = 0; i < c; i++)
                    pixel[i] += from[place * c + i];
            else if (used)
                memcpy(pixel, from + place * c, c * sizeof *pixel);
            else if (!add)
                memset(pixel, 0, c * sizeof *pixel);
        }
    }
}

/* ---- passes ---- */

static struct param matrix_of(const struct pointwise *p, const struct param *weight, float *grad)
{
    struct param matrix = *weight;
    matrix.data = p->matrix;
    matrix.grad = grad;
    matrix.version = p->made;
    matrix.count = unfold_count(&p->unfold);
    return matrix;
}

/* The arguments of the inner plan, but the source where it is gathered. */
static struct op_args inner_args(const struct op_plan *plan, const struct op_args *args)
{
    const struct pointwise *p = plan->priv;
    struct op_args inner = *args;
    struct tensor *const maps[] = {&inner.src[0], &inner.diff_src[0], &inner.dst, &inner.diff_dst};
    for (int i = 0; i < 4; i++) {
        void *data = maps[i]->data;
        *maps[i] = i < 2 ? p->inner.desc.src[0] : p->inner.desc.dst;
        maps[i]->data = data;
    }
    return inner;
}

/* The source with the pixels alone that a window with a stride meets. */
static struct tensor source_of(const struct op_plan *plan, const struct op_args *args, float *area)
{
    const struct op_desc *d = &plan->desc;
    const struct pointwise *p = plan->priv;
    struct tensor source = p->inner.desc.src[0];
    source.data = area;
    dnn_own_gather(area, &args->src[0], d->conv.sh, d->conv.sw, d->dst.h, d->dst.w);
    return source;
}

static enum status forward(const struct op_plan *plan, const struct op_args *args)
{
    struct pointwise *p = plan->priv;
    struct op_args inner = inner_args(plan, args);
    struct param matrix;
    if (p->unfolded) {
        use_matrix(p, args->param[0]);
        matrix = matrix_of(p, args->param[0], NULL);
        inner.param[0] = &matrix;
    } else {
        inner.src[0] = source_of(plan, args, (float *)((char *)args->scratch + p->area_at));
    }
    return p->inner.entry->forward(&p->inner, &inner);
}

static enum status backward_unfolded(const struct op_plan *plan, const struct op_args *args)
{
    struct pointwise *p = plan->priv;
    float *area = (float *)((char *)args->scratch + p->area_at);
    struct op_args inner = inner_args(plan, args);
    use_matrix(p, args->param[0]);
    struct param matrix = matrix_of(p, args->param[0], area);
    inner.param[0] = &matrix;
    inner.add_diff_param &= ~1u;
    TRY(p->inner.entry->backward(&p->inner, &inner));
    if (plan->desc.want_diff_param & 1u)
        unfold_gradient(&p->unfold, area, args->param[0]->grad, args->add_diff_param & 1u);
    return OK;
}

/* One gradient after the other, so that one area serves both. */
static enum status backward_strided(const struct op_plan *plan, const struct op_args *args)
{
    struct pointwise *p = plan->priv;
    const unsigned source = p->inner.desc.want_diff_src, param = p->inner.desc.want_diff_param;
    float *area = (float *)((char *)args->scratch + p->area_at);
    struct op_args inner = *args;
    struct op_plan half = p->inner;
    enum status status = OK;
    if (param) {
        inner.src[0] = source_of(plan, args, area);
        half.desc.want_diff_src = 0;
        status = half.entry->backward(&half, &inner);
    }
    if (status != OK || !(source & 1u))
        return status;
    half.desc.want_diff_src = source;
    half.desc.want_diff_param = 0;
    inner.diff_src[0] = p->inner.desc.src[0];
    inner.diff_src[0].data = area;
    inner.add_diff_src = 0;
    TRY(half.entry->backward(&half, &inner));
    spread_source(&plan->desc, area, args->diff_src[0].data, args->add_diff_src & 1u);
    return OK;
}

static enum status backward(const struct op_plan *plan, const struct op_args *args)
{
    const struct pointwise *p = plan->priv;
    return p->unfolded ? backward_unfolded(plan, args) : backward_strided(plan, args);
}

static const struct op_entry entry = {.name = "onednn conv2d", .winograd = true,
                                      .forward = forward, .backward = backward,
                                      .release = release};

enum status dnn_pointwise_plan(struct impl_ctx *ctx, struct op_plan *plan)
{
    struct pointwise *p = calloc(1, sizeof *p);
    if (!p)
        return fail(ERR_MEMORY, "out of memory: %zu bytes were needed", sizeof *p);
    const enum status status = build(ctx, plan, p);
    if (status != OK) {
        free(p);
        return status;
    }
    plan->entry = &entry;
    plan->priv = p;
    return OK;
}
