/* What fused operations have to give: see layer_fused.h. */
#include "bench/measure/layer_fused.h"

#include "impls/base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Small enough that hardly any maximum or sign changes within it, large against rounding. */
static const double step = 1e-8;

/* Operands moved by `by` in a drawn direction. */
struct moved {
    const struct layer_operands *operands;
    double by;
    uint64_t seed;
};

/* -1 or 1, for element i of operand `which`. */
static double direction(uint64_t seed, int which, size_t i)
{
    return random_mix(random_mix(seed, (uint64_t)which), i) & 1 ? 1 : -1;
}

static double source_at(const struct moved *m, int source, size_t i)
{
    double x = (double)m->operands->src[source][i];
    return m->by == 0 ? x : x + m->by * direction(m->seed, source, i);
}

/* Statistics stay where they are: they have no gradient. */
static double param_at(const struct moved *m, int slot, size_t i)
{
    double p = (double)m->operands->param[slot][i];
    if (m->by == 0 || m->operands->info[slot].buffer)
        return p;
    return p + m->by * direction(m->seed, OP_MAX_SRC + slot, i);
}

static bool has_param(const struct moved *m, int slot)
{
    return m->operands->param_count[slot] > 0;
}

/* Batch normalisation of `pixels` rows of `channels`, in place; its four parameters begin at
 * `slot`. */
static void normalise(const struct moved *m, int slot, double eps, bool batch_stats, double *x,
                      size_t pixels, size_t channels)
{
    for (size_t c = 0; c < channels; c++) {
        double mean = param_at(m, slot + 2, c), var = param_at(m, slot + 3, c);
        if (batch_stats) {
            mean = var = 0;
            for (size_t i = 0; i < pixels; i++)
                mean += x[i * channels + c] / (double)pixels;
            for (size_t i = 0; i < pixels; i++)
                var += pow(x[i * channels + c] - mean, 2) / (double)pixels;
        }
        double scale = param_at(m, slot, c) / sqrt(var + eps);
        for (size_t i = 0; i < pixels; i++)
            x[i * channels + c] = (x[i * channels + c] - mean) * scale + param_at(m, slot + 1, c);
    }
}

static double squash(double x)
{
    return 1 / (1 + exp(-x));
}

/* One pass of the channel gate's MLP on a pooled vector: adds its logits to out[c]. */
static void add_mlp(const struct moved *m, const double *pooled, double *out)
{
    const struct op_desc *d = &m->operands->desc;
    int channels = d->src[0].c, hidden = d->attention.hidden;
    for (int h = 0; h < hidden; h++) {
        double sum = has_param(m, 1) ? param_at(m, 1, (size_t)h) : 0;
        for (int c = 0; c < channels; c++)
            sum += param_at(m, 0, (size_t)h * (size_t)channels + (size_t)c) * pooled[c];
        for (int c = 0; c < channels && sum > 0; c++)
            out[c] += param_at(m, 2, (size_t)c * (size_t)hidden + (size_t)h) * sum;
    }
    for (int c = 0; c < channels && has_param(m, 3); c++)
        out[c] += param_at(m, 3, (size_t)c);
}

/* Mean and maximum of each channel of one image. */
static void pool_image(const struct tensor *t, const double *x, double *mean, double *max)
{
    size_t pixels = (size_t)t->h * (size_t)t->w, channels = (size_t)t->c;
    for (size_t c = 0; c < channels; c++) {
        mean[c] = 0;
        max[c] = -INFINITY;
        for (size_t i = 0; i < pixels; i++) {
            mean[c] += x[i * channels + c] / (double)pixels;
            max[c] = fmax(max[c], x[i * channels + c]);
        }
    }
}

/* The channel gate of one image of map x; work[4*channels]. */
static void channel_gate(const struct moved *m, const double *x, double *gate, double *work)
{
    const struct op_desc *d = &m->operands->desc;
    int channels = d->src[0].c;
    enum attention_cpool pool = d->attention.cpool;
    double *mean = work, *max = work + channels, *a = max + channels, *b = a + channels;
    bool article = pool == CPOOL_BOTH && d->attention.gate == GATE_ARTICLE;
    pool_image(&d->src[0], x, mean, max);
    for (int c = 0; c < channels; c++) {
        a[c] = b[c] = 0;
        if (pool == CPOOL_HALF)
            mean[c] = 0.5 * mean[c] + 0.5 * max[c];
    }
    if (pool != CPOOL_MAX)
        add_mlp(m, mean, a);
    if (pool == CPOOL_BOTH || pool == CPOOL_MAX)
        add_mlp(m, max, article ? b : a);
    for (int c = 0; c < channels; c++) {
        double g = article ? squash(a[c]) + squash(b[c]) : squash(a[c]);
        gate[c] = d->attention.twice && !article ? 2 * g : g;
    }
}

