/* Mutants with wrong gradients. One function or two for each, in the order of the list at the
 * end, which says what is wrong. */
#include "tests/mutants.h"

#include "impls/ops.h"

#include <string.h>

static enum status run_base(const struct op_plan *plan, const struct op_args *args)
{
    return mutant_base(plan)->backward(plan, args);
}

static enum status add_bit_ignored(const struct op_plan *plan, const struct op_args *args)
{
    struct op_args wrong = *args;
    wrong.add_diff_src = 0;
    return run_base(plan, &wrong);
}

static enum status weight_gradient_not_added(const struct op_plan *plan,
                                             const struct op_args *args)
{
    struct op_args wrong = *args;
    wrong.add_diff_param = 0;
    return run_base(plan, &wrong);
}

static enum status gradient_always_added(const struct op_plan *plan, const struct op_args *args)
{
    struct op_args wrong = *args;
    wrong.add_diff_param = ~0u;
    return run_base(plan, &wrong);
}

static enum status bits_of_sources_swapped(const struct op_plan *plan, const struct op_args *args)
{
    struct op_args wrong = *args;
    wrong.add_diff_src = (args->add_diff_src & 1) << 1 | (args->add_diff_src >> 1 & 1);
    return run_base(plan, &wrong);
}

static enum status weight_gradient_averaged(const struct op_plan *plan,
                                            const struct op_args *args)
{
    TRY(run_base(plan, args));
    if (plan->desc.want_diff_param & 1)
        for (size_t i = 0; i < args->param[0]->count; i++)
            args->param[0]->grad[i] /= (float)args->src[0].n;
    return OK;
}

static enum status last_image_left_out(const struct op_plan *plan, const struct op_args *args)
{
    TRY(run_base(plan, args));
    const struct tensor *d = &args->diff_dst;
    size_t pixels = (size_t)d->h * (size_t)d->w, first = (size_t)(d->n - 1) * pixels;
    if (plan->desc.want_diff_param & 2)
        for (size_t p = 0; p < pixels; p++)
            for (int c = 0; c < d->c; c++)
                args->param[1]->grad[c] -= mutant_element(d, (first + p) * (size_t)d->c)[c];
    return OK;
}

/* Batch statistics taken for constants. */
static enum status statistics_constant(const struct op_plan *plan, const struct op_args *args)
{
    enum { MOST = 64 };
    float shift[MOST] = {0};
    size_t channels = (size_t)args->diff_dst.c, count = tensor_count(&args->diff_dst);
    CHECK(channels <= MOST);
    TRY(run_base(plan, args));
    for (size_t i = 0; i < count; i++)
        shift[i % channels] += *mutant_element(&args->diff_dst, i) * (float)channels / (float)count;
    for (size_t i = 0; plan->desc.want_diff_src && i < count; i++)
        *mutant_element(&args->diff_src[0], i) +=
            shift[i % channels] * args->param[0]->data[i % channels];
    return OK;
}

/* At zero, where relu's result says nothing of the sign, the gradient passes. */
static enum status relu_passes_at_zero(const struct op_plan *plan, const struct op_args *args)
{
    TRY(run_base(plan, args));
    for (size_t i = 0; i < tensor_count(&args->dst); i++)
        if (*mutant_element(&args->dst, i) == 0)
            *mutant_element(&args->diff_src[0], i) = *mutant_element(&args->diff_dst, i);
    return OK;
}

static enum status relu_reads_source(const struct op_plan *plan, const struct op_args *args)
{
    struct op_args wrong = *args;
    wrong.dst = args->src[0];
    return run_base(plan, &wrong);
}

static enum status sigmoid_half_derivative(const struct op_plan *plan, const struct op_args *args)
{
    (void)plan;
    for (size_t i = 0; i < tensor_count(&args->dst); i++)
        *mutant_element(&args->diff_src[0], i) =
            *mutant_element(&args->diff_dst, i) * *mutant_element(&args->dst, i);
    return OK;
}

/* Forward keeps the source behind what the base saves, so that backward can see the ties. */
static enum status plan_with_source(struct impl_ctx *ctx, struct op_plan *plan)
{
    TRY(mutant_base(plan)->plan(ctx, plan));
    plan->save_bytes += tensor_count(&plan->desc.src[0]) * sizeof(float);
    return OK;
}

static float *saved_source(const struct op_plan *plan, const struct op_args *args)
{
    size_t bytes = tensor_count(&plan->desc.src[0]) * sizeof(float);
    return (float *)(void *)((char *)args->save + plan->save_bytes - bytes);
}

static enum status keep_source(const struct op_plan *plan, const struct op_args *args)
{
    for (size_t i = 0; i < tensor_count(&plan->desc.src[0]); i++)
        memcpy(saved_source(plan, args) + i, mutant_element(&args->src[0], i), sizeof(float));
    return mutant_base(plan)->forward(plan, args);
}

