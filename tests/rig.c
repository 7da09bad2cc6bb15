/* One planned operation with guarded buffers: see rig.h. Knows no oracle values beyond operands. */
#include "tests/rig.h"

#include "impls/base/threads.h"
#include "tests/trap.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool rig_fault(const struct rig *rig, const char *format, ...)
{
    char text[200], variant[160], *line = *rig->text;
    op_print(&rig->desc, text, sizeof text);
    opcheck_variant_print(&rig->variant, variant, sizeof variant);
    snprintf(line, OPCHECK_TEXT, "test_ops %s %d '%s' '%s': ", rig->impl->name, threads_get(),
             text, variant);
    va_list args;
    va_start(args, format);
    size_t used = strlen(line);
    vsnprintf(line + used, OPCHECK_TEXT - used, format, args);
    va_end(args);
    used = strlen(line);
    if (rig->plan.how[0])
        snprintf(line + used, OPCHECK_TEXT - used, " [%s]", rig->plan.how);
    return false;
}

/* Pixel strides of strided views: some channels before the slice and some after. */
enum { SLICE_FIRST = 3, SLICE_SRC = 8, SLICE_DST = 4 };

static bool describe(struct rig *rig, const struct op_desc *desc, const struct opcheck_variant *v)
{
    rig->desc = *desc;
    rig->desc.train = v->train;
    rig->desc.want_diff_src = v->want_src;
    rig->desc.want_diff_param = v->want_param;
    for (int i = 0; i < op_sources(desc->kind); i++)
        if (v->strided >> i & 1)
            rig->desc.src[i].stride = rig->desc.src[i].c + SLICE_SRC;
    int extra = v->in_place ? SLICE_SRC : SLICE_DST; /* in place: the same view */
    rig->desc.dst.stride = v->strided & OPCHECK_STRIDED_DST ? desc->dst.c + extra : 0;
    if (op_infer(&rig->desc) != OK)
        return rig_fault(rig, "op_infer: %s", fail_text());
    return true;
}

static enum status make_map(struct guarded *g, const struct tensor *t)
{
    return guarded_make_map(g, t, tensor_is_dense(t) ? 0 : SLICE_FIRST);
}

static enum status make_params(struct rig *rig)
{
    struct op_param_info info[OP_MAX_PARAM];
    rig->params = op_params(&rig->desc, info);
    for (int i = 0; i < rig->params; i++) {
        int count = 1;
        for (int k = 0; k < info[i].ndim; k++)
            count *= info[i].dim[k];
        rig->buffer[i] = info[i].buffer;
        struct tensor flat = tensor_dense(NULL, 1, 1, 1, count);
        TRY(guarded_make_map(&rig->data[i], &flat, 0));
        TRY(guarded_make_map(&rig->grad[i], &flat, 0));
        rig->param[i] = (struct param){.name = info[i].name, .data = rig->data[i].map.data,
                                       .count = (size_t)count, .version = 1};
        rig->args.param[i] = &rig->param[i];
    }
    return OK;
}

static enum status make_buffers(struct rig *rig)
{
    const struct op_desc *d = &rig->desc;
    for (int i = 0; i < op_sources(d->kind); i++) {
        TRY(make_map(&rig->src[i], &d->src[i]));
        TRY(make_map(&rig->diff_src[i], &d->src[i]));
        rig->args.src[i] = rig->src[i].map;
        rig->args.diff_src[i] = d->src[i];
    }
    TRY(make_map(&rig->dst, &d->dst));
    TRY(make_map(&rig->diff_dst, &d->dst));
    TRY(make_params(rig));
    TRY(guarded_make_bytes(&rig->save, rig->plan.save_bytes));
    TRY(guarded_make_bytes(&rig->scratch, rig->plan.scratch_bytes));
    TRY(guarded_make_bytes(&rig->labels, (size_t)d->src[0].n * sizeof(int32_t)));
    rig->args.dst = rig_result(rig)->map;
    rig->args.diff_dst = d->dst;
    rig->args.save = rig->save.block + rig->save.start;
    rig->args.scratch = rig->scratch.block + rig->scratch.start;
    rig->args.labels = (const int32_t *)(const void *)(rig->labels.block + rig->labels.start);
    rig->args.seed = rig->variant.seed;
    rig->args.step = 3;
    return OK;
}