static int plane_count(const struct op_desc *d)
{
    bool both = d->attention.spool == SPOOL_BOTH;
    return both && d->attention.planes <= PLANES_MEAN_MAX ? 2 : 1;
}

/* The planes of one pixel with channels x[]. */
static void pixel_planes(const struct moved *m, const double *x, double *plane)
{
    const struct op_desc *d = &m->operands->desc;
    double max = -INFINITY, mean = 0, reduced = 0;
    for (int c = 0; c < d->src[0].c; c++) {
        max = fmax(max, x[c]);
        mean += x[c] / d->src[0].c;
        if (has_param(m, 11))
            reduced += param_at(m, 11, (size_t)c) * x[c];
    }
    enum planes planes = d->attention.planes;
    bool max_first = planes == PLANES_MAX_MEAN || planes == PLANES_MAX;
    if (d->attention.spool == SPOOL_CONV1X1)
        plane[0] = reduced;
    else if (planes == PLANES_HALF)
        plane[0] = 0.5 * max + 0.5 * mean;
    else
        plane[0] = max_first ? max : mean;
    if (plane_count(d) == 2)
        plane[1] = max_first ? mean : max;
}

/* k x k convolution of the planes of all images, to one logit a pixel. */
static void convolve(const struct moved *m, const double *planes, double *out)
{
    const struct op_desc *d = &m->operands->desc;
    const struct tensor *t = &d->src[0];
    int count = plane_count(d), k = d->attention.k, pad = (k - 1) / 2;
    for (int p = 0; p < t->n * t->h * t->w; p++) {
        int x = p % t->w, y = p / t->w % t->h, image = p - y * t->w - x;
        out[p] = has_param(m, 5) ? param_at(m, 5, 0) : 0;
        for (int w = 0; w < count * k * k; w++) {
            int plane = w / (k * k), i = y + w / k % k - pad, j = x + w % k - pad;
            if (i >= 0 && i < t->h && j >= 0 && j < t->w)
                out[p] += param_at(m, 4, (size_t)w) *
                          planes[(image + i * t->w + j) * count + plane];
        }
    }
}

/* The spatial gate of map x, one number a pixel; work[2*pixels]. */
static void spatial_gate(const struct moved *m, const double *x, double *gate, double *work)
{
    const struct op_desc *d = &m->operands->desc;
    size_t channels = (size_t)d->src[0].c, pixels = tensor_count(&d->src[0]) / channels;
    for (size_t p = 0; p < pixels; p++)
        pixel_planes(m, x + p * channels, work + p * (size_t)plane_count(d));
    convolve(m, work, gate);
    if (d->attention.with_bn)
        normalise(m, 6, (double)d->attention.eps, d->attention.batch_stats, gate, pixels, 1);
    for (size_t p = 0; p < pixels; p++)
        gate[p] = squash(gate[p]) * (d->attention.twice ? 2 : 1);
}

/* Buffers of an attention: the map so far, both gates, room to work. */
struct site {
    double *x, *y, *channel, *spatial, *work;
};

static void gate_channels(const struct moved *m, const struct site *s, const double *seen)
{
    const struct tensor *t = &m->operands->desc.src[0];
    size_t channels = (size_t)t->c, image = tensor_count(t) / (size_t)t->n;
    for (size_t n = 0; n < (size_t)t->n; n++) {
        channel_gate(m, seen + n * image, s->channel, s->work);
        /* `seen` may be y itself: this image is not looked at again. */
        for (size_t i = 0; i < image; i++)
            s->y[n * image + i] *= s->channel[i % channels];
    }
}

static void gate_pixels(const struct moved *m, const struct site *s, const double *seen)
{
    const struct tensor *t = &m->operands->desc.src[0];
    spatial_gate(m, seen, s->spatial, s->work);
    for (size_t i = 0; i < tensor_count(t); i++)
        s->y[i] *= s->spatial[i / (size_t)t->c];
}

