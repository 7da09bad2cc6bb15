/* One operation in bf16: see bf16_case.h. */
#include "tests/bf16_case.h"

#include "impls/base/bf16.h"
#include "impls/base/memory.h"

#include <math.h>
#include <string.h>

const struct impl *bf16_impl(void)
{
    fail(ERR_UNSUPPORTED, "no implementation in this build offers bf16");
    for (int i = 0; impls[i]; i++)
        if (impls[i]->bf16)
            return impl_offers_bf16(impls[i]) == OK ? impls[i] : NULL;
    return NULL;
}

/* Which of the parameters is a variance or a factor of a normalisation; a power of two folds
 * exactly. */
static bool is_scale(const struct op_desc *d, int slot)
{
    const int first = op_is_conv(d->kind) ? 2 : 0;
    const bool bn = op_is_conv(d->kind) ? d->kind != OP_CONV2D && d->conv.with_bn
                                        : d->kind == OP_BATCHNORM || d->kind == OP_BN_ACT ||
                                              d->kind == OP_BN_SUM_ACT;
    return bn && (slot == first || slot == first + 3);
}

float bf16_operand(const struct op_desc *d, enum operand what, size_t i)
{
    static const float scales[4] = {0.25f, 1, 4, 1};
    const int slot = (int)what - OPERAND_PARAM;
    if (slot >= 0 && is_scale(d, slot))
        return slot % 2 ? scales[i % 4] : 1;
    const float value = (float)operand_value(d, OPCHECK_FLOAT, 5, what, i);
    return bf16_to_float(bf16_of_float(value));
}

/* Also of a strided map all bytes: values of any dtype lie in it. */
static enum status make_map(struct guarded *g, struct tensor *t)
{
    const size_t values = (size_t)t->n * (size_t)t->h * (size_t)t->w * (size_t)t->stride;
    TRY(guarded_make_bytes(g, values * dtype_bytes(t->dtype)));
    t->data = g->block + g->start;
    return OK;
}

static float *element(const struct tensor *t, size_t i, float *wide)
{
    const size_t at = i / (size_t)t->c * (size_t)t->stride + i % (size_t)t->c;
    if (t->dtype == DTYPE_F32)
        return (float *)t->data + at;
    *wide = bf16_to_float(((const uint16_t *)t->data)[at]);
    return wide;
}

static void fill(const struct op_desc *d, const struct tensor *t, int k)
{
    for (size_t i = 0; i < tensor_count(t); i++) {
        const float value = bf16_operand(d, (enum operand)(OPERAND_SRC + k), i);
        const size_t at = i / (size_t)t->c * (size_t)t->stride + i % (size_t)t->c;
        if (t->dtype == DTYPE_F32)
            ((float *)t->data)[at] = value;
        else
            ((uint16_t *)t->data)[at] = bf16_of_float(value);
    }
}

static enum status make_params(struct bf16_case *c)
{
    struct op_param_info info[OP_MAX_PARAM];
    const int count = op_params(&c->desc, info);
    for (int k = 0; k < count; k++) {
        size_t size = info[k].ndim > 0;
        for (int i = 0; i < info[k].ndim; i++)
            size *= (size_t)info[k].dim[i];
        struct param *p = &c->param[k];
        *p = (struct param){.name = info[k].name, .count = size, .version = 1};
        if (!size)
            continue;
        p->data = memory_alloc(size * sizeof *p->data);
        if (!p->data)
            return ERR_MEMORY;
        for (size_t i = 0; i < size; i++)
            p->data[i] = bf16_operand(&c->desc, (enum operand)(OPERAND_PARAM + k), i);
        c->args.param[k] = p;
    }
    return OK;
}

enum status bf16_case_open(struct bf16_case *c, const struct impl *impl, struct impl_ctx *ctx,
                           const struct op_desc *desc, const enum dtype src[OP_MAX_SRC],
                           enum dtype dst, bool in_place, struct param *const *params)
{
    const int over = op_overwrites(desc->kind);
    memset(c, 0, sizeof *c);
    c->desc = *desc;
    for (int i = 0; i < op_sources(desc->kind); i++)
        c->desc.src[i].dtype = src[i];
    c->desc.dst.dtype = dst;
    TRY(plan_make(&c->plan, impl, ctx, &c->desc));
    for (int i = 0; i < op_sources(desc->kind); i++) {
        c->args.src[i] = c->desc.src[i];
        TRY(make_map(&c->src[i], &c->args.src[i]));
    }
    c->args.dst = c->desc.dst;
    if (in_place)
        c->args.dst.data = c->args.src[over].data;
    else
        TRY(make_map(&c->dst, &c->args.dst));
    TRY(guarded_make_bytes(&c->scratch, c->plan.scratch_bytes));
    c->args.scratch = c->scratch.block + c->scratch.start;
    CHECK(c->plan.save_bytes == 0);
    c->count = tensor_count(&c->desc.dst);
    c->result = memory_alloc(c->count * sizeof *c->result);
    for (int k = 0; params && k < OP_MAX_PARAM; k++)
        c->args.param[k] = params[k];
    return params ? OK : make_params(c);
}

static enum status check_guards(const struct bf16_case *c)
{
    long at;
    bool touched = guarded_touched(&c->dst, true, &at) || guarded_touched(&c->scratch, true, &at);
    for (int i = 0; i < OP_MAX_SRC; i++)
        touched = touched || guarded_touched(&c->src[i], c->args.dst.data == c->args.src[i].data,
                                             &at);
    return touched ? fail(ERR_LIBRARY, "%s: byte %ld of what is not its own was written",
                          c->plan.how, at)
                   : OK;
}

enum status bf16_case_run(struct bf16_case *c)
{
    float wide;
    guarded_poison(&c->scratch, 0xff);
    for (int i = 0; i < op_sources(c->desc.kind); i++) {
        fill(&c->desc, &c->args.src[i], i);
        guarded_snapshot(&c->src[i]);
    }
    guarded_snapshot(&c->dst);
    guarded_snapshot(&c->scratch);
    TRY(c->plan.entry->forward(&c->plan, &c->args));
    TRY(check_guards(c));
    for (size_t i = 0; i < c->count; i++)
        c->result[i] = *element(&c->args.dst, i, &wide);
    return OK;
}

void bf16_case_close(struct bf16_case *c)
{
    plan_release(&c->plan);
    for (int i = 0; i < OP_MAX_SRC; i++)
        guarded_free(&c->src[i]);
    guarded_free(&c->dst);
    guarded_free(&c->scratch);
    memory_free(c->result);
    for (int k = 0; k < OP_MAX_PARAM; k++)
        memory_free(c->param[k].data);
}
