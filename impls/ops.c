/* Shapes, parameters and costs of every operation: see ops.h. Knows no implementation. */
#include "impls/ops.h"

#include <limits.h>
#include <string.h>

struct tensor tensor_dense(void *data, int n, int h, int w, int c)
{
    return (struct tensor){.data = data, .dtype = DTYPE_F32, .n = n, .h = h, .w = w, .c = c,
                           .stride = c};
}

size_t dtype_bytes(enum dtype dtype)
{
    return dtype == DTYPE_BF16 ? sizeof(uint16_t) : sizeof(float);
}

const char *dtype_name(enum dtype dtype)
{
    return dtype == DTYPE_BF16 ? "bf16" : "f32";
}

enum status dtype_parse(const char *option, const char *text, enum dtype *dtype)
{
    *dtype = strcmp(text, "bf16") == 0 ? DTYPE_BF16 : DTYPE_F32;
    if (strcmp(text, dtype_name(*dtype)) == 0)
        return OK;
    return fail(ERR_USAGE, "%s %s: f32 or bf16 was expected", option, text);
}

size_t tensor_count(const struct tensor *t)
{
    return (size_t)t->n * (size_t)t->h * (size_t)t->w * (size_t)t->c;
}

size_t tensor_span(const struct tensor *t)
{
    size_t pixels = (size_t)t->n * (size_t)t->h * (size_t)t->w;
    return pixels ? (pixels - 1) * (size_t)t->stride + (size_t)t->c : 0;
}

bool tensor_is_dense(const struct tensor *t)
{
    return t->stride == t->c;
}

bool tensor_same_shape(const struct tensor *a, const struct tensor *b)
{
    return a->n == b->n && a->h == b->h && a->w == b->w && a->c == b->c;
}

/* What does not depend on shapes: one row a kind, in the order of enum op_kind. */
static const struct {
    const char *name;
    int sources;
    bool bwd_src, bwd_dst; /* what backward reads */
    bool in_place;
    int overwrites; /* 1 + the source that dst may overwrite in inference; 0: see in_place */
} kinds[OP_KINDS] = {
    [OP_CONV2D] = {"conv2d", 1, true, false, false},
    [OP_LINEAR] = {"linear", 1, true, false, false},
    [OP_BATCHNORM] = {"batchnorm", 1, true, false, false},
    [OP_RELU] = {"relu", 1, false, true, true},
    [OP_SIGMOID] = {"sigmoid", 1, false, true, true},
    [OP_SCALE] = {"scale", 1, true, false, false},
    [OP_ADD] = {"add", 2, false, false, true},
    [OP_MUL_CHANNEL] = {"mul_channel", 2, true, false, false},
    [OP_MUL_SPATIAL] = {"mul_spatial", 2, true, false, false},
    [OP_MAXPOOL] = {"maxpool", 1, false, false, false},
    [OP_AVGPOOL] = {"avgpool", 1, false, false, false},
    [OP_ADAPTIVE_AVGPOOL] = {"adaptive_avgpool", 1, false, false, false},
    [OP_POOL_HW] = {"pool_hw", 1, false, false, false},
    [OP_POOL_C] = {"pool_c", 1, false, false, false},
    [OP_CONCAT] = {"concat", 2, false, false, false},
    [OP_SUBSAMPLE] = {"subsample", 1, false, false, false},
    [OP_DROPOUT] = {"dropout", 1, false, false, true},
    [OP_SOFTMAX_XENT] = {"softmax_xent", 1, false, false, false},
    [OP_CONV_ACT] = {"conv_act", 1, false, false, false},
    [OP_CONV_SUM_ACT] = {"conv_sum_act", 2, false, false, false, 2},
    [OP_BN_ACT] = {"bn_act", 1, true, true, false, 1},
    [OP_BN_SUM_ACT] = {"bn_sum_act", 2, true, true, false, 2},
    [OP_ATTENTION] = {"attention", 1, true, false, false, 1},
    [OP_ATTENTION_SUM] = {"attention_sum", 2, true, true, false, 1},
};

const char *op_name(enum op_kind kind)
{
    return kinds[kind].name;
}

