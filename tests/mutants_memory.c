/* Mutants that compute the right thing and break the rules about memory, order or repetition. One
 * function or two for each, in the order of the list at the end, which says what is wrong. */
#include "tests/mutants.h"

#include "impls/ops.h"

#include <math.h>
#include <string.h>

static enum status forward_base(const struct op_plan *plan, const struct op_args *args)
{
    return mutant_base(plan)->forward(plan, args);
}

static enum status backward_base(const struct op_plan *plan, const struct op_args *args)
{
    return mutant_base(plan)->backward(plan, args);
}

static enum status output_overrun(const struct op_plan *plan, const struct op_args *args)
{
    size_t last = tensor_count(&args->dst) - 1;
    TRY(forward_base(plan, args));
    mutant_element(&args->dst, last)[1] = 0;
    return OK;
}

static enum status output_underrun(const struct op_plan *plan, const struct op_args *args)
{
    TRY(forward_base(plan, args));
    mutant_element(&args->dst, 0)[-1] = 0;
    return OK;
}

static enum status input_written(const struct op_plan *plan, const struct op_args *args)
{
    TRY(forward_base(plan, args));
    for (size_t i = 0; i < tensor_count(&args->dst); i++)
        *mutant_element(&args->src[0], i) = *mutant_element(&args->dst, i);
    return OK;
}

static enum status weights_written(const struct op_plan *plan, const struct op_args *args)
{
    TRY(forward_base(plan, args));
    args->param[0]->data[0] = -args->param[0]->data[0] + 1;
    return OK;
}

static enum status upstream_gradient_written(const struct op_plan *plan,
                                             const struct op_args *args)
{
    TRY(backward_base(plan, args));
    *mutant_element(&args->diff_dst, 0) += 1;
    return OK;
}

static enum status save_overrun(const struct op_plan *plan, const struct op_args *args)
{
    TRY(forward_base(plan, args));
    if (plan->desc.train)
        ((unsigned char *)args->save)[plan->save_bytes] = 0;
    return OK;
}

static enum status plan_scratch_larger(struct impl_ctx *ctx, struct op_plan *plan)
{
    TRY(mutant_base(plan)->plan(ctx, plan));
    plan->scratch_bytes += sizeof(float);
    return OK;
}

static enum status scratch_assumed_zero(const struct op_plan *plan, const struct op_args *args)
{
    float extra;
    memcpy(&extra, (char *)args->scratch + plan->scratch_bytes - sizeof extra, sizeof extra);
    TRY(forward_base(plan, args));
    *mutant_element(&args->dst, 0) += extra;
    return OK;
}

/* Forward leaves a value in scratch and backward expects it there. */
static enum status leave_in_scratch(const struct op_plan *plan, const struct op_args *args)
{
    const float zero = 0;
    TRY(forward_base(plan, args));
    memcpy((char *)args->scratch + plan->scratch_bytes - sizeof zero, &zero, sizeof zero);
    return OK;
}

static enum status find_in_scratch(const struct op_plan *plan, const struct op_args *args)
{
    float extra;
    memcpy(&extra, (char *)args->scratch + plan->scratch_bytes - sizeof extra, sizeof extra);
    TRY(backward_base(plan, args));
    if (plan->desc.want_diff_src & 1)
        *mutant_element(&args->diff_src[0], 0) += extra;
    return OK;
}

static enum status result_assumed_zero(const struct op_plan *plan, const struct op_args *args)
{
    float old = *mutant_element(&args->dst, 0);
    TRY(forward_base(plan, args));
    *mutant_element(&args->dst, 0) += old;
    return OK;
}

/* As a sum over threads in the order in which they happen to finish would be. */
static enum status last_bit_at_random(const struct op_plan *plan, const struct op_args *args)
{
    static unsigned calls;
    TRY(forward_base(plan, args));
    float *y = mutant_element(&args->dst, 0);
    if (++calls & 1)
        *y = nextafterf(*y, INFINITY);
    return OK;
}

static enum status weights_packed_once(const struct op_plan *plan, const struct op_args *args)
{
    struct op_args old = *args;
    struct param weight = *args->param[0];
    weight.version = 1;
    old.param[0] = &weight;
    return forward_base(plan, &old);
}

static enum status stride_of_views_ignored(const struct op_plan *plan, const struct op_args *args)
{
    struct op_args dense = *args;
    dense.src[0].stride = args->src[0].c;
    dense.dst.stride = args->dst.c;
    return forward_base(plan, &dense);
}

/* Loses src[0] when it is the memory of the result. */
static enum status not_in_place(const struct op_plan *plan, const struct op_args *args)
{
    for (size_t i = 0; i < tensor_count(&args->dst); i++)
        *mutant_element(&args->dst, i) = plan->desc.add.b * *mutant_element(&args->src[1], i);
    for (size_t i = 0; i < tensor_count(&args->dst); i++)
        *mutant_element(&args->dst, i) += plan->desc.add.a * *mutant_element(&args->src[0], i);
    return OK;
}

