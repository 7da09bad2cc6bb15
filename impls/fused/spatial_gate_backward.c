/* The spatial gate backward: see spatial_gate.h. */
#include "impls/fused/spatial_gate.h"

#include "impls/ops.h"

#include <string.h>

void fused_spatial_unsquash(const struct fused_job *job, const struct fused_crew *crew, int image)
{
    const struct fused_share own = fused_crew_share(crew, job->h, 1);
    const struct fused_norm norm = fused_norm_of(job);
    const int first = own.first * job->w, last = own.last * job->w;
    const float *s = fused_keep_at(job, image, job->site->keep.spatial);
    const float *across = fused_diff_at(job, image, job->site->diff.across);
    const float inverse = 1 / job->site->spatial_factor;
    float *to = fused_diff_at(job, image, job->site->diff.logit);
    struct fused_unit *unit = fused_unit_at(job, image, crew->rank);
    double sums[2];
    for (int p = first; p < last; p++)
        to[p] = across[p] * s[p] * (1 - s[p] * inverse);
    job->site->k->norm_sums(to + first,
                            fused_keep_at(job, image, job->site->keep.logit) + first,
                            last - first, &norm, sums);
    unit->diff = sums[0];
    unit->dot = sums[1];
}

struct fused_unit fused_spatial_totals(const struct fused_job *job, int members)
{
    struct fused_unit all = {0};
    for (int n = 0; n < job->n; n++)
        for (int r = 0; r < members; r++) {
            const struct fused_unit *unit = fused_unit_at(job, n, r);
            all.diff += unit->diff;
            all.dot += unit->dot;
            all.bias += unit->bias;
            all.alpha += unit->alpha;
        }
    return all;
}

/* Through the normalisation, xhat being the normalised value: scale * dl with constants, and
 * scale (dl - mean(dl) - xhat mean(dl xhat)) with batch statistics. */
static void unnormalise(const struct fused_job *job, int image, struct fused_share own,
                        const struct fused_unit *totals)
{
    const struct fused_norm norm = fused_norm_of(job);
    const double count = (double)job->n * job->pixels;
    const double scale = (double)norm.scale * (double)*fused_param(job, P_BN);
    const bool batch = job->site->batch;
    const float a = (float)scale, b = batch ? (float)(scale * totals->diff / count) : 0;
    const float d = batch ? (float)(scale * (double)norm.scale * totals->dot / count) : 0;
    const float *logit = fused_keep_at(job, image, job->site->keep.logit);
    float *to = fused_diff_at(job, image, job->site->diff.logit);
    for (int p = own.first * job->w; p < own.last * job->w; p++)
        to[p] = a * to[p] - b - d * ((logit[p] - norm.mean) - norm.rest);
}

/* The gradient of plane q: the window turned by half a turn, over the gradient of the result. */
static void backward_plane(const struct fused_job *job, const struct fused_crew *crew, int q,
                           struct fused_share own, float *to)
{
    struct fused_window window = job->site->window;
    const int taps = window.k * window.k;
    const float *weight = fused_param(job, P_CONV) + q * taps;
    float *results = fused_results_at(job, crew);
    float turned[FUSED_WIDEST * FUSED_WIDEST];
    window.planes = 1;
    for (int t = 0; t < taps; t++)
        turned[t] = weight[taps - 1 - t];
    if (own.first == own.last)
        return;
    job->site->k->stencil(&window, fused_planes_at(job, crew, 2), turned, 0, own.first, own.last,
                          results);
    for (int y = own.first; y < own.last; y++)
        memcpy(to + (size_t)y * (size_t)job->w,
               results + (size_t)(y - own.first) * (size_t)window.pitch,
               (size_t)job->w * sizeof *to);
}

/* From the gradients of the planes to those of each pixel's maximum, and of each of its channels:
 * a mean gives every channel its part. */
