/* Fused attention backward: the order of the passes over each image.
 *
 * With g = dy behind the relu and t = g x, a first pass sums t gc over channels (the gradient of
 * gs) and t gs over pixels (that of gc, as far as the result goes). What the pools add comes from
 * the gates' own backward passes; where the channel gate is first, the spatial pools add to the
 * gradient of gc as well: a pass over x alone. A last pass writes dx. */
#include "impls/fused/channel_gate.h"
#include "impls/fused/channel_mlp.h"
#include "impls/fused/spatial_gate.h"

#include "impls/ops.h"

#include <omp.h>

enum { FEW = 16 }; /* pixels to each of which all channels may be compared */

/* ---- what is asked for ---- */

static bool wants_map(const struct fused_job *job)
{
    return job->desc->want_diff_src & 1;
}

static bool spatial_first(const struct fused_job *job)
{
    return job->desc->attention.channel && job->desc->attention.order == ORDER_SPATIAL_FIRST;
}

/* Whether the gradient has to go through the MLP after the spatial gate. */
static bool wants_mlp(const struct fused_job *job)
{
    const unsigned mlp = 1u << P_W1 | 1u << P_B1 | 1u << P_W2 | 1u << P_B2;
    return job->desc->attention.channel && !spatial_first(job) &&
           (wants_map(job) || (job->desc->want_diff_param & mlp));
}

static bool spatial_sees_gate(const struct fused_job *job)
{
    return job->desc->attention.channel && job->desc->attention.spatial &&
           job->desc->attention.order == ORDER_CHANNEL_FIRST;
}

/* Whether a channel's maximum gives its gradient to one pixel of several. */
static bool has_peaks(const struct fused_job *job)
{
    return job->desc->attention.channel && job->desc->attention.cpool != CPOOL_AVG &&
           !job->site->one_pixel;
}

/* ---- first part: sums of the result's gradient ---- */

static void first_pass(const struct fused_job *job, const struct fused_crew *crew, int image,
                       struct fused_share rows)
{
    const struct op_args *args = job->args;
    const struct tensor *x = &args->src[0], *dy = &args->diff_dst, *to = &args->diff_src[1];
    struct fused_grad grad = {
        .x = fused_image(x, image), .x_stride = (size_t)x->stride,
        .dy = fused_image(dy, image), .dy_stride = (size_t)dy->stride,
        .channel = fused_keep_at(job, image, job->site->keep.channel),
        .spatial = fused_keep_at(job, image, job->site->keep.spatial),
        .across = fused_diff_at(job, image, job->site->diff.across),
        .down = fused_columns_at(job, crew, crew->rank),
        .c = job->c, .first = rows.first * job->w, .last = rows.last * job->w};
    grad.down.max = NULL;
    if (job->desc->attention.alpha)
        grad.plain = fused_diff_at(job, image, job->site->diff.plain);
    if (job->desc->kind == OP_ATTENTION_SUM) {
        grad.dst = fused_image(&args->dst, image);
        grad.dst_stride = (size_t)args->dst.stride;
    }
    if (job->desc->kind == OP_ATTENTION_SUM && (job->desc->want_diff_src & 2)) {
        grad.shortcut = fused_image(to, image);
        grad.shortcut_stride = (size_t)to->stride;
        grad.add = args->add_diff_src & 2;
    }
    job->site->k->grad(&grad);
}

/* d alpha = sum of dy (x gc gs - x); then `across` is made the gradient of gs. */
static void scale_across(const struct fused_job *job, int image, struct fused_share rows,
                         struct fused_unit *unit)
{
    const float *spatial = fused_keep_at(job, image, job->site->keep.spatial);
    const float *plain = fused_diff_at(job, image, job->site->diff.plain);
    float *across = fused_diff_at(job, image, job->site->diff.across);
    double sum = 0;
    for (int p = rows.first * job->w; p < rows.last * job->w; p++) {
        if (job->desc->attention.alpha)
            sum += (double)across[p] * (double)spatial[p] - (double)plain[p];
        across[p] *= job->mix;
    }
    unit->alpha = sum;
}

/* All members' sums over pixels, of this member's channels. */
static const double *joined(const struct fused_job *job, const struct fused_crew *crew,
                            struct fused_share channels)
{
    double *sum = fused_columns_at(job, crew, 0).sum;
    for (int r = 1; r < crew->size; r++) {
        const double *part = fused_columns_at(job, crew, r).sum;
        for (int i = channels.first; i < channels.last; i++)
            sum[i] += part[i];
    }
    return sum;
}

static void join_first(const struct fused_job *job, const struct fused_crew *crew, int image)
{
    const struct fused_share channels = fused_crew_share(crew, job->c, FUSED_PAD);
    const double *sum = joined(job, crew, channels);
    const double mix = (double)job->mix;
    float *to = fused_diff_at(job, image, job->site->diff.channel);
    for (int i = channels.first; i < channels.last; i++)
        to[i] = (float)(mix * sum[i]);
}

