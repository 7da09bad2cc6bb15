/* Mutants that compute the wrong thing going forward. One function or two for each, in the order
 * of the list at the end, which says what is wrong. */
#include "tests/mutants.h"

#include "impls/ops.h"

#include <math.h>

static enum status run_base(const struct op_plan *plan, const struct op_args *args)
{
    return mutant_base(plan)->forward(plan, args);
}

/* Multiplies the result by a factor. */
static void scale_dst(const struct op_args *args, float factor)
{
    for (size_t i = 0; i < tensor_count(&args->dst); i++)
        *mutant_element(&args->dst, i) *= factor;
}

/* How many pixels of window (y, x) of a pooling lie on the map. */
static int pixels_on_map(const struct op_desc *d, int y, int x)
{
    int count = 0;
    for (int ky = 0; ky < d->pool.kh; ky++)
        for (int kx = 0; kx < d->pool.kw; kx++) {
            int iy = y * d->pool.sh - d->pool.ph + ky, ix = x * d->pool.sw - d->pool.pw + kx;
            count += iy >= 0 && iy < d->src[0].h && ix >= 0 && ix < d->src[0].w;
        }
    return count;
}

static enum status zero_padding(const struct op_plan *plan, const struct op_args *args)
{
    const struct op_desc *d = &plan->desc;
    TRY(run_base(plan, args));
    for (size_t i = 0; i < tensor_count(&d->dst); i++) {
        int x = (int)(i / (size_t)d->dst.c) % d->dst.w;
        int y = (int)(i / (size_t)d->dst.c) / d->dst.w % d->dst.h;
        float *to = mutant_element(&args->dst, i);
        if (pixels_on_map(d, y, x) < d->pool.kh * d->pool.kw && *to < 0)
            *to = 0;
    }
    return OK;
}

static enum status divisor_without_padding(const struct op_plan *plan, const struct op_args *args)
{
    const struct op_desc *d = &plan->desc;
    TRY(run_base(plan, args));
    for (size_t i = 0; i < tensor_count(&d->dst); i++) {
        int x = (int)(i / (size_t)d->dst.c) % d->dst.w;
        int y = (int)(i / (size_t)d->dst.c) / d->dst.w % d->dst.h;
        *mutant_element(&args->dst, i) *=
            (float)(d->pool.kh * d->pool.kw) / (float)pixels_on_map(d, y, x);
    }
    return OK;
}

static enum status plan_stride_ignored(struct impl_ctx *ctx, struct op_plan *plan)
{
    plan->desc.conv.sh = plan->desc.conv.sw = 1;
    return mutant_base(plan)->plan(ctx, plan);
}

static enum status plan_dilation_ignored(struct impl_ctx *ctx, struct op_plan *plan)
{
    plan->desc.conv.dh = plan->desc.conv.dw = 1;
    return mutant_base(plan)->plan(ctx, plan);
}

static enum status groups_mixed(const struct op_plan *plan, const struct op_args *args)
{
    int half = args->dst.c / 2;
    TRY(run_base(plan, args));
    for (size_t pixel = 0; pixel < tensor_count(&args->dst) / (size_t)args->dst.c; pixel++)
        for (int c = 0; c < half; c++) {
            float *a = mutant_element(&args->dst, pixel * (size_t)args->dst.c) + c;
            float old = a[0];
            a[0] = a[half];
            a[half] = old;
        }
    return OK;
}

static enum status plan_bias_forgotten(struct impl_ctx *ctx, struct op_plan *plan)
{
    plan->desc.conv.bias = false;
    return mutant_base(plan)->plan(ctx, plan);
}

/* The channels after the last full vector of 16 keep what was in memory. */
static enum status tail_lost(const struct op_plan *plan, const struct op_args *args)
{
    enum { VECTOR = 16, MOST = 64 };
    float old[MOST];
    int first = args->dst.c / VECTOR * VECTOR;
    CHECK(args->dst.c <= MOST);
    for (int c = first; c < args->dst.c; c++)
        old[c] = *mutant_at(&args->dst, 0, 0, 0, c);
    TRY(run_base(plan, args));
    for (int c = first; c < args->dst.c; c++)
        *mutant_at(&args->dst, 0, 0, 0, c) = old[c];
    return OK;
}

