/* Identities between gradients and values, and which sums are exact: see layer_truth.h. */
#include "bench/measure/layer_truth.h"

#include <math.h>

enum { SHARES = 64 }; /* of a long sum: their number, so the result, does not depend on threads */

/* sum a[i] * b[i % period] for i from `from` to `to`, both multiples of the period. */
static struct layer_sum share_of(const float *a, const float *b, size_t from, size_t to,
                                 size_t period)
{
    struct layer_sum sum = {0, 0};
    for (size_t i = from; i < to; i += period)
        for (size_t k = 0; k < period; k++) {
            double term = (double)a[i + k] * (double)b[k];
            sum.value += term;
            sum.size += fabs(term);
        }
    return sum;
}

/* Adds the inner product of a[count] with b, which repeats after `period` elements. */
static void add_repeated(struct layer_sum *sum, const float *a, const float *b, size_t count,
                         size_t period)
{
    struct layer_sum share[SHARES];
    size_t rows = count / period;
#pragma omp parallel for schedule(static) if (count > 100000)
    for (size_t i = 0; i < SHARES; i++)
        share[i] = share_of(a, b, rows * i / SHARES * period, rows * (i + 1) / SHARES * period,
                            period);
    for (int i = 0; i < SHARES; i++) {
        sum->value += share[i].value;
        sum->size += share[i].size;
    }
}

static void add_inner(struct layer_sum *sum, const float *a, const float *b, size_t count)
{
    struct layer_sum share[SHARES];
#pragma omp parallel for schedule(static) if (count > 100000)
    for (size_t i = 0; i < SHARES; i++) {
        size_t from = count * i / SHARES, to = count * (i + 1) / SHARES;
        share[i] = (struct layer_sum){0, 0};
        if (to > from)
            share[i] = share_of(a + from, b + from, 0, to - from, to - from);
    }
    for (int i = 0; i < SHARES; i++) {
        sum->value += share[i].value;
        sum->size += share[i].size;
    }
}

static struct layer_sum of_output(const struct layer_run *run)
{
    const struct layer_operands *o = run->operands;
    struct layer_sum sum = {0, 0};
    add_inner(&sum, o->diff_dst, run->args.dst.data, tensor_count(&o->desc.dst));
    return sum;
}

static struct layer_sum of_sources(const struct layer_run *run, int from, int to)
{
    const struct layer_operands *o = run->operands;
    struct layer_sum sum = {0, 0};
    for (int i = from; i < to; i++)
        add_inner(&sum, run->args.diff_src[i].data, o->src[i], tensor_count(&o->desc.src[i]));
    return sum;
}

static struct layer_sum of_params(const struct layer_run *run, int from, int to)
{
    struct layer_sum sum = {0, 0};
    for (int i = from; i < to; i++)
        add_inner(&sum, run->param[i].grad, run->operands->param[i], run->param[i].count);
    return sum;
}

/* <dy, b>, the bias b[c] standing in every pixel. */
static struct layer_sum of_bias(const struct layer_run *run)
{
    const struct layer_operands *o = run->operands;
    struct layer_sum sum = {0, 0};
    add_repeated(&sum, o->diff_dst, o->param[1], tensor_count(&o->desc.dst),
                 (size_t)o->desc.dst.c);
    return sum;
}

/* The output without its bias: <dy, y - b>. */
static struct layer_sum of_output_without_bias(const struct layer_run *run)
{
    const struct layer_operands *o = run->operands;
    struct layer_sum sum = of_output(run);
    if (o->params < 2)
        return sum;
    struct layer_sum bias = of_bias(run);
    return (struct layer_sum){sum.value - bias.value, sum.size + bias.size};
}

/* <db, b> against the same from diff_dst alone: every output of channel c adds b[c]. */
static struct layer_identity bias_identity(const struct layer_run *run)
{
    return (struct layer_identity){"<diff_bias, bias> = <diff_dst, bias>", of_params(run, 1, 2),
                                   of_bias(run)};
}

