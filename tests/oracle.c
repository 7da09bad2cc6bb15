/* The oracle: memory, dispatch, and the operations without weights or windows. Knows no
 * implementation; see oracle.h. */
#include "tests/oracle_ops.h"

#include <stdlib.h>
#include <string.h>

static void relu_forward(struct oracle *o)
{
    for (size_t i = 0; i < o->count_dst; i++)
        oracle_term(&o->dst[i], o->src[0][i] > 0 ? o->src[0][i] : 0);
}

static void relu_backward(struct oracle *o)
{
    for (size_t i = 0; i < o->count_dst; i++)
        oracle_term(&o->diff_src[0][i], o->src[0][i] > 0 ? o->diff_dst[i] : 0);
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static void sigmoid_forward(struct oracle *o)
{
    for (size_t i = 0; i < o->count_dst; i++)
        oracle_term(&o->dst[i], sigmoid(o->src[0][i]));
}

/* s(1-s) is computed from a rounded s: near s = 1 its error is that of s, hence the size. */
static void sigmoid_backward(struct oracle *o)
{
    for (size_t i = 0; i < o->count_dst; i++) {
        double s = sigmoid(o->src[0][i]), rest = sigmoid(-o->src[0][i]);
        o->diff_src[0][i].value = o->diff_dst[i] * s * rest;
        o->diff_src[0][i].size = fabs(o->diff_dst[i]) * s;
    }
}

static double scale_factor(const struct oracle *o)
{
    return (double)o->desc.scale.factor * (o->desc.scale.learned ? o->param[0][0] : 1);
}

static void scale_forward(struct oracle *o)
{
    for (size_t i = 0; i < o->count_dst; i++)
        oracle_term(&o->dst[i], scale_factor(o) * o->src[0][i]);
}

static void scale_backward(struct oracle *o)
{
    for (size_t i = 0; i < o->count_dst; i++) {
        oracle_term(&o->diff_src[0][i], scale_factor(o) * o->diff_dst[i]);
        if (o->desc.scale.learned)
            oracle_term(&o->diff_param[0][0],
                        (double)o->desc.scale.factor * o->src[0][i] * o->diff_dst[i]);
    }
}

static void add_forward(struct oracle *o)
{
    for (size_t i = 0; i < o->count_dst; i++) {
        oracle_term(&o->dst[i], (double)o->desc.add.a * o->src[0][i]);
        oracle_term(&o->dst[i], (double)o->desc.add.b * o->src[1][i]);
    }
}

static void add_backward(struct oracle *o)
{
    for (size_t i = 0; i < o->count_dst; i++) {
        oracle_term(&o->diff_src[0][i], (double)o->desc.add.a * o->diff_dst[i]);
        oracle_term(&o->diff_src[1][i], (double)o->desc.add.b * o->diff_dst[i]);
    }
}

/* Which element of src[1] multiplies element i of src[0]: one gate per channel of an image, or
 * one per pixel. */
static size_t gate_index(const struct oracle *o, size_t i)
{
    const struct tensor *s = &o->desc.src[0];
    size_t channels = (size_t)s->c, image = (size_t)s->h * (size_t)s->w * channels;
    if (o->desc.kind == OP_MUL_CHANNEL)
        return i / image * channels + i % channels;
    return i / channels;
}

static void mul_forward(struct oracle *o)
{
    for (size_t i = 0; i < o->count_dst; i++)
        oracle_term(&o->dst[i], o->src[0][i] * o->src[1][gate_index(o, i)]);
}

static void mul_backward(struct oracle *o)
{
    for (size_t i = 0; i < o->count_dst; i++) {
        size_t g = gate_index(o, i);
        oracle_term(&o->diff_src[0][i], o->src[1][g] * o->diff_dst[i]);
        oracle_term(&o->diff_src[1][g], o->src[0][i] * o->diff_dst[i]);
    }
}

/* Where element i of a concatenation comes from: the source, and the index there. */
static int concat_source(const struct oracle *o, size_t i, size_t *index)
{
    size_t c0 = (size_t)o->desc.src[0].c, c1 = (size_t)o->desc.src[1].c;
    size_t pixel = i / (c0 + c1), c = i % (c0 + c1);
    *index = c < c0 ? pixel * c0 + c : pixel * c1 + c - c0;
    return c < c0 ? 0 : 1;
}

static void concat_forward(struct oracle *o)
{
    for (size_t i = 0; i < o->count_dst; i++) {
        size_t index;
        int source = concat_source(o, i, &index);
        oracle_term(&o->dst[i], o->src[source][index]);
    }
}

static void concat_backward(struct oracle *o)
{
    for (size_t i = 0; i < o->count_dst; i++) {
        size_t index;
        int source = concat_source(o, i, &index);
        oracle_term(&o->diff_src[source][index], o->diff_dst[i]);
    }
}

/* Calls `use` for each pair of a kept input and its output; all other outputs stay zero. */
static void subsample_pairs(struct oracle *o,
                            void (*use)(struct oracle *o, size_t src, size_t dst))
{
    const struct tensor *in = &o->desc.src[0], *out = &o->desc.dst;
    int stride = o->desc.subsample.stride;
    for (int n = 0; n < in->n; n++)
        for (int y = 0; y < in->h; y += stride)
            for (int x = 0; x < in->w; x += stride)
                for (int c = 0; c < in->c; c++)
                    use(o, oracle_at(in, n, y, x, c),
                        oracle_at(out, n, y / stride, x / stride, c + o->desc.subsample.before));
}

static void copy_value(struct oracle *o, size_t src, size_t dst)
{
    oracle_term(&o->dst[dst], o->src[0][src]);
}

static void copy_gradient(struct oracle *o, size_t src, size_t dst)
{
    oracle_term(&o->diff_src[0][src], o->diff_dst[dst]);
}

static void subsample_forward(struct oracle *o)
{
    subsample_pairs(o, copy_value);
}

static void subsample_backward(struct oracle *o)
{
    subsample_pairs(o, copy_gradient);
}

static double dropout_factor(const struct oracle *o, size_t i)
{
    if (!o->desc.train)
        return 1;
    return o->kept[i] ? 1 / (1 - (double)o->desc.dropout.rate) : 0;
}

static void dropout_forward(struct oracle *o)
{
    for (size_t i = 0; i < o->count_dst; i++)
        oracle_term(&o->dst[i], dropout_factor(o, i) * o->src[0][i]);
}

static void dropout_backward(struct oracle *o)
{
    for (size_t i = 0; i < o->count_dst; i++)
        oracle_term(&o->diff_src[0][i], dropout_factor(o, i) * o->diff_dst[i]);
}

/* log(sum of exp(x)) of one sample. */
static double log_sum_exp(const double *x, int classes)
{
    double greatest = x[0], sum = 0;
    for (int k = 1; k < classes; k++)
        greatest = x[k] > greatest ? x[k] : greatest;
    for (int k = 0; k < classes; k++)
        sum += exp(x[k] - greatest);
    return greatest + log(sum);
}

/* Target of class k: a share of the smoothing for every class, the rest for the label. */
static double target(const struct oracle *o, int n, int k)
{
    double s = (double)o->desc.xent.smoothing;
    return s / o->desc.src[0].c + (k == o->labels[n] ? 1 - s : 0);
}

/* loss = -sum_k target_k log p_k, with log p_k = x_k - log sum exp(x). */
static void xent_forward(struct oracle *o)
{
    int classes = o->desc.src[0].c;
    for (int n = 0; n < o->desc.src[0].n; n++) {
        const double *x = o->src[0] + (size_t)n * (size_t)classes;
        double lse = log_sum_exp(x, classes);
        for (int k = 0; k < classes; k++) {
            o->dst[n].value -= target(o, n, k) * (x[k] - lse);
            o->dst[n].size += target(o, n, k) * (fabs(x[k]) + fabs(lse));
        }
        o->dst[n].size += 1; /* the logarithm of a sum near 1 */
    }
}

static void xent_backward(struct oracle *o)
{
    int classes = o->desc.src[0].c;
    for (int n = 0; n < o->desc.src[0].n; n++) {
        const double *x = o->src[0] + (size_t)n * (size_t)classes;
        double lse = log_sum_exp(x, classes), dy = o->diff_dst[n];
        for (int k = 0; k < classes; k++) {
            struct oracle_num *dx = &o->diff_src[0][(size_t)n * (size_t)classes + (size_t)k];
            double p = exp(x[k] - lse), t = target(o, n, k);
            dx->value = dy * (p - t);
            dx->size = fabs(dy) * (p * (1 + fabs(x[k]) + fabs(lse)) + t);
        }
    }
}

static const struct {
    void (*forward)(struct oracle *o);
    void (*backward)(struct oracle *o);
} operations[OP_PRIMITIVES] = {
    [OP_CONV2D] = {oracle_conv2d_forward, oracle_conv2d_backward},
    [OP_LINEAR] = {oracle_linear_forward, oracle_linear_backward},
    [OP_BATCHNORM] = {oracle_batchnorm_forward, oracle_batchnorm_backward},
    [OP_RELU] = {relu_forward, relu_backward},
    [OP_SIGMOID] = {sigmoid_forward, sigmoid_backward},
    [OP_SCALE] = {scale_forward, scale_backward},
    [OP_ADD] = {add_forward, add_backward},
    [OP_MUL_CHANNEL] = {mul_forward, mul_backward},
    [OP_MUL_SPATIAL] = {mul_forward, mul_backward},
    [OP_MAXPOOL] = {oracle_maxpool_forward, oracle_maxpool_backward},
    [OP_AVGPOOL] = {oracle_avgpool_forward, oracle_avgpool_backward},
    [OP_ADAPTIVE_AVGPOOL] = {oracle_adaptive_forward, oracle_adaptive_backward},
    [OP_POOL_HW] = {oracle_pool_hw_forward, oracle_pool_hw_backward},
    [OP_POOL_C] = {oracle_pool_c_forward, oracle_pool_c_backward},
    [OP_CONCAT] = {concat_forward, concat_backward},
    [OP_SUBSAMPLE] = {subsample_forward, subsample_backward},
    [OP_DROPOUT] = {dropout_forward, dropout_backward},
    [OP_SOFTMAX_XENT] = {xent_forward, xent_backward},
};

/* calloc of at least one element; sets *failed when there is no memory. */
static void *zeroed(size_t count, size_t size, int *failed)
{
    void *block = calloc(count ? count : 1, size);
    *failed |= block == NULL;
    return block;
}

static size_t param_count(const struct op_param_info *info)
{
    size_t count = 1;
    for (int i = 0; i < info->ndim; i++)
        count *= (size_t)info->dim[i];
    return count;
}

enum status oracle_make(struct oracle *o, const struct op_desc *desc)
{
    struct op_param_info info[OP_MAX_PARAM];
    int failed = 0;
    memset(o, 0, sizeof *o);
    o->desc = *desc;
    o->desc.dst.stride = o->desc.dst.c;
    o->count_dst = tensor_count(&o->desc.dst);
    o->dst = zeroed(o->count_dst, sizeof *o->dst, &failed);
    o->diff_dst = zeroed(o->count_dst, sizeof *o->diff_dst, &failed);
    o->kept = zeroed(o->count_dst, sizeof *o->kept, &failed);
    o->labels = zeroed((size_t)desc->src[0].n, sizeof *o->labels, &failed);
    for (int i = 0; i < op_sources(desc->kind); i++) {
        o->desc.src[i].stride = o->desc.src[i].c;
        o->count_src[i] = tensor_count(&o->desc.src[i]);
        o->src[i] = zeroed(o->count_src[i], sizeof *o->src[i], &failed);
        o->diff_src[i] = zeroed(o->count_src[i], sizeof *o->diff_src[i], &failed);
    }
    o->params = op_params(desc, info);
    for (int i = 0; i < o->params; i++) {
        o->count_param[i] = param_count(&info[i]);
        o->param[i] = zeroed(o->count_param[i], sizeof *o->param[i], &failed);
        o->next[i] = zeroed(o->count_param[i], sizeof *o->next[i], &failed);
        o->diff_param[i] = zeroed(o->count_param[i], sizeof *o->diff_param[i], &failed);
    }
    if (!failed)
        return OK;
    oracle_free(o);
    return fail(ERR_MEMORY, "no memory for the oracle of %s", op_name(desc->kind));
}

void oracle_free(struct oracle *o)
{
    free(o->dst);
    free(o->diff_dst);
    free(o->kept);
    free(o->labels);
    for (int i = 0; i < OP_MAX_SRC; i++) {
        free(o->src[i]);
        free(o->diff_src[i]);
    }
    for (int i = 0; i < OP_MAX_PARAM; i++) {
        free(o->param[i]);
        free(o->next[i]);
        free(o->diff_param[i]);
    }
    memset(o, 0, sizeof *o);
}

void oracle_forward(struct oracle *o)
{
    memset(o->dst, 0, o->count_dst * sizeof *o->dst);
    for (int i = 0; i < o->params; i++)
        for (size_t k = 0; k < o->count_param[i]; k++)
            o->next[i][k] = (struct oracle_num){o->param[i][k], fabs(o->param[i][k])};
    operations[o->desc.kind].forward(o);
}

void oracle_backward(struct oracle *o)
{
    for (int i = 0; i < op_sources(o->desc.kind); i++)
        memset(o->diff_src[i], 0, o->count_src[i] * sizeof *o->diff_src[i]);
    for (int i = 0; i < o->params; i++)
        memset(o->diff_param[i], 0, o->count_param[i] * sizeof *o->diff_param[i]);
    operations[o->desc.kind].backward(o);
}
