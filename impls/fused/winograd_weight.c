/* The weight's gradient by Winograd's algorithm: memory, and which thread does what. See
 * winograd_weight.h. */
#include "impls/fused/winograd_weight.h"

#include "impls/base/memory.h"
#include "impls/fused/winograd_kernels.h"
#include "impls/fused/winograd_place.h"

#include <omp.h>
#include <string.h>

/* Transformed tiles of a block, in bytes: enough tiles that the sums, which every block reads and
 * writes, weigh little; and tiles of one product, which stay in the first-level cache. */
enum { BLOCK_BYTES = 24 << 20, LEAST_TILES = 96, MOST_TILES = 512, DEPTH = 128 };

static int block_of(const struct winograd_weight *w)
{
    const size_t tile = (size_t)w->maps.frequencies * (size_t)(w->c_vectors + w->k_vectors) *
                        (size_t)w->maps.kernels->lanes * sizeof(float);
    int fit = (int)(BLOCK_BYTES / tile);
    fit = fit < LEAST_TILES ? LEAST_TILES : fit > MOST_TILES ? MOST_TILES : fit;
    const int blocks = (w->maps.tiles + fit - 1) / fit;
    return (w->maps.tiles + blocks - 1) / blocks; /* all about as large */
}

/* Frequencies are a vector further apart than they are long: no power of two, or they would share
 * places in the cache. */
static void set_areas(struct winograd_weight *w)
{
    const size_t pad = MEMORY_ALIGN / sizeof(float), lanes = (size_t)w->maps.kernels->lanes;
    const size_t frequencies = (size_t)w->maps.frequencies;
    const size_t c = (size_t)w->c_vectors, k = (size_t)w->k_vectors;
    w->vector = (size_t)w->block * lanes;
    w->v_frequency = c * w->vector + pad;
    w->d_frequency = k * w->vector + pad;
    w->u_frequency = k * c * lanes * lanes + pad;
    w->v_at = memory_round(k * lanes * sizeof(double));
    w->d_at = w->v_at + memory_round(frequencies * w->v_frequency * sizeof(float));
    w->u_at = w->d_at + memory_round((frequencies + 1) * w->d_frequency * sizeof(float));
    w->bytes = w->u_at + memory_round(frequencies * w->u_frequency * sizeof(float));
}

enum status winograd_weight_make(struct winograd_weight *w, const struct op_desc *d, int m)
{
    *w = (struct winograd_weight){.block = 0};
    TRY(winograd_measure(&w->maps, d, m, false));
    const int lanes = w->maps.kernels->lanes;
    const int most = w->maps.c > w->maps.k ? w->maps.c : w->maps.k;
    w->c_vectors = (w->maps.c + lanes - 1) / lanes;
    w->k_vectors = (w->maps.k + lanes - 1) / lanes;
    w->block = block_of(w);
    set_areas(w);
    w->maps.zeros = memory_alloc((size_t)most * sizeof(float));
    return w->maps.zeros ? OK : ERR_MEMORY;
}

void winograd_weight_release(struct winograd_weight *w)
{
    winograd_release(&w->maps);
    memset(w, 0, sizeof *w);
}

size_t winograd_weight_scratch(const struct winograd_weight *w)
{
    return w->bytes;
}

/* A thread among those that run, and the tiles of its block. */
struct worker {
    const struct winograd_weight *w;
    const struct winograd_weight_call *call;
    int rank, size;
    int first, count;
    float *v, *d, *u;
    double *sums;
};

static void transform_tile(const struct worker *worker, int tile)
{
    const struct winograd_weight *w = worker->w;
    const struct winograd *maps = &w->maps;
    const size_t row = (size_t)tile * (size_t)maps->kernels->lanes;
    const struct wino_place at = wino_place_of(maps, worker->first + tile);
    struct wino_source source = {.channels = maps->c, .frequency = w->v_frequency,
                                 .vector = w->vector, .v = worker->v + row};
    struct wino_spread result = {.channels = maps->k, .frequency = w->d_frequency,
                                 .vector = w->vector, .d = worker->d + row};
    wino_window(maps, worker->call->src, at, source.pixel);
    for (int i = 0; i < maps->m; i++)
        for (int j = 0; j < maps->m; j++) {
            const int y = at.y + i, x = at.x + j;
            result.pixel[i * maps->m + j] =
                y < maps->oh && x < maps->ow
                    ? wino_pixel(worker->call->diff_dst, at.image, y, x)
                    : maps->zeros;
        }
    maps->kernels->scatter[maps->m / 4](&source);
    maps->kernels->spread[maps->m / 4](&result);
}