/* Features in memory order instead of C,H,W order. */
static struct tensor flattened(const struct tensor *t)
{
    struct tensor flat = *t;
    flat.c = flat.stride = t->h * t->w * t->c;
    flat.h = flat.w = 1;
    return flat;
}

static enum status plan_features_in_memory_order(struct impl_ctx *ctx, struct op_plan *plan)
{
    plan->desc.src[0] = flattened(&plan->desc.src[0]);
    return mutant_base(plan)->plan(ctx, plan);
}

static enum status features_in_memory_order(const struct op_plan *plan,
                                            const struct op_args *args)
{
    struct op_args flat = *args;
    flat.src[0] = flattened(&args->src[0]);
    return run_base(plan, &flat);
}

static enum status plan_eps_forgotten(struct impl_ctx *ctx, struct op_plan *plan)
{
    plan->desc.bn.eps = 0;
    return mutant_base(plan)->plan(ctx, plan);
}

/* Runs the base with the running statistics as they were, then replaces each by
 * remake(old, share of the batch in the new one, momentum, values per channel). */
static enum status remake_running(const struct op_plan *plan, const struct op_args *args,
                                  int which, float (*remake)(float old, float batch, float m,
                                                             float n))
{
    enum { MOST = 64 };
    float old[MOST], m = plan->desc.bn.momentum;
    struct param *p = args->param[which];
    float n = (float)(tensor_count(&args->src[0]) / p->count);
    CHECK(p->count <= MOST);
    for (size_t i = 0; i < p->count; i++)
        old[i] = p->data[i];
    TRY(run_base(plan, args));
    for (size_t i = 0; plan->desc.train && i < p->count; i++)
        p->data[i] = remake(old[i], (p->data[i] - (1 - m) * old[i]) / m, m, n);
    return OK;
}

static float with_biased_variance(float old, float batch, float m, float n)
{
    return (1 - m) * old + m * batch * (n - 1) / n;
}

static enum status running_variance_biased(const struct op_plan *plan,
                                           const struct op_args *args)
{
    return remake_running(plan, args, 3, with_biased_variance);
}

static float with_swapped_momentum(float old, float batch, float m, float n)
{
    (void)n;
    return m * old + (1 - m) * batch;
}

static enum status momentum_swapped(const struct op_plan *plan, const struct op_args *args)
{
    return remake_running(plan, args, 2, with_swapped_momentum);
}

static enum status frozen_statistics_drift(const struct op_plan *plan, const struct op_args *args)
{
    TRY(run_base(plan, args));
    args->param[2]->data[0] += 0.25f;
    return OK;
}

static enum status version_kept(const struct op_plan *plan, const struct op_args *args)
{
    unsigned version = args->param[2]->version;
    TRY(run_base(plan, args));
    args->param[2]->version = version;
    return OK;
}

/* var = E[x^2] - E[x]^2 in single precision: cancels where the mean is large. */
static enum status variance_in_one_pass(const struct op_plan *plan, const struct op_args *args)
{
    size_t channels = (size_t)args->src[0].c, count = tensor_count(&args->src[0]);
    float n = (float)(count / channels);
    TRY(run_base(plan, args));
    for (size_t c = 0; plan->desc.train && c < channels; c++) {
        float sum = 0, squares = 0, gain = args->param[0]->data[c], bias = args->param[1]->data[c];
        for (size_t i = c; i < count; i += channels) {
            float x = *mutant_element(&args->src[0], i);
            sum += x;
            squares += x * x;
        }
        float var = fmaxf(squares / n - sum / n * (sum / n), 0);
        for (size_t i = c; i < count; i += channels)
            *mutant_element(&args->dst, i) =
                gain * (*mutant_element(&args->src[0], i) - sum / n) /
                    sqrtf(var + plan->desc.bn.eps) + bias;
    }
    return OK;
}

static enum status sigmoid_twice(const struct op_plan *plan, const struct op_args *args)
{
    struct op_args again = *args;
    TRY(run_base(plan, args));
    again.src[0] = args->dst;
    return run_base(plan, &again);
}