static void backward_pools(const struct fused_job *job, const struct fused_crew *crew, int image,
                           struct fused_share own)
{
    const struct fused_site *site = job->site;
    float *of_channel = fused_diff_at(job, image, site->diff.of_channel);
    float *of_plane = fused_diff_at(job, image, site->diff.of_plane);
    const float part = site->reduce ? 1 : (site->half ? 0.5f : 1) / (float)job->c;
    const bool mean_first = site->mean_plane == 0 || site->reduce;
    float *to[2] = {mean_first ? of_plane : of_channel, mean_first ? of_channel : of_plane};
    for (int q = 0; q < site->window.planes; q++)
        backward_plane(job, crew, q, own, to[q]);
    for (int p = own.first * job->w; p < own.last * job->w; p++) {
        if (site->half)
            of_channel[p] = 0.5f * of_plane[p];
        of_plane[p] = site->mean_plane >= 0 || site->reduce ? of_plane[p] * part : 0;
    }
}

static void pad_all(const struct fused_job *job, const struct fused_crew *crew, int image,
                    struct fused_share own)
{
    const struct fused_window *window = &job->site->window;
    for (int q = 0; q < window->planes; q++)
        fused_plane_pad(window, fused_keep_at(job, image, job->site->keep.plane[q]), own.first,
                        own.last, fused_planes_at(job, crew, q));
    fused_plane_pad(window, fused_diff_at(job, image, job->site->diff.logit), own.first, own.last,
                    fused_planes_at(job, crew, 2));
}

void fused_spatial_backward(const struct fused_job *job, const struct fused_crew *crew, int image,
                            const struct fused_unit *totals)
{
    const struct fused_window *window = &job->site->window;
    const struct fused_share own = fused_crew_share(crew, job->h, 1);
    const struct fused_share rows = fused_crew_share(crew, window->planes * window->k, 1);
    const int first = own.first * job->w, count = (own.last - own.first) * job->w;
    const struct fused_norm plain = {.scale = 1};
    const float *diff = fused_diff_at(job, image, job->site->diff.logit) + first;
    double sums[2];
    if (job->desc->attention.with_bn)
        unnormalise(job, image, own, totals);
    job->site->k->norm_sums(diff, diff, count, &plain, sums);
    fused_unit_at(job, image, crew->rank)->bias = sums[0];
    pad_all(job, crew, image, own);
    fused_crew_wait(crew);
    job->site->k->stencil_weights(window, fused_planes_at(job, crew, 0),
                                  fused_planes_at(job, crew, 2), rows.first, rows.last,
                                  fused_diff_at(job, image, job->site->diff.weight));
    backward_pools(job, crew, image, own);
}

/* Stores or adds one number of a gradient, where it is wanted. */
static void store(const struct fused_job *job, int slot, size_t i, double value)
{
    float *to;
    if (!(job->desc->want_diff_param >> slot & 1))
        return;
    to = &job->args->param[slot]->grad[i];
    *to = (float)(job->args->add_diff_param >> slot & 1 ? (double)*to + value : value);
}

/* Sum over images of a vector of the images' parts. */
static void store_sums(const struct fused_job *job, int slot, size_t offset, int count)
{
    for (int i = 0; i < count; i++) {
        double sum = 0;
        for (int n = 0; n < job->n; n++)
            sum += (double)fused_diff_at(job, n, offset)[i];
        store(job, slot, (size_t)i, sum);
    }
}

void fused_spatial_gradients(const struct fused_job *job, int members)
{
    const struct fused_window *window = &job->site->window;
    const struct fused_unit totals = fused_spatial_totals(job, members);
    if (job->desc->attention.spatial) {
        store_sums(job, P_CONV, job->site->diff.weight, window->planes * window->k * window->k);
        store(job, P_CONV_BIAS, 0, totals.bias);
        store(job, P_BN, 0, totals.dot);
        store(job, P_BN + 1, 0, totals.diff);
    }
    if (job->site->reduce)
        store_sums(job, P_REDUCE, job->site->diff.reduce, job->c);
    store(job, P_ALPHA, 0, totals.alpha);
}
