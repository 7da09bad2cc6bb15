/* Fused batch normalisation: plans, and the order of passes. Arithmetic per channel is in
 * bn_act_channels.c, the cutting in bn_act_layout.c, the loops in bn_act_loops.h. */
#include "impls/fused/bn_act.h"

#include "impls/base/memory.h"
#include "impls/fused/bn_act_channels.h"
#include "impls/fused/bn_bf16.h"
#include "impls/fused/isa.h"
#include "impls/fused/versions.h"
#include "impls/ops.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

enum { WEIGHT, BIAS, MEAN, VARIANCE, PARAMS };

/* With constant statistics the factors are made once per version of the parameters and kept. */
struct bn_act {
    struct bn_layout layout;
    const struct bn_loops *loops;
    float *area;             /* owned: zeros, then the kept factors and inverse */
    float *zeros;
    struct bn_factors fixed; /* slope: unused */
    float *fixed_inverse;
    struct param_versions seen;
};

static bool uses_batch(const struct op_desc *d)
{
    return d->train && d->bn.batch_stats;
}

static bool has_shortcut(const struct op_desc *d)
{
    return d->kind == OP_BN_SUM_ACT;
}

/* Whether backward makes the relu's mask from x instead of reading y. */
static bool gates_by_x(const struct op_desc *d)
{
    return uses_batch(d) && d->kind == OP_BN_ACT;
}

static bool wants_src(const struct op_desc *d, int i)
{
    return d->want_diff_src >> i & 1;
}

static bool wants_param(const struct op_desc *d)
{
    return d->want_diff_param & (1u << WEIGHT | 1u << BIAS);
}

static bool needs_sums(const struct op_desc *d)
{
    return wants_param(d) || (uses_batch(d) && wants_src(d, 0));
}

/* ---- memory ---- */

static size_t channel_floats(const struct bn_layout *l)
{
    return memory_round(l->channels * sizeof(float)) / sizeof(float);
}

static size_t column_floats(const struct bn_layout *l)
{
    return memory_round(l->columns * sizeof(float)) / sizeof(float);
}

/* Vectors that forward keeps, and those of factors. */
static size_t kept_vectors(const struct op_desc *d)
{
    return gates_by_x(d) ? 5 : 3;
}

static size_t factor_vectors(const struct op_desc *d)
{
    return gates_by_x(d) ? 6 : 4;
}

static struct bn_kept kept_in(const struct bn_layout *l, const struct op_desc *d, void *save)
{
    float *at = save;
    size_t step = channel_floats(l);
    struct bn_kept kept = {.mean = at, .rest = at + step, .inverse = at + 2 * step};
    if (gates_by_x(d)) {
        kept.scale = at + 3 * step;
        kept.shift = at + 4 * step;
    }
    return kept;
}

/* Scratch: vectors of factors, with those of the gate at their end, then partial sums. */
static struct bn_factors factors_in(const struct bn_layout *l, void *scratch)
{
    float *at = scratch;
    size_t step = column_floats(l);
    return (struct bn_factors){at, at + step, at + 2 * step, at + 3 * step};
}

static double *sums_in(const struct bn_layout *l, const struct op_desc *d, void *scratch)
{
    return (double *)((float *)scratch + factor_vectors(d) * column_floats(l));
}

static enum status allocate(struct bn_act *bn)
{
    const struct bn_layout *l = &bn->layout;
    size_t step = column_floats(l);
    bn->area = memory_alloc((4 * step + channel_floats(l)) * sizeof(float));
    if (!bn->area)
        return ERR_MEMORY;
    bn->zeros = bn->area;
    bn->fixed = (struct bn_factors){bn->area + step, bn->area + 2 * step, bn->area + 3 * step,
                                    NULL};
    bn->fixed_inverse = bn->area + 4 * step;
    return OK;
}

/* ---- plan ---- */

static const struct bn_loops *loops_for(enum fused_isa isa)
{
    return isa == FUSED_AVX512 ? &bn_loops_avx512
                               : isa == FUSED_AVX2 ? &bn_loops_avx2 : &bn_loops_baseline;
}

static enum status check(const struct op_desc *d)
{
    if (uses_batch(d) && (double)d->src[0].n * d->src[0].h * d->src[0].w < 2)
        return fail(ERR_USAGE, "batch normalisation needs more than one value per channel in "
                    "training");
    return OK;
}

static void describe(struct op_plan *plan, enum fused_isa isa)
{
    const char *more = plan->desc.kind == OP_BATCHNORM ? "" : has_shortcut(&plan->desc)
                                                                  ? "+sum+relu" : "+relu";
    snprintf(plan->how, sizeof plan->how, "fused bn%s:%s", more, fused_isa_name(isa));
}