bool rig_make(struct rig *rig, const struct impl *impl, struct impl_ctx *ctx,
              const struct op_desc *desc, const struct opcheck_variant *variant,
              char (*text)[OPCHECK_TEXT])
{
    memset(rig, 0, sizeof *rig);
    rig->impl = impl;
    rig->variant = *variant;
    rig->text = text;
    if (!describe(rig, desc, variant))
        return false;
    if (plan_make(&rig->plan, impl, ctx, &rig->desc) != OK)
        return rig_fault(rig, "plan: %s", fail_text());
    if (!rig->plan.how[0])
        return rig_fault(rig, "the plan does not say how it runs");
    if (make_buffers(rig) != OK)
        return rig_fault(rig, "%s", fail_text());
    return true;
}

/* A buffer, its name and index in messages, and what a pass may do to it. */
struct role {
    const char *name;
    int index;
    struct guarded *g;
    bool writable;
};

enum { ROLES = 2 * OP_MAX_SRC + 2 * OP_MAX_PARAM + 5 };

/* All buffers of the rig in a fixed order, none writable yet; returns how many. */
static int list_roles(struct rig *rig, struct role role[ROLES])
{
    int count = 0;
    for (int i = 0; i < OP_MAX_SRC; i++) {
        role[count++] = (struct role){"src", i, &rig->src[i], false};
        role[count++] = (struct role){"diff_src", i, &rig->diff_src[i], false};
    }
    for (int i = 0; i < OP_MAX_PARAM; i++) {
        role[count++] = (struct role){"param", i, &rig->data[i], false};
        role[count++] = (struct role){"grad", i, &rig->grad[i], false};
    }
    role[count++] = (struct role){"dst", 0, &rig->dst, false};
    role[count++] = (struct role){"diff_dst", 0, &rig->diff_dst, false};
    role[count++] = (struct role){"save", 0, &rig->save, false};
    role[count++] = (struct role){"scratch", 0, &rig->scratch, false};
    role[count++] = (struct role){"labels", 0, &rig->labels, false};
    return count;
}

static void allow(struct role *role, const struct guarded *g)
{
    for (int i = 0; i < ROLES; i++)
        role[i].writable |= role[i].g == g;
}

void rig_free(struct rig *rig)
{
    struct role role[ROLES];
    int count = list_roles(rig, role);
    for (int i = 0; i < count; i++)
        guarded_free(role[i].g);
    plan_release(&rig->plan);
}

struct guarded *rig_result(struct rig *rig)
{
    return rig->variant.in_place ? &rig->src[0] : &rig->dst;
}

static void load_map(struct guarded *g, const double *value, size_t count)
{
    for (size_t i = 0; i < count; i++)
        *guarded_at(g, i) = (float)value[i];
}

static bool load_param(struct guarded *g, const double *value, size_t count)
{
    bool changed = false;
    for (size_t i = 0; i < count; i++) {
        changed |= *guarded_at(g, i) != (float)value[i];
        *guarded_at(g, i) = (float)value[i];
    }
    return changed;
}

void rig_load(struct rig *rig, const struct oracle *o)
{
    for (int i = 0; i < op_sources(rig->desc.kind); i++)
        load_map(&rig->src[i], o->src[i], o->count_src[i]);
    load_map(&rig->diff_dst, o->diff_dst, o->count_dst);
    for (int i = 0; i < rig->params; i++)
        if (load_param(&rig->data[i], o->param[i], o->count_param[i]))
            rig->param[i].version++;
    memcpy(rig->labels.block + rig->labels.start, o->labels, rig->labels.bytes);
}

struct pass {
    struct rig *rig;
    bool backward;
    enum status status;
};

static void run_pass(void *arg)
{
    struct pass *p = arg;
    const struct op_plan *plan = &p->rig->plan;
    p->status = p->backward ? plan->entry->backward(plan, &p->rig->args)
                            : plan->entry->forward(plan, &p->rig->args);
}

/* Runs one pass between two looks at all buffers. */
static bool watch_pass(struct rig *rig, const struct role *role, int count, bool backward)
{
    struct pass pass = {rig, backward, OK};
    const char *name = backward ? "backward" : "forward";
    long offset;
    for (int i = 0; i < count; i++)
        guarded_snapshot(role[i].g);
    rig_fault(rig, "%s crashed", name); /* at hand if a worker thread takes the program down */
    int number = trap_run(run_pass, &pass, *rig->text);
    if (number)
        return rig_fault(rig, "%s crashed: %s", name, strsignal(number));
    if (pass.status != OK)
        return rig_fault(rig, "%s: %s", name, fail_text());
    for (int i = 0; i < count; i++)
        if (guarded_touched(role[i].g, role[i].writable, &offset))
            return rig_fault(rig, "%s wrote %s %s[%d], at byte %ld of %zu", name,
                             role[i].writable ? "outside of" : "into", role[i].name,
                             role[i].index, offset, role[i].g->bytes);
    (*rig->text)[0] = '\0';
    return true;
}