static void attend(const struct moved *m, const struct site *s)
{
    const struct op_desc *d = &m->operands->desc;
    size_t count = tensor_count(&d->src[0]);
    for (size_t i = 0; i < count; i++)
        s->x[i] = s->y[i] = source_at(m, 0, i);
    const double *seen = d->attention.order == ORDER_PARALLEL ? s->x : s->y;
    if (d->attention.spatial && d->attention.order == ORDER_SPATIAL_FIRST)
        gate_pixels(m, s, seen);
    if (d->attention.channel)
        gate_channels(m, s, seen);
    if (d->attention.spatial && d->attention.order != ORDER_SPATIAL_FIRST)
        gate_pixels(m, s, seen);
    for (size_t i = 0; i < count; i++) {
        if (d->attention.inner)
            s->y[i] += s->x[i];
        if (d->attention.alpha)
            s->y[i] = s->x[i] + param_at(m, 10, 0) * (s->y[i] - s->x[i]);
    }
}

static enum status attention(const struct moved *m, double *dst)
{
    const struct tensor *t = &m->operands->desc.src[0];
    size_t count = tensor_count(t), channels = (size_t)t->c, pixels = count / channels;
    size_t work = 4 * channels > 2 * pixels ? 4 * channels : 2 * pixels;
    double *all = malloc((count + channels + pixels + work) * sizeof *all);
    if (!all)
        return fail(ERR_MEMORY, "no memory for the definition of an attention");
    struct site site = {all, dst, all + count, all + count + channels,
                        all + count + channels + pixels};
    attend(m, &site);
    free(all);
    return OK;
}

bool layer_fused_knows(enum op_kind kind)
{
    return kind == OP_BN_ACT || kind == OP_BN_SUM_ACT || kind == OP_ATTENTION ||
           kind == OP_ATTENTION_SUM;
}

static enum status compose(const struct moved *m, double *dst)
{
    const struct op_desc *d = &m->operands->desc;
    size_t count = tensor_count(&d->dst), channels = (size_t)d->dst.c;
    if (d->kind == OP_ATTENTION || d->kind == OP_ATTENTION_SUM) {
        TRY(attention(m, dst));
    } else {
        for (size_t i = 0; i < count; i++)
            dst[i] = source_at(m, 0, i);
        normalise(m, 0, (double)d->bn.eps, d->bn.batch_stats, dst, count / channels, channels);
    }
    for (size_t i = 0; i < count && d->kind != OP_ATTENTION; i++) {
        if (d->kind != OP_BN_ACT)
            dst[i] += source_at(m, 1, i);
        dst[i] = fmax(dst[i], 0);
    }
    return OK;
}

enum status layer_fused_dst(const struct layer_operands *operands, double *dst)
{
    struct moved here = {.operands = operands};
    return compose(&here, dst);
}

static void add_gradient(struct layer_sum *sum, const float *gradient, size_t count, uint64_t seed,
                         int which)
{
    for (size_t i = 0; gradient && i < count; i++) {
        double term = (double)gradient[i] * direction(seed, which, i);
        sum->value += term;
        sum->size += fabs(term);
    }
}

static struct layer_sum along_gradients(const struct layer_run *run, uint64_t seed)
{
    const struct layer_operands *o = run->operands;
    struct layer_sum sum = {0, 0};
    for (int i = 0; i < op_sources(o->desc.kind); i++)
        add_gradient(&sum, run->args.diff_src[i].data, tensor_count(&o->desc.src[i]), seed, i);
    for (int i = 0; i < o->params; i++)
        add_gradient(&sum, run->param[i].grad, run->param[i].count, seed, OP_MAX_SRC + i);
    return sum;
}

enum status layer_fused_identity(const struct layer_run *run, uint64_t seed,
                                 struct layer_identity *identity)
{
    const struct layer_operands *o = run->operands;
    size_t count = tensor_count(&o->desc.dst);
    struct moved forth = {o, step, seed}, back = {o, -step, seed};
    double *dst = malloc(2 * count * sizeof *dst);
    enum status status = dst ? compose(&forth, dst)
                             : fail(ERR_MEMORY, "no memory for the definition");
    if (status == OK)
        status = compose(&back, dst + count);
    struct layer_sum change = {0, 0};
    for (size_t i = 0; status == OK && i < count; i++)
        change.value += (double)o->diff_dst[i] * (dst[i] - dst[count + i]) / (2 * step);
    free(dst);
    *identity = (struct layer_identity){"derivative in one direction", along_gradients(run, seed),
                                        change};
    return status;
}
