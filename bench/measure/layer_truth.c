/* Results from the definition: see layer_truth.h. */
#include "bench/measure/layer_truth.h"

#include "bench/measure/layer_weighted.h"

#include <math.h>

/* Place of an element in a dense NHWC map. */
struct place {
    int n, y, x, c;
};

static struct place place_of(const struct tensor *t, size_t index)
{
    size_t c = (size_t)t->c, w = (size_t)t->w, h = (size_t)t->h;
    return (struct place){.n = (int)(index / c / w / h),
                          .y = (int)(index / c / w % h),
                          .x = (int)(index / c % w),
                          .c = (int)(index % c)};
}

static double source(const struct layer_operands *o, int i, int n, int y, int x, int c)
{
    const struct tensor *t = &o->desc.src[i];
    size_t pixel = ((size_t)n * (size_t)t->h + (size_t)y) * (size_t)t->w + (size_t)x;
    return (double)o->src[i][pixel * (size_t)t->c + (size_t)c];
}

static void add_term(struct layer_sum *sum, double term)
{
    sum->value += term;
    sum->size += fabs(term);
}

static void conv_element(const struct layer_operands *o, struct place p, struct layer_sum *sum)
{
    const struct op_desc *d = &o->desc;
    const struct tensor *s = &d->src[0];
    int depth = s->c / d->conv.groups, first = p.c / (d->conv.oc / d->conv.groups) * depth;
    const float *weight = o->param[0] + (size_t)p.c * (size_t)(depth * d->conv.kh * d->conv.kw);
    for (int c = 0; c < depth; c++)
        for (int i = 0; i < d->conv.kh; i++)
            for (int j = 0; j < d->conv.kw; j++) {
                int y = p.y * d->conv.sh + i * d->conv.dh - d->conv.ph;
                int x = p.x * d->conv.sw + j * d->conv.dw - d->conv.pw;
                double w = (double)*weight++;
                if (y >= 0 && y < s->h && x >= 0 && x < s->w)
                    add_term(sum, w * source(o, 0, p.n, y, x, first + c));
            }
    if (d->conv.bias)
        add_term(sum, (double)o->param[1][p.c]);
}

static void linear_element(const struct layer_operands *o, struct place p, struct layer_sum *sum)
{
    const struct tensor *s = &o->desc.src[0];
    const float *weight = o->param[0] + (size_t)p.c * (size_t)s->c * (size_t)(s->h * s->w);
    for (int c = 0; c < s->c; c++)
        for (int y = 0; y < s->h; y++)
            for (int x = 0; x < s->w; x++)
                add_term(sum, (double)*weight++ * source(o, 0, p.n, y, x, c));
    if (o->desc.linear.bias)
        add_term(sum, (double)o->param[1][p.c]);
}

/* A rectangle of one channel: rows y0 .. y1-1, columns x0 .. x1-1. */
struct area {
    int y0, y1, x0, x1;
};

static struct layer_sum area_sum(const struct layer_operands *o, struct place p, struct area a)
{
    struct layer_sum sum = {0, 0};
    for (int y = a.y0; y < a.y1; y++)
        for (int x = a.x0; x < a.x1; x++)
            add_term(&sum, source(o, 0, p.n, y, x, p.c));
    return sum;
}

static double area_max(const struct layer_operands *o, struct place p, struct area a)
{
    double most = -INFINITY;
    for (int y = a.y0; y < a.y1; y++)
        for (int x = a.x0; x < a.x1; x++)
            most = fmax(most, source(o, 0, p.n, y, x, p.c));
    return most;
}

static int at_least_0(int i)
{
    return i > 0 ? i : 0;
}

static int at_most(int i, int most)
{
    return i < most ? i : most;
}