/* With the spatial gate first, the channel pools see x gs: their gradients reach gs. */
static void pools_to_spatial(const struct fused_job *job, int image, struct fused_share rows)
{
    const struct fused_span x = fused_rows_of(job, image, rows);
    const float *max = fused_diff_at(job, image, job->site->diff.max);
    const int32_t *at = (int32_t *)fused_keep_at(job, image, job->site->keep.pixel_of);
    float *across = fused_diff_at(job, image, job->site->diff.across);
    float *sums = fused_diff_at(job, image, job->site->diff.of_plane);
    job->site->k->dot_rows(&x, fused_diff_at(job, image, job->site->diff.mean), sums);
    for (int p = x.first; p < x.last; p++)
        across[p] += sums[p];
    for (int i = 0; i < job->c && has_peaks(job); i++)
        if (at[i] >= x.first && at[i] < x.last)
            across[at[i]] += max[i] * fused_value_at(job, &x, at[i], i);
}

/* Where the spatial gate is first, the channel gate's backward pass belongs to this part. */
static void backward_second_gate(const struct fused_job *job, const struct fused_crew *crew,
                                 struct fused_share images)
{
    const struct fused_share rows = fused_crew_share(crew, job->h, 1);
    if (crew->rank == 0)
        fused_channel_backward(job, images);
    fused_crew_wait(crew);
    for (int n = images.first; job->desc->attention.spatial && n < images.last; n++)
        pools_to_spatial(job, n, rows);
}

static void begin_images(const struct fused_job *job, const struct fused_crew *crew,
                         struct fused_share images)
{
    const struct fused_share rows = fused_crew_share(crew, job->h, 1);
    for (int n = images.first; n < images.last; n++) {
        struct fused_unit *unit = fused_unit_at(job, n, crew->rank);
        *unit = (struct fused_unit){0};
        first_pass(job, crew, n, rows);
        scale_across(job, n, rows, unit);
        fused_crew_wait(crew);
        if (job->desc->attention.channel)
            join_first(job, crew, n);
        fused_crew_wait(crew);
    }
    if (spatial_first(job))
        backward_second_gate(job, crew, images);
    for (int n = images.first; job->desc->attention.spatial && n < images.last; n++)
        fused_spatial_unsquash(job, crew, n);
}

/* ---- second part: through the gates, and the map ---- */

/* Sums over pixels of what the spatial pools give each channel. */
static void second_pass(const struct fused_job *job, const struct fused_crew *crew, int image,
                        struct fused_share rows)
{
    const struct fused_site *site = job->site;
    const struct fused_span x = fused_rows_of(job, image, rows);
    struct fused_columns columns = fused_columns_at(job, crew, crew->rank);
    struct fused_peaks peaks = {0};
    columns.max = NULL;
    if (site->max_plane >= 0)
        peaks = (struct fused_peaks){
            (int32_t *)fused_keep_at(job, image, site->keep.channel_of),
            fused_diff_at(job, image, site->diff.of_channel)};
    site->k->weigh_columns(&x, fused_diff_at(job, image, site->diff.of_plane), &peaks, &columns);
}

/* They go to gc where the pools see x gc, and to the weights of the 1x1 convolution. */
static void join_second(const struct fused_job *job, const struct fused_crew *crew, int image)
{
    const struct fused_share channels = fused_crew_share(crew, job->c, FUSED_PAD);
    const double *sum = joined(job, crew, channels);
    const bool gated = spatial_sees_gate(job);
    const float *gate = fused_keep_at(job, image, job->site->keep.channel);
    const float *weight = job->site->reduce ? fused_param(job, P_REDUCE) : NULL;
    float *to_gate = fused_diff_at(job, image, job->site->diff.channel);
    float *to_weight = fused_diff_at(job, image, job->site->diff.reduce);
    for (int i = channels.first; gated && !weight && i < channels.last; i++)
        to_gate[i] += (float)sum[i];
    for (int i = channels.first; weight && i < channels.last; i++) {
        if (gated)
            to_gate[i] += weight[i] * (float)sum[i];
        to_weight[i] = gated ? gate[i] * (float)sum[i] : (float)sum[i];
    }
}

