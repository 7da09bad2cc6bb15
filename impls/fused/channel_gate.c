/* The channel gate: see channel_gate.h. */
#include "impls/fused/channel_gate.h"

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

/* From the first pixel of a group to the pixel of the maximum. */
static int find_pixel(const struct fused_job *job, const struct fused_span *x, const float *factor,
                      int i, float max, int group)
{
    const int end = group + FUSED_GROUP < x->last ? group + FUSED_GROUP : x->last;
    for (int p = group; p < end; p++)
        if (value_at(job, x, factor, p, i) == max)
            return p;
    return group;
}

/* Where maxima are, exactly; and a NaN, which shows in the sum alone, in its maximum. */
static void settle_maxima(const struct fused_job *job, const struct fused_span *x,
                          const float *factor, const struct fused_columns *columns)
{
    bool numbers = true;
    for (int i = 0; i < x->c; i++)
        numbers &= !isnan(columns->sum[i]);
    for (int i = 0; i < x->c && columns->at; i++)
        columns->at[i] = find_pixel(job, x, factor, i, columns->max[i], columns->at[i]);
    for (int i = 0; i < x->c && !numbers; i++) {
        int32_t ignored, *at = columns->at ? &columns->at[i] : &ignored;
        if (isnan(columns->sum[i]))
            careful_pixel(job, x, factor, i, &columns->max[i], at);
    }
}

/* What enters the MLP, channels from `first` on. */
static void store_pooled(const struct fused_job *job, int image, int first, int count,
                         const struct fused_columns *columns)
{
    const enum attention_cpool cpool = job->desc->attention.cpool;
    const double part = 1.0 / job->pixels;
    float *to = fused_keep_at(job, image, job->site->keep.pooled[0]) + first;
    float *second = fused_keep_at(job, image, job->site->keep.pooled[1]) + first;
    for (int i = 0; i < count && cpool != CPOOL_MAX; i++)
        to[i] = (float)(columns->sum[i] * part);
    if (cpool == CPOOL_MAX || cpool == CPOOL_BOTH)
        memcpy(cpool == CPOOL_BOTH ? second : to, columns->max, (size_t)count * sizeof *to);
    for (int i = 0; i < count && cpool == CPOOL_HALF; i++)
        to[i] = 0.5f * to[i] + 0.5f * columns->max[i];
}

static void pool(const struct fused_job *job, const struct fused_crew *crew, int image,
                 struct fused_share own)
{
    struct fused_span x = fused_rows_of(job, image, (struct fused_share){0, job->h});
    struct fused_columns columns = fused_columns_at(job, crew, crew->rank);
    int32_t *pixel_of = (int32_t *)fused_keep_at(job, image, job->site->keep.pixel_of);
    const float *factor = pooled_through(job, image);
    x.data = (const char *)x.data + (size_t)own.first * dtype_bytes(job->desc->src[0].dtype);
    x.c = own.last - own.first;
    if (!job->site->peaks || !has_max(job))
        columns.at = NULL;
    job->site->k->pool_columns(&x, factor, &columns);
    if (has_max(job))
        settle_maxima(job, &x, factor, &columns);
    if (columns.at)
        memcpy(pixel_of + own.first, columns.at, (size_t)x.c * sizeof *pixel_of);
    store_pooled(job, image, own.first, x.c, &columns);
}

/* ---- the MLP forward ---- */

/* Adds `times` * bias, where there is one. */
static void add_bias(float *to, const float *bias, float times, int first, int last)
{
    for (int i = first; bias && i < last; i++)
        to[i] += times * bias[i];
}

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

/* Every member for itself: the sum of all members' parts, relu. */
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
        add_bias(h, fused_param(job, P_B1), 1, 0, hidden);
        for (int i = 0; i < hidden; i++)
            h[i] = h[i] <= 0 ? 0 : h[i];
    }
    for (int i = 0; i < hidden; i++)
        own.sum[i] = job->site->branches == 2 ? own.layer[0][i] + own.layer[1][i]
                                              : own.layer[0][i];
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

/* The logits of both branches are added before they are squashed: one pass on the sum of the
 * hidden vectors. */
static void second_layer(const struct fused_job *job, int image, const struct fused_rows *rows,
                         const struct fused_hidden *hidden)
{
    const struct fused_norm plain = {.scale = 1};
    const int first = rows->first, last = rows->last;
    float *gate = fused_keep_at(job, image, job->site->keep.channel);
    job->site->k->matvec(rows, hidden->sum, NULL, gate, NULL);
    add_bias(gate, fused_param(job, P_B2), (float)job->site->branches, first, last);
    job->site->k->squash(gate + first, last - first, &plain, job->site->channel_factor,
                         gate + first);
}

/* The article's form: each branch is squashed, then they are added. */
static void second_layer_article(const struct fused_job *job, int image,
                                 const struct fused_rows *rows, const struct fused_hidden *hidden)
{
    const struct fused_keep *keep = &job->site->keep;
    const struct fused_norm plain = {.scale = 1};
    const int first = rows->first, last = rows->last;
    float *gate = fused_keep_at(job, image, keep->channel);
    float *to[2] = {fused_keep_at(job, image, keep->squashed[0]),
                    fused_keep_at(job, image, keep->squashed[1])};
    job->site->k->matvec(rows, hidden->layer[0], hidden->layer[1], to[0], to[1]);
    for (int b = 0; b < 2; b++) {
        add_bias(to[b], fused_param(job, P_B2), 1, first, last);
        job->site->k->squash(to[b] + first, last - first, &plain, 1, to[b] + first);
    }
    for (int i = first; i < last; i++)
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
    const struct fused_share own = fused_crew_share(crew, job->c, FUSED_PAD);
    const struct fused_hidden hidden = fused_hidden_at(job, crew, crew->rank);
    const struct fused_rows rows = {fused_param(job, P_W2), (size_t)job->desc->attention.hidden,
                                    job->desc->attention.hidden, own.first, own.last};
    pool(job, crew, image, own);
    first_layer(job, crew, image, own);
    fused_crew_wait(crew);
    finish_first_layer(job, crew);
    if (crew->rank == 0 && job->desc->train)
        keep_hidden(job, crew, image);
    if (job->site->article)
        second_layer_article(job, image, &rows, &hidden);
    else
        second_layer(job, image, &rows, &hidden);
    if (job->site->own_lens && job->desc->attention.order == ORDER_CHANNEL_FIRST)
        fused_lens_fill(job, image, own);
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
    const struct fused_rows rows = {fused_param(job, P_W2), (size_t)hidden, hidden, 0, job->c};
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
    float *mean = fused_diff_at(job, image, diff->mean);
    float *max = fused_diff_at(job, image, diff->max);
    for (int i = 0; i < job->c; i++) {
        mean[i] = first[i] * to_mean;
        max[i] = second[i] * to_max;
    }
}

void fused_channel_backward(const struct fused_job *job, int image)
{
    const struct fused_diff *diff = &job->site->diff;
    const struct fused_rows rows = {fused_param(job, P_W1), (size_t)job->c, job->c, 0,
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