bool op_is_conv(enum op_kind kind)
{
    return kind == OP_CONV2D || kind == OP_CONV_ACT || kind == OP_CONV_SUM_ACT;
}

bool op_fits_winograd(const struct op_desc *d)
{
    return op_is_conv(d->kind) && d->conv.kh == 3 && d->conv.kw == 3 && d->conv.sh == 1 &&
           d->conv.sw == 1 && d->conv.dh == 1 && d->conv.dw == 1 && d->conv.groups == 1 &&
           d->conv.ph <= 2 && d->conv.pw <= 2;
}

int op_sources(enum op_kind kind)
{
    return kinds[kind].sources;
}

bool op_has_bf16(const struct op_desc *desc)
{
    bool any = desc->dst.dtype == DTYPE_BF16;
    for (int i = 0; i < op_sources(desc->kind); i++)
        any |= desc->src[i].dtype == DTYPE_BF16;
    return any;
}

bool op_backward_reads_src(enum op_kind kind)
{
    return kinds[kind].bwd_src;
}

bool op_backward_reads_dst(enum op_kind kind)
{
    return kinds[kind].bwd_dst;
}

bool op_in_place(enum op_kind kind)
{
    return kinds[kind].in_place;
}

int op_overwrites(enum op_kind kind)
{
    return kinds[kind].in_place ? 0 : kinds[kind].overwrites - 1;
}

/* Size of a windowed axis: floor((in + 2 pad - ((k-1) dilation + 1)) / stride) + 1; 0 when the
 * window does not fit. */
static int window_size(int in, int k, int stride, int pad, int dilation)
{
    long room = (long)in + 2L * pad - ((long)(k - 1) * dilation + 1);
    return room < 0 ? 0 : (int)(room / stride) + 1;
}

static enum status set_dst(struct op_desc *d, int h, int w, int c)
{
    const struct tensor *src = &d->src[0];
    int stride = d->dst.stride > c ? d->dst.stride : c;
    if (h < 1 || w < 1)
        return fail(ERR_USAGE, "%s: a %dx%d map is too small for this window",
                    op_name(d->kind), src->h, src->w);
    d->dst = (struct tensor){.dtype = src->dtype, .n = src->n, .h = h, .w = w, .c = c,
                             .stride = stride};
    if ((double)src->n * h * w * stride > (double)INT_MAX)
        return fail(ERR_USAGE, "%s: the output has more than 2^31 elements", op_name(d->kind));
    return OK;
}

static enum status bad(const struct op_desc *d, const char *what, int value)
{
    return fail(ERR_USAGE, "%s: %s %d is out of range", op_name(d->kind), what, value);
}

static enum status infer_conv(struct op_desc *d)
{
    const struct tensor *s = &d->src[0];
    if (d->conv.kh < 1 || d->conv.kw < 1)
        return bad(d, "kernel", d->conv.kh < 1 ? d->conv.kh : d->conv.kw);
    if (d->conv.sh < 1 || d->conv.sw < 1)
        return bad(d, "stride", d->conv.sh < 1 ? d->conv.sh : d->conv.sw);
    if (d->conv.dh < 1 || d->conv.dw < 1)
        return bad(d, "dilation", d->conv.dh < 1 ? d->conv.dh : d->conv.dw);
    if (d->conv.ph < 0 || d->conv.pw < 0)
        return bad(d, "padding", d->conv.ph < 0 ? d->conv.ph : d->conv.pw);
    if (d->conv.oc < 1)
        return bad(d, "output channels", d->conv.oc);
    if (d->conv.groups < 1 || s->c % d->conv.groups || d->conv.oc % d->conv.groups)
        return bad(d, "groups", d->conv.groups);
    return set_dst(d, window_size(s->h, d->conv.kh, d->conv.sh, d->conv.ph, d->conv.dh),
                   window_size(s->w, d->conv.kw, d->conv.sw, d->conv.pw, d->conv.dw), d->conv.oc);
}

