/* The oracle's operations with weights: convolution, linear, batch normalisation. Knows no
 * implementation; see oracle.h. */
#include "tests/oracle_ops.h"

/* One product of a convolution: where it reads, which weight, where it adds. */
struct tap {
    size_t src, weight, dst;
    int oc;
};

/* Calls `use` for each product of the convolution that does not fall on the padding. */
static void for_each_tap(struct oracle *o, void (*use)(struct oracle *o, const struct tap *t))
{
    const struct op_desc *d = &o->desc;
    const struct tensor *in = &d->src[0], *out = &d->dst;
    int group_in = in->c / d->conv.groups, group_out = d->conv.oc / d->conv.groups;
    for (int n = 0; n < out->n; n++)
        for (int oy = 0; oy < out->h; oy++)
            for (int ox = 0; ox < out->w; ox++)
                for (int oc = 0; oc < out->c; oc++)
                    for (int ic = 0; ic < group_in; ic++)
                        for (int ky = 0; ky < d->conv.kh; ky++)
                            for (int kx = 0; kx < d->conv.kw; kx++) {
                                int iy = oy * d->conv.sh - d->conv.ph + ky * d->conv.dh;
                                int ix = ox * d->conv.sw - d->conv.pw + kx * d->conv.dw;
                                if (iy < 0 || iy >= in->h || ix < 0 || ix >= in->w)
                                    continue;
                                int c = oc / group_out * group_in + ic;
                                int row = (oc * group_in + ic) * d->conv.kh + ky;
                                struct tap t = {
                                    .src = oracle_at(in, n, iy, ix, c),
                                    .weight = (size_t)row * (size_t)d->conv.kw + (size_t)kx,
                                    .dst = oracle_at(out, n, oy, ox, oc),
                                    .oc = oc,
                                };
                                use(o, &t);
                            }
}

static void conv2d_product(struct oracle *o, const struct tap *t)
{
    oracle_term(&o->dst[t->dst], o->param[0][t->weight] * o->src[0][t->src]);
}

static void conv2d_gradient(struct oracle *o, const struct tap *t)
{
    double dy = o->diff_dst[t->dst];
    oracle_term(&o->diff_src[0][t->src], o->param[0][t->weight] * dy);
    oracle_term(&o->diff_param[0][t->weight], o->src[0][t->src] * dy);
}

/* The bias of channel c, added at each pixel; its gradient is the sum over all pixels. */
static void bias_forward(struct oracle *o)
{
    size_t channels = (size_t)o->desc.dst.c;
    for (size_t i = 0; i < o->count_dst; i++)
        oracle_term(&o->dst[i], o->param[1][i % channels]);
}

static void bias_backward(struct oracle *o)
{
    size_t channels = (size_t)o->desc.dst.c;
    for (size_t i = 0; i < o->count_dst; i++)
        oracle_term(&o->diff_param[1][i % channels], o->diff_dst[i]);
}

void oracle_conv2d_forward(struct oracle *o)
{
    for_each_tap(o, conv2d_product);
    if (o->desc.conv.bias)
        bias_forward(o);
}

void oracle_conv2d_backward(struct oracle *o)
{
    for_each_tap(o, conv2d_gradient);
    if (o->desc.conv.bias)
        bias_backward(o);
}

/* Calls `use` for each product of a linear layer. Features are numbered as in C,H,W order. */
static void for_each_feature(struct oracle *o, void (*use)(struct oracle *o, const struct tap *t))
{
    const struct tensor *in = &o->desc.src[0];
    int features = in->c * in->h * in->w;
    for (int n = 0; n < in->n; n++)
        for (int oc = 0; oc < o->desc.linear.oc; oc++)
            for (int c = 0; c < in->c; c++)
                for (int y = 0; y < in->h; y++)
                    for (int x = 0; x < in->w; x++) {
                        int feature = (c * in->h + y) * in->w + x;
                        struct tap t = {
                            .src = oracle_at(in, n, y, x, c),
                            .weight = (size_t)oc * (size_t)features + (size_t)feature,
                            .dst = (size_t)n * (size_t)o->desc.linear.oc + (size_t)oc,
                            .oc = oc,
                        };
                        use(o, &t);
                    }
}

void oracle_linear_forward(struct oracle *o)
{
    for_each_feature(o, conv2d_product);
    if (o->desc.linear.bias)
        bias_forward(o);
}

void oracle_linear_backward(struct oracle *o)
{
    for_each_feature(o, conv2d_gradient);
    if (o->desc.linear.bias)
        bias_backward(o);
}