/* One frequency, two vectors of the result's channels: against all of the source's. */
static void multiply_pair(const struct worker *worker, size_t f, size_t k)
{
    const struct winograd_weight *w = worker->w;
    const size_t lanes = (size_t)w->maps.kernels->lanes, square = lanes * lanes;
    const size_t c_vectors = (size_t)w->c_vectors;
    struct wino_outer outer = {.d_vector = w->vector, .u_vector = c_vectors * square,
                               .vectors = (int)k + 1 < w->k_vectors ? 2 : 1};
    for (int t = 0; t < worker->count; t += DEPTH) {
        outer.depth = worker->count - t < DEPTH ? worker->count - t : DEPTH;
        outer.d = worker->d + f * w->d_frequency + k * w->vector + (size_t)t * lanes;
        outer.add = worker->first + t > 0;
        for (size_t c = 0; c < c_vectors; c++) {
            outer.v = worker->v + f * w->v_frequency + c * w->vector + (size_t)t * lanes;
            outer.u = worker->u + f * w->u_frequency + (k * c_vectors + c) * square;
            w->maps.kernels->outer(&outer);
        }
    }
}

static void multiply(const struct worker *worker)
{
    const struct winograd_weight *w = worker->w;
    const int pairs = (w->k_vectors + WINO_PANEL - 1) / WINO_PANEL;
    const struct wino_share mine =
        wino_share_of(worker->rank, worker->size, w->maps.frequencies * pairs);
    for (int i = mine.first; i < mine.last; i++)
        multiply_pair(worker, (size_t)(i / pairs), (size_t)(i % pairs * WINO_PANEL));
}

/* Sums of tiles' pixels, in double precision: a bias before a normalisation has a gradient near
 * zero. */
static void add_sums(const struct worker *worker)
{
    const struct winograd_weight *w = worker->w;
    const int lanes = w->maps.kernels->lanes;
    const float *plane = worker->d + (size_t)w->maps.frequencies * w->d_frequency;
    const struct wino_share mine = wino_share_of(worker->rank, worker->size, w->k_vectors);
    for (int k = mine.first; k < mine.last; k++)
        for (int i = 0; i < lanes; i++) {
            const float *from = plane + (size_t)k * w->vector + i;
            double sum = worker->first ? worker->sums[k * lanes + i] : 0;
            for (int t = 0; t < worker->count; t++)
                sum += (double)from[(size_t)t * (size_t)lanes];
            worker->sums[k * lanes + i] = sum;
        }
}

/* The gradient from the sums of all tiles. */
static void collect(const struct worker *worker)
{
    const struct winograd_weight *w = worker->w;
    const int lanes = w->maps.kernels->lanes, c = w->maps.c;
    const size_t square = (size_t)lanes * (size_t)lanes;
    const struct wino_share mine = wino_share_of(worker->rank, worker->size, w->k_vectors * c);
    struct wino_collect part = {.frequency = w->u_frequency, .column = (size_t)c * 9,
                                .add = worker->call->add};
    for (int i = mine.first; i < mine.last; i++) {
        const int k = i / c, channel = i % c, left = w->maps.k - k * lanes;
        part.u = worker->u + (size_t)k * (size_t)w->c_vectors * square +
                 (size_t)channel * (size_t)lanes;
        part.grad = worker->call->grad + (size_t)k * (size_t)lanes * part.column +
                    (size_t)channel * 9;
        part.columns = left < lanes ? left : lanes;
        w->maps.kernels->collect[w->maps.m / 4](&part);
    }
}

static void run_block(struct worker *worker)
{
    const struct wino_share tiles = wino_share_of(worker->rank, worker->size, worker->count);
    for (int tile = tiles.first; tile < tiles.last; tile++)
        transform_tile(worker, tile);
#pragma omp barrier
    multiply(worker);
    if (worker->call->bias)
        add_sums(worker);
#pragma omp barrier
}

static void finish_bias(const struct worker *worker)
{
    const struct winograd_weight_call *call = worker->call;
    for (int k = 0; call->bias && k < worker->w->maps.k; k++)
        call->bias[k] = (call->add_bias ? call->bias[k] : 0) + (float)worker->sums[k];
}

void winograd_weight_run(const struct winograd_weight *w, const struct winograd_weight_call *call)
{
    char *scratch = call->scratch;
#pragma omp parallel num_threads(w->maps.threads)
    {
        struct worker worker = {.w = w, .call = call, .rank = omp_get_thread_num(),
                                .size = omp_get_num_threads(), .sums = (double *)scratch,
                                .v = (float *)(scratch + w->v_at),
                                .d = (float *)(scratch + w->d_at),
                                .u = (float *)(scratch + w->u_at)};
        for (; worker.first < w->maps.tiles; worker.first += w->block) {
            const int left = w->maps.tiles - worker.first;
            worker.count = left < w->block ? left : w->block;
            run_block(&worker);
        }
        collect(&worker);
        if (worker.rank == 0)
            finish_bias(&worker);
    }
}
