/* What a form of attention needs: constants, and where everything lies in memory. Computes nothing
 * of it. */
#include "impls/fused/attention.h"

#include "impls/base/memory.h"
#include "impls/ops.h"

enum {
    FEWEST = 8,      /* images that are worth a block */
    CACHED = 131072, /* floats of maps that are taken together */
};

static size_t padded(size_t count)
{
    return (count + FUSED_PAD - 1) / FUSED_PAD * FUSED_PAD;
}

/* Reserves `count` floats. */
static size_t take(size_t *total, size_t count)
{
    size_t here = *total;
    *total += padded(count);
    return here;
}

static void set_planes(struct fused_site *site, const struct op_desc *desc)
{
    const enum planes planes = desc->attention.planes;
    site->mean_plane = site->max_plane = -1;
    site->reduce = desc->attention.spatial && desc->attention.spool == SPOOL_CONV1X1;
    if (!desc->attention.spatial || site->reduce)
        return;
    site->half = planes == PLANES_HALF;
    if (planes != PLANES_MAX)
        site->mean_plane = planes == PLANES_MAX_MEAN ? 1 : 0;
    if (planes != PLANES_MEAN)
        site->max_plane = planes == PLANES_MEAN_MAX || planes == PLANES_HALF ? 1 : 0;
}

/* Taps of a large window on a small map that meet padding alone are left out. */
static void set_window(struct fused_window *w, const struct op_desc *desc, bool two)
{
    const int k = desc->attention.spatial ? desc->attention.k : 1, pad = (k - 1) / 2;
    const int h = desc->src[0].h, width = desc->src[0].w;
    *w = (struct fused_window){.planes = two ? 2 : 1, .h = h, .w = width, .k = k, .pad = pad,
                               .pitch = width + k - 1, .high_y = k, .high_x = k};
    if (pad >= h) {
        w->low_y = pad - h + 1;
        w->high_y = pad + h;
    }
    if (pad >= width) {
        w->low_x = pad - width + 1;
        w->high_x = pad + width;
    }
    w->size = padded((size_t)(h + k) * (size_t)w->pitch + FUSED_SLACK);
}

/* In training, many small maps: as many as stay in the second cache between two passes over them,
 * and at least FEWEST where one does. */
static int block_of(const struct op_desc *desc)
{
    const struct tensor *x = &desc->src[0];
    const int fit = (int)(CACHED / ((size_t)x->h * (size_t)x->w * (size_t)x->c));
    if (!desc->train || x->n < FEWEST || fit < 1)
        return 1;
    return fit < FEWEST ? FEWEST : fit;
}

/* With one pixel both branches of the MLP are the same: one stands for two. In the article's form
 * twice the squashed vector is a doubled gate. */
static void set_branches(struct fused_site *site, const struct op_desc *desc)
{
    const bool both = desc->attention.cpool == CPOOL_BOTH;
    const bool article = both && desc->attention.gate == GATE_ARTICLE;
    site->one_pixel = desc->train && desc->src[0].h * desc->src[0].w == 1;
    site->branches = both && !site->one_pixel ? 2 : 1;
    site->article = article && !site->one_pixel;
    site->times = both && !article && site->one_pixel ? 2 : 1;
    site->channel_factor = desc->attention.twice ? 2 : 1;
    if (article)
        site->channel_factor = site->one_pixel ? 2 : 1;
}

static void set_form(struct fused_site *site, const struct op_desc *desc)
{
    const float factor = desc->attention.twice ? 2 : 1;
    site->batch = desc->train && desc->attention.with_bn && desc->attention.batch_stats;
    site->peaks = desc->train;
    site->block = block_of(desc);
    set_branches(site, desc);
    site->spatial_factor = factor;
    set_planes(site, desc);
    site->own_lens = site->reduce || desc->attention.order != ORDER_CHANNEL_FIRST;
    set_window(&site->window, desc,
               site->mean_plane >= 0 && site->max_plane >= 0 && !site->half);
}