static void last_pass(const struct fused_job *job, int image, struct fused_share rows)
{
    const struct fused_site *site = job->site;
    const struct op_args *args = job->args;
    const struct tensor *dx = &args->diff_src[0], *masked = &args->diff_src[1];
    const bool sum = job->desc->kind == OP_ATTENTION_SUM;
    const bool written = sum && (job->desc->want_diff_src & 2) && !(args->add_diff_src & 2);
    const struct tensor *dy = written ? masked : &args->diff_dst;
    struct fused_spread spread = {
        .dy = fused_image(dy, image), .dy_stride = (size_t)dy->stride,
        .dst = sum && !written ? fused_image(&args->dst, image) : NULL,
        .dst_stride = (size_t)args->dst.stride,
        .dx = fused_image(dx, image), .dx_stride = (size_t)dx->stride,
        .add = args->add_diff_src & 1, .keep = job->keep, .mix = job->mix,
        .channel = fused_keep_at(job, image, site->keep.channel),
        .spatial = fused_keep_at(job, image, site->keep.spatial),
        .lens = fused_lens_at(job, image), .c = job->c,
        .first = rows.first * job->w, .last = rows.last * job->w};
    if (job->desc->attention.channel)
        spread.of_channel = fused_diff_at(job, image, site->diff.mean);
    if (spatial_first(job))
        spread.near = spread.spatial;
    if (job->desc->attention.spatial)
        spread.of_pixel = fused_diff_at(job, image, site->diff.of_plane);
    if (site->max_plane >= 0)
        spread.peaks = (struct fused_peaks){
            (int32_t *)fused_keep_at(job, image, site->keep.channel_of),
            fused_diff_at(job, image, site->diff.of_channel)};
    if (has_peaks(job) && job->pixels <= FEW)
        spread.tops = (struct fused_peaks){
            (int32_t *)fused_keep_at(job, image, site->keep.pixel_of),
            fused_diff_at(job, image, site->diff.max)};
    site->k->spread(&spread);
}

/* A channel's maximum gives its gradient to one pixel: of many, looked up one by one; of a few the
 * last pass asks each. */
static void spread_maxima(const struct fused_job *job, int image, struct fused_share rows)
{
    const struct tensor *dx = &job->args->diff_src[0];
    const int first = rows.first * job->w, last = rows.last * job->w;
    const int32_t *at = (int32_t *)fused_keep_at(job, image, job->site->keep.pixel_of);
    const float *max = fused_diff_at(job, image, job->site->diff.max);
    const float *near = fused_keep_at(job, image, job->site->keep.spatial);
    const bool weighted = spatial_first(job);
    float *to = fused_image(dx, image);
    for (int i = 0; i < job->c; i++)
        if (at[i] >= first && at[i] < last)
            to[(size_t)at[i] * (size_t)dx->stride + i] += weighted ? max[i] * near[at[i]] : max[i];
}

/* Through the spatial gate, to gc. */
static void backward_spatial(const struct fused_job *job, const struct fused_crew *crew, int image,
                             const struct fused_unit *totals)
{
    const struct fused_share rows = fused_crew_share(crew, job->h, 1);
    const bool reduce = job->site->reduce && (job->desc->want_diff_param >> P_REDUCE & 1);
    if (job->desc->attention.spatial)
        fused_spatial_backward(job, crew, image, totals);
    if (reduce || (spatial_sees_gate(job) && wants_mlp(job))) {
        second_pass(job, crew, image, rows);
        fused_crew_wait(crew);
        join_second(job, crew, image);
        fused_crew_wait(crew);
    }
}

static void finish_images(const struct fused_job *job, const struct fused_crew *crew,
                          struct fused_share images, const struct fused_unit *totals)
{
    const struct fused_share rows = fused_crew_share(crew, job->h, 1);
    for (int n = images.first; n < images.last; n++)
        backward_spatial(job, crew, n, totals);
    if (wants_mlp(job) && crew->rank == 0)
        fused_channel_backward(job, images);
    fused_crew_wait(crew);
    for (int n = images.first; wants_map(job) && n < images.last; n++) {
        last_pass(job, n, rows);
        if (has_peaks(job) && job->pixels > FEW)
            spread_maxima(job, n, rows);
    }
    fused_crew_wait(crew);
}

static void run(const struct fused_job *job, int thread, int threads)
{
    const struct fused_crew crew = fused_crew_of(job, thread, threads);
    struct fused_unit totals = {0};
    struct fused_share images;
    if (crew.rank == 0)
        fused_planes_clear(job, &crew, 3);
    fused_crew_wait(&crew);
    for (int n = crew.first; n < crew.last; n = images.last) {
        images = fused_crew_block(job, &crew, n);
        begin_images(job, &crew, images);
        if (!job->site->batch)
            finish_images(job, &crew, images, &totals);
    }
    if (job->site->batch) {
#pragma omp barrier
        totals = fused_spatial_totals(job, crew.size);
        for (int n = crew.first; n < crew.last; n = images.last) {
            images = fused_crew_block(job, &crew, n);
            finish_images(job, &crew, images, &totals);
        }
    }
#pragma omp barrier
    if (job->desc->attention.channel)
        fused_mlp_gradients(job, thread, threads);
    if (thread == 0)
        fused_spatial_gradients(job, crew.size);
}

enum status fused_backward(const struct op_plan *plan, const struct op_args *args)
{
    const struct fused_job job = fused_job_of(plan, args);
    const int threads = fused_job_threads(&job);
    if (threads == 1) {
        run(&job, 0, 1);
    } else {
#pragma omp parallel num_threads(threads)
        run(&job, omp_get_thread_num(), omp_get_num_threads());
    }
    return OK;
}
