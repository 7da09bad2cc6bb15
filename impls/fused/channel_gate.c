/* The channel gate: see channel_gate.h. */
#include "impls/fused/channel_gate.h"

#include "impls/ops.h"

#include <math.h>
#include <string.h>

/* ---- forward ---- */

static const float *pooled_through(const struct fused_job *job, int image)
{
    bool after = job->desc->attention.order == ORDER_SPATIAL_FIRST;
    return after ? fused_keep_at(job, image, job->site->keep.spatial) : NULL;
}

static bool has_max(const struct fused_job *job)
{
    return job->desc->attention.cpool != CPOOL_AVG;
}

/* What has been found of one channel. */
struct found {
    double sum;
    float max;
    int at; /* pixel */
};

static float value_at(const struct fused_span *x, const float *factor, int p, int i)
{
    float v = x->data[(size_t)p * x->stride + i];
    return factor ? v * factor[p] : v;
}

/* The maximum by the rule for a NaN: it is larger than every number, and the first one wins. */
static void careful_pixel(const struct fused_span *x, const float *factor, int i,
                          struct found *found)
{
    found->at = 0;
    found->max = value_at(x, factor, 0, i);
    for (int p = 1; p < x->last && !isnan(found->max); p++) {
        float v = value_at(x, factor, p, i);
        if (!(v <= found->max)) {
            found->max = v;
            found->at = p;
        }
    }
}

/* From the first pixel of a group to the pixel of the maximum. */
static void find_pixel(const struct fused_span *x, const float *factor, int i,
                       struct found *found)
{
    int p = found->at;
    while (p < x->last && p < found->at + FUSED_GROUP && value_at(x, factor, p, i) != found->max)
        p++;
    if (p < x->last && p < found->at + FUSED_GROUP)
        found->at = p;
}

/* Members have pixels in ascending order: of equal maxima the first member's stays. */
static struct found join_members(const struct fused_columns *of, int members, int i, bool tracked)
{
    struct found found = {0, -INFINITY, 0};
    for (int r = 0; r < members; r++) {
        found.sum += of[r].sum[i];
        if (r == 0 || of[r].max[i] > found.max) {
            found.max = of[r].max[i];
            found.at = tracked ? of[r].at[i] : 0;
        }
    }
    return found;
}

static void store_pooled(const struct fused_job *job, int image, int i, float mean, float max)
{
    const struct fused_keep *keep = &job->site->keep;
    float *first = fused_keep_at(job, image, keep->pooled[0]) + i;
    switch (job->desc->attention.cpool) {
    case CPOOL_BOTH:
        *first = mean;
        fused_keep_at(job, image, keep->pooled[1])[i] = max;
        break;
    case CPOOL_AVG:
        *first = mean;
        break;
    case CPOOL_MAX:
        *first = max;
        break;
    case CPOOL_HALF:
        *first = 0.5f * mean + 0.5f * max;
        break;
    }
}

static void join(const struct fused_job *job, const struct fused_crew *crew, int image)
{
    const struct fused_share all = {0, job->h};
    const struct fused_share channels = fused_crew_share(crew, job->c, FUSED_PAD);
    const struct fused_span x = fused_rows_of(job, image, all);
    const float *factor = pooled_through(job, image);
    const bool tracked = job->site->peaks && has_max(job);
    int32_t *pixel_of = (int32_t *)fused_keep_at(job, image, job->site->keep.pixel_of);
    struct fused_columns of[FUSED_THREADS];
    for (int r = 0; r < crew->size; r++)
        of[r] = fused_columns_at(job, crew, r);
    for (int i = channels.first; i < channels.last; i++) {
        struct found found = join_members(of, crew->size, i, tracked);
        if (isnan(found.sum))
            careful_pixel(&x, factor, i, &found);
        else if (tracked)
            find_pixel(&x, factor, i, &found);
        if (tracked)
            pixel_of[i] = found.at;
        store_pooled(job, image, i, (float)(found.sum / job->pixels), found.max);
    }
}

/* Adds `times` * bias, where there is one. */
static void add_bias(float *to, const float *bias, float times, struct fused_share range)
{
    for (int i = range.first; bias && i < range.last; i++)
        to[i] += times * bias[i];
}