static enum status infer_pool(struct op_desc *d)
{
    const struct tensor *s = &d->src[0];
    if (d->pool.kh < 1 || d->pool.kw < 1)
        return bad(d, "kernel", d->pool.kh < 1 ? d->pool.kh : d->pool.kw);
    if (d->pool.sh < 1 || d->pool.sw < 1)
        return bad(d, "stride", d->pool.sh < 1 ? d->pool.sh : d->pool.sw);
    /* A window must touch the map, else there is nothing to pool (PyTorch: at most k/2). */
    if (d->pool.ph < 0 || d->pool.ph > d->pool.kh / 2)
        return bad(d, "padding", d->pool.ph);
    if (d->pool.pw < 0 || d->pool.pw > d->pool.kw / 2)
        return bad(d, "padding", d->pool.pw);
    return set_dst(d, window_size(s->h, d->pool.kh, d->pool.sh, d->pool.ph, 1),
                   window_size(s->w, d->pool.kw, d->pool.sw, d->pool.pw, 1), s->c);
}

static enum status infer_subsample(struct op_desc *d)
{
    const struct tensor *s = &d->src[0];
    int stride = d->subsample.stride;
    if (stride < 1)
        return bad(d, "stride", stride);
    if (d->subsample.before < 0 || d->subsample.after < 0)
        return bad(d, "channel padding", -1);
    return set_dst(d, (s->h - 1) / stride + 1, (s->w - 1) / stride + 1,
                   d->subsample.before + s->c + d->subsample.after);
}

static enum status check_second(const struct op_desc *d, int h, int w, int c)
{
    const struct tensor *s = &d->src[0], *t = &d->src[1];
    if (t->n == s->n && t->h == h && t->w == w && t->c == c)
        return OK;
    return fail(ERR_USAGE, "%s: second source is %dx%dx%dx%d where %dx%dx%dx%d (n,h,w,c) is due",
                op_name(d->kind), t->n, t->h, t->w, t->c, s->n, h, w, c);
}

static enum status check_source(const struct op_desc *d)
{
    for (int i = 0; i < op_sources(d->kind); i++) {
        const struct tensor *s = &d->src[i];
        if (s->n < 1 || s->h < 1 || s->w < 1 || s->c < 1 || s->stride < s->c)
            return fail(ERR_USAGE, "%s: impossible source n%d h%d w%d c%d", op_name(d->kind), s->n,
                        s->h, s->w, s->c);
        if ((double)s->n * s->h * s->w * s->stride > (double)INT_MAX)
            return fail(ERR_USAGE, "%s: the source has more than 2^31 elements", op_name(d->kind));
    }
    return OK;
}

static int planes_count(enum planes planes)
{
    return planes == PLANES_MAX_MEAN || planes == PLANES_MEAN_MAX ? 2 : 1;
}

enum status op_infer(struct op_desc *d)
{
    const struct tensor *s = &d->src[0];
    if ((unsigned)d->kind >= OP_KINDS)
        return fail(ERR_USAGE, "unknown operation %d", (int)d->kind);
    TRY(check_source(d));
    switch (d->kind) {
    case OP_CONV2D:
    case OP_CONV_ACT:
        return infer_conv(d);
    case OP_CONV_SUM_ACT:
        TRY(infer_conv(d));
        return check_second(d, d->dst.h, d->dst.w, d->dst.c);
    case OP_LINEAR:
        return d->linear.oc < 1 ? bad(d, "outputs", d->linear.oc) : set_dst(d, 1, 1, d->linear.oc);
    case OP_MAXPOOL:
    case OP_AVGPOOL:
        return infer_pool(d);
    case OP_ADAPTIVE_AVGPOOL:
        return set_dst(d, d->adaptive.oh, d->adaptive.ow, s->c);
    case OP_POOL_HW:
        return set_dst(d, 1, 1, s->c);
    case OP_POOL_C:
        return set_dst(d, s->h, s->w, planes_count(d->pool_c.planes));
    case OP_SUBSAMPLE:
        return infer_subsample(d);
    case OP_SOFTMAX_XENT:
        return set_dst(d, 1, 1, 1);
    case OP_ADD:
    case OP_BN_SUM_ACT:
    case OP_ATTENTION_SUM:
        TRY(check_second(d, s->h, s->w, s->c));
        return set_dst(d, s->h, s->w, s->c);
    case OP_MUL_CHANNEL:
        TRY(check_second(d, 1, 1, s->c));
        return set_dst(d, s->h, s->w, s->c);
    case OP_MUL_SPATIAL:
        TRY(check_second(d, s->h, s->w, 1));
        return set_dst(d, s->h, s->w, s->c);
    case OP_CONCAT:
        TRY(check_second(d, s->h, s->w, d->src[1].c));
        return set_dst(d, s->h, s->w, s->c + d->src[1].c);
    case OP_DROPOUT:
        if (!(d->dropout.rate >= 0 && d->dropout.rate < 1))
            return fail(ERR_USAGE, "dropout: rate %g is not in [0,1)", (double)d->dropout.rate);
        return set_dst(d, s->h, s->w, s->c);
    default:
        return set_dst(d, s->h, s->w, s->c);
    }
}

