/* The spatial gate forward, and the result: see spatial_gate.h. */
#include "impls/fused/spatial_gate.h"

#include "impls/ops.h"

#include <math.h>
#include <string.h>

static void pool_planes(const struct fused_job *job, int image, const struct fused_span *x)
{
    const struct fused_site *site = job->site;
    float *plane[2] = {fused_keep_at(job, image, site->keep.plane[0]),
                       fused_keep_at(job, image, site->keep.plane[1])};
    int mean = site->mean_plane >= 0 ? site->mean_plane : 1 - site->max_plane;
    int32_t *at = (int32_t *)fused_keep_at(job, image, site->keep.channel_of);
    bool tracked = site->peaks && site->max_plane >= 0;
    site->k->pool_rows(x, fused_lens_at(job, image), plane[mean], plane[1 - mean],
                       tracked ? at : NULL);
    for (int p = x->first; site->half && p < x->last; p++)
        plane[0][p] = 0.5f * plane[1][p] + 0.5f * plane[0][p];
}

static void pool_rows(const struct fused_job *job, const struct fused_crew *crew, int image,
                      struct fused_share own)
{
    const struct fused_window *window = &job->site->window;
    const struct fused_span x = fused_rows_of(job, image, own);
    if (job->site->reduce)
        job->site->k->dot_rows(&x, fused_lens_at(job, image),
                               fused_keep_at(job, image, job->site->keep.plane[0]));
    else
        pool_planes(job, image, &x);
    for (int q = 0; q < window->planes; q++)
        fused_plane_pad(window, fused_keep_at(job, image, job->site->keep.plane[q]), own.first,
                        own.last, fused_planes_at(job, crew, q));
}

static void convolve_rows(const struct fused_job *job, const struct fused_crew *crew, int image,
                          struct fused_share own)
{
    const struct fused_window *window = &job->site->window;
    const float *bias = fused_param(job, P_CONV_BIAS);
    float *results = fused_results_at(job, crew);
    float *logit = fused_keep_at(job, image, job->site->keep.logit);
    job->site->k->stencil(window, fused_planes_at(job, crew, 0), fused_param(job, P_CONV),
                          bias ? *bias : 0, own.first, own.last, results);
    for (int y = own.first; y < own.last; y++)
        memcpy(logit + (size_t)y * (size_t)job->w,
               results + (size_t)(y - own.first) * (size_t)window->pitch,
               (size_t)job->w * sizeof *logit);
}

void fused_spatial_squash(const struct fused_job *job, int image, struct fused_share rows)
{
    struct fused_norm norm = fused_norm_of(job);
    const int first = rows.first * job->w, count = (rows.last - rows.first) * job->w;
    if (job->desc->attention.with_bn) {
        norm.scale *= *fused_param(job, P_BN);
        norm.shift = *fused_param(job, P_BN + 1);
    }
    job->site->k->squash(fused_keep_at(job, image, job->site->keep.logit) + first, count, &norm,
                         job->site->spatial_factor,
                         fused_keep_at(job, image, job->site->keep.spatial) + first);
}

void fused_apply_rows(const struct fused_job *job, int image, struct fused_share rows)
{
    const struct op_args *args = job->args;
    struct fused_apply apply = {
        .x = fused_image(&args->src[0], image), .x_stride = (size_t)args->src[0].stride,
        .dst = fused_image(&args->dst, image), .dst_stride = (size_t)args->dst.stride,
        .channel = fused_keep_at(job, image, job->site->keep.channel),
        .spatial = fused_keep_at(job, image, job->site->keep.spatial),
        .keep = job->keep, .mix = job->mix, .c = job->c,
        .first = rows.first * job->w, .last = rows.last * job->w};
    if (job->desc->kind == OP_ATTENTION_SUM) {
        apply.shortcut = fused_image(&args->src[1], image);
        apply.shortcut_stride = (size_t)args->src[1].stride;
    }
    job->site->k->apply(&apply);
}

/* A window reaches into the neighbours' rows: their planes must be there first. */
void fused_spatial_logits(const struct fused_job *job, const struct fused_crew *crew, int image)
{
    const struct fused_share own = fused_crew_share(crew, job->h, 1);
    if (own.first < own.last)
        pool_rows(job, crew, image, own);
    fused_crew_wait(crew);
    if (own.first < own.last)
        convolve_rows(job, crew, image, own);
}

void fused_spatial_measure(const struct fused_job *job, const struct fused_crew *crew, int image)
{
    const struct fused_share own = fused_crew_share(crew, job->h, 1);
    const float *logit = fused_keep_at(job, image, job->site->keep.logit);
    job->site->k->moments(logit + own.first * job->w, (own.last - own.first) * job->w,
                          &fused_unit_at(job, image, crew->rank)->moments);
}

/* Statistics of two sets together (Chan, Golub, LeVeque 1983). */
static void join_moments(struct fused_moments *to, const struct fused_moments *with)
{
    const double count = to->count + with->count, apart = with->mean - to->mean;
    if (with->count == 0)
        return;
    to->squares += with->squares + apart * apart * to->count * with->count / count;
    to->mean += apart * with->count / count;
    to->count = count;
}

void fused_spatial_statistics(const struct fused_job *job, int members)
{
    struct fused_moments all = {0};
    const double momentum = (double)job->desc->attention.momentum;
    float *mean = job->args->param[P_BN + 2]->data, *variance = job->args->param[P_BN + 3]->data;
    for (int n = 0; n < job->n; n++)
        for (int r = 0; r < members; r++)
            join_moments(&all, &fused_unit_at(job, n, r)->moments);
    job->head[0] = (float)all.mean;
    job->head[1] = (float)(all.mean - (double)job->head[0]);
    job->head[2] =
        (float)(1 / sqrt(all.squares / all.count + (double)job->desc->attention.eps));
    *mean = (float)((1 - momentum) * (double)*mean + momentum * all.mean);
    *variance = (float)((1 - momentum) * (double)*variance +
                        momentum * all.squares / (all.count - 1));
}
