/* From a network description to planned steps with addresses. See program.h. The stages, in order:
 * select what the outputs need, decide who needs a gradient, plan each step, share memory by
 * liveness, bind addresses. */
#include "bench/net/program_private.h"

#include "impls/base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- selection ---- */

static int *copy_ids(const int *ids, int count, int fallback, int *out_count)
{
    int *copy = malloc((size_t)(count + 1) * sizeof *copy);
    if (!copy)
        return NULL;
    *out_count = ids ? count : 1;
    if (ids)
        memcpy(copy, ids, (size_t)count * sizeof *copy);
    else
        copy[0] = fallback;
    return copy;
}

/* Walks back from the outputs; nodes have sources with smaller ids only. */
static void select_values(struct program *p)
{
    for (int i = 0; i < p->input_count; i++)
        p->values[p->inputs[i]].is_input = true;
    for (int i = 0; i < p->output_count; i++) {
        p->values[p->outputs[i]].selected = true;
        p->values[p->outputs[i]].is_output = true;
    }
    for (int id = p->net->count - 1; id >= 0; id--) {
        struct value *value = &p->values[id];
        const struct net_node *node = &p->net->nodes[id];
        value->selected |= value->is_input;
        for (int s = 0; s < OP_MAX_SRC && value->selected && !value->is_input; s++)
            if (node->src[s] != NO_NODE)
                p->values[node->src[s]].selected = true;
    }
}

static enum status add_step(struct program *p, const struct net_node *node, int value)
{
    struct step *step = &p->steps[p->step_count];
    if (node->type != NODE_OP)
        return fail(ERR_USAGE, "%s is not computed by this program and not fed to it", node->name);
    step->node = node;
    step->value = value;
    step->save_area = NO_AREA;
    for (int s = 0; s < OP_MAX_SRC; s++) {
        step->src[s] = s < op_sources(node->desc.kind) ? node->src[s] : NO_NODE;
        if (step->src[s] != NO_NODE) {
            p->values[step->src[s]].consumers++;
            p->values[step->src[s]].last_consumer = p->step_count;
        }
    }
    p->values[value].step = p->step_count++;
    return OK;
}

static enum status make_steps(struct program *p, const struct program_request *request)
{
    for (int id = 0; id < p->net->count; id++)
        if (p->values[id].selected && !p->values[id].is_input)
            TRY(add_step(p, &p->net->nodes[id], id));
    if (!p->loss)
        return OK;
    struct net_node *node = &p->loss_node;
    *node = (struct net_node){.type = NODE_OP, .name = "loss", .src = {p->outputs[0], NO_NODE},
                              .part = PART_HEAD, .site = -1};
    node->desc.kind = OP_SOFTMAX_XENT;
    node->desc.xent.smoothing = request->smoothing;
    p->values[p->net->count].selected = true;
    p->values[p->net->count].is_output = true;
    return add_step(p, node, p->net->count);
}

/* ---- gradients ---- */

static bool is_trainable(const struct net_param *param)
{
    return param && !param->buffer && param->trainable;
}

static enum status mark_gradients(struct program *p, const struct program_request *request)
{
    bool any = false;
    if (!p->train)
        return OK;
    CHECK(p->output_count == 1); /* a second output's gradient would be nobody's to write */
    for (int i = 0; i < p->input_count; i++)
        p->values[p->inputs[i]].needs_grad = request->input_gradients;
    for (int s = 0; s < p->step_count; s++) {
        struct step *step = &p->steps[s];
        bool needed = false;
        for (int i = 0; i < OP_MAX_PARAM; i++)
            needed |= is_trainable(step->node->param[i]);
        any |= needed;
        for (int i = 0; i < OP_MAX_SRC; i++)
            needed |= step->src[i] != NO_NODE && p->values[step->src[i]].needs_grad;
        p->values[step->value].needs_grad = needed;
        step->backward = needed;
    }
    if (!any && !request->input_gradients)
        return fail(ERR_USAGE, "nothing is left to train: every parameter is fixed");
    return OK;
}

/* ---- planning ---- */

static void check_params(const struct step *step)
{
    for (int i = 0; i < OP_MAX_PARAM; i++)
        CHECK(!step->node->param[i] || !step->node->param[i]->dropped);
}

/* The dtype of a step's result. What the caller fills or reads is f32; so are the statistics,
 * the gates and whatever else an attention site makes on its way from the map to the map: only
 * its products and sums with the map are maps again. */
