/* Attention from its formulas: see attention_reference.h. */
#include "tests/attention_reference.h"

#include <math.h>
#include <string.h>

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static int planes(const struct reference_form *form)
{
    return form->spool == 'r' || form->spool == 'h' ? 1 : 2;
}

size_t reference_count(const struct reference *r, enum reference_value which)
{
    const struct reference_form *f = &r->form;
    size_t c = (size_t)r->c, hidden = f->channel ? (size_t)f->hidden : 0;
    size_t k = (size_t)f->k;
    switch (which) {
    case REFERENCE_X:
        return (size_t)r->n * (size_t)r->h * (size_t)r->w * c;
    case REFERENCE_W0:
    case REFERENCE_W1:
        return hidden * c;
    case REFERENCE_B0:
        return f->mlp_bias ? hidden : 0;
    case REFERENCE_B1:
        return f->mlp_bias && f->channel ? c : 0;
    case REFERENCE_REDUCE:
        return f->spatial && f->spool == 'r' ? c : 0;
    case REFERENCE_CONV:
        return f->spatial ? (size_t)planes(f) * k * k : 0;
    case REFERENCE_CONV_BIAS:
        return f->spatial && f->conv_bias;
    case REFERENCE_ALPHA:
        return f->alpha;
    default:
        return f->spatial && f->bn;
    }
}

/* Linear, ReLU, Linear of one pooled vector. */
static void mlp(const struct reference *r, const double *pooled, double *logits)
{
    int c = r->c, hidden = r->form.hidden;
    for (int o = 0; o < c; o++)
        logits[o] = r->form.mlp_bias ? r->value[REFERENCE_B1][o] : 0;
    for (int j = 0; j < hidden; j++) {
        double sum = r->form.mlp_bias ? r->value[REFERENCE_B0][j] : 0;
        for (int i = 0; i < c; i++)
            sum += r->value[REFERENCE_W0][j * c + i] * pooled[i];
        for (int o = 0; o < c && sum > 0; o++)
            logits[o] += r->value[REFERENCE_W1][o * hidden + j] * sum;
    }
}

static double gate(const struct reference *r, double logit)
{
    return (r->form.twice ? 2 : 1) * sigmoid(logit);
}

static void pool_pixels(const struct reference *r, const double *x, int n, double *mean,
                        double *max)
{
    int pixels = r->h * r->w, c = r->c;
    for (int k = 0; k < c; k++) {
        const double *at = x + (size_t)n * (size_t)pixels * (size_t)c + k;
        mean[k] = 0;
        max[k] = -INFINITY;
        for (int p = 0; p < pixels; p++) {
            mean[k] += at[p * c] / pixels;
            max[k] = fmax(max[k], at[p * c]);
        }
    }
}

static void channel_gate(struct reference *r, const double *x, int n)
{
    double mean[REFERENCE_CHANNELS] = {0}, max[REFERENCE_CHANNELS] = {0};
    double a[REFERENCE_CHANNELS], b[REFERENCE_CHANNELS];
    char pool = r->form.cpool ? r->form.cpool : 'b';
    pool_pixels(r, x, n, mean, max);
    for (int k = 0; k < r->c && pool == 'h'; k++)
        mean[k] = 0.5 * mean[k] + 0.5 * max[k];
    mlp(r, mean, a);
    mlp(r, max, b);
    for (int k = 0; k < r->c; k++) {
        double logit = pool == 'm' ? b[k] : pool == 'b' ? a[k] + b[k] : a[k];
        r->channel_gate[n * r->c + k] =
            r->form.article ? sigmoid(a[k]) + sigmoid(b[k]) : gate(r, logit);
    }
}

/* What the convolution sees of one pixel. */
static void pool_channels(const struct reference *r, const double *x, double plane[2])
{
    const struct reference_form *f = &r->form;
    double mean = 0, max = -INFINITY, reduced = 0;
    for (int k = 0; k < r->c; k++) {
        mean += x[k] / r->c;
        max = fmax(max, x[k]);
        reduced += r->value[REFERENCE_REDUCE][k] * x[k];
    }
    plane[0] = f->spool == 'r'   ? reduced
               : f->spool == 'h' ? 0.5 * mean + 0.5 * max
               : f->mean_first   ? mean
                                 : max;
    plane[1] = f->mean_first ? max : mean;
}