static int dense_identities(const struct layer_run *run, struct layer_identity *list)
{
    struct layer_sum right = of_output_without_bias(run);
    list[0] = (struct layer_identity){"<diff_src, src> = <diff_dst, dst - bias>",
                                      of_sources(run, 0, 1), right};
    list[1] = (struct layer_identity){"<diff_weight, weight> = <diff_dst, dst - bias>",
                                      of_params(run, 0, 1), right};
    if (run->operands->params < 2)
        return 2;
    list[2] = bias_identity(run);
    return 3;
}

static int product_identities(const struct layer_run *run, struct layer_identity *list)
{
    static const char *const names[] = {"<diff_src0, src0> = <diff_dst, dst>",
                                        "<diff_src1, src1> = <diff_dst, dst>"};
    for (int i = 0; i < 2; i++)
        list[i] = (struct layer_identity){names[i], of_sources(run, i, i + 1), of_output(run)};
    return 2;
}

int layer_identities(const struct layer_run *run, struct layer_identity list[LAYER_IDENTITIES])
{
    const struct layer_operands *o = run->operands;
    struct layer_sum right = of_output(run);
    switch (o->desc.kind) {
    case OP_CONV2D:
    case OP_LINEAR:
        return dense_identities(run, list);
    case OP_MUL_CHANNEL:
    case OP_MUL_SPATIAL:
        return product_identities(run, list);
    case OP_BATCHNORM: /* homogeneous in (weight, bias) */
        list[0] = (struct layer_identity){"<diff_weight, weight> + <diff_bias, bias> = "
                                          "<diff_dst, dst>", of_params(run, 0, 2), right};
        return 1;
    case OP_SIGMOID:
    case OP_SOFTMAX_XENT:
        return 0;
    default:
        if (o->desc.kind >= OP_PRIMITIVES)
            return 0;
        list[0] = (struct layer_identity){"<diff_src, src> = <diff_dst, dst>",
                                          of_sources(run, 0, op_sources(o->desc.kind)), right};
        if (o->params == 0)
            return 1;
        list[1] = (struct layer_identity){"<diff_param, param> = <diff_dst, dst>",
                                          of_params(run, 0, 1), right};
        return 2;
    }
}

static bool is_integer(float value)
{
    return value == rintf(value) && fabsf(value) <= 64;
}

/* Most terms that one sum of the pass adds up. */
static double longest_sum(const struct op_desc *d, enum layer_pass pass)
{
    double pixels = (double)tensor_count(&d->dst) / d->dst.c;
    double inputs = d->kind == OP_CONV2D
                        ? (double)(d->src[0].c / d->conv.groups) * d->conv.kh * d->conv.kw
                        : (double)tensor_count(&d->src[0]) / d->src[0].n;
    double outputs = d->kind == OP_CONV2D
                         ? (double)(d->conv.oc / d->conv.groups) * d->conv.kh * d->conv.kw
                         : d->dst.c;
    return pass == PASS_FWD ? inputs : fmax(pixels, outputs);
}

bool layer_is_exact(const struct layer_operands *operands)
{
    const struct op_desc *d = &operands->desc;
    switch (d->kind) {
    case OP_CONV2D:
        if (d->conv.algorithm != CONV_DIRECT) /* its transforms round */
            return false;
        return 4 * (longest_sum(d, operands->pass) + 1) < (double)(1 << 24);
    case OP_LINEAR:
    case OP_MUL_CHANNEL:
    case OP_MUL_SPATIAL:
        return 4 * (longest_sum(d, operands->pass) + 1) < (double)(1 << 24);
    case OP_RELU:
    case OP_MAXPOOL:
    case OP_CONCAT:
    case OP_SUBSAMPLE:
        return true;
    case OP_SCALE: /* the gradient of a learned factor sums over everything */
        return is_integer(d->scale.factor) &&
               256 * (double)tensor_count(&d->dst) < (double)(1 << 24);
    case OP_ADD:
        return is_integer(d->add.a) && is_integer(d->add.b);
    case OP_POOL_HW:
        return d->pool_hw.mode == POOL_MAX;
    case OP_POOL_C:
        return d->pool_c.planes == PLANES_MAX;
    default:
        return false;
    }
}
