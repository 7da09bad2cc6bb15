/* The channel gate: see channel_gate.h. */
#include "impls/fused/channel_gate.h"
#include "impls/fused/channel_mlp.h"

#include "impls/ops.h"

#include <math.h>
#include <string.h>

/* ---- pooling: each member all pixels of its own channels ---- */

static const float *pooled_through(const struct fused_job *job, int image)
{
    bool after = job->desc->attention.order == ORDER_SPATIAL_FIRST;
    return after ? fused_keep_at(job, image, job->site->keep.spatial) : NULL;
}

static bool has_max(const struct fused_job *job)
{
    return job->desc->attention.cpool != CPOOL_AVG;
}

static float value_at(const struct fused_job *job, const struct fused_span *x, const float *factor,
                      int p, int i)
{
    float v = fused_value_at(job, x, p, i);
    return factor ? v * factor[p] : v;
}

/* The maximum by the rule for a NaN: it is larger than every number, and the first one wins. */
static void careful_pixel(const struct fused_job *job, const struct fused_span *x,
                          const float *factor, int i, float *max, int32_t *at)
{
    *max = value_at(job, x, factor, 0, i);
    *at = 0;
    for (int p = 1; p < x->last && !isnan(*max); p++) {
        float v = value_at(job, x, factor, p, i);
        if (!(v <= *max)) {
            *max = v;
            *at = p;
        }
    }
}

/* Where a sum says that there is a NaN: the channel's maximum, and where it is. */
static void settle_maxima(const struct fused_job *job, const struct fused_span *x,
                          const float *factor, const struct fused_columns *columns)
{
    for (int i = 0; i < x->c; i++) {
        int32_t ignored, *at = columns->at ? &columns->at[i] : &ignored;
        if (isnan(columns->sum[i]))
            careful_pixel(job, x, factor, i, &columns->max[i], at);
    }
}

/* Where maxima, and where they are, go: to what is kept of them, or to scratch. */
static struct fused_columns columns_of(const struct fused_job *job, const struct fused_crew *crew,
                                       int image, int first)
{
    const struct fused_site *site = job->site;
    const enum attention_cpool cpool = job->desc->attention.cpool;
    struct fused_columns columns = fused_columns_at(job, crew, crew->rank);
    if (cpool == CPOOL_BOTH || cpool == CPOOL_MAX)
        columns.max = fused_keep_at(job, image, site->keep.pooled[cpool == CPOOL_BOTH]) + first;
    if (site->peaks && has_max(job))
        columns.at = (int32_t *)fused_keep_at(job, image, site->keep.pixel_of) + first;
    return columns;
}

/* What enters the MLP as a mean, channels from `first` on. */
static void store_mean(const struct fused_job *job, int image, int first, int count,
                       const struct fused_columns *columns)
{
    const enum attention_cpool cpool = job->desc->attention.cpool;
    const double part = 1.0 / job->pixels;
    float *to = fused_keep_at(job, image, job->site->keep.pooled[0]) + first;
    for (int i = 0; i < count && cpool != CPOOL_MAX; i++)
        to[i] = (float)(columns->sum[i] * part);
    for (int i = 0; i < count && cpool == CPOOL_HALF; i++)
        to[i] = 0.5f * to[i] + 0.5f * columns->max[i];
}

/* The only pixel is mean and maximum alike. */
static void take_pixel(const struct fused_job *job, int image, struct fused_share own)
{
    const float *x = fused_image(&job->args->src[0], image);
    const float *factor = pooled_through(job, image);
    float *to = fused_keep_at(job, image, job->site->keep.pooled[0]);
    const float times = factor ? *factor : 1;
    for (int i = own.first; i < own.last; i++)
        to[i] = x[i] * times;
}

