/* The MLP of a block of images: see channel_mlp.h. Pools nothing. */
#include "impls/fused/channel_mlp.h"

#include "impls/ops.h"

#include <string.h>

enum { CHUNK = 64 }; /* elements of a bias that are added up together */

/* ---- forward ---- */

/* Adds `times` * bias, where there is one. */
static void add_bias(float *to, const float *bias, float times, int first, int last)
{
    for (int i = first; bias && i < last; i++)
        to[i] += times * bias[i];
}

void fused_mlp_hidden(const struct fused_job *job, float *const layer[2], float *sum)
{
    const int hidden = job->desc->attention.hidden;
    const float *first = layer[0], *second = layer[1];
    const float times = job->site->times;
    for (int b = 0; b < job->site->branches; b++) {
        float *h = layer[b];
        add_bias(h, fused_param(job, P_B1), 1, 0, hidden);
        for (int i = 0; i < hidden; i++)
            h[i] = h[i] <= 0 ? 0 : h[i];
    }
    for (int i = 0; i < hidden; i++)
        sum[i] = job->site->branches == 2 ? first[i] + second[i] : times * first[i];
}

/* The logits of both branches are added before they are squashed; in the article's form each branch
 * is squashed, then they are added. */
void fused_mlp_squash(const struct fused_job *job, int image, struct fused_share channels)
{
    const struct fused_site *site = job->site;
    const struct fused_norm plain = {.scale = 1};
    const int first = channels.first, last = channels.last;
    const float times = site->article ? 1 : site->times * (float)site->branches;
    float *gate = fused_keep_at(job, image, site->keep.channel);
    float *to[2] = {site->article ? fused_keep_at(job, image, site->keep.squashed[0]) : gate,
                    fused_keep_at(job, image, site->keep.squashed[1])};
    for (int b = 0; b < (site->article ? 2 : 1); b++) {
        add_bias(to[b], fused_param(job, P_B2), times, first, last);
        site->k->squash(to[b] + first, last - first, &plain, site->channel_factor, to[b] + first);
    }
    for (int i = first; site->article && i < last; i++)
        gate[i] = to[0][i] + to[1][i];
}

static struct fused_product images_of(struct fused_share images, int parts)
{
    return (struct fused_product){.parts = parts, .left_step = 1, .first = images.first,
                                  .last = images.last};
}

/* One vector of each image times a matrix, to another one: from where to where in the records, of
 * which `base` is the first image's and `total` the length. */
static void record_product(const struct fused_job *job, struct fused_product *p, float *base,
                           size_t total, const size_t *from, const size_t *to)
{
    for (int q = 0; q < p->parts; q++) {
        p->left[q] = base + from[q];
        p->to[q] = base + to[q];
    }
    p->left_row = p->to_step = total;
    job->site->k->product(p);
}

static void keep_product(const struct fused_job *job, struct fused_product *p,
                         const size_t *from, const size_t *to)
{
    record_product(job, p, fused_keep_at(job, 0, 0), job->site->keep.total, from, to);
}

static void diff_product(const struct fused_job *job, struct fused_product *p,
                         const size_t *from, const size_t *to)
{
    record_product(job, p, fused_diff_at(job, 0, 0), job->site->diff.total, from, to);
}

void fused_mlp_forward(const struct fused_job *job, struct fused_share images)
{
    const struct fused_site *site = job->site;
    const struct fused_keep *keep = &site->keep;
    const int hidden = job->desc->attention.hidden;
    struct fused_product first = images_of(images, site->branches);
    struct fused_product second = images_of(images, site->article ? 2 : 1);
    first.right = fused_param(job, P_W1);
    first.right_step = (size_t)(first.length = job->c);
    first.columns = hidden;
    second.right = fused_param(job, P_W2);
    second.right_step = (size_t)(second.length = hidden);
    second.columns = job->c;
    first.turned = second.turned = true;
    keep_product(job, &first, keep->pooled, keep->hidden);
    for (int n = images.first; n < images.last; n++) {
        float *const layer[2] = {fused_keep_at(job, n, keep->hidden[0]),
                                 fused_keep_at(job, n, keep->hidden[1])};
        fused_mlp_hidden(job, layer, fused_keep_at(job, n, keep->hidden_sum));
    }
    if (site->article)
        keep_product(job, &second, keep->hidden, keep->squashed);
    else
        keep_product(job, &second, &keep->hidden_sum, &keep->channel);
    for (int n = images.first; n < images.last; n++)
        fused_mlp_squash(job, n, (struct fused_share){0, job->c});
}

/* ---- backward ---- */

/* s (1 - s/f) for a gate s = f sigmoid. The first one replaces the gradient of gc. */
void fused_mlp_unsquash(const struct fused_job *job, int image)
{
    const struct fused_site *site = job->site;
    const float inverse = 1 / site->channel_factor;
    const float *first = fused_keep_at(job, image, site->article ? site->keep.squashed[0]
                                                                 : site->keep.channel);
    const float *second = fused_keep_at(job, image, site->keep.squashed[1]);
    float *d = fused_diff_at(job, image, site->diff.squashed[0]);
    float *to = fused_diff_at(job, image, site->diff.squashed[1]);
    for (int i = 0; site->article && i < job->c; i++)
        to[i] = d[i] * second[i] * (1 - second[i] * inverse);
    for (int i = 0; i < job->c; i++)
        d[i] = d[i] * first[i] * (1 - first[i] * inverse);
}

