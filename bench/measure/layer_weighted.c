/* Gradients of convolution and linear, element by element: see layer_weighted.h. */
#include "bench/measure/layer_weighted.h"

#include <math.h>

static void add_product(struct layer_sum *sum, float a, float b)
{
    double term = (double)a * (double)b;
    sum->value += term;
    sum->size += fabs(term);
}

/* Element (n, y, x, c) of a dense map. */
static float at(const float *data, const struct tensor *t, int n, int y, int x, int c)
{
    size_t pixel = ((size_t)n * (size_t)t->h + (size_t)y) * (size_t)t->w + (size_t)x;
    return data[pixel * (size_t)t->c + (size_t)c];
}

/* The place in the output that tap `k` reads `in` for, along one axis; -1: none. */
static int output_of(int in, int k, int stride, int pad, int dilation, int size)
{
    int shifted = in + pad - k * dilation;
    if (shifted < 0 || shifted % stride != 0 || shifted / stride >= size)
        return -1;
    return shifted / stride;
}

/* All outputs that pixel (n, y, x) of channel c goes into, times the weight it has there. */
static void conv_src(const struct layer_operands *o, size_t index, struct layer_sum *sum)
{
    const struct op_desc *d = &o->desc;
    const struct tensor *s = &d->src[0];
    int c = (int)(index % (size_t)s->c), x = (int)(index / (size_t)s->c % (size_t)s->w);
    int y = (int)(index / (size_t)s->c / (size_t)s->w % (size_t)s->h);
    int n = (int)(index / (size_t)s->c / (size_t)s->w / (size_t)s->h);
    int depth = s->c / d->conv.groups, share = d->conv.oc / d->conv.groups;
    int taps = d->conv.kh * d->conv.kw, first = c / depth * share;
    for (int tap = 0; tap < taps; tap++) {
        int i = tap / d->conv.kw, j = tap % d->conv.kw;
        int oy = output_of(y, i, d->conv.sh, d->conv.ph, d->conv.dh, d->dst.h);
        int ox = output_of(x, j, d->conv.sw, d->conv.pw, d->conv.dw, d->dst.w);
        for (int oc = first; oy >= 0 && ox >= 0 && oc < first + share; oc++) {
            size_t weight = ((size_t)oc * (size_t)depth + (size_t)(c % depth)) * (size_t)taps;
            add_product(sum, o->param[0][weight + (size_t)tap],
                        at(o->diff_dst, &d->dst, n, oy, ox, oc));
        }
    }
}

/* One weight meets one source pixel in every output pixel that it does not meet padding in. */
static void conv_weight(const struct layer_operands *o, size_t index, struct layer_sum *sum)
{
    const struct op_desc *d = &o->desc;
    const struct tensor *s = &d->src[0];
    int depth = s->c / d->conv.groups, taps = d->conv.kh * d->conv.kw;
    int tap = (int)(index % (size_t)taps), oc = (int)(index / (size_t)taps / (size_t)depth);
    int first = oc / (d->conv.oc / d->conv.groups) * depth;
    int c = first + (int)(index / (size_t)taps % (size_t)depth);
    int dy = tap / d->conv.kw * d->conv.dh - d->conv.ph;
    int dx = tap % d->conv.kw * d->conv.dw - d->conv.pw;
    for (int n = 0; n < s->n; n++)
        for (int oy = 0; oy < d->dst.h; oy++)
            for (int ox = 0; ox < d->dst.w; ox++) {
                int y = oy * d->conv.sh + dy, x = ox * d->conv.sw + dx;
                if (y >= 0 && y < s->h && x >= 0 && x < s->w)
                    add_product(sum, at(o->diff_dst, &d->dst, n, oy, ox, oc),
                                at(o->src[0], s, n, y, x, c));
            }
}

static void linear_src(const struct layer_operands *o, size_t index, struct layer_sum *sum)
{
    const struct op_desc *d = &o->desc;
    const struct tensor *s = &d->src[0];
    size_t pixels = (size_t)s->h * (size_t)s->w, inputs = pixels * (size_t)s->c;
    size_t n = index / inputs, c = index % (size_t)s->c, pixel = index % inputs / (size_t)s->c;
    for (size_t oc = 0; oc < (size_t)d->linear.oc; oc++)
        add_product(sum, o->param[0][oc * inputs + c * pixels + pixel],
                    o->diff_dst[n * (size_t)d->linear.oc + oc]);
}

/* Features stand in C,H,W order in the weight, in H,W,C order in the source. */
static void linear_weight(const struct layer_operands *o, size_t index, struct layer_sum *sum)
{
    const struct op_desc *d = &o->desc;
    const struct tensor *s = &d->src[0];
    size_t pixels = (size_t)s->h * (size_t)s->w, inputs = pixels * (size_t)s->c;
    size_t oc = index / inputs, c = index % inputs / pixels, pixel = index % pixels;
    for (size_t n = 0; n < (size_t)s->n; n++)
        add_product(sum, o->diff_dst[n * (size_t)d->linear.oc + oc],
                    o->src[0][n * inputs + pixel * (size_t)s->c + c]);
}

static void bias(const struct layer_operands *o, size_t index, struct layer_sum *sum)
{
    size_t channels = (size_t)o->desc.dst.c;
    for (size_t i = index; i < tensor_count(&o->desc.dst); i += channels)
        add_product(sum, o->diff_dst[i], 1);
}

bool layer_weighted_diff_src(const struct layer_operands *operands, size_t index,
                             struct layer_sum *sum)
{
    *sum = (struct layer_sum){0, 0};
    if (operands->desc.kind == OP_CONV2D)
        conv_src(operands, index, sum);
    else if (operands->desc.kind == OP_LINEAR)
        linear_src(operands, index, sum);
    else
        return false;
    return true;
}

bool layer_weighted_diff_param(const struct layer_operands *operands, int param, size_t index,
                               struct layer_sum *sum)
{
    enum op_kind kind = operands->desc.kind;
    *sum = (struct layer_sum){0, 0};
    if (kind != OP_CONV2D && kind != OP_LINEAR)
        return false;
    if (param == 1)
        bias(operands, index, sum);
    else if (kind == OP_CONV2D)
        conv_weight(operands, index, sum);
    else
        linear_weight(operands, index, sum);
    return true;
}

size_t layer_weighted_terms(const struct op_desc *desc)
{
    return tensor_count(&desc->dst) / (size_t)desc->dst.c;
}