static enum dtype result_dtype(const struct program *p, const struct step *step,
                               const struct op_desc *desc)
{
    const bool map = desc->kind == OP_MUL_CHANNEL || desc->kind == OP_MUL_SPATIAL ||
                     desc->kind == OP_ADD || desc->kind == OP_SCALE ||
                     desc->kind == OP_ATTENTION || desc->kind == OP_ATTENTION_SUM;
    if (p->dtype == DTYPE_F32 || p->values[step->value].is_output)
        return DTYPE_F32;
    if (step->node->part == PART_ATTENTION && !map)
        return DTYPE_F32;
    return step->node->part == PART_ATTENTION ? desc->src[0].dtype : p->dtype;
}

static enum status plan_step(struct program *p, struct step *step,
                             const struct program_request *request)
{
    struct op_desc desc = step->node->desc;
    check_params(step);
    desc.train = step->backward;
    if (desc.kind == OP_BATCHNORM || desc.kind == OP_BN_ACT || desc.kind == OP_BN_SUM_ACT)
        desc.bn.batch_stats = step->backward && is_trainable(step->node->param[0]);
    if (desc.kind == OP_ATTENTION || desc.kind == OP_ATTENTION_SUM)
        desc.attention.batch_stats = step->backward && is_trainable(step->node->param[6]);
    for (int i = 0; i < OP_MAX_SRC; i++)
        if (step->src[i] != NO_NODE) {
            desc.src[i] = p->values[step->src[i]].shape;
            desc.want_diff_src |= (unsigned)p->values[step->src[i]].needs_grad << i;
        }
    for (int i = 0; i < OP_MAX_PARAM; i++)
        desc.want_diff_param |= (unsigned)(step->backward && is_trainable(step->node->param[i]))
                                << i;
    desc.dst = (struct tensor){.stride = p->values[step->value].width};
    enum status status = op_infer(&desc);
    desc.dst.dtype = result_dtype(p, step, &desc);
    if (status == OK && op_is_conv(desc.kind) && p->dtype == DTYPE_F32)
        status = algorithms_choose(request->algorithms, request->impl, request->ctx, &desc,
                                   &desc.conv.algorithm);
    if (status == OK)
        status = plan_make(&step->plan, request->impl, request->ctx, &desc);
    if (status != OK)
        return fail_prefix(status, "%s", step->node->name);
    p->values[step->value].shape = desc.dst;
    return OK;
}

/* ---- memory ---- */

static int add_area(struct program *p, size_t bytes, int first, int last)
{
    p->areas[p->area_count] = (struct arena_area){.bytes = bytes, .first = first, .last = last};
    return p->area_count++;
}

/* Bytes of a value's area; the whole growing map for one that is a view of it. */
static size_t value_bytes(const struct value *value)
{
    const struct tensor *t = &value->shape;
    return (size_t)t->n * (size_t)t->h * (size_t)t->w * (size_t)t->stride * dtype_bytes(t->dtype);
}

/* Lets an area live until `end` as well, and returns its number. */
static int share_area(struct program *p, int area, int end)
{
    if (end > p->areas[area].last)
        p->areas[area].last = end;
    return area;
}

static int backward_time(const struct program *p, int step)
{
    return 2 * p->step_count - 1 - step;
}

/* Whether some backward pass reads this value. */
static bool read_in_backward(const struct program *p, int id, int *last)
{
    const struct value *value = &p->values[id];
    bool read = false;
    if (value->step >= 0 && p->steps[value->step].backward &&
        op_backward_reads_dst(p->steps[value->step].node->desc.kind)) {
        read = true;
        *last = backward_time(p, value->step);
    }
    for (int s = 0; s <= value->last_consumer; s++) {
        const struct step *step = &p->steps[s];
        bool consumes = step->src[0] == id || step->src[1] == id;
        if (!consumes || !step->backward || !op_backward_reads_src(step->node->desc.kind))
            continue;
        if (!read || backward_time(p, s) > *last)
            *last = backward_time(p, s);
        read = true;
    }
    return read;
}

/* Last time at which a value must still be there. */
static int value_end(const struct program *p, int id)
{
    const struct value *value = &p->values[id];
    int end = value->last_consumer > value->step ? value->last_consumer : value->step;
    int last = 0;
    if (value->is_input || value->is_output)
        return 2 * p->step_count;
    return read_in_backward(p, id, &last) && last > end ? last : end;
}

/* The source that a step may write its result over, NO_NODE when there is none: nobody reads it
 * later, neither forward nor backward. */
