/* One operation made ready to run: see layer_run.h. */
#include "bench/measure/layer_run.h"

#include "impls/base/bf16.h"
#include "impls/base/memory.h"
#include "impls/base/random.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *layer_pass_name(enum layer_pass pass)
{
    return pass == PASS_FWD ? "fwd" : "bwd";
}

bool layer_takes_statistics(const struct op_desc *desc)
{
    switch (desc->kind) {
    case OP_BATCHNORM:
    case OP_BN_ACT:
    case OP_BN_SUM_ACT:
        return desc->bn.batch_stats;
    case OP_ATTENTION:
    case OP_ATTENTION_SUM:
        return desc->attention.with_bn && desc->attention.batch_stats;
    default:
        return false;
    }
}

/* 0 for an empty slot. */
static size_t info_count(const struct op_param_info *info)
{
    size_t count = info->ndim > 0;
    for (int i = 0; i < info->ndim; i++)
        count *= (size_t)info->dim[i];
    return count;
}

static void want_training(struct op_desc *desc, const struct op_param_info *info, int params)
{
    desc->train = true;
    desc->want_diff_src = (1u << op_sources(desc->kind)) - 1;
    for (int i = 0; i < params; i++)
        if (info[i].ndim > 0 && !info[i].buffer)
            desc->want_diff_param |= 1u << i;
}

static enum status allocate(float **data, size_t count)
{
    *data = memory_alloc(count * sizeof **data);
    return *data ? OK : ERR_MEMORY;
}

enum status layer_operands_make(struct layer_operands *operands, const struct op_desc *desc,
                                enum layer_pass pass)
{
    struct layer_operands *o = operands;
    *o = (struct layer_operands){.desc = *desc, .pass = pass};
    o->params = op_params(desc, o->info);
    if (pass == PASS_BWD)
        want_training(&o->desc, o->info, o->params);
    else
        o->desc.train = layer_takes_statistics(desc);
    for (int i = 0; i < op_sources(desc->kind); i++)
        TRY(allocate(&o->src[i], tensor_count(&desc->src[i])));
    TRY(allocate(&o->diff_dst, tensor_count(&desc->dst)));
    for (int i = 0; i < o->params; i++) {
        o->param_count[i] = info_count(&o->info[i]);
        if (o->param_count[i] > 0)
            TRY(allocate(&o->param[i], o->param_count[i]));
    }
    o->labels = memory_alloc((size_t)desc->src[0].n * sizeof *o->labels);
    return o->labels ? OK : ERR_MEMORY;
}

void layer_operands_free(struct layer_operands *operands)
{
    for (int i = 0; i < OP_MAX_SRC; i++)
        memory_free(operands->src[i]);
    for (int i = 0; i < OP_MAX_PARAM; i++)
        memory_free(operands->param[i]);
    memory_free(operands->diff_dst);
    memory_free(operands->labels);
    memset(operands, 0, sizeof *operands);
}

/* Every number depends on its own index alone, so threads change nothing. */
static void fill(float *data, size_t count, enum layer_fill how, uint64_t seed, const char *name,
                 int slot)
{
    struct random_stream stream = {seed, random_mix(random_name(name), (uint64_t)slot)};
#pragma omp parallel for schedule(static) if (count > 10000)
    for (size_t i = 0; i < count; i++)
        data[i] = how == FILL_INTEGERS ? (float)(int)random_below(stream, i, 5) - 2
                                       : 2 * random_uniform(stream, i) - 1;
}

static void round_to_bf16(float *data, size_t count)
{
    for (size_t i = 0; i < count; i++)
        data[i] = bf16_to_float(bf16_of_float(data[i]));
}

/* Variances: 1 .. 5, or within (0.5, 2.5). */
static void make_positive(float *data, size_t count, enum layer_fill how)
{
    for (size_t i = 0; i < count; i++)
        data[i] += how == FILL_INTEGERS ? 3 : 1.5f;
}

static void round_operands(struct layer_operands *o)
{
    for (int i = 0; i < op_sources(o->desc.kind); i++)
        round_to_bf16(o->src[i], tensor_count(&o->desc.src[i]));
    round_to_bf16(o->diff_dst, tensor_count(&o->desc.dst));
    for (int i = 0; i < o->params; i++)
        round_to_bf16(o->param[i], o->param_count[i]);
}

void layer_operands_fill(struct layer_operands *operands, enum layer_fill how, uint64_t seed)
{
    struct layer_operands *o = operands;
    for (int i = 0; i < op_sources(o->desc.kind); i++)
        fill(o->src[i], tensor_count(&o->desc.src[i]), how, seed, "layer/src", i);
    fill(o->diff_dst, tensor_count(&o->desc.dst), how, seed, "layer/diff_dst", 0);
    for (int i = 0; i < o->params; i++) {
        fill(o->param[i], o->param_count[i], how, seed, "layer/param", i);
        if (o->param_count[i] > 0 && strcmp(o->info[i].name, "running_var") == 0)
            make_positive(o->param[i], o->param_count[i], how);
    }
    if (o->exact_in_bf16)
        round_operands(o);
    struct random_stream stream = {seed, random_name("layer/labels")};
    uint32_t classes = (uint32_t)o->desc.src[0].c;
    for (int i = 0; i < o->desc.src[0].n; i++)
        o->labels[i] = (int32_t)random_below(stream, (uint64_t)i, classes);
}