static void pool(const struct fused_job *job, const struct fused_crew *crew, int image,
                 struct fused_share own)
{
    struct fused_span x = fused_rows_of(job, image, (struct fused_share){0, job->h});
    struct fused_columns columns;
    const float *factor = pooled_through(job, image);
    if (job->site->one_pixel) {
        take_pixel(job, image, own);
        return;
    }
    x.data = (const char *)x.data + (size_t)own.first * dtype_bytes(job->desc->src[0].dtype);
    x.c = own.last - own.first;
    columns = columns_of(job, crew, image, own.first);
    if (job->site->k->pool_columns(&x, factor, &columns) && has_max(job))
        settle_maxima(job, &x, factor, &columns);
    store_mean(job, image, own.first, x.c, &columns);
}

/* ---- forward ---- */

/* The first layer as far as this member's channels go. */
static void first_layer(const struct fused_job *job, const struct fused_crew *crew, int image,
                        struct fused_share own)
{
    const struct fused_keep *keep = &job->site->keep;
    const struct fused_rows rows = {fused_param(job, P_W1) + own.first, (size_t)job->c,
                                    own.last - own.first, 0, job->desc->attention.hidden};
    const struct fused_hidden to = fused_hidden_at(job, crew, crew->rank);
    const bool two = job->site->branches == 2;
    job->site->k->matvec(&rows, fused_keep_at(job, image, keep->pooled[0]) + own.first,
                         two ? fused_keep_at(job, image, keep->pooled[1]) + own.first : NULL,
                         to.part[0], two ? to.part[1] : NULL);
}

/* Every member for itself: the sum of all members' parts. */
static void finish_first_layer(const struct fused_job *job, const struct fused_crew *crew)
{
    const int hidden = job->desc->attention.hidden;
    const struct fused_hidden own = fused_hidden_at(job, crew, crew->rank);
    for (int b = 0; b < job->site->branches; b++) {
        float *h = own.layer[b];
        memset(h, 0, (size_t)hidden * sizeof *h);
        for (int r = 0; r < crew->size; r++) {
            const float *part = fused_hidden_at(job, crew, r).part[b];
            for (int i = 0; i < hidden; i++)
                h[i] += part[i];
        }
    }
    fused_mlp_hidden(job, own.layer, own.sum);
}

/* For backward. */
static void keep_hidden(const struct fused_job *job, const struct fused_crew *crew, int image)
{
    const struct fused_keep *keep = &job->site->keep;
    const struct fused_hidden own = fused_hidden_at(job, crew, crew->rank);
    const size_t bytes = (size_t)job->desc->attention.hidden * sizeof(float);
    for (int b = 0; b < job->site->branches; b++)
        memcpy(fused_keep_at(job, image, keep->hidden[b]), own.layer[b], bytes);
    memcpy(fused_keep_at(job, image, keep->hidden_sum), own.sum, bytes);
}

static void second_layer(const struct fused_job *job, const struct fused_crew *crew, int image,
                         struct fused_share own)
{
    const struct fused_keep *keep = &job->site->keep;
    const int hidden = job->desc->attention.hidden;
    const struct fused_hidden of = fused_hidden_at(job, crew, crew->rank);
    const struct fused_rows rows = {fused_param(job, P_W2), (size_t)hidden, hidden, own.first,
                                    own.last};
    if (job->site->article)
        job->site->k->matvec(&rows, of.layer[0], of.layer[1],
                             fused_keep_at(job, image, keep->squashed[0]),
                             fused_keep_at(job, image, keep->squashed[1]));
    else
        job->site->k->matvec(&rows, of.sum, NULL, fused_keep_at(job, image, keep->channel), NULL);
    fused_mlp_squash(job, image, own);
}

void fused_lens_fill(const struct fused_job *job, int image, struct fused_share channels)
{
    const bool gated = job->desc->attention.order == ORDER_CHANNEL_FIRST;
    const float *gate = fused_keep_at(job, image, job->site->keep.channel);
    const float *weight = job->site->reduce ? fused_param(job, P_REDUCE) : NULL;
    float *lens = fused_lens_at(job, image);
    for (int i = channels.first; i < channels.last; i++)
        lens[i] = (gated ? gate[i] : 1) * (weight ? weight[i] : 1);
}