static int overwritten(const struct program *p, const struct step *step)
{
    int which = op_overwrites(step->node->desc.kind), ignored;
    int id = which < 0 ? NO_NODE : step->src[which];
    if (id == NO_NODE || step->src[0] == step->src[1])
        return NO_NODE;
    const struct value *source = &p->values[id];
    bool last = source->last_consumer == p->values[step->value].step;
    bool free_after = !source->is_input && !source->is_output && last &&
                      value_bytes(source) == value_bytes(&p->values[step->value]);
    return free_after && !read_in_backward(p, id, &ignored) ? id : NO_NODE;
}

static void place_values(struct program *p)
{
    for (int i = 0; i < p->input_count; i++) {
        struct value *value = &p->values[p->inputs[i]];
        value->area = add_area(p, value_bytes(value), -1, 2 * p->step_count);
    }
    for (int s = 0; s < p->step_count; s++) {
        struct value *value = &p->values[p->steps[s].value];
        int end = value_end(p, p->steps[s].value);
        int over = value->grows_from != NO_NODE ? value->grows_from
                                                : overwritten(p, &p->steps[s]);
        value->area = over != NO_NODE ? share_area(p, p->values[over].area, end)
                                      : add_area(p, value_bytes(value), s, end);
    }
}

/* Gradient of a value: from the backward pass of its last reader to that of its maker. For a kind
 * that works in place and is the only reader of its source, both gradients share one area; so do
 * those of a growing map. */
static void place_gradients(struct program *p)
{
    for (int s = p->step_count - 1; s >= 0; s--) {
        struct step *step = &p->steps[s];
        if (!step->backward)
            continue;
        struct value *value = &p->values[step->value];
        if (value->grad_area == NO_AREA && step->node != &p->loss_node)
            value->grad_area = add_area(p, value_bytes(value), p->step_count, backward_time(p, s));
        for (int i = 0; i < OP_MAX_SRC; i++) {
            struct value *source = step->src[i] == NO_NODE ? NULL : &p->values[step->src[i]];
            if (!source || !source->needs_grad || source->grad_area != NO_AREA)
                continue;
            int end = source->step >= 0 ? backward_time(p, source->step) : 2 * p->step_count;
            bool in_place = i == 0 && op_in_place(step->node->desc.kind) &&
                            step->node->desc.kind != OP_ADD && source->consumers == 1 &&
                            !source->is_output;
            bool grown = i == 0 && value->grows_from == step->src[0];
            source->grad_area =
                in_place || grown ? share_area(p, value->grad_area, end)
                                  : add_area(p, value_bytes(source), backward_time(p, s), end);
        }
    }
}

static void place_saves(struct program *p)
{
    for (int s = 0; s < p->step_count; s++) {
        struct step *step = &p->steps[s];
        if (step->plan.scratch_bytes > p->scratch_bytes)
            p->scratch_bytes = step->plan.scratch_bytes;
        if (step->plan.save_bytes)
            step->save_area = add_area(p, step->plan.save_bytes, s,
                                       step->backward ? backward_time(p, s) : s);
    }
}

static enum status allocate(struct program *p)
{
    place_values(p);
    place_gradients(p);
    place_saves(p);
    p->slab_bytes = arena_place(p->areas, p->area_count);
    if (p->slab_bytes == (size_t)-1)
        return ERR_MEMORY;
    p->slab = memory_alloc(p->slab_bytes);
    p->scratch = memory_alloc(p->scratch_bytes);
    p->labels = memory_alloc((size_t)p->batch * sizeof *p->labels);
    p->loss_gradient = memory_alloc((size_t)p->batch * sizeof *p->loss_gradient);
    if (!p->slab || !p->scratch || !p->labels || !p->loss_gradient)
        return ERR_MEMORY;
    for (int i = 0; i < p->batch; i++)
        p->loss_gradient[i] = 1.0f / (float)p->batch;
    return OK;
}

/* ---- addresses ---- */

/* Whether `pointer` was in the list already; puts it there. */
static bool seen_before(const void **list, int *count, const void *pointer)
{
    for (int i = 0; i < *count; i++)
        if (list[i] == pointer)
            return true;
    list[(*count)++] = pointer;
    return false;
}

static void bind_forward(struct program *p, struct step *step)
{
    struct op_args *args = &step->args;
    for (int i = 0; i < OP_MAX_SRC; i++)
        if (step->src[i] != NO_NODE)
            args->src[i] = program_value(p, step->src[i]);
    args->dst = program_value(p, step->value);
    for (int i = 0; i < OP_MAX_PARAM; i++)
        args->param[i] = step->node->param[i] ? &step->node->param[i]->p : NULL;
    args->save = step->save_area == NO_AREA ? NULL : p->slab + p->areas[step->save_area].offset;
    args->scratch = p->scratch;
    args->labels = p->labels;
}