/* The convolution at pixel (i, j) of an image; zeros outside. */
static double convolve(const struct reference *r, const double (*plane)[2], int i, int j)
{
    int k = r->form.k, half = k / 2;
    double sum = r->form.conv_bias ? r->value[REFERENCE_CONV_BIAS][0] : 0;
    for (int p = 0; p < planes(&r->form); p++)
        for (int u = 0; u < k; u++)
            for (int v = 0; v < k; v++) {
                int y = i + u - half, x = j + v - half;
                if (y >= 0 && x >= 0 && y < r->h && x < r->w)
                    sum += r->value[REFERENCE_CONV][(p * k + u) * k + v] * plane[y * r->w + x][p];
            }
    return sum;
}

static void normalise(const struct reference *r, double *logit, int count)
{
    double mean = r->value[REFERENCE_MEAN][0], var = r->value[REFERENCE_VAR][0];
    if (r->batch_stats) {
        mean = var = 0;
        for (int i = 0; i < count; i++)
            mean += logit[i] / count;
        for (int i = 0; i < count; i++)
            var += (logit[i] - mean) * (logit[i] - mean) / count;
    }
    for (int i = 0; i < count; i++)
        logit[i] = r->value[REFERENCE_GAMMA][0] * (logit[i] - mean) / sqrt(var + 1e-5) +
                   r->value[REFERENCE_BETA][0];
}

static void spatial_gate(struct reference *r, const double *x)
{
    int pixels = r->h * r->w, count = r->n * pixels;
    double plane[REFERENCE_MOST][2];
    for (int p = 0; p < count; p++)
        pool_channels(r, x + p * r->c, plane[p]);
    for (int p = 0; p < count; p++)
        r->spatial_gate[p] =
            convolve(r, plane + p / pixels * pixels, p / r->w % r->h, p % r->w);
    if (r->form.bn)
        normalise(r, r->spatial_gate, count);
    for (int p = 0; p < count; p++)
        r->spatial_gate[p] = gate(r, r->spatial_gate[p]);
}

/* Computes one of the gates from `seen` and multiplies y by it. */
static void apply(struct reference *r, bool channel, const double *seen)
{
    int c = r->c, pixels = r->h * r->w, count = r->n * pixels;
    if (channel ? !r->form.channel : !r->form.spatial)
        return;
    for (int n = 0; n < r->n && channel; n++)
        channel_gate(r, seen, n);
    if (!channel)
        spatial_gate(r, seen);
    for (int p = 0; p < count; p++)
        for (int k = 0; k < c; k++)
            r->y[p * c + k] *=
                channel ? r->channel_gate[p / pixels * c + k] : r->spatial_gate[p];
}

void reference_forward(struct reference *r)
{
    const double *x = r->value[REFERENCE_X];
    double seen[REFERENCE_MOST];
    bool channel_first = r->form.order != 's';
    memcpy(r->y, x, sizeof r->y);
    apply(r, channel_first, x);
    memcpy(seen, r->form.order == 'p' ? x : r->y, sizeof seen);
    apply(r, !channel_first, seen);
    for (size_t i = 0; i < reference_count(r, REFERENCE_X); i++) {
        if (r->form.inner)
            r->y[i] += x[i];
        if (r->form.alpha)
            r->y[i] = x[i] + r->value[REFERENCE_ALPHA][0] * (r->y[i] - x[i]);
    }
}

static double objective(struct reference *r, const double *weight)
{
    double sum = 0;
    reference_forward(r);
    for (size_t i = 0; i < reference_count(r, REFERENCE_X); i++)
        sum += weight[i] * r->y[i];
    return sum;
}

double reference_gradient(struct reference *r, const double *weight, enum reference_value which,
                          size_t i)
{
    const double step = 1e-6;
    double *at = &r->value[which][i], old = *at;
    *at = old + step;
    double high = objective(r, weight);
    *at = old - step;
    double low = objective(r, weight);
    *at = old;
    return (high - low) / (2 * step);
}