static enum status plan_bn(struct impl_ctx *ctx, struct op_plan *plan)
{
    (void)ctx;
    const struct op_desc *d = &plan->desc;
    enum fused_isa isa;
    if (op_has_bf16(d))
        return bn_bf16_plan(plan);
    TRY(check(d));
    TRY(fused_isa_choose(&isa));
    struct bn_act *bn = calloc(1, sizeof *bn);
    if (!bn)
        return fail(ERR_MEMORY, "out of memory for a plan of %s", op_name(d->kind));
    bool dense = tensor_is_dense(&d->src[0]) && tensor_is_dense(&d->dst) &&
                 (!has_shortcut(d) || tensor_is_dense(&d->src[1]));
    bn->layout = bn_layout_make(&d->src[0], dense);
    bn->loops = loops_for(isa);
    if (allocate(bn) != OK) {
        free(bn);
        return ERR_MEMORY;
    }
    const struct bn_layout *l = &bn->layout;
    bool sums = uses_batch(d) || needs_sums(d);
    plan->priv = bn;
    plan->save_bytes = uses_batch(d) ? kept_vectors(d) * channel_floats(l) * sizeof(float) : 0;
    plan->scratch_bytes = sums ? factor_vectors(d) * column_floats(l) * sizeof(float) +
                                     bn_layout_sums(l) * sizeof(double)
                               : 0;
    describe(plan, isa);
    return OK;
}

static void release(struct op_plan *plan)
{
    struct bn_act *bn = plan->priv;
    memory_free(bn->area);
    free(bn);
}

/* ---- execution ---- */

/* One call: what the threads that run it share. */
struct call {
    const struct op_desc *desc;
    const struct op_args *args;
    struct bn_act *bn;
    struct bn_part whole;
    struct bn_kept kept;
    struct bn_factors factors;
    double *sums;
};

static struct bn_map map_of(const struct call *call, const struct tensor *t)
{
    return bn_layout_map(&call->bn->layout, t, call->bn->zeros);
}

static void use_factors(struct call *call, struct bn_factors f)
{
    call->factors = f;
    call->whole.mean = f.mean;
    call->whole.scale = f.scale;
    call->whole.shift = f.shift;
    call->whole.slope = f.slope;
}

/* Factors of constant statistics, made anew when a parameter has changed. */
static void use_fixed(struct call *call)
{
    struct bn_act *bn = call->bn;
    if (param_versions_changed(&bn->seen, call->args->param, PARAMS))
        bn_channels_fixed(&bn->layout, call->desc, call->args->param, bn->fixed_inverse,
                          bn->fixed);
    call->kept = (struct bn_kept){.inverse = bn->fixed_inverse};
    use_factors(call, bn->fixed);
}

static struct call call_of(const struct op_plan *plan, const struct op_args *args)
{
    struct call call = {.desc = &plan->desc, .args = args, .bn = plan->priv};
    bool batch = uses_batch(&plan->desc);
    const struct bn_layout *l = &call.bn->layout;
    call.whole.x = map_of(&call, &args->src[0]);
    call.whole.floor = plan->desc.kind == OP_BATCHNORM ? -INFINITY : 0.0f;
    if (plan->scratch_bytes)
        call.sums = sums_in(l, call.desc, args->scratch);
    if (batch) {
        call.kept = kept_in(l, call.desc, args->save);
        use_factors(&call, factors_in(l, args->scratch));
    } else {
        use_fixed(&call);
    }
    return call;
}

/* A pass that leaves partial sums. */
static void run_sums(const struct call *call, void (*loop)(const struct bn_part *part),
                     struct bn_share share)
{
    struct bn_part whole = call->whole;
    whole.sum[0] = call->sums;
    bn_layout_run(&call->bn->layout, &whole, loop, share, false);
}

static void forward_share(const struct call *call, struct bn_share share)
{
    const struct bn_act *bn = call->bn;
    if (uses_batch(call->desc)) {
        run_sums(call, bn->loops->statistics, share);
#pragma omp barrier
        bn_channels_batch(&bn->layout, call->desc, call->args->param, call->sums,
                          call->whole.origin, call->kept, call->factors, share);
#pragma omp barrier
    }
    bn_layout_run(&bn->layout, &call->whole, bn->loops->forward, share, true);
}

