/* Running Winograd's convolution: which thread transforms and multiplies what. See winograd.h. */
#include "impls/base/memory.h"
#include "impls/fused/winograd.h"
#include "impls/fused/winograd_kernels.h"
#include "impls/fused/winograd_place.h"

#include <omp.h>

/* The threads that work on one block of tiles, and the one that runs. */
struct crew {
    const struct winograd *w;
    const struct winograd_call *call;
    int rank, size;
    float *v, *m;      /* of the block */
    int first, count;  /* its tiles */
};

static struct wino_share share_of(const struct crew *crew, int count)
{
    return wino_share_of(crew->rank, crew->size, count);
}

static void wait_for(const struct crew *crew)
{
    if (crew->size > 1) {
#pragma omp barrier
    }
}

static void scatter_tile(const struct crew *crew, int tile)
{
    const struct winograd *w = crew->w;
    struct wino_source s = {.channels = w->c, .frequency = w->v_frequency,
                            .vector = (size_t)w->kernels->lanes,
                            .v = crew->v + (size_t)tile * (size_t)w->c_stride};
    wino_window(w, crew->call->src, wino_place_of(w, crew->first + tile), s.pixel);
    w->kernels->scatter[w->m / 4](&s);
}

static void gather_tile(const struct crew *crew, int tile)
{
    const struct winograd *w = crew->w;
    const struct winograd_call *call = crew->call;
    const struct wino_place at = wino_place_of(w, crew->first + tile);
    struct wino_target t = {.m = crew->m + (size_t)tile * (size_t)w->k_stride,
                            .frequency = w->m_frequency, .bias = call->bias,
                            .sum = call->shortcut, .relu = call->relu, .add = call->add,
                            .channels = w->k};
    for (int i = 0; i < w->m; i++)
        for (int j = 0; j < w->m; j++) {
            const int y = at.y + i, x = at.x + j, pixel = i * w->m + j;
            if (y >= w->oh || x >= w->ow)
                continue;
            t.pixel[pixel] = wino_pixel(call->dst, at.image, y, x);
            if (call->shortcut)
                t.shortcut[pixel] = wino_pixel(call->shortcut, at.image, y, x);
        }
    w->kernels->gather[w->m / 4](&t);
}

/* Panel by panel of each frequency. */
static void multiply(const struct crew *crew)
{
    const struct winograd *w = crew->w;
    const int panel = WINO_PANEL * w->kernels->lanes, panels = (w->k + panel - 1) / panel;
    const struct wino_share mine = share_of(crew, w->frequencies * panels);
    for (int i = mine.first; i < mine.last; i++) {
        const size_t f = (size_t)(i / panels), first = (size_t)(i % panels * panel);
        const bool half = (size_t)w->k_stride - first < (size_t)panel;
        const struct wino_product product = {
            .v = crew->v + f * w->v_frequency,
            .u = w->u + (f * (size_t)w->k_stride + first) * (size_t)w->c,
            .m = crew->m + f * w->m_frequency + first,
            .v_stride = (size_t)w->c_stride,
            .m_stride = (size_t)w->k_stride,
            .rows = crew->count,
            .depth = w->c,
            .vectors = half ? 1 : WINO_PANEL};
        w->kernels->product(&product);
    }
}

static void run_block(struct crew *crew, int block)
{
    const struct winograd *w = crew->w;
    crew->first = block * w->block;
    crew->count = w->tiles - crew->first < w->block ? w->tiles - crew->first : w->block;
    const struct wino_share tiles = share_of(crew, crew->count);
    for (int tile = tiles.first; tile < tiles.last; tile++)
        scatter_tile(crew, tile);
    wait_for(crew);
    multiply(crew);
    wait_for(crew);
    for (int tile = tiles.first; tile < tiles.last; tile++)
        gather_tile(crew, tile);
}

void winograd_run(const struct winograd *w, const struct winograd_call *call)
{
    const int blocks = (w->tiles + w->block - 1) / w->block;
    const size_t v = (size_t)w->frequencies * w->v_frequency;
    const size_t m = (size_t)w->frequencies * w->m_frequency;
#pragma omp parallel num_threads(w->threads)
    {
        const int thread = omp_get_thread_num(), threads = omp_get_num_threads();
        float *area = (float *)call->scratch + (w->alone ? (size_t)thread * (v + m) : 0);
        struct crew crew = {.w = w, .call = call, .rank = w->alone ? 0 : thread,
                            .size = w->alone ? 1 : threads, .v = area, .m = area + v};
        const struct crew all = {.rank = thread, .size = threads};
        const struct wino_share every = {0, blocks};
        const struct wino_share mine = w->alone ? share_of(&all, blocks) : every;
        for (int block = mine.first; block < mine.last; block++)
            run_block(&crew, block);
    }
}