static void first_layer(const struct fused_job *job, const struct fused_crew *crew, int image)
{
    const struct fused_keep *keep = &job->site->keep;
    const int hidden = job->desc->attention.hidden;
    const struct fused_share range = fused_crew_share(crew, hidden, FUSED_PAD / 4);
    const struct fused_rows rows = {fused_param(job, P_W1), job->c, range.first, range.last};
    const bool two = job->site->branches == 2;
    float *h[2] = {fused_keep_at(job, image, keep->hidden[0]),
                   two ? fused_keep_at(job, image, keep->hidden[1]) : NULL};
    float *sum = fused_keep_at(job, image, keep->hidden_sum);
    job->site->k->matvec(&rows, fused_keep_at(job, image, keep->pooled[0]),
                         two ? fused_keep_at(job, image, keep->pooled[1]) : NULL, h[0], h[1]);
    for (int b = 0; b < job->site->branches; b++) {
        add_bias(h[b], fused_param(job, P_B1), 1, range);
        for (int i = range.first; i < range.last; i++)
            h[b][i] = h[b][i] <= 0 ? 0 : h[b][i];
    }
    for (int i = range.first; i < range.last; i++)
        sum[i] = two ? h[0][i] + h[1][i] : h[0][i];
}

/* The logits of both branches are added before they are squashed: one pass on the sum of the
 * hidden vectors. */
static void second_layer(const struct fused_job *job, int image, const struct fused_rows *rows,
                         struct fused_share range)
{
    const struct fused_keep *keep = &job->site->keep;
    const struct fused_norm plain = {.scale = 1};
    float *gate = fused_keep_at(job, image, keep->channel);
    job->site->k->matvec(rows, fused_keep_at(job, image, keep->hidden_sum), NULL, gate, NULL);
    add_bias(gate, fused_param(job, P_B2), (float)job->site->branches, range);
    job->site->k->squash(gate + range.first, range.last - range.first, &plain,
                         job->site->channel_factor, gate + range.first);
}