/* Hands the gradient of a maximum over H,W to equal values: evenly, or to the last one. */
static enum status share_ties(const struct op_plan *plan, const struct op_args *args, bool evenly)
{
    const struct tensor *s = &plan->desc.src[0];
    size_t channels = (size_t)s->c, pixels = (size_t)s->h * (size_t)s->w;
    const float *x = saved_source(plan, args);
    TRY(run_base(plan, args));
    for (size_t k = 0; k < (size_t)s->n * channels; k++) {
        size_t first = k / channels * pixels * channels + k % channels, ties = 0, last = 0;
        float best = x[first];
        for (size_t p = 0; p < pixels; p++)
            best = x[first + p * channels] > best ? x[first + p * channels] : best;
        for (size_t p = 0; p < pixels; p++)
            if (x[first + p * channels] == best) {
                ties++;
                last = p;
            }
        for (size_t p = 0; p < pixels && ties > 1; p++) {
            float share = x[first + p * channels] < best ? 0
                          : evenly ? 1 / (float)ties : (float)(p == last);
            *mutant_element(&args->diff_src[0], first + p * channels) =
                share * *mutant_element(&args->diff_dst, k);
        }
    }
    return OK;
}

static enum status ties_split(const struct op_plan *plan, const struct op_args *args)
{
    return share_ties(plan, args, true);
}

static enum status ties_to_the_last(const struct op_plan *plan, const struct op_args *args)
{
    return share_ties(plan, args, false);
}

static enum status gate_gradient_of_one_image(const struct op_plan *plan,
                                              const struct op_args *args)
{
    TRY(run_base(plan, args));
    for (int n = 1; plan->desc.want_diff_src & 2 && n < args->src[1].n; n++)
        for (int c = 0; c < args->src[1].c; c++)
            *mutant_at(&args->diff_src[1], n, 0, 0, c) = *mutant_at(&args->diff_src[1], 0, 0, 0, c);
    return OK;
}

static enum status upstream_gradient_forgotten(const struct op_plan *plan,
                                               const struct op_args *args)
{
    struct op_args wrong = *args;
    float ones[64];
    CHECK(args->diff_dst.n <= 64 && args->diff_dst.c == 1);
    for (int n = 0; n < args->diff_dst.n; n++)
        ones[n] = 1;
    wrong.diff_dst.data = ones;
    return run_base(plan, &wrong);
}

static enum status concat_gradients_alike(const struct op_plan *plan, const struct op_args *args)
{
    TRY(run_base(plan, args));
    int channels = args->src[1].c;
    for (size_t p = 0; plan->desc.want_diff_src & 2 && p < tensor_count(&args->src[1]); p++)
        *mutant_element(&args->diff_src[1], p) =
            mutant_element(&args->diff_dst, p / (size_t)channels * (size_t)args->diff_dst.c)
                [p % (size_t)channels];
    return OK;
}

const struct mutant mutants_backward[] = {
    {"the add bit of a source is ignored", "conv2d n2 h7 w7 c16 oc64 k3 p1", "diff_src[0]",
     {.backward = add_bit_ignored}},
    {"the weight gradient is not accumulated", "linear n4 c4 oc64 bias", "gradient",
     {.backward = weight_gradient_not_added}},
    {"gradients are added to what nobody cleared", "linear n4 c4 oc64 bias", "gradient",
     {.backward = gradient_always_added}},
    {"the add bits of two sources are swapped", "mul_channel n2 h3 w5 c20", "diff_src",
     {.backward = bits_of_sources_swapped}},
    {"the weight gradient is averaged over the batch", "conv2d n2 h5 w7 c3 oc4 k3 s2 p1",
     "weight gradient", {.backward = weight_gradient_averaged}},
    {"the last image adds nothing to the bias gradient", "conv2d n2 h7 w5 c20 oc33 bias",
     "bias gradient", {.backward = last_image_left_out}},
    {"batch statistics are taken for constants", "batchnorm n2 h5 w3 c3 batch_stats",
     "diff_src[0]", {.backward = statistics_constant}},
    {"relu passes the gradient at zero", "relu n2 h3 w5 c20", "diff_src[0]",
     {.backward = relu_passes_at_zero}},
    {"relu's backward reads a source that is gone", "relu n2 h3 w5 c20", "diff_src[0]",
     {.backward = relu_reads_source}},
    {"sigmoid's derivative lacks a factor", "sigmoid n2 h3 w5 c20", "diff_src[0]",
     {.backward = sigmoid_half_derivative}},
    {"ties share the gradient", "pool_hw n2 h5 w9 c20 max", "diff_src[0]",
     {.plan = plan_with_source, .forward = keep_source, .backward = ties_split}},
    {"ties go to the last", "pool_hw n2 h5 w9 c20 max", "diff_src[0]",
     {.plan = plan_with_source, .forward = keep_source, .backward = ties_to_the_last}},
    {"the gate gradient of the first image is used for all", "mul_channel n2 h3 w5 c20",
     "diff_src[1]", {.backward = gate_gradient_of_one_image}},
    {"the loss ignores the gradient from above", "softmax_xent n4 c10", "diff_src[0]",
     {.backward = upstream_gradient_forgotten}},
    {"both sources of a concatenation get the same gradient", "concat n2 h3 w5 c20 c2_13",
     "diff_src[1]", {.backward = concat_gradients_alike}},
    {0},
};