static enum status forward(const struct op_plan *plan, const struct op_args *args)
{
    struct call call = call_of(plan, args);
    int threads = bn_layout_threads(&call.bn->layout);
    call.whole.y = map_of(&call, &args->dst);
    call.whole.shortcut = map_of(&call, has_shortcut(call.desc) ? &args->src[1] : NULL);
    call.whole.origin = args->src[0].data;
    call.whole.stream = bn_layout_streams(&call.bn->layout, &call.whole.y);
#pragma omp parallel if (threads > 1)
    forward_share(&call, (struct bn_share){omp_get_thread_num(), omp_get_num_threads()});
    if (uses_batch(call.desc)) {
        args->param[MEAN]->version++;
        args->param[VARIANCE]->version++;
    }
    return OK;
}

/* The factors of forward as columns, behind the others. */
static void set_gate(struct call *call)
{
    const struct bn_layout *l = &call->bn->layout;
    float *scale = call->factors.slope + column_floats(l), *shift = scale + column_floats(l);
    bn_channels_spread(l, call->kept.scale, scale);
    bn_channels_spread(l, call->kept.shift, shift);
    call->whole.gate_scale = scale;
    call->whole.gate_shift = shift;
}

/* The pass of the sums already writes the gradient of the shortcut where that one overwrites. */
static void set_backward(struct call *call)
{
    const struct op_desc *d = call->desc;
    const struct op_args *args = call->args;
    const struct tensor *diff = args->diff_src;
    struct bn_part *w = &call->whole;
    w->y = map_of(call, d->kind == OP_BATCHNORM ? NULL : &args->dst);
    w->dy = map_of(call, &args->diff_dst);
    if (wants_src(d, 0))
        w->dx = map_of(call, &diff[0]);
    if (has_shortcut(d) && wants_src(d, 1))
        w->dshortcut = map_of(call, &diff[1]);
    w->old_dx = map_of(call, args->add_diff_src & 1 ? &diff[0] : NULL);
    w->old_dshortcut = map_of(call, args->add_diff_src & 2 ? &diff[1] : NULL);
    if (needs_sums(d) && !(args->add_diff_src & 2))
        w->masked = w->dshortcut;
    w->stream = !(args->add_diff_src & 1) && bn_layout_streams(&call->bn->layout, &w->dx);
    if (uses_batch(d))
        bn_channels_spread(&call->bn->layout, call->kept.mean, call->factors.mean);
    if (gates_by_x(d))
        set_gate(call);
}

/* The part of the last pass: what the pass of the sums has masked is not masked again, and with
 * constant statistics dx does not depend on x. */
static struct bn_part last_pass(const struct call *call)
{
    struct bn_part w = call->whole;
    struct bn_map zeros = map_of(call, NULL);
    if (w.masked.data) {
        w.dy = w.masked;
        w.y = zeros;
        w.floor = -INFINITY;
        w.dshortcut.data = NULL;
    }
    if (!uses_batch(call->desc)) {
        w.x = zeros;
        w.mean = w.shift = w.slope = zeros.data;
    }
    return w;
}

static void backward_share(const struct call *call, struct bn_share share)
{
    const struct bn_act *bn = call->bn;
    const struct bn_part last = last_pass(call);
    if (needs_sums(call->desc)) {
        run_sums(call, bn->loops->sums, share);
#pragma omp barrier
        bn_channels_backward(&bn->layout, call->desc, call->args, call->sums, call->kept,
                             uses_batch(call->desc) ? &call->factors : NULL, share);
#pragma omp barrier
    }
    if (last.dx.data || last.dshortcut.data)
        bn_layout_run(&bn->layout, &last, bn->loops->backward, share, true);
}

static enum status backward(const struct op_plan *plan, const struct op_args *args)
{
    struct call call = call_of(plan, args);
    int threads = bn_layout_threads(&call.bn->layout);
    set_backward(&call);
#pragma omp parallel if (threads > 1)
    backward_share(&call, (struct bn_share){omp_get_thread_num(), omp_get_num_threads()});
    return OK;
}

const struct op_entry fused_batchnorm = {
    .name = "fused batchnorm",
    .strided = true,
    .bf16 = true,
    .plan = plan_bn,
    .forward = forward,
    .backward = backward,
    .release = release,
};

const struct op_entry fused_bn_act = {
    .name = "fused bn_act",
    .strided = true,
    .bf16 = true,
    .plan = plan_bn,
    .forward = forward,
    .backward = backward,
    .release = release,
};

const struct op_entry fused_bn_sum_act = {
    .name = "fused bn_sum_act",
    .strided = true,
    .bf16 = true,
    .plan = plan_bn,
    .forward = forward,
    .backward = backward,
    .release = release,
};