/* Writes the weight gradient whenever there is a buffer for it. */
static enum status unwanted_gradient_written(const struct op_plan *plan,
                                             const struct op_args *args)
{
    TRY(backward_base(plan, args));
    if (!(plan->desc.want_diff_param & 1) && args->param[0]->grad)
        args->param[0]->grad[0] = 0;
    return OK;
}

static enum status unwanted_source_gradient_written(const struct op_plan *plan,
                                                    const struct op_args *args)
{
    TRY(backward_base(plan, args));
    if (!(plan->desc.want_diff_src & 2) && args->diff_src[1].data)
        *mutant_element(&args->diff_src[1], 0) = 0;
    return OK;
}

static enum status plan_says_nothing(struct impl_ctx *ctx, struct op_plan *plan)
{
    TRY(mutant_base(plan)->plan(ctx, plan));
    plan->how[0] = '\0';
    return OK;
}

static enum status plan_refuses(struct impl_ctx *ctx, struct op_plan *plan)
{
    (void)ctx;
    return fail(ERR_UNSUPPORTED, "%d channels are not offered", plan->desc.dst.c);
}

static enum status forward_fails(const struct op_plan *plan, const struct op_args *args)
{
    (void)args;
    return fail(ERR_LIBRARY, "status 3 for %d channels", plan->desc.dst.c);
}

#ifndef SANITIZED /* which stop the program at a NULL pointer themselves */
static enum status null_gradient_written(const struct op_plan *plan, const struct op_args *args)
{
    volatile float *grad = args->param[0]->grad;
    TRY(backward_base(plan, args));
    if (!(plan->desc.want_diff_param & 1))
        grad[0] = 0;
    return OK;
}
#endif

const struct mutant mutants_memory[] = {
    {"writes one element behind its output", "relu n2 h3 w5 c20", "outside of dst[0]",
     {.forward = output_overrun}},
    {"writes one element before its output", "pool_c n2 h4 w5 c16", "outside of dst[0]",
     {.forward = output_underrun}},
    {"writes into its input", "relu n2 h3 w5 c20", "wrote into src[0]",
     {.forward = input_written}},
    {"writes into its weights", "linear n3 c33 oc20", "wrote into param[0]",
     {.forward = weights_written}},
    {"writes into the gradient from above", "maxpool n2 h6 w6 c33 k2 s2", "wrote into diff_dst[0]",
     {.backward = upstream_gradient_written}},
    {"saves more than it asked for", "maxpool n2 h6 w6 c33 k2 s2", "outside of save[0]",
     {.forward = save_overrun}},
    {"takes scratch for zeroed", "conv2d n2 h6 w6 c33 oc20 s2", "dst",
     {.plan = plan_scratch_larger, .forward = scratch_assumed_zero}},
    {"keeps something in scratch from forward to backward", "conv2d n2 h6 w6 c33 oc20 s2",
     "diff_src[0]",
     {.plan = plan_scratch_larger, .forward = leave_in_scratch, .backward = find_in_scratch}},
    {"takes its output for zeroed", "mul_spatial n2 h3 w5 c20", "dst",
     {.forward = result_assumed_zero}},
    {"differs in the last bit from run to run", "sigmoid n2 h3 w5 c20", "in the second",
     {.forward = last_bit_at_random}},
    {"packs its weights once for all", "conv2d n1 h8 w8 c64 oc16 k3 p1 bias", "dst",
     {.forward = weights_packed_once}},
    {"ignores the stride of a view", "relu n3 h2 w3 c33", "strided",
     {.forward = stride_of_views_ignored}},
    {"cannot work in place", "add n2 h3 w5 c20", "in_place", {.forward = not_in_place}},
    {"writes a weight gradient that is not wanted", "conv2d n2 h5 w7 c3 oc4 k3 s2 p1",
     "wrote into grad[0]", {.backward = unwanted_gradient_written}},
    {"writes a source gradient that is not wanted", "mul_channel n2 h3 w5 c20",
     "wrote into diff_src[1]", {.backward = unwanted_source_gradient_written}},
    {"does not say how it runs", "relu n2 h3 w5 c20", "how it runs", {.plan = plan_says_nothing}},
    {"refuses a shape", "pool_hw n2 h5 w9 c20 mean", "are not offered", {.plan = plan_refuses}},
    {"fails when it runs", "pool_hw n2 h5 w9 c20 mean", "status 3", {.forward = forward_fails}},
#ifndef SANITIZED
    {"crashes on a gradient that is not there", "conv2d n2 h5 w7 c3 oc4 k3 s2 p1", "crashed",
     {.backward = null_gradient_written}},
#endif
    {0},
};
