/* Once-a-channel arithmetic of fused batch normalisation, in double precision: see
 * bn_act_channels.h. */
#include "impls/fused/bn_act_channels.h"

#include <math.h>
#include <string.h>

enum { WEIGHT, BIAS, MEAN, VARIANCE };
enum { BLOCK = 16 }; /* channels whose sums are joined together */

/* `sum`[0..1][BLOCK] of channels from `first` on. */
struct totals {
    double sum[2][BLOCK];
    size_t first, count;
};

/* Adds the partial sums of all chunks for `count` columns from `column` on. */
static void add_chunks(const struct bn_layout *l, const double *sums, size_t column, size_t count,
                       double to[2][BLOCK])
{
    for (size_t part = 0; part < 2 * l->chunks; part++) {
        const double *from = sums + part * l->columns + column;
        for (size_t i = 0; i < count; i++)
            to[part % 2][i] += from[i];
    }
}

/* Each column's sums are relative to its own origin; a channel's to that of its first column. */
static struct totals totals_of_statistics(const struct bn_layout *l, const double *sums,
                                          const float *origin, size_t first, size_t count)
{
    struct totals t = {.first = first, .count = count};
    for (size_t k = 0; k < l->fold; k++) {
        double sum[2][BLOCK] = {{0}};
        size_t column = k * l->channels + first;
        add_chunks(l, sums, column, count, sum);
        for (size_t i = 0; i < count; i++) {
            double away = (double)origin[column + i] - (double)origin[first + i];
            double n = (double)(l->rows + (column + i < l->rest));
            t.sum[0][i] += sum[0][i] + n * away;
            t.sum[1][i] += sum[1][i] + away * (2 * sum[0][i] + n * away);
        }
    }
    return t;
}

static struct totals totals_of_gradients(const struct bn_layout *l, const double *sums,
                                         size_t first, size_t count)
{
    struct totals t = {.first = first, .count = count};
    for (size_t k = 0; k < l->fold; k++)
        add_chunks(l, sums, k * l->channels + first, count, t.sum);
    return t;
}

/* The factors of channel c, in all its columns. */
static void spread(const struct bn_layout *l, float *vector, size_t c, double value)
{
    for (size_t k = 0; k < l->fold; k++)
        vector[k * l->channels + c] = (float)value;
}

/* (x - mean) * scale + bias with mean rounded to a float, and the rest of it in the shift. */
static void set_forward(const struct bn_layout *l, struct param *const *param, size_t c,
                        double mean, double inverse, struct bn_factors f)
{
    double scale = inverse * (double)param[WEIGHT]->data[c];
    double rest = mean - (double)(float)mean;
    spread(l, f.mean, c, mean);
    spread(l, f.scale, c, scale);
    spread(l, f.shift, c, (double)param[BIAS]->data[c] - rest * scale);
}

void bn_channels_spread(const struct bn_layout *l, const float *values, float *columns)
{
    for (size_t k = 0; k < l->fold; k++)
        memcpy(columns + k * l->channels, values, l->channels * sizeof *columns);
}

static void move_running(const struct op_desc *d, struct param *const *param, size_t c, double mean,
                         double variance, double pixels)
{
    const double momentum = (double)d->bn.momentum;
    float *running_mean = &param[MEAN]->data[c], *running_var = &param[VARIANCE]->data[c];
    double unbiased = variance * pixels / (pixels - 1);
    *running_mean = (float)((1 - momentum) * (double)*running_mean + momentum * mean);
    *running_var = (float)((1 - momentum) * (double)*running_var + momentum * unbiased);
}