static enum status make_tensor(struct tensor *t, const struct tensor *like)
{
    *t = *like;
    t->data = memory_alloc(tensor_count(like) * dtype_bytes(like->dtype));
    return t->data ? OK : ERR_MEMORY;
}

static enum status make_param(struct layer_run *run, int i)
{
    const struct layer_operands *o = run->operands;
    struct param *p = &run->param[i];
    if (o->param_count[i] == 0)
        return OK;
    *p = (struct param){.name = o->info[i].name, .count = o->param_count[i], .version = 1};
    run->args.param[i] = p;
    TRY(allocate(&p->data, p->count));
    return o->desc.want_diff_param & 1u << i ? allocate(&p->grad, p->count) : OK;
}

struct op_desc layer_desc_in(const struct op_desc *desc, enum dtype dtype)
{
    struct op_desc made = *desc;
    const bool gated = desc->kind == OP_MUL_CHANNEL || desc->kind == OP_MUL_SPATIAL;
    for (int i = 0; i < op_sources(desc->kind); i++)
        made.src[i].dtype = gated && i == 1 ? DTYPE_F32 : dtype;
    made.dst.dtype = desc->kind == OP_SOFTMAX_XENT ? DTYPE_F32 : dtype;
    return made;
}

/* Sources and, where dst is no floats, room to read it as such. */
static enum status make_maps(struct layer_run *run, const struct op_desc *desc)
{
    struct op_args *args = &run->args;
    TRY(make_tensor(&args->dst, &desc->dst));
    if (desc->dst.dtype != DTYPE_F32)
        TRY(allocate(&run->wide, tensor_count(&desc->dst)));
    for (int i = 0; i < op_sources(desc->kind); i++) {
        args->src[i] = desc->src[i];
        args->src[i].data = run->operands->src[i];
        if (desc->src[i].dtype == DTYPE_F32)
            continue;
        TRY(make_tensor(&args->src[i], &desc->src[i]));
        run->half[i] = args->src[i].data;
    }
    return OK;
}

enum status layer_run_make(struct layer_run *run, const struct impl *impl, struct impl_ctx *ctx,
                           const struct layer_operands *operands)
{
    return layer_run_make_in(run, impl, ctx, operands, DTYPE_F32);
}

enum status layer_run_make_in(struct layer_run *run, const struct impl *impl, struct impl_ctx *ctx,
                              const struct layer_operands *operands, enum dtype dtype)
{
    const struct op_desc made = layer_desc_in(&operands->desc, dtype), *desc = &made;
    *run = (struct layer_run){.impl = impl, .operands = operands, .dtype = dtype};
    struct op_args *args = &run->args;
    if (!impl->ops[desc->kind])
        return fail(ERR_UNSUPPORTED, "%s does not offer this operation", impl->name);
    if (operands->pass == PASS_BWD && !impl->ops[desc->kind]->backward)
        return fail(ERR_UNSUPPORTED, "%s has no backward pass of this operation", impl->name);
    TRY(plan_make(&run->plan, impl, ctx, desc));
    TRY(make_maps(run, desc));
    args->diff_dst = operands->desc.dst;
    args->diff_dst.data = operands->diff_dst;
    for (int i = 0; i < op_sources(desc->kind); i++)
        if (desc->want_diff_src & 1u << i)
            TRY(make_tensor(&args->diff_src[i], &operands->desc.src[i]));
    for (int i = 0; i < operands->params; i++)
        TRY(make_param(run, i));
    args->labels = operands->labels;
    args->save = memory_alloc(run->plan.save_bytes);
    args->scratch = memory_alloc(run->plan.scratch_bytes);
    return args->save && args->scratch ? OK : ERR_MEMORY;
}

static void poison(float *data, size_t count)
{
    for (size_t i = 0; data && i < count; i++)
        data[i] = NAN;
}

static void poison_dst(struct layer_run *run)
{
    uint16_t *halves = run->args.dst.data;
    const size_t count = tensor_count(&run->args.dst);
    if (run->args.dst.dtype == DTYPE_F32)
        poison(run->args.dst.data, count);
    for (size_t i = 0; run->args.dst.dtype == DTYPE_BF16 && i < count; i++)
        halves[i] = bf16_of_float(NAN);
}

void layer_run_reset(struct layer_run *run)
{
    const struct layer_operands *o = run->operands;
    poison_dst(run);
    for (int i = 0; i < op_sources(o->desc.kind); i++) {
        poison(run->args.diff_src[i].data, tensor_count(&o->desc.src[i]));
        if (run->half[i])
            bf16_narrow(o->src[i], run->half[i], tensor_count(&o->desc.src[i]));
    }
    for (int i = 0; i < o->params; i++) {
        struct param *p = &run->param[i];
        if (p->count > 0)
            memcpy(p->data, o->param[i], p->count * sizeof *p->data);
        p->version++;
        poison(p->grad, p->count);
    }
}