static void place_keep(struct fused_site *site, const struct op_desc *desc)
{
    struct fused_keep *k = &site->keep;
    const size_t c = (size_t)desc->src[0].c;
    const size_t pixels = (size_t)desc->src[0].h * (size_t)desc->src[0].w;
    const size_t channel = desc->attention.channel ? c : 0;
    const size_t hidden = desc->attention.channel ? (size_t)desc->attention.hidden : 0;
    const size_t spatial = desc->attention.spatial ? pixels : 0;
    size_t total = 0;
    for (int b = 0; b < 2; b++) {
        k->pooled[b] = take(&total, b < site->branches ? channel : 0);
        k->hidden[b] = take(&total, b < site->branches ? hidden : 0);
        k->squashed[b] = take(&total, site->article ? channel : 0);
        k->plane[b] = take(&total, spatial);
    }
    k->hidden_sum = take(&total, hidden);
    k->channel = take(&total, c);
    k->lens = take(&total, site->own_lens ? c : 0);
    k->pixel_of = take(&total, site->peaks && !site->one_pixel ? channel : 0);
    k->spatial = take(&total, pixels);
    k->logit = take(&total, spatial);
    k->channel_of = take(&total, site->peaks ? spatial : 0);
    k->total = total;
}

/* Where one thing was pooled, the gradient of what entered the MLP becomes that of the pool. */
static void place_pools(struct fused_site *site, const struct op_desc *desc, size_t *total)
{
    struct fused_diff *d = &site->diff;
    const size_t channel = desc->attention.channel ? (size_t)desc->src[0].c : 0;
    const bool maximum = desc->attention.cpool == CPOOL_MAX && !site->one_pixel;
    d->mean = maximum ? take(total, channel) : d->pooled[0];
    d->max = maximum ? d->pooled[0] : d->pooled[1];
    if (desc->attention.cpool == CPOOL_HALF)
        d->max = take(total, channel);
}

static void place_diff(struct fused_site *site, const struct op_desc *desc)
{
    struct fused_diff *d = &site->diff;
    const size_t c = (size_t)desc->src[0].c, k = (size_t)site->window.k;
    const size_t pixels = (size_t)desc->src[0].h * (size_t)desc->src[0].w;
    const size_t channel = desc->attention.channel ? c : 0;
    const size_t hidden = desc->attention.channel ? (size_t)desc->attention.hidden : 0;
    const size_t spatial = desc->attention.spatial ? pixels : 0;
    size_t total = 0;
    d->across = take(&total, pixels);
    d->plain = take(&total, desc->attention.alpha ? pixels : 0);
    d->logit = take(&total, spatial);
    d->of_channel = take(&total, spatial);
    d->of_plane = take(&total, spatial);
    d->channel = d->squashed[0] = take(&total, channel);
    d->squashed[1] = take(&total, site->article ? channel : 0);
    for (int b = 0; b < 2; b++) {
        d->hidden[b] = take(&total, b < site->branches ? hidden : 0);
        d->pooled[b] = take(&total, b < site->branches ? channel : 0);
    }
    place_pools(site, desc, &total);
    d->weight = take(&total, spatial ? (size_t)site->window.planes * k * k : 0);
    d->reduce = take(&total, site->reduce ? c : 0);
    d->total = total;
}

/* Reserves bytes of scratch. */
static size_t reserve(struct fused_site *site, size_t bytes)
{
    size_t here = site->scratch_bytes;
    site->scratch_bytes += memory_round(bytes);
    return here;
}

static void place_scratch(struct fused_site *site, const struct op_desc *desc)
{
    const size_t n = (size_t)desc->src[0].n, threads = (size_t)site->threads;
    const size_t c = padded((size_t)desc->src[0].c);
    const size_t kept = (FUSED_PAD + n * site->keep.total) * sizeof(float);
    site->columns_each = memory_round(c * (sizeof(double) + 2 * sizeof(float)));
    site->hidden_each = 0;
    if (desc->attention.channel)
        site->hidden_each = 5 * padded((size_t)desc->attention.hidden) * sizeof(float);
    site->planes_each = 0;
    if (desc->attention.spatial)
        site->planes_each = memory_round(4 * site->window.size * sizeof(float));
    site->save_bytes = desc->train ? kept : 0;
    site->scratch_bytes = 0;
    site->records = reserve(site, desc->train ? 0 : kept);
    site->diffs = reserve(site, desc->train ? n * site->diff.total * sizeof(float) : 0);
    site->units = reserve(site, n * threads * sizeof(struct fused_unit));
    site->columns = reserve(site, threads * site->columns_each);
    site->hidden = reserve(site, threads * site->hidden_each);
    site->planes = reserve(site, threads * site->planes_each);
}

void fused_site_init(struct fused_site *site, const struct op_desc *desc)
{
    set_form(site, desc);
    place_keep(site, desc);
    place_diff(site, desc);
    place_scratch(site, desc);
}