static int vectors(struct op_param_info *info, int count, int length)
{
    static const char *const names[] = {"weight", "bias", "running_mean", "running_var"};
    for (int i = 0; i < count; i++)
        info[i] = (struct op_param_info){names[i], 1, {length}, i >= 2};
    return count;
}

/* Slots of an attention site; one that the form does not have stays empty (ndim 0). */
static int attention_params(const struct op_desc *d, struct op_param_info info[OP_MAX_PARAM])
{
    int c = d->src[0].c, hidden = d->attention.hidden, k = d->attention.k;
    bool mlp = d->attention.channel, plane = d->attention.spatial;
    bool reduce = plane && d->attention.spool == SPOOL_CONV1X1;
    memset(info, 0, OP_MAX_PARAM * sizeof *info);
    for (int layer = 0; mlp && layer < 2; layer++) {
        int out = layer ? c : hidden, in = layer ? hidden : c;
        info[2 * layer] = (struct op_param_info){"mlp.weight", 2, {out, in}, false};
        if (d->attention.mlp_bias)
            info[2 * layer + 1] = (struct op_param_info){"mlp.bias", 1, {out}, false};
    }
    int planes = reduce ? 1 : planes_count(d->attention.planes);
    if (plane)
        info[4] = (struct op_param_info){"conv.weight", 4, {1, planes, k, k}, false};
    if (plane && d->attention.conv_bias)
        info[5] = (struct op_param_info){"conv.bias", 1, {1}, false};
    if (plane && d->attention.with_bn)
        vectors(info + 6, 4, 1);
    if (d->attention.alpha)
        info[10] = (struct op_param_info){"alpha.weight", 1, {1}, false};
    if (reduce)
        info[11] = (struct op_param_info){"reduce.weight", 4, {1, c, 1, 1}, false};
    return OP_MAX_PARAM;
}

int op_params(const struct op_desc *d, struct op_param_info info[OP_MAX_PARAM])
{
    const struct tensor *s = &d->src[0];
    switch (d->kind) {
    case OP_CONV2D:
        info[0] = (struct op_param_info){
            "weight", 4, {d->conv.oc, s->c / d->conv.groups, d->conv.kh, d->conv.kw}, false};
        info[1] = (struct op_param_info){"bias", 1, {d->conv.oc}, false};
        return d->conv.bias ? 2 : 1;
    case OP_CONV_ACT:
    case OP_CONV_SUM_ACT:
        info[0] = (struct op_param_info){
            "weight", 4, {d->conv.oc, s->c / d->conv.groups, d->conv.kh, d->conv.kw}, false};
        info[1] = (struct op_param_info){"bias", d->conv.bias ? 1 : 0, {d->conv.oc}, false};
        return d->conv.with_bn ? 2 + vectors(info + 2, 4, d->conv.oc) : 2;
    case OP_LINEAR:
        info[0] = (struct op_param_info){"weight", 2, {d->linear.oc, s->c * s->h * s->w}, false};
        info[1] = (struct op_param_info){"bias", 1, {d->linear.oc}, false};
        return d->linear.bias ? 2 : 1;
    case OP_BATCHNORM:
    case OP_BN_ACT:
    case OP_BN_SUM_ACT:
        return vectors(info, 4, s->c);
    case OP_ATTENTION:
    case OP_ATTENTION_SUM:
        return attention_params(d, info);
    case OP_SCALE:
        return vectors(info, d->scale.learned ? 1 : 0, 1);
    default:
        return 0;
    }
}