static struct area window_area(const struct op_desc *d, struct place p)
{
    int y = p.y * d->pool.sh - d->pool.ph, x = p.x * d->pool.sw - d->pool.pw;
    return (struct area){at_least_0(y), at_most(y + d->pool.kh, d->src[0].h), at_least_0(x),
                         at_most(x + d->pool.kw, d->src[0].w)};
}

static struct area bin_area(const struct op_desc *d, struct place p)
{
    int h = d->src[0].h, w = d->src[0].w, oh = d->adaptive.oh, ow = d->adaptive.ow;
    return (struct area){p.y * h / oh, ((p.y + 1) * h + oh - 1) / oh, p.x * w / ow,
                         ((p.x + 1) * w + ow - 1) / ow};
}

static void mean_of(struct layer_sum *sum, struct layer_sum total, double count)
{
    add_term(sum, total.value / count);
    sum->size = total.size / count;
}

static void pool_element(const struct layer_operands *o, struct place p, struct layer_sum *sum)
{
    const struct op_desc *d = &o->desc;
    struct area all = {0, d->src[0].h, 0, d->src[0].w};
    if (d->kind == OP_MAXPOOL) {
        add_term(sum, area_max(o, p, window_area(d, p)));
    } else if (d->kind == OP_AVGPOOL) {
        mean_of(sum, area_sum(o, p, window_area(d, p)), d->pool.kh * d->pool.kw);
    } else if (d->kind == OP_ADAPTIVE_AVGPOOL) {
        struct area a = bin_area(d, p);
        mean_of(sum, area_sum(o, p, a), (a.y1 - a.y0) * (a.x1 - a.x0));
    } else if (d->pool_hw.mode == POOL_MAX) {
        add_term(sum, area_max(o, p, all));
    } else {
        mean_of(sum, area_sum(o, p, all), all.y1 * all.x1);
    }
}

static void planes_element(const struct layer_operands *o, struct place p, struct layer_sum *sum)
{
    enum planes planes = o->desc.pool_c.planes;
    int channels = o->desc.src[0].c;
    double most = -INFINITY;
    struct layer_sum total = {0, 0};
    for (int c = 0; c < channels; c++) {
        double value = source(o, 0, p.n, p.y, p.x, c);
        most = fmax(most, value);
        add_term(&total, value);
    }
    bool is_max = planes == PLANES_MAX || (planes == PLANES_MAX_MEAN && p.c == 0) ||
                  (planes == PLANES_MEAN_MAX && p.c == 1);
    if (planes == PLANES_HALF) {
        mean_of(sum, total, 2.0 * channels);
        add_term(sum, 0.5 * most);
    } else if (is_max) {
        add_term(sum, most);
    } else {
        mean_of(sum, total, channels);
    }
}

/* One channel of a batch normalisation. */
struct normal {
    double count, mean, mean_size, scale; /* scale: 1/sqrt(var + eps) */
};

static struct normal channel_normal(const struct layer_operands *o, int c)
{
    const struct op_desc *d = &o->desc;
    size_t step = (size_t)d->dst.c, count = tensor_count(&d->dst) / step;
    double var = 0;
    struct normal s = {.count = (double)count};
    if (!d->bn.batch_stats) {
        s.mean = (double)o->param[2][c];
        s.mean_size = fabs(s.mean);
        var = (double)o->param[3][c];
    } else {
        struct layer_sum sum = {0, 0};
        for (size_t i = 0; i < count; i++)
            add_term(&sum, (double)o->src[0][i * step + (size_t)c]);
        s.mean = sum.value / s.count;
        s.mean_size = sum.size / s.count;
        for (size_t i = 0; i < count; i++)
            var += pow((double)o->src[0][i * step + (size_t)c] - s.mean, 2) / s.count;
    }
    s.scale = 1 / sqrt(var + (double)d->bn.eps);
    return s;
}

