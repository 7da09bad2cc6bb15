/* Windows over maps of a few pixels as a matrix: see unfold.h. */
#include "impls/onednn/unfold.h"

#include "impls/base/threads.h"

#include <string.h>

/* Channels that are dealt with together: their taps, [9][CHUNK], stay in the nearest cache. */
enum { SIDE = 3, CHUNK = 64, GROUP = TRANSPOSE_ROWS, MANY_IMAGES = 32 };

static const uint32_t chunk_at[UNFOLD_TAPS] = {
    0,         CHUNK,     2 * CHUNK, 3 * CHUNK, 4 * CHUNK,
    5 * CHUNK, 6 * CHUNK, 7 * CHUNK, 8 * CHUNK};

/* Which of three taps meets source place `x` from result place `o`; -1: none. */
static int tap_of(int x, int o, int stride, int pad, int dilation)
{
    const int from = x + pad - o * stride;
    return from >= 0 && from % dilation == 0 && from / dilation < SIDE ? from / dilation : -1;
}

/* The tap of the window that meets source pixel `i` from result pixel `o`; -1: none. */
static int window_tap(const struct op_desc *d, int o, int i)
{
    const int w = d->src[0].w, ow = d->dst.w;
    const int y = tap_of(i / w, o / ow, d->conv.sh, d->conv.ph, d->conv.dh);
    const int x = tap_of(i % w, o % ow, d->conv.sw, d->conv.pw, d->conv.dw);
    return y < 0 || x < 0 ? -1 : y * SIDE + x;
}

/* Whether every result pixel sees every source pixel. Where one does not, the matrix would have
 * zeros there, and zero times a NaN is one. */
static bool sees_all(const struct op_desc *d, int in, int out)
{
    bool all = true;
    for (int o = 0; o < out; o++)
        for (int i = 0; i < in; i++)
            all = all && window_tap(d, o, i) >= 0;
    return all;
}

bool unfold_fits(const struct op_desc *d)
{
    const int in = d->src[0].h * d->src[0].w, out = d->dst.h * d->dst.w;
    return d->conv.kh == SIDE && d->conv.kw == SIDE && d->conv.groups == 1 &&
           in <= UNFOLD_PIXELS && out <= UNFOLD_PIXELS && (out == 1 || !d->conv.bias) &&
           (in * out <= UNFOLD_TAPS || d->src[0].n >= MANY_IMAGES) && sees_all(d, in, out);
}

enum status unfold_make(struct unfold *u, const struct op_desc *d)
{
    enum fused_isa isa;
    TRY(fused_isa_choose(&isa));
    *u = (struct unfold){.c = d->src[0].c, .oc = d->conv.oc, .in = d->src[0].h * d->src[0].w,
                         .out = d->dst.h * d->dst.w, .kernel = transpose_for(isa)};
    for (int o = 0; o < u->out; o++)
        for (int i = 0; i < u->in; i++)
            u->tap[o][i] = (signed char)window_tap(d, o, i);
    return OK;
}

size_t unfold_count(const struct unfold *u)
{
    return (size_t)u->out * (size_t)u->oc * (size_t)u->in * (size_t)u->c;
}

/* Where the matrix has source pixel `i`, result pixel `o` of output channel `k`. */
static size_t place(const struct unfold *u, int k, int o, int i)
{
    const size_t row = (size_t)o * (size_t)u->oc + (size_t)k;
    return (row * (size_t)u->in + (size_t)i) * (size_t)u->c;
}

static int chunk_of(const struct unfold *u, int first)
{
    return u->c - first < CHUNK ? u->c - first : CHUNK;
}

static void weight_chunk(const struct unfold *u, const float *weight, float *matrix, int k,
                         int first)
{
    const int count = chunk_of(u, first);
    const float *from = weight + ((size_t)k * (size_t)u->c + (size_t)first) * UNFOLD_TAPS;
    float taps[UNFOLD_TAPS * CHUNK];
    int i = 0;
    for (; i + GROUP <= count; i += GROUP)
        u->kernel->pack(from + (size_t)i * UNFOLD_TAPS, UNFOLD_TAPS, UNFOLD_TAPS, chunk_at,
                        taps + i);
    for (; i < count; i++)
        for (int t = 0; t < UNFOLD_TAPS; t++)
            taps[t * CHUNK + i] = from[(size_t)i * UNFOLD_TAPS + (size_t)t];
    for (int o = 0; o < u->out; o++)
        for (int p = 0; p < u->in; p++)
            memcpy(matrix + place(u, k, o, p) + first, taps + u->tap[o][p] * CHUNK,
                   (size_t)count * sizeof *taps);
}

void unfold_weight(const struct unfold *u, const float *weight, float *matrix)
{
#pragma omp parallel for schedule(static) if (threads_worth(unfold_count(u)))
    for (int k = 0; k < u->oc; k++)
        for (int first = 0; first < u->c; first += CHUNK)
            weight_chunk(u, weight, matrix, k, first);
}

static void gradient_chunk(const struct unfold *u, const float *matrix, float *grad, bool add,
                           int k, int first)
{
    const int count = chunk_of(u, first);
    float *to = grad + ((size_t)k * (size_t)u->c + (size_t)first) * UNFOLD_TAPS;
    float taps[UNFOLD_TAPS * CHUNK] = {0};
    int i = 0;
    for (int o = 0; o < u->out; o++)
        for (int p = 0; p < u->in; p++)
            for (int j = 0; j < count; j++)
                taps[u->tap[o][p] * CHUNK + j] += matrix[place(u, k, o, p) + (size_t)(first + j)];
    for (; i + GROUP <= count; i += GROUP)
        u->kernel->unpack(taps + i, chunk_at, UNFOLD_TAPS, to + (size_t)i * UNFOLD_TAPS,
                          UNFOLD_TAPS, add);
    for (; i < count; i++)
        for (int t = 0; t < UNFOLD_TAPS; t++) {
            float *one = to + (size_t)i * UNFOLD_TAPS + t;
            *one = add ? *one + taps[t * CHUNK + i] : taps[t * CHUNK + i];
        }
}

void unfold_gradient(const struct unfold *u, const float *matrix, float *grad, bool add)
{
#pragma omp parallel for schedule(static) if (threads_worth(unfold_count(u)))
    for (int k = 0; k < u->oc; k++)
        for (int first = 0; first < u->c; first += CHUNK)
            gradient_chunk(u, matrix, grad, add, k, first);
}