/* The article's form: each branch is squashed, then they are added. */
static void second_layer_article(const struct fused_job *job, int image,
                                 const struct fused_rows *rows, struct fused_share range)
{
    const struct fused_keep *keep = &job->site->keep;
    const struct fused_norm plain = {.scale = 1};
    float *gate = fused_keep_at(job, image, keep->channel);
    float *to[2] = {fused_keep_at(job, image, keep->squashed[0]),
                    fused_keep_at(job, image, keep->squashed[1])};
    job->site->k->matvec(rows, fused_keep_at(job, image, keep->hidden[0]),
                         fused_keep_at(job, image, keep->hidden[1]), to[0], to[1]);
    for (int b = 0; b < 2; b++) {
        add_bias(to[b], fused_param(job, P_B2), 1, range);
        job->site->k->squash(to[b] + range.first, range.last - range.first, &plain, 1,
                             to[b] + range.first);
    }
    for (int i = range.first; i < range.last; i++)
        gate[i] = to[0][i] + to[1][i];
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

void fused_channel_forward(const struct fused_job *job, const struct fused_crew *crew, int image)
{
    const struct fused_span x = fused_rows_of(job, image, fused_crew_share(crew, job->h, 1));
    const struct fused_share channels = fused_crew_share(crew, job->c, FUSED_PAD);
    const struct fused_rows rows = {fused_param(job, P_W2), job->desc->attention.hidden,
                                    channels.first, channels.last};
    struct fused_columns columns = fused_columns_at(job, crew, crew->rank);
    if (!job->site->peaks || !has_max(job))
        columns.at = NULL;
    job->site->k->pool_columns(&x, pooled_through(job, image), &columns);
    fused_crew_wait(crew);
    join(job, crew, image);
    fused_crew_wait(crew);
    first_layer(job, crew, image);
    fused_crew_wait(crew);
    if (job->site->article)
        second_layer_article(job, image, &rows, channels);
    else
        second_layer(job, image, &rows, channels);
    if (job->site->own_lens && job->desc->attention.order == ORDER_CHANNEL_FIRST)
        fused_lens_fill(job, image, channels);
    fused_crew_wait(crew);
}

/* ---- backward ---- */

/* Gradients of the logits, from that of gc: s (1 - s/f) for a gate s = f sigmoid. */
static void unsquash(const struct fused_job *job, int image)
{
    const struct fused_keep *keep = &job->site->keep;
    const struct fused_diff *diff = &job->site->diff;
    const float *d = fused_diff_at(job, image, diff->channel);
    for (int b = 0; b < (job->site->article ? 2 : 1); b++) {
        const size_t from = job->site->article ? keep->squashed[b] : keep->channel;
        const float *s = fused_keep_at(job, image, from);
        const float inverse = 1 / job->site->channel_factor;
        float *to = fused_diff_at(job, image, diff->squashed[b]);
        for (int i = 0; i < job->c; i++)
            to[i] = d[i] * s[i] * (1 - s[i] * inverse);
    }
}

static void backward_hidden(const struct fused_job *job, int image)
{
    const struct fused_keep *keep = &job->site->keep;
    const struct fused_diff *diff = &job->site->diff;
    const int hidden = job->desc->attention.hidden;
    const struct fused_rows rows = {fused_param(job, P_W2), hidden, 0, job->c};
    const bool article = job->site->article;
    float *d[2] = {fused_diff_at(job, image, diff->hidden[0]),
                   fused_diff_at(job, image, diff->hidden[1])};
    job->site->k->combine(&rows, fused_diff_at(job, image, diff->squashed[0]),
                          article ? fused_diff_at(job, image, diff->squashed[1]) : NULL, d[0],
                          article ? d[1] : NULL);
    if (job->site->branches == 2 && !article)
        memcpy(d[1], d[0], (size_t)hidden * sizeof **d);
    for (int b = 0; b < job->site->branches; b++) {
        const float *h = fused_keep_at(job, image, keep->hidden[b]);
        for (int i = 0; i < hidden; i++)
            d[b][i] = h[i] <= 0 ? 0 : d[b][i];
    }
}

/* From the gradients of what entered the MLP to those of mean and maximum of each channel. */
static void backward_pools(const struct fused_job *job, int image)
{
    const struct fused_diff *diff = &job->site->diff;
    const enum attention_cpool cpool = job->desc->attention.cpool;
    const float *first = fused_diff_at(job, image, diff->pooled[0]);
    const float *second = fused_diff_at(job, image, diff->pooled[cpool == CPOOL_BOTH]);
    const float half = cpool == CPOOL_HALF ? 0.5f : 1;
    const float to_mean = cpool == CPOOL_MAX ? 0 : half / (float)job->pixels;
    const float to_max = cpool == CPOOL_AVG ? 0 : half;
    float *mean = fused_diff_at(job, image, diff->mean), *max = fused_diff_at(job, image, diff->max);
    for (int i = 0; i < job->c; i++) {
        mean[i] = first[i] * to_mean;
        max[i] = second[i] * to_max;
    }
}

void fused_channel_backward(const struct fused_job *job, int image)
{
    const struct fused_diff *diff = &job->site->diff;
    const struct fused_rows rows = {fused_param(job, P_W1), job->c, 0,
                                    job->desc->attention.hidden};
    const bool two = job->site->branches == 2;
    unsquash(job, image);
    backward_hidden(job, image);
    job->site->k->combine(&rows, fused_diff_at(job, image, diff->hidden[0]),
                          two ? fused_diff_at(job, image, diff->hidden[1]) : NULL,
                          fused_diff_at(job, image, diff->pooled[0]),
                          two ? fused_diff_at(job, image, diff->pooled[1]) : NULL);
    backward_pools(job, image);
}

/* Which parameter, and where the factors of its terms are. */
struct product {
    int slot, rows, length, terms;
    size_t coef[2], vec[2];
    float bias_times;
};

/* The weight: sums over images of outer products; its bias, in the next slot: of the factors. */
static void add_up(const struct fused_job *job, const struct product *of, struct fused_share rows)
{
    const unsigned want = job->desc->want_diff_param >> of->slot;
    const unsigned add = job->args->add_diff_param >> of->slot;
    struct param *weight = job->args->param[of->slot], *bias = job->args->param[of->slot + 1];
    for (int t = 0; t < of->terms; t++) {
        const float *coef = fused_diff_at(job, 0, of->coef[t]);
        struct fused_outer outer = {
            .grad = weight->grad, .coef = coef, .vec = fused_keep_at(job, 0, of->vec[t]),
            .coef_step = job->site->diff.total, .vec_step = job->site->keep.total,
            .terms = job->n, .length = of->length, .first = rows.first, .last = rows.last,
            .add = t > 0 || (add & 1)};
        if (want & 1)
            job->site->k->outer(&outer);
        for (int r = rows.first; (want & 2) && r < rows.last; r++) {
            double sum = 0;
            for (int n = 0; n < job->n; n++)
                sum += (double)coef[(size_t)n * outer.coef_step + r];
            float value = (float)sum * of->bias_times;
            bias->grad[r] = t > 0 || (add & 2) ? bias->grad[r] + value : value;
        }
    }
}

void fused_mlp_gradients(const struct fused_job *job, int thread, int threads)
{
    const struct fused_site *site = job->site;
    const struct fused_keep *keep = &site->keep;
    const struct fused_diff *diff = &site->diff;
    const int hidden = job->desc->attention.hidden;
    const struct fused_crew all = {.size = threads, .rank = thread};
    const struct product first = {P_W1, hidden, job->c, site->branches,
                                  {diff->hidden[0], diff->hidden[1]},
                                  {keep->pooled[0], keep->pooled[1]}, 1};
    const struct product second = {P_W2, job->c, hidden, site->article ? 2 : 1,
                                   {diff->squashed[0], diff->squashed[1]},
                                   {site->article ? keep->hidden[0] : keep->hidden_sum,
                                    keep->hidden[1]},
                                   site->article ? 1 : (float)site->branches};
    add_up(job, &first, fused_crew_share(&all, hidden, 1));
    add_up(job, &second, fused_crew_share(&all, job->c, FUSED_PAD));
}