/* Backward order decides who writes a gradient first (overwrites) and who adds. A gradient that
 * shares its area with the reader's is written once, by that reader. */
static void bind_backward(struct program *p, struct step *step, const void **values,
                          int *value_count, const void **params, int *param_count)
{
    struct op_args *args = &step->args;
    args->diff_dst = program_gradient(p, step->value);
    if (step->node == &p->loss_node) {
        args->diff_dst = args->dst;
        args->diff_dst.data = p->loss_gradient;
    }
    for (int i = 0; i < OP_MAX_SRC; i++) {
        if (step->src[i] == NO_NODE || !p->values[step->src[i]].needs_grad)
            continue;
        args->diff_src[i] = program_gradient(p, step->src[i]);
        if (seen_before(values, value_count, &p->values[step->src[i]]))
            args->add_diff_src |= 1u << i;
    }
    for (int i = 0; i < OP_MAX_PARAM; i++)
        if (is_trainable(step->node->param[i]) &&
            seen_before(params, param_count, step->node->param[i]))
            args->add_diff_param |= 1u << i;
}

static enum status bind_addresses(struct program *p)
{
    for (int s = 0; s < p->step_count; s++)
        bind_forward(p, &p->steps[s]);
    size_t most = (size_t)p->value_count + (size_t)p->net->params->count + 1;
    const void **values = malloc(2 * most * sizeof *values);
    if (!values)
        return fail(ERR_MEMORY, "out of memory for compiling a network");
    const void **params = values + most;
    int value_count = 0, param_count = 0;
    for (int s = p->step_count - 1; s >= 0; s--)
        if (p->steps[s].backward)
            bind_backward(p, &p->steps[s], values, &value_count, params, &param_count);
    free(values);
    return OK;
}

/* ---- all of it ---- */

static enum status prepare_lists(struct program *p, const struct program_request *request)
{
    const struct net *net = request->net;
    p->value_count = net->count + 1;
    p->values = calloc((size_t)p->value_count, sizeof *p->values);
    p->steps = calloc((size_t)p->value_count, sizeof *p->steps);
    p->areas = calloc(3 * (size_t)p->value_count + 4, sizeof *p->areas);
    p->inputs = copy_ids(request->inputs, request->input_count, net->input, &p->input_count);
    p->outputs = copy_ids(request->outputs, request->output_count, net->output,
                          &p->output_count);
    if (!p->values || !p->steps || !p->areas || !p->inputs || !p->outputs)
        return fail(ERR_MEMORY, "out of memory for compiling a network");
    for (int i = 0; i < p->value_count; i++) {
        struct value *value = &p->values[i];
        value->step = value->last_consumer = -1;
        value->area = value->grad_area = NO_AREA;
        value->grows_from = NO_NODE;
        if (i < net->count) {
            value->shape = net->nodes[i].desc.dst;
            value->shape.n = p->batch;
        }
    }
    return OK;
}

static enum status compile(struct program *p, const struct program_request *request)
{
    TRY(prepare_lists(p, request));
    select_values(p);
    TRY(make_steps(p, request));
    TRY(mark_gradients(p, request));
    program_mark_growth(p, request->impl);
    for (int s = 0; s < p->step_count; s++)
        TRY(plan_step(p, &p->steps[s], request));
    TRY(allocate(p));
    return bind_addresses(p);
}

static enum status check_dtype(const struct program_request *request)
{
    if (request->dtype == DTYPE_F32)
        return OK;
    if (request->train)
        return fail(ERR_UNSUPPORTED, "--dtype bf16 is for inference: training stays in f32");
    if (request->algorithms && request->algorithms->rule == ALGORITHM_WINOGRAD)
        return fail(ERR_UNSUPPORTED, "--dtype bf16: --algorithm winograd is for f32; direct or "
                    "auto (which then is direct) was expected");
    const enum status status = impl_offers_bf16(request->impl);
    return status == OK ? OK : fail_prefix(status, "--dtype bf16");
}

enum status program_compile(struct program **program, const struct program_request *request)
{
    *program = NULL;
    if (request->batch < 1)
        return fail(ERR_USAGE, "--batch %d: at least 1 is needed", request->batch);
    TRY(check_dtype(request));
    struct program *p = calloc(1, sizeof *p);
    if (!p)
        return fail(ERR_MEMORY, "out of memory for compiling a network");
    p->net = request->net;
    p->train = request->train;
    p->loss = request->loss;
    p->dtype = request->dtype;
    p->drop_weights = request->drop_weights && !request->train;
    p->batch = request->batch;
    enum status status = compile(p, request);
    if (status == OK)
        *program = p;
    else
        program_free(p);
    return status;
}