void fused_mlp_unhide(const struct fused_job *job, int image)
{
    const struct fused_site *site = job->site;
    const int hidden = job->desc->attention.hidden;
    float *const d[2] = {fused_diff_at(job, image, site->diff.hidden[0]),
                         fused_diff_at(job, image, site->diff.hidden[1])};
    if (site->branches == 2 && !site->article)
        memcpy(d[1], d[0], (size_t)hidden * sizeof **d);
    for (int b = 0; b < site->branches; b++) {
        const float *h = fused_keep_at(job, image, site->keep.hidden[b]);
        float *to = d[b];
        for (int i = 0; i < hidden; i++)
            to[i] = h[i] <= 0 ? 0 : to[i] * site->times;
    }
}

void fused_mlp_backward(const struct fused_job *job, struct fused_share images)
{
    const struct fused_site *site = job->site;
    const struct fused_diff *diff = &site->diff;
    const int hidden = job->desc->attention.hidden;
    struct fused_product second = images_of(images, site->article ? 2 : 1);
    struct fused_product first = images_of(images, site->branches);
    second.right = fused_param(job, P_W2);
    second.right_step = (size_t)(second.columns = hidden);
    second.length = job->c;
    first.right = fused_param(job, P_W1);
    first.right_step = (size_t)(first.columns = job->c);
    first.length = hidden;
    for (int n = images.first; n < images.last; n++)
        fused_mlp_unsquash(job, n);
    diff_product(job, &second, diff->squashed, diff->hidden);
    for (int n = images.first; n < images.last; n++)
        fused_mlp_unhide(job, n);
    diff_product(job, &first, diff->hidden, diff->pooled);
}

/* ---- gradients of the parameters ---- */

/* Which parameter, and where the factors of its terms are. */
struct mlp_layer {
    int slot, rows, length, terms;
    size_t coef[2], vec[2];
    float bias_times;
};

/* The weight: sums over images of outer products. */
static void add_weight(const struct fused_job *job, const struct mlp_layer *of, int t,
                       struct fused_share rows)
{
    struct fused_product p = {
        .parts = 1, .left = {fused_diff_at(job, 0, of->coef[t])}, .left_row = 1,
        .left_step = job->site->diff.total, .right = fused_keep_at(job, 0, of->vec[t]),
        .right_step = job->site->keep.total, .to = {job->args->param[of->slot]->grad},
        .to_step = (size_t)of->length, .first = rows.first, .last = rows.last,
        .length = job->n, .columns = of->length,
        .add = t > 0 || (job->args->add_diff_param >> of->slot & 1)};
    job->site->k->product(&p);
}

/* Its bias, in the next slot: sums of the factors. */
static void add_bias_gradient(const struct fused_job *job, const struct mlp_layer *of, int t,
                              struct fused_share rows)
{
    const bool add = t > 0 || (job->args->add_diff_param >> (of->slot + 1) & 1);
    float *grad = job->args->param[of->slot + 1]->grad;
    for (int first = rows.first; first < rows.last; first += CHUNK) {
        const int count = rows.last - first < CHUNK ? rows.last - first : CHUNK;
        double sum[CHUNK] = {0};
        for (int n = 0; n < job->n; n++) {
            const float *coef = fused_diff_at(job, n, of->coef[t]) + first;
            for (int i = 0; i < count; i++)
                sum[i] += (double)coef[i];
        }
        for (int i = 0; i < count; i++) {
            float value = (float)sum[i] * of->bias_times;
            grad[first + i] = add ? grad[first + i] + value : value;
        }
    }
}

static void add_up(const struct fused_job *job, const struct mlp_layer *of, struct fused_share rows)
{
    const unsigned want = job->desc->want_diff_param >> of->slot;
    for (int t = 0; t < of->terms; t++) {
        if (want & 1)
            add_weight(job, of, t, rows);
        if (want & 2)
            add_bias_gradient(job, of, t, rows);
    }
}

void fused_mlp_gradients(const struct fused_job *job, int thread, int threads)
{
    const struct fused_site *site = job->site;
    const struct fused_keep *keep = &site->keep;
    const struct fused_diff *diff = &site->diff;
    const int hidden = job->desc->attention.hidden;
    const struct fused_crew all = {.size = threads, .rank = thread};
    const struct mlp_layer first = {P_W1, hidden, job->c, site->branches,
                                {diff->hidden[0], diff->hidden[1]},
                                {keep->pooled[0], keep->pooled[1]}, 1};
    const struct mlp_layer second = {P_W2, job->c, hidden, site->article ? 2 : 1,
                                 {diff->squashed[0], diff->squashed[1]},
                                 {site->article ? keep->hidden[0] : keep->hidden_sum,
                                  keep->hidden[1]},
                                 site->article ? 1 : site->times * (float)site->branches};
    add_up(job, &first, fused_crew_share(&all, hidden, 1));
    add_up(job, &second, fused_crew_share(&all, job->c, FUSED_PAD));
}