static void batch_channel(const struct bn_layout *l, const struct op_desc *d,
                          struct param *const *param, const struct totals *t, size_t i,
                          float origin, struct bn_kept kept, struct bn_factors factors)
{
    const double pixels = (double)l->pixels, away = t->sum[0][i] / pixels;
    const double exact = t->sum[1][i] / pixels - away * away, mean = (double)origin + away;
    const double variance = exact < 0 ? 0 : exact; /* a NaN passes */
    const double inverse = 1 / sqrt(variance + (double)d->bn.eps);
    size_t c = t->first + i;
    kept.mean[c] = (float)mean;
    kept.rest[c] = (float)(mean - (double)kept.mean[c]);
    kept.inverse[c] = (float)inverse;
    set_forward(l, param, c, mean, inverse, factors);
    if (kept.scale) {
        kept.scale[c] = factors.scale[c];
        kept.shift[c] = factors.shift[c];
    }
    move_running(d, param, c, mean, variance, pixels);
}

static size_t blocks(const struct bn_layout *l)
{
    return (l->channels + BLOCK - 1) / BLOCK;
}

static size_t block_size(const struct bn_layout *l, size_t block)
{
    size_t left = l->channels - block * BLOCK;
    return left < BLOCK ? left : BLOCK;
}

void bn_channels_batch(const struct bn_layout *l, const struct op_desc *d,
                       struct param *const *param, const double *sums, const float *origin,
                       struct bn_kept kept, struct bn_factors factors, struct bn_share share)
{
    for (size_t b = bn_share_start(blocks(l), share); b < bn_share_end(blocks(l), share); b++) {
        struct totals t =
            totals_of_statistics(l, sums, origin, b * BLOCK, block_size(l, b));
        for (size_t i = 0; i < t.count; i++)
            batch_channel(l, d, param, &t, i, origin[t.first + i], kept, factors);
    }
}

void bn_channels_fixed(const struct bn_layout *l, const struct op_desc *d,
                       struct param *const *param, float *inverse, struct bn_factors factors)
{
    for (size_t c = 0; c < l->channels; c++) {
        double exact = 1 / sqrt((double)param[VARIANCE]->data[c] + (double)d->bn.eps);
        inverse[c] = (float)exact;
        set_forward(l, param, c, (double)param[MEAN]->data[c], exact, factors);
    }
}

static void store(const struct op_desc *d, const struct op_args *args, int which, size_t c,
                  double value)
{
    if (!(d->want_diff_param >> which & 1))
        return;
    float *grad = &args->param[which]->grad[c];
    *grad = args->add_diff_param >> which & 1 ? (float)((double)*grad + value) : (float)value;
}

/* With xhat the normalised value: dx = scale * (g - mean(g) - xhat * mean(g*xhat)), written as
 * scale * g - slope * (x - mean) + shift. */
static void backward_channel(const struct bn_layout *l, const struct op_desc *d,
                             const struct op_args *args, const struct totals *t, size_t i,
                             struct bn_kept kept, const struct bn_factors *f)
{
    const double pixels = (double)l->pixels;
    size_t c = t->first + i;
    double inverse = (double)kept.inverse[c], rest = kept.rest ? (double)kept.rest[c] : 0;
    double sum = t->sum[0][i], dot = t->sum[1][i] - rest * sum;
    store(d, args, WEIGHT, c, dot * inverse);
    store(d, args, BIAS, c, sum);
    if (!f)
        return;
    double scale = inverse * (double)args->param[WEIGHT]->data[c];
    double slope = scale * inverse * inverse * dot / pixels;
    spread(l, f->scale, c, scale);
    spread(l, f->slope, c, slope);
    spread(l, f->shift, c, slope * rest - scale * sum / pixels);
}

void bn_channels_backward(const struct bn_layout *l, const struct op_desc *d,
                          const struct op_args *args, const double *sums, struct bn_kept kept,
                          const struct bn_factors *factors, struct bn_share share)
{
    for (size_t b = bn_share_start(blocks(l), share); b < bn_share_end(blocks(l), share); b++) {
        struct totals t = totals_of_gradients(l, sums, b * BLOCK, block_size(l, b));
        for (size_t i = 0; i < t.count; i++)
            backward_channel(l, d, args, &t, i, kept, factors);
    }
}