/* One channel of a batch normalisation. The size of a normalised value (x - mean)/deviation is
 * (|x| + mean |x|)/deviation: the subtraction may cancel, the errors of x and mean do not. */
struct channel {
    size_t pixels;    /* n*h*w */
    double mean, var; /* of the batch (var biased) or the running ones */
    double mean_size; /* mean of |x|, or |running mean| */
    double scale;     /* 1/sqrt(var + eps) */
};

/* Batch statistics are those of training; inference has running ones whatever the attribute. */
static bool uses_batch(const struct op_desc *d)
{
    return d->train && d->bn.batch_stats;
}

static struct channel channel_statistics(const struct oracle *o, size_t c)
{
    size_t channels = (size_t)o->desc.dst.c;
    struct channel s = {.pixels = o->count_dst / channels};
    if (uses_batch(&o->desc)) {
        for (size_t i = c; i < o->count_dst; i += channels) {
            s.mean += o->src[0][i] / (double)s.pixels;
            s.mean_size += fabs(o->src[0][i]) / (double)s.pixels;
        }
        for (size_t i = c; i < o->count_dst; i += channels)
            s.var += (o->src[0][i] - s.mean) * (o->src[0][i] - s.mean) / (double)s.pixels;
    } else {
        s.mean = o->param[2][c];
        s.mean_size = fabs(s.mean);
        s.var = o->param[3][c];
    }
    s.scale = 1 / sqrt(s.var + (double)o->desc.bn.eps);
    return s;
}

/* running = (1 - momentum)*running + momentum*batch, the variance unbiased: one value per channel
 * has none, so no implementation may plan that (report R41). */
static void update_running(struct oracle *o, size_t c, const struct channel *s)
{
    double m = (double)o->desc.bn.momentum, n = (double)s->pixels;
    o->next[2][c] = (struct oracle_num){(1 - m) * o->param[2][c] + m * s->mean,
                                        (1 - m) * fabs(o->param[2][c]) + m * s->mean_size};
    o->next[3][c] = (struct oracle_num){(1 - m) * o->param[3][c] + m * s->var * n / (n - 1),
                                        (1 - m) * o->param[3][c] + m * s->var * n / (n - 1)};
}

void oracle_batchnorm_forward(struct oracle *o)
{
    size_t channels = (size_t)o->desc.dst.c;
    for (size_t c = 0; c < channels; c++) {
        struct channel s = channel_statistics(o, c);
        double weight = o->param[0][c], bias = o->param[1][c];
        for (size_t i = c; i < o->count_dst; i += channels) {
            double x = o->src[0][i];
            o->dst[i].value = weight * (x - s.mean) * s.scale + bias;
            o->dst[i].size = fabs(weight) * (fabs(x) + s.mean_size) * s.scale + fabs(bias);
        }
        if (uses_batch(&o->desc))
            update_running(o, c, &s);
    }
}

/* Batch statistics depend on x too: with z = (x - mean)*scale and means over the channel's pixels,
 * dx = weight * scale * (dy - mean(dy) - z * mean(dy z)) (Ioffe and Szegedy 2015, section 3). */
void oracle_batchnorm_backward(struct oracle *o)
{
    size_t channels = (size_t)o->desc.dst.c;
    for (size_t c = 0; c < channels; c++) {
        struct channel s = channel_statistics(o, c);
        struct oracle_num *dweight = &o->diff_param[0][c], *dbias = &o->diff_param[1][c];
        for (size_t i = c; i < o->count_dst; i += channels) {
            double x = o->src[0][i], dy = o->diff_dst[i];
            dweight->value += dy * (x - s.mean) * s.scale;
            dweight->size += fabs(dy) * (fabs(x) + s.mean_size) * s.scale;
            oracle_term(dbias, dy);
        }
        for (size_t i = c; i < o->count_dst; i += channels) {
            double x = o->src[0][i], dy = o->diff_dst[i], n = (double)s.pixels;
            double gain = o->param[0][c] * s.scale;
            struct oracle_num *dx = &o->diff_src[0][i];
            oracle_term(dx, gain * dy);
            if (!uses_batch(&o->desc))
                continue;
            double z = (x - s.mean) * s.scale, z_size = (fabs(x) + s.mean_size) * s.scale;
            dx->value -= gain * (dbias->value / n + z * dweight->value / n);
            dx->size += fabs(gain) * (dbias->size / n + z_size * dweight->size / n);
        }
    }
}