static bool lens_follows(const struct fused_job *job)
{
    return job->site->own_lens && job->desc->attention.order == ORDER_CHANNEL_FIRST;
}

static void forward_image(const struct fused_job *job, const struct fused_crew *crew, int image)
{
    const struct fused_share own = fused_crew_share(crew, job->c, FUSED_PAD);
    pool(job, crew, image, own);
    first_layer(job, crew, image, own);
    fused_crew_wait(crew);
    finish_first_layer(job, crew);
    if (crew->rank == 0 && job->desc->train)
        keep_hidden(job, crew, image);
    second_layer(job, crew, image, own);
    if (lens_follows(job))
        fused_lens_fill(job, image, own);
    fused_crew_wait(crew);
}

void fused_channel_forward(const struct fused_job *job, const struct fused_crew *crew,
                           struct fused_share images)
{
    const struct fused_share all = {0, job->c};
    if (job->site->block == 1 || crew->size > 1) {
        forward_image(job, crew, images.first);
        return;
    }
    for (int n = images.first; n < images.last; n++)
        pool(job, crew, n, all);
    fused_mlp_forward(job, images);
    for (int n = images.first; lens_follows(job) && n < images.last; n++)
        fused_lens_fill(job, n, all);
}

/* ---- backward ---- */

/* The MLP of one image: see fused_mlp_backward. */
static void mlp_backward(const struct fused_job *job, int image)
{
    const struct fused_diff *diff = &job->site->diff;
    const int hidden = job->desc->attention.hidden;
    const struct fused_rows second = {fused_param(job, P_W2), (size_t)hidden, hidden, 0, job->c};
    const struct fused_rows first = {fused_param(job, P_W1), (size_t)job->c, job->c, 0, hidden};
    const bool article = job->site->article, two = job->site->branches == 2;
    float *d[2] = {fused_diff_at(job, image, diff->hidden[0]),
                   fused_diff_at(job, image, diff->hidden[1])};
    fused_mlp_unsquash(job, image);
    job->site->k->combine(&second, fused_diff_at(job, image, diff->squashed[0]),
                          article ? fused_diff_at(job, image, diff->squashed[1]) : NULL, d[0],
                          article ? d[1] : NULL);
    fused_mlp_unhide(job, image);
    job->site->k->combine(&first, d[0], two ? d[1] : NULL,
                          fused_diff_at(job, image, diff->pooled[0]),
                          two ? fused_diff_at(job, image, diff->pooled[1]) : NULL);
}

/* From the gradients of what entered the MLP to those of mean and maximum of each channel, in place
 * where only one of them did. An only pixel has all of them through its mean. */
static void backward_pools(const struct fused_job *job, int image)
{
    const enum attention_cpool cpool = job->desc->attention.cpool;
    const float part = 1 / (float)job->pixels;
    float *mean = fused_diff_at(job, image, job->site->diff.mean);
    float *max = fused_diff_at(job, image, job->site->diff.max);
    if (job->site->one_pixel)
        return;
    if (cpool == CPOOL_MAX)
        memset(mean, 0, (size_t)job->c * sizeof *mean);
    for (int i = 0; i < job->c && cpool == CPOOL_HALF; i++) {
        max[i] = 0.5f * mean[i];
        mean[i] = max[i] * part;
    }
    for (int i = 0; i < job->c && (cpool == CPOOL_AVG || cpool == CPOOL_BOTH); i++)
        mean[i] *= part;
}

void fused_channel_backward(const struct fused_job *job, struct fused_share images)
{
    if (job->site->block == 1)
        mlp_backward(job, images.first);
    else
        fused_mlp_backward(job, images);
    for (int n = images.first; n < images.last; n++)
        backward_pools(job, n);
}