static void batchnorm_element(const struct layer_operands *o, struct place p,
                              struct layer_sum *sum)
{
    struct normal s = channel_normal(o, p.c);
    double x = source(o, 0, p.n, p.y, p.x, p.c);
    double weight = (double)o->param[0][p.c], bias = (double)o->param[1][p.c];
    sum->value = weight * (x - s.mean) * s.scale + bias;
    sum->size = fabs(weight) * (fabs(x) + s.mean_size) * s.scale + fabs(bias);
}

/* log(sum exp(x)) over the classes of image n. */
static double log_sum_exp(const struct layer_operands *o, int n)
{
    double most = -INFINITY, sum = 0;
    for (int c = 0; c < o->desc.src[0].c; c++)
        most = fmax(most, source(o, 0, n, 0, 0, c));
    for (int c = 0; c < o->desc.src[0].c; c++)
        sum += exp(source(o, 0, n, 0, 0, c) - most);
    return most + log(sum);
}

static double target(const struct layer_operands *o, int n, int c)
{
    double smoothing = (double)o->desc.xent.smoothing;
    return smoothing / o->desc.src[0].c + (o->labels[n] == c ? 1 - smoothing : 0);
}

static void loss_element(const struct layer_operands *o, struct place p, struct layer_sum *sum)
{
    double all = log_sum_exp(o, p.n);
    for (int c = 0; c < o->desc.src[0].c; c++) {
        double x = source(o, 0, p.n, 0, 0, c);
        sum->value += target(o, p.n, c) * (all - x);
        sum->size += target(o, p.n, c) * (fabs(all) + fabs(x));
    }
    sum->size += 1; /* the logarithm of a sum near 1 */
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static void subsample_element(const struct layer_operands *o, struct place p,
                              struct layer_sum *sum)
{
    int c = p.c - o->desc.subsample.before, stride = o->desc.subsample.stride;
    if (c >= 0 && c < o->desc.src[0].c)
        add_term(sum, source(o, 0, p.n, p.y * stride, p.x * stride, c));
}

/* Operations without a window: from the elements of both sources that belong to this place. */
static void plain_element(const struct layer_operands *o, struct place p, struct layer_sum *sum)
{
    const struct op_desc *d = &o->desc;
    int c = p.c, own = d->src[0].c;
    bool second = d->kind == OP_CONCAT && c >= own;
    double x = second ? source(o, 1, p.n, p.y, p.x, c - own) : source(o, 0, p.n, p.y, p.x, c);
    if (d->kind == OP_RELU) {
        add_term(sum, fmax(x, 0));
    } else if (d->kind == OP_SIGMOID) {
        *sum = (struct layer_sum){sigmoid(x), 1};
    } else if (d->kind == OP_SCALE) {
        double learned = d->scale.learned ? (double)o->param[0][0] : 1;
        add_term(sum, (double)d->scale.factor * learned * x);
    } else if (d->kind == OP_ADD) {
        add_term(sum, (double)d->add.a * x);
        add_term(sum, (double)d->add.b * source(o, 1, p.n, p.y, p.x, c));
    } else if (d->kind == OP_MUL_CHANNEL) {
        add_term(sum, x * source(o, 1, p.n, 0, 0, c));
    } else if (d->kind == OP_MUL_SPATIAL) {
        add_term(sum, x * source(o, 1, p.n, p.y, p.x, 0));
    } else {
        add_term(sum, x); /* concat; dropout in inference */
    }
}

/* Convolution, then batch normalisation with constant statistics, second source and relu, as far
 * as the description has them. */
static void conv_act_element(const struct layer_operands *o, struct place p,
                             struct layer_sum *sum)
{
    const struct op_desc *d = &o->desc;
    conv_element(o, p, sum);
    if (d->conv.with_bn) {
        double gain = (double)o->param[2][p.c] /
                      sqrt((double)o->param[5][p.c] + (double)d->conv.eps);
        double shift = (double)o->param[3][p.c] - gain * (double)o->param[4][p.c];
        *sum = (struct layer_sum){gain * sum->value, fabs(gain) * sum->size};
        add_term(sum, shift);
    }
    if (d->kind == OP_CONV_SUM_ACT)
        add_term(sum, source(o, 1, p.n, p.y, p.x, p.c));
    if (d->conv.with_relu)
        sum->value = fmax(sum->value, 0);
}

bool layer_truth_dst(const struct layer_operands *operands, size_t index, struct layer_sum *sum)
{
    const struct op_desc *d = &operands->desc;
    struct place p = place_of(&d->dst, index);
    *sum = (struct layer_sum){0, 0};
    switch (d->kind) {
    case OP_CONV2D:
        conv_element(operands, p, sum);
        break;
    case OP_CONV_ACT:
    case OP_CONV_SUM_ACT:
        conv_act_element(operands, p, sum);
        break;
    case OP_LINEAR:
        linear_element(operands, p, sum);
        break;
    case OP_BATCHNORM:
        batchnorm_element(operands, p, sum);
        break;
    case OP_MAXPOOL:
    case OP_AVGPOOL:
    case OP_ADAPTIVE_AVGPOOL:
    case OP_POOL_HW:
        pool_element(operands, p, sum);
        break;
    case OP_POOL_C:
        planes_element(operands, p, sum);
        break;
    case OP_SUBSAMPLE:
        subsample_element(operands, p, sum);
        break;
    case OP_SOFTMAX_XENT:
        loss_element(operands, p, sum);
        break;
    default:
        if (d->kind >= OP_PRIMITIVES || (d->kind == OP_DROPOUT && d->train))
            return false;
        plain_element(operands, p, sum);
    }
    return true;
}

/* d xhat / d x for batch statistics, summed against the gradient (Ioffe and Szegedy 2015). */
static void batchnorm_gradient(const struct layer_operands *o, struct place p, double dy,
                               struct layer_sum *sum)
{
    struct normal s = channel_normal(o, p.c);
    double gain = (double)o->param[0][p.c] * s.scale;
    add_term(sum, gain * dy);
    if (!o->desc.bn.batch_stats)
        return;
    size_t step = (size_t)o->desc.dst.c;
    struct layer_sum plain = {0, 0}, weighted = {0, 0};
    for (size_t i = (size_t)p.c; i < tensor_count(&o->desc.dst); i += step) {
        double other = (double)o->diff_dst[i];
        add_term(&plain, other);
        add_term(&weighted, other * ((double)o->src[0][i] - s.mean) * s.scale);
    }
    double normal = (source(o, 0, p.n, p.y, p.x, p.c) - s.mean) * s.scale;
    sum->value -= gain * (plain.value + normal * weighted.value) / s.count;
    sum->size += fabs(gain) * (plain.size + fabs(normal) * weighted.size) / s.count;
}

bool layer_truth_diff_src(const struct layer_operands *operands, size_t index,
                          struct layer_sum *sum)
{
    const struct layer_operands *o = operands;
    struct place p = place_of(&o->desc.src[0], index);
    double x = (double)o->src[0][index];
    *sum = (struct layer_sum){0, 0};
    if (o->desc.kind == OP_SIGMOID) {
        double y = sigmoid(x);
        add_term(sum, (double)o->diff_dst[index] * y * (1 - y));
        sum->size = fabs((double)o->diff_dst[index]);
    } else if (o->desc.kind == OP_BATCHNORM) {
        batchnorm_gradient(o, p, (double)o->diff_dst[index], sum);
    } else if (o->desc.kind == OP_SOFTMAX_XENT) {
        double all = log_sum_exp(o, p.n), dy = (double)o->diff_dst[p.n];
        double share = exp(x - all), wanted = target(o, p.n, p.c);
        sum->value = dy * (share - wanted);
        sum->size = fabs(dy) * (share * (1 + fabs(x) + fabs(all)) + wanted);
    } else {
        return layer_weighted_diff_src(o, index, sum);
    }
    return true;
}