static bool versions_kept(const struct rig *rig, const unsigned *before, bool statistics)
{
    for (int i = 0; i < rig->params; i++) {
        bool written = statistics && rig->buffer[i];
        if (written && rig->param[i].version == before[i])
            return rig_fault(rig, "forward wrote %s and kept its version", rig->param[i].name);
        if (!written && rig->param[i].version != before[i])
            return rig_fault(rig, "the version of %s changed", rig->param[i].name);
    }
    return true;
}

static bool normalises(enum op_kind kind)
{
    return kind == OP_BATCHNORM || kind == OP_BN_ACT || kind == OP_BN_SUM_ACT;
}

bool rig_forward(struct rig *rig, int poison)
{
    struct role role[ROLES];
    unsigned before[OP_MAX_PARAM];
    int count = list_roles(rig, role);
    bool statistics = normalises(rig->desc.kind) && rig->desc.train && rig->desc.bn.batch_stats;
    guarded_poison(&rig->dst, poison);
    guarded_poison(&rig->save, poison);
    guarded_poison(&rig->scratch, poison);
    for (int i = 0; i < rig->params; i++) {
        before[i] = rig->param[i].version;
        rig->param[i].grad = NULL;
        if (statistics && rig->buffer[i])
            allow(role, &rig->data[i]);
    }
    allow(role, rig_result(rig));
    allow(role, &rig->save);
    allow(role, &rig->scratch);
    rig->args.diff_dst.data = NULL;
    for (int i = 0; i < OP_MAX_SRC; i++)
        rig->args.diff_src[i].data = NULL;
    return watch_pass(rig, role, count, false) && versions_kept(rig, before, statistics);
}

/* Prepares one gradient buffer; returns its address as the arguments are to have it. */
static void *offer(struct rig *rig, struct guarded *g, bool wanted, bool add, enum operand old,
                   int poison, bool offer_all)
{
    guarded_poison(g, poison);
    for (size_t i = 0; wanted && add && i < tensor_count(&g->map); i++)
        *guarded_at(g, i) = (float)operand_value(&rig->desc, rig->variant.data,
                                                 rig->variant.seed, old, i);
    return wanted || offer_all ? g->map.data : NULL;
}

static void poison_unread(struct rig *rig, int poison)
{
    bool in_place = rig->variant.in_place;
    if (!op_backward_reads_src(rig->desc.kind) && !in_place)
        for (int i = 0; i < op_sources(rig->desc.kind); i++)
            guarded_poison(&rig->src[i], poison);
    if (!op_backward_reads_dst(rig->desc.kind))
        guarded_poison(rig_result(rig), poison);
    guarded_poison(&rig->scratch, poison);
}

bool rig_backward(struct rig *rig, int poison, bool offer_all)
{
    struct role role[ROLES];
    int count = list_roles(rig, role);
    const struct opcheck_variant *v = &rig->variant;
    poison_unread(rig, poison);
    for (int i = 0; i < op_sources(rig->desc.kind); i++) {
        bool wanted = v->want_src >> i & 1;
        rig->args.diff_src[i].data =
            offer(rig, &rig->diff_src[i], wanted, v->add_src >> i & 1,
                  (enum operand)(OPERAND_OLD_SRC + i), poison, offer_all);
        if (wanted)
            allow(role, &rig->diff_src[i]);
    }
    for (int i = 0; i < rig->params; i++) {
        bool wanted = v->want_param >> i & 1;
        rig->param[i].grad = offer(rig, &rig->grad[i], wanted, v->add_param >> i & 1,
                                   (enum operand)(OPERAND_OLD_PARAM + i), poison, offer_all);
        if (wanted)
            allow(role, &rig->grad[i]);
    }
    rig->args.diff_dst.data = rig->diff_dst.map.data;
    rig->args.add_diff_src = v->add_src;
    rig->args.add_diff_param = v->add_param;
    allow(role, &rig->scratch);
    allow(role, &rig->save);
    return watch_pass(rig, role, count, true);
}
