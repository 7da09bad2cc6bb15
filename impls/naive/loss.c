/* Softmax with cross-entropy, one loss for each sample, with label smoothing. Sums run in double:
 * a loss is a single number that people compare in its last digits. */
#include "impls/naive/naive.h"

#include "impls/base/threads.h"
#include "impls/naive/loops.h"
#include "impls/ops.h"

#include <math.h>

static int class_count(const struct op_desc *desc)
{
    return desc->src[0].h * desc->src[0].w * desc->src[0].c;
}

/* Save: the probabilities, [n][classes]. */
static enum status plan_loss(struct impl_ctx *ctx, struct op_plan *plan)
{
    TRY(naive_plan_loops(ctx, plan));
    if (plan->desc.train)
        plan->save_bytes = tensor_count(&plan->desc.src[0]) * sizeof(float);
    return OK;
}

static enum status check_labels(const struct op_desc *desc, const int32_t *labels)
{
    const int classes = class_count(desc);
    for (int n = 0; n < desc->src[0].n; n++)
        if (labels[n] < 0 || labels[n] >= classes)
            return fail(ERR_USAGE, "softmax_xent: label %d of sample %d is not in 0..%d",
                        (int)labels[n], n, classes - 1);
    return OK;
}

/* The largest logit is taken out first, so that no exponential overflows. */
static double largest(const float *x, int classes)
{
    float most = x[0];
    for (int i = 1; i < classes; i++)
        most = x[i] > most ? x[i] : most;
    return (double)most;
}

/* Loss = -sum of target * log softmax = log sum exp(x) - sum of target * x. Writes the
 * probabilities unless `probability` is NULL. */
static float loss_of(const float *x, int classes, int label, double smoothing, float *probability)
{
    const double most = largest(x, classes);
    double total = 0, sum = 0;
    for (int i = 0; i < classes; i++) {
        double centred = (double)x[i] - most;
        total += exp(centred);
        sum += centred;
    }
    for (int i = 0; probability && i < classes; i++)
        probability[i] = (float)(exp((double)x[i] - most) / total);
    double expected = (1 - smoothing) * ((double)x[label] - most);
    if (smoothing > 0)
        expected += smoothing * sum / classes;
    return (float)(log(total) - expected);
}

static enum status forward(const struct op_plan *plan, const struct op_args *args)
{
    const int classes = class_count(&plan->desc);
    float *save = plan->desc.train ? args->save : NULL;
    TRY(check_labels(&plan->desc, args->labels));
#pragma omp parallel for schedule(static) if (threads_worth(8 * tensor_count(&args->src[0])))
    for (int n = 0; n < args->src[0].n; n++) {
        size_t start = (size_t)n * (size_t)classes;
        *naive_pixel(&args->dst, (size_t)n) =
            loss_of((const float *)args->src[0].data + start, classes, args->labels[n],
                    (double)plan->desc.xent.smoothing, save ? save + start : NULL);
    }
    return OK;
}

/* d loss / d x = softmax - target. */
static enum status backward(const struct op_plan *plan, const struct op_args *args)
{
    const int classes = class_count(&plan->desc);
    const float smoothing = plan->desc.xent.smoothing, low = smoothing / (float)classes;
    const bool add = args->add_diff_src & 1;
    TRY(check_labels(&plan->desc, args->labels));
    if (!(plan->desc.want_diff_src & 1))
        return OK;
#pragma omp parallel for schedule(static) if (threads_worth(8 * tensor_count(&args->src[0])))
    for (int n = 0; n < args->src[0].n; n++) {
        const float g = *naive_pixel(&args->diff_dst, (size_t)n);
        const float *p = (const float *)args->save + (size_t)n * (size_t)classes;
        float *to = (float *)args->diff_src[0].data + (size_t)n * (size_t)classes;
        for (int i = 0; i < classes; i++) {
            float target = low + (i == args->labels[n] ? 1.0f - smoothing : 0.0f);
            to[i] = g * (p[i] - target) + (add ? to[i] : 0.0f);
        }
    }
    return OK;
}

const struct op_entry naive_softmax_xent = {
    .name = "naive softmax_xent",
    .plan = plan_loss,
    .forward = forward,
    .backward = backward,
};