static enum status plan_planes_swapped(struct impl_ctx *ctx, struct op_plan *plan)
{
    plan->desc.pool_c.planes = PLANES_MEAN_MAX;
    return mutant_base(plan)->plan(ctx, plan);
}

static enum status plan_max_is_mean(struct impl_ctx *ctx, struct op_plan *plan)
{
    plan->desc.pool_hw.mode = POOL_MEAN;
    return mutant_base(plan)->plan(ctx, plan);
}

static enum status pooled_over_the_batch(const struct op_plan *plan, const struct op_args *args)
{
    TRY(run_base(plan, args));
    for (int c = 0; c < args->dst.c; c++) {
        float sum = 0;
        for (int n = 0; n < args->dst.n; n++)
            sum += *mutant_at(&args->dst, n, 0, 0, c);
        for (int n = 0; n < args->dst.n; n++)
            *mutant_at(&args->dst, n, 0, 0, c) = sum / (float)args->dst.n;
    }
    return OK;
}

static enum status gate_of_the_first_image(const struct op_plan *plan, const struct op_args *args)
{
    const struct tensor *y = &args->dst;
    (void)plan;
    for (size_t i = 0; i < tensor_count(y); i++)
        *mutant_element(y, i) = *mutant_element(&args->src[0], i) *
                                *mutant_at(&args->src[1], 0, 0, 0, (int)(i % (size_t)y->c));
    return OK;
}

static enum status second_source_forgotten(const struct op_plan *plan, const struct op_args *args)
{
    struct op_args wrong = *args;
    wrong.src[1] = args->src[0];
    return run_base(plan, &wrong);
}

static enum status option_a_shifted(const struct op_plan *plan, const struct op_args *args)
{
    struct op_plan wrong = *plan;
    wrong.desc.subsample.before = plan->desc.subsample.after;
    wrong.desc.subsample.after = plan->desc.subsample.before;
    return run_base(&wrong, args);
}

static enum status dropout_not_scaled(const struct op_plan *plan, const struct op_args *args)
{
    TRY(run_base(plan, args));
    if (plan->desc.train)
        scale_dst(args, 1 - plan->desc.dropout.rate);
    return OK;
}

static enum status dropout_in_inference(const struct op_plan *plan, const struct op_args *args)
{
    TRY(run_base(plan, args));
    for (size_t i = 0; !plan->desc.train && i < tensor_count(&args->dst); i += 2)
        *mutant_element(&args->dst, i) = 0;
    return OK;
}

static enum status dropout_keeps_too_much(const struct op_plan *plan, const struct op_args *args)
{
    TRY(run_base(plan, args));
    for (size_t i = 0; plan->desc.train && i < tensor_count(&args->dst); i += 2)
        *mutant_element(&args->dst, i) =
            *mutant_element(&args->src[0], i) / (1 - plan->desc.dropout.rate);
    return OK;
}

static enum status plan_smoothing_ignored(struct impl_ctx *ctx, struct op_plan *plan)
{
    plan->desc.xent.smoothing = 0;
    return mutant_base(plan)->plan(ctx, plan);
}

static enum status mean_loss(const struct op_plan *plan, const struct op_args *args)
{
    TRY(run_base(plan, args));
    scale_dst(args, 1 / (float)args->dst.n);
    return OK;
}

static enum status softmax_overflows(const struct op_plan *plan, const struct op_args *args)
{
    TRY(run_base(plan, args));
    for (int n = 0; n < args->dst.n; n++) {
        float sum = 0;
        for (int c = 0; c < args->src[0].c; c++)
            sum += expf(*mutant_at(&args->src[0], n, 0, 0, c));
        *mutant_at(&args->dst, n, 0, 0, 0) =
            logf(sum) - *mutant_at(&args->src[0], n, 0, 0, args->labels[n]);
    }
    return OK;
}

static enum status relu_caps(const struct op_plan *plan, const struct op_args *args)
{
    TRY(run_base(plan, args));
    for (size_t i = 0; i < tensor_count(&args->dst); i++)
        if (*mutant_element(&args->dst, i) > 3)
            *mutant_element(&args->dst, i) = 3;
    return OK;
}