enum status layer_run_forward(struct layer_run *run)
{
    return run->plan.entry->forward(&run->plan, &run->args);
}

enum status layer_run_backward(struct layer_run *run)
{
    return run->plan.entry->backward(&run->plan, &run->args);
}

const float *layer_run_dst(const struct layer_run *run)
{
    if (run->args.dst.dtype == DTYPE_F32)
        return run->args.dst.data;
    bf16_widen(run->args.dst.data, run->wide, tensor_count(&run->args.dst));
    return run->wide;
}

void layer_run_free(struct layer_run *run)
{
    struct op_args *args = &run->args;
    plan_release(&run->plan);
    memory_free(args->dst.data);
    for (int i = 0; i < OP_MAX_SRC; i++) {
        memory_free(args->diff_src[i].data);
        memory_free(run->half[i]);
    }
    memory_free(run->wide);
    for (int i = 0; i < OP_MAX_PARAM; i++) {
        memory_free(run->param[i].data);
        memory_free(run->param[i].grad);
    }
    memory_free(args->save);
    memory_free(args->scratch);
    memset(run, 0, sizeof *run);
}

void layer_run_rest(struct layer_run *run)
{
    plan_release(&run->plan);
    memory_free(run->args.save);
    memory_free(run->args.scratch);
    run->args.save = run->args.scratch = NULL;
    for (int i = 0; i < OP_MAX_SRC; i++) {
        memory_free(run->half[i]);
        run->half[i] = NULL;
    }
}

double layer_run_memory(const struct op_desc *desc, enum layer_pass pass, int runs)
{
    struct op_param_info info[OP_MAX_PARAM];
    double source = 0, params = 0, dst = (double)tensor_count(&desc->dst);
    int count = op_params(desc, info);
    for (int i = 0; i < op_sources(desc->kind); i++)
        source += (double)tensor_count(&desc->src[i]);
    for (int i = 0; i < count; i++)
        params += (double)info_count(&info[i]);
    double outputs = pass == PASS_FWD ? dst + params : dst + source + 2 * params;
    return (source + dst + params + runs * outputs) * sizeof(float);
}

static bool is_statistic(const struct op_param_info *info)
{
    return info->ndim > 0 && info->buffer;
}

/* The statistics that a forward pass with batch statistics writes, numbered from 0. */
static bool statistic_output(const struct layer_run *run, int i, struct layer_output *output)
{
    const struct layer_operands *o = run->operands;
    if (!layer_takes_statistics(&o->desc))
        return false;
    for (int p = 0; p < o->params; p++)
        if (is_statistic(&o->info[p]) && i-- == 0) {
            *output = (struct layer_output){.data = run->param[p].data,
                                            .count = run->param[p].count};
            snprintf(output->name, sizeof output->name, "%s", o->info[p].name);
            return true;
        }
    return false;
}

static bool gradient_output(const struct layer_run *run, int i, struct layer_output *output)
{
    const struct layer_operands *o = run->operands;
    int sources = op_sources(o->desc.kind);
    if (i < sources) {
        *output = (struct layer_output){.data = run->args.diff_src[i].data,
                                        .count = tensor_count(&o->desc.src[i])};
        snprintf(output->name, sizeof output->name, "diff_src%d", i);
        return true;
    }
    i -= sources;
    for (int p = 0; p < o->params; p++)
        if (run->param[p].grad && i-- == 0) {
            *output = (struct layer_output){.data = run->param[p].grad,
                                            .count = run->param[p].count};
            snprintf(output->name, sizeof output->name, "diff_%s", o->info[p].name);
            return true;
        }
    return false;
}

bool layer_run_output(const struct layer_run *run, int i, struct layer_output *output)
{
    const struct layer_operands *o = run->operands;
    if (o->pass == PASS_BWD)
        return gradient_output(run, i, output);
    if (i > 0)
        return statistic_output(run, i - 1, output);
    *output = (struct layer_output){"dst", layer_run_dst(run), tensor_count(&o->desc.dst)};
    return true;
}

double layer_pass_macs(const struct op_desc *desc, enum layer_pass pass)
{
    return pass == PASS_FWD ? op_macs(desc) : 2 * op_macs(desc);
}

double layer_pass_flops(const struct op_desc *desc, enum layer_pass pass)
{
    bool twice = pass == PASS_BWD && op_macs(desc) > 0;
    return twice ? 2 * op_flops(desc) : op_flops(desc);
}

double layer_pass_bytes(const struct op_desc *desc, enum layer_pass pass)
{
    double forward = op_bytes(desc), source = 0;
    if (pass == PASS_FWD)
        return forward;
    double dst = (double)tensor_count(&desc->dst) * sizeof(float);
    for (int i = 0; i < op_sources(desc->kind); i++)
        source += (double)tensor_count(&desc->src[i]) * sizeof(float);
    /* diff_dst, gradients of sources and parameters, parameters; then what backward reads again */
    double params = forward - dst - source;
    return dst + source + 2 * params + (op_backward_reads_src(desc->kind) ? source : 0) +
           (op_backward_reads_dst(desc->kind) ? dst : 0);
}
