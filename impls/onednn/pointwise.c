/* Convolutions as 1x1 windows without a stride: see pointwise.h. Operands are gathered before, and
 * gradients spread after, an ordinary plan of conv2d.c. */
#include "impls/onednn/pointwise.h"

#include "impls/base/memory.h"
#include "impls/onednn/onednn.h"
#include "impls/onednn/own.h"
#include "impls/onednn/shim.h"
#include "impls/ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMALL_MAP = 64, TAPS = 9, CENTRE = 4 };

struct pointwise {
    struct op_plan inner;
    bool centre;      /* of 3x3 taps; else every sh-th row and sw-th pixel of the source */
    size_t area_at;   /* of the source, or the weight's gradient, in scratch */
    float *taps;      /* owned: the centre taps, [oc][c] */
    size_t taps_count;
    const float *packed; /* what they were taken from, and which version of it */
    unsigned version;
};

bool dnn_pointwise_fits(const struct op_desc *d)
{
    const struct tensor *s = &d->src[0], *t = &d->dst;
    const bool plain = d->kind == OP_CONV2D && s->dtype == DTYPE_F32 && d->conv.groups == 1 &&
                       d->conv.algorithm == CONV_DIRECT;
    const bool centre = d->conv.kh == 3 && d->conv.kw == 3 && d->conv.ph == 1 &&
                        d->conv.pw == 1 && d->conv.dh == 1 && d->conv.dw == 1 && s->h == 1 &&
                        s->w == 1;
    const bool strided = d->conv.kh == 1 && d->conv.kw == 1 && d->conv.ph == 0 &&
                         d->conv.pw == 0 && (d->conv.sh > 1 || d->conv.sw > 1) &&
                         t->h * t->w <= SMALL_MAP;
    return plain && (centre || strided);
}

static void release(struct op_plan *plan)
{
    struct pointwise *p = plan->priv;
    plan_release(&p->inner);
    memory_free(p->taps);
    free(p);
}

static struct op_desc inner_of(const struct op_desc *d)
{
    struct op_desc inner = *d;
    inner.src[0] = tensor_dense(NULL, d->dst.n, d->dst.h, d->dst.w, d->src[0].c);
    inner.conv.kh = inner.conv.kw = inner.conv.sh = inner.conv.sw = 1;
    inner.conv.dh = inner.conv.dw = 1;
    inner.conv.ph = inner.conv.pw = 0;
    return inner;
}

static enum status build(struct impl_ctx *ctx, struct op_plan *plan, struct pointwise *p)
{
    const struct op_desc *d = &plan->desc;
    p->centre = d->conv.kh > 1;
    p->taps_count = (size_t)d->conv.oc * (size_t)d->src[0].c;
    p->inner.desc = inner_of(d);
    p->inner.entry = &onednn_conv2d;
    TRY(onednn_conv2d.plan(ctx, &p->inner));
    if (p->centre && !(p->taps = memory_alloc(p->taps_count * sizeof(float)))) {
        plan_release(&p->inner);
        return ERR_MEMORY;
    }
    const size_t area = p->centre ? p->taps_count : tensor_count(&p->inner.desc.src[0]);
    p->area_at = memory_round(p->inner.scratch_bytes);
    plan->scratch_bytes = p->area_at + memory_round(area * sizeof(float));
    plan->save_bytes = p->inner.save_bytes;
    plan->packed = p->centre ? p->inner.packed | 1u : p->inner.packed;
    shim_say(plan, "%s%s", p->centre ? "centre of " : "gather+", p->inner.how);
    return OK;
}

/* ---- weights ---- */

static void take_centre(struct pointwise *p, const struct param *weight)
{
    if (p->packed == weight->data && p->version == weight->version)
        return;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < p->taps_count; i++)
        p->taps[i] = weight->data[i * TAPS + CENTRE];
    p->packed = weight->data;
    p->version = weight->version;
}

/* The other taps have met padding alone. */
static void give_centre(const struct pointwise *p, const float *from, float *grad, bool add)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < p->taps_count; i++) {
        float *to = grad + i * TAPS;
        const float old = add ? to[CENTRE] : 0;
        if (!add)
            memset(to, 0, TAPS * sizeof *to);
        to[CENTRE] = old + from[i];
    }
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

static struct param centre_of(const struct pointwise *p, const struct param *weight, float *grad)
{
    struct param taps = *weight;
    taps.data = p->taps;
    taps.grad = grad;
    taps.count = p->taps_count;
    return taps;
}

/* The source as the inner plan wants it. */
static struct tensor source_of(const struct op_plan *plan, const struct op_args *args, float *area)
{
    const struct op_desc *d = &plan->desc;
    const struct pointwise *p = plan->priv;
    struct tensor source = p->inner.desc.src[0];
    source.data = p->centre ? args->src[0].data : area;
    if (!p->centre)
        dnn_own_gather(area, &args->src[0], d->conv.sh, d->conv.sw, d->dst.h, d->dst.w);
    return source;
}

static enum status forward(const struct op_plan *plan, const struct op_args *args)
{
    struct pointwise *p = plan->priv;
    struct op_args inner = *args;
    struct param taps;
    inner.src[0] = source_of(plan, args, (float *)((char *)args->scratch + p->area_at));
    if (p->centre) {
        take_centre(p, args->param[0]);
        taps = centre_of(p, args->param[0], NULL);
        inner.param[0] = &taps;
    }
    return p->inner.entry->forward(&p->inner, &inner);
}

static enum status backward_centre(const struct op_plan *plan, const struct op_args *args)
{
    struct pointwise *p = plan->priv;
    float *area = (float *)((char *)args->scratch + p->area_at);
    struct op_args inner = *args;
    take_centre(p, args->param[0]);
    struct param taps = centre_of(p, args->param[0], area);
    inner.param[0] = &taps;
    inner.add_diff_param &= ~1u;
    TRY(p->inner.entry->backward(&p->inner, &inner));
    if (plan->desc.want_diff_param & 1u)
        give_centre(p, area, args->param[0]->grad, args->add_diff_param & 1u);
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
    return p->centre ? backward_centre(plan, args) : backward_strided(plan, args);
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