const struct mutant mutants_forward[] = {
    {"max-pool pads with zeros", "maxpool n2 h7 w7 c16 k3 s2 p1", "dst",
     {.forward = zero_padding}},
    {"average pool divides by the pixels on the map", "avgpool n1 h7 w5 c33 k3 s2 p1", "dst",
     {.forward = divisor_without_padding}},
    {"convolution ignores its stride", "conv2d n2 h5 w7 c3 oc4 k3 s2 p1", "dst",
     {.plan = plan_stride_ignored}},
    {"convolution ignores its dilation", "conv2d n1 h9 w9 c8 oc8 k3 p2 d2", "dst",
     {.plan = plan_dilation_ignored}},
    {"groups of a convolution are mixed up", "conv2d n2 h5 w5 c8 oc12 k3 p1 g2", "dst",
     {.forward = groups_mixed}},
    {"convolution forgets its bias", "conv2d n1 h8 w8 c64 oc16 k3 p1 bias", "dst",
     {.plan = plan_bias_forgotten}},
    {"channels after the last full vector are lost", "conv2d n2 h7 w5 c20 oc33 bias", "dst",
     {.forward = tail_lost}},
    {"linear reads its features in memory order", "linear n2 h2 w3 c4 oc5 bias", "dst",
     {.plan = plan_features_in_memory_order, .forward = features_in_memory_order}},
    {"batch normalisation forgets eps", "batchnorm n1 h3 w3 c17 batch_stats momentum0.5 eps1",
     "dst", {.plan = plan_eps_forgotten}},
    {"running variance is biased", "batchnorm n2 h5 w3 c3 batch_stats", "running_var",
     {.forward = running_variance_biased}},
    {"momentum of the running mean is swapped", "batchnorm n2 h5 w3 c3 batch_stats",
     "running_mean", {.forward = momentum_swapped}},
    {"statistics of a frozen batch normalisation drift", "batchnorm n2 h5 w3 c3",
     "wrote into param[2]", {.forward = frozen_statistics_drift}},
    {"running statistics change and keep their version", "batchnorm n2 h5 w3 c3 batch_stats",
     "kept its version", {.forward = version_kept}},
    {"variance in one pass cancels", "batchnorm n2 h7 w7 c64 batch_stats", "dst",
     {.forward = variance_in_one_pass}},
    {"sigmoid is applied twice", "sigmoid n2 h3 w5 c20", "dst", {.forward = sigmoid_twice}},
    {"planes of channel pooling are swapped", "pool_c n2 h4 w5 c16", "dst",
     {.plan = plan_planes_swapped}},
    {"max over the map is the mean", "pool_hw n2 h5 w9 c20 max", "dst",
     {.plan = plan_max_is_mean}},
    {"pooling over the whole batch", "pool_hw n2 h4 w4 c16 mean", "dst",
     {.forward = pooled_over_the_batch}},
    {"all images take the first one's channel gate", "mul_channel n2 h3 w5 c20", "dst",
     {.forward = gate_of_the_first_image}},
    {"second source of an addition is forgotten", "add n2 h3 w5 c20", "dst",
     {.forward = second_source_forgotten}},
    {"zero channels on the wrong side", "subsample n2 h5 w7 c3 s2 before1 after2", "dst",
     {.forward = option_a_shifted}},
    {"dropout does not scale", "dropout n3 h4 w5 c33 rate0.5", "dst",
     {.forward = dropout_not_scaled}},
    {"dropout drops in inference", "dropout n3 h4 w5 c33 rate0.5", "dst",
     {.forward = dropout_in_inference}},
    {"dropout keeps too much", "dropout n3 h4 w5 c33 rate0.5", "are kept",
     {.forward = dropout_keeps_too_much}},
    {"label smoothing is ignored", "softmax_xent n3 c33 smoothing0.1", "dst",
     {.plan = plan_smoothing_ignored}},
    {"loss is divided by the batch", "softmax_xent n4 c10", "dst", {.forward = mean_loss}},
    {"softmax overflows", "softmax_xent n4 c10", "dst", {.forward = softmax_overflows}},
    {"relu is capped", "relu n2 h3 w5 c20", "dst", {.forward = relu_caps}},
    {0},
};
