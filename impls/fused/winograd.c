/* Preparing Winograd's convolution: geometry, shares of memory, weights. See winograd.h. */
#include "impls/fused/winograd.h"

#include "impls/base/memory.h"
#include "impls/fused/winograd_kernels.h"
#include "impls/ops.h"

#include <omp.h>
#include <stdio.h>
#include <string.h>

/* What should stay in the second-level cache, and what may fill a part of the third. */
enum { NEAR_BYTES = 768 << 10, FAR_BYTES = 6 << 20, NEAR_WEIGHTS = 3 << 20, FEW_TILES = 48 };

static const struct wino_kernels *const kernels[FUSED_ISAS] = {
    [FUSED_BASELINE] = &wino_baseline, [FUSED_AVX2] = &wino_avx2, [FUSED_AVX512] = &wino_avx512};

static int round_up(int value, int unit)
{
    return (value + unit - 1) / unit * unit;
}

static int at_least(int value, int least)
{
    return value > least ? value : least;
}

static int at_most(int value, int most)
{
    return value < most ? value : most;
}

/* The gradient of the source is a convolution of the result's gradient with the window turned
 * round, padded so that the sizes come out. */
static void set_maps(struct winograd *w, const struct op_desc *d)
{
    const struct tensor *from = w->gradient ? &d->dst : &d->src[0];
    const struct tensor *to = w->gradient ? &d->src[0] : &d->dst;
    w->n = from->n;
    w->h = from->h;
    w->w = from->w;
    w->c = from->c;
    w->oh = to->h;
    w->ow = to->w;
    w->k = to->c;
    w->ph = w->gradient ? WINO_TAPS - 1 - d->conv.ph : d->conv.ph;
    w->pw = w->gradient ? WINO_TAPS - 1 - d->conv.pw : d->conv.pw;
}

static void set_tiles(struct winograd *w)
{
    w->frequencies = (w->m + 2) * (w->m + 2);
    w->rows = (w->oh + w->m - 1) / w->m;
    w->columns = (w->ow + w->m - 1) / w->m;
    w->tiles = w->n * w->rows * w->columns;
    w->c_stride = round_up(w->c, MEMORY_ALIGN / (int)sizeof(float));
    w->k_stride = round_up(w->k, w->kernels->lanes);
}

/* With few weights each thread takes tiles of its own, as many as stay close to it; many weights
 * are read as seldom as possible, so all threads share them, for as many tiles as there are. */
static void set_blocks(struct winograd *w)
{
    const size_t tile = (size_t)w->frequencies * (size_t)(w->c_stride + w->k_stride);
    const size_t weights = (size_t)w->frequencies * (size_t)w->c * (size_t)w->k_stride;
    const int share = (w->tiles + w->threads - 1) / w->threads;
    w->alone = weights * sizeof(float) <= NEAR_WEIGHTS && share >= FEW_TILES / 2;
    const size_t bytes = w->alone ? NEAR_BYTES : FAR_BYTES;
    const int fit = (int)(bytes / (tile * sizeof(float)));
    w->block = at_most(at_least(fit, w->alone ? FEW_TILES / 2 : FEW_TILES),
                       w->alone ? share : w->tiles);
    /* Not a power of two from one frequency to the next: they would share places in the cache. */
    w->v_frequency = (size_t)w->block * (size_t)w->c_stride + MEMORY_ALIGN / sizeof(float);
    w->m_frequency = (size_t)w->block * (size_t)w->k_stride + MEMORY_ALIGN / sizeof(float);
}

enum status winograd_measure(struct winograd *w, const struct op_desc *d, int m, bool gradient)
{
    CHECK(op_fits_winograd(d) && (m == 2 || m == 4));
    *w = (struct winograd){.m = m, .gradient = gradient, .threads = omp_get_max_threads()};
    TRY(fused_isa_choose(&w->isa));
    w->kernels = kernels[w->isa];
    set_maps(w, d);
    set_tiles(w);
    return OK;
}

enum status winograd_make(struct winograd *w, const struct op_desc *d, int m, bool gradient)
{
    TRY(winograd_measure(w, d, m, gradient));
    set_blocks(w);
    w->u = memory_alloc((size_t)w->frequencies * (size_t)w->c * (size_t)w->k_stride *
                        sizeof(float));
    w->zeros = memory_alloc((size_t)w->c_stride * sizeof(float));
    if (w->u && w->zeros)
        return OK;
    winograd_release(w);
    return ERR_MEMORY;
}

int winograd_tile(const struct op_desc *d)
{
    return d->conv.algorithm == CONV_WINOGRAD2 ? 2 : 4;
}

void winograd_name(const struct winograd *w, char *text, size_t size)
{
    snprintf(text, size, "own winograd F(%dx%d,3x3) %s", w->m, w->m, fused_isa_name(w->isa));
}

void winograd_release(struct winograd *w)
{
    memory_free(w->u);
    memory_free(w->zeros);
    memset(w, 0, sizeof *w);
}

size_t winograd_scratch(const struct winograd *w)
{
    const size_t block = (size_t)w->frequencies * (w->v_frequency + w->m_frequency);
    return memory_round(block * sizeof(float) * (size_t)(w->alone ? w->threads : 1));
}

static void pack(struct winograd *w, const float *weight)
{
    const int panel = WINO_PANEL * w->kernels->lanes, panels = (w->k + panel - 1) / panel;
    const size_t narrow = 9, wide = narrow * (size_t)(w->gradient ? w->k : w->c);
#pragma omp parallel for schedule(static)
    for (int p = 0; p < panels; p++) {
        const int first = p * panel, width = at_most(panel, w->k_stride - first);
        const size_t column = w->gradient ? narrow : wide;
        const struct wino_weights part = {
            .w = weight + (size_t)first * column, .column = column,
            .channel = w->gradient ? wide : narrow, .flip = w->gradient, .channels = w->c,
            .columns = at_most(width, w->k - first), .vectors = width / w->kernels->lanes,
            .u = w->u + (size_t)first * (size_t)w->c,
            .frequency = (size_t)w->c * (size_t)w->k_stride};
        w->kernels->weights[w->m / 4](&part);
    }
}

void winograd_use(struct winograd *w, const struct param *weight)
{
    if (w->packed == weight->data && w->version == weight->version)
        return;
    pack(w, weight->data);
    w->packed = weight->data;
    w->version = weight->version;
}
