/* Convolution between maps of few channels: see stencil.h. */
#include "impls/openblas/stencil.h"

#include "impls/base/memory.h"

#include <string.h>

enum {
    LANES = 4,               /* floats of a vector that every x86-64 processor has */
    VECTORS = 8,             /* sums kept in registers */
    TILE = VECTORS * LANES,
    BAND_FLOATS = 1 << 16,   /* planes of a band: fits the second-level cache */
    WORTH_THREADS = 1 << 16  /* multiply-adds below which a parallel region costs too much */
};

typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));

/* A band: `rows` rows of one image's result; its planes have `pitch` floats a row. */
struct bands {
    int rows, per_image, count;
    int teams;
    size_t pitch, plane; /* floats of a row, and of a plane */
    size_t run;          /* floats of a result's rows, rounded up to whole tiles */
    size_t planes;       /* floats of all planes and the slack that the last taps read */
};

static size_t tiles(size_t floats)
{
    return (floats + TILE - 1) / TILE * TILE;
}

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

size_t stencil_weights(const struct stencil *s)
{
    return (size_t)s->out * (size_t)s->in * (size_t)s->kh * (size_t)s->kw;
}

static struct bands bands_of(const struct stencil *s)
{
    size_t pitch = (size_t)s->ow + (size_t)(s->kw - 1) * (size_t)s->dw;
    size_t halo = (size_t)(s->kh - 1) * (size_t)s->dh;
    size_t fit = BAND_FLOATS / ((size_t)s->in * pitch);
    int rows = fit > halo ? smaller((int)(fit - halo), s->oh) : 1;
    double work = (double)s->images * s->oh * s->ow * (double)stencil_weights(s);
    int teams = work < WORTH_THREADS ? 1 : s->threads;
    if (s->images < teams)
        rows = smaller(rows, (s->oh + teams - 1) / teams);
    struct bands b = {.rows = rows, .per_image = (s->oh + rows - 1) / rows, .pitch = pitch};
    b.count = s->images * b.per_image;
    b.teams = smaller(teams, b.count);
    b.plane = ((size_t)rows + halo) * pitch;
    b.run = tiles((size_t)rows * pitch);
    b.planes = tiles((size_t)s->in * b.plane + (size_t)(s->kw - 1) * (size_t)s->dw + TILE);
    return b;
}

struct stencil stencil_backward(const struct stencil *s)
{
    struct stencil turned = *s;
    turned.in = s->out, turned.ih = s->oh, turned.iw = s->ow, turned.in_stride = s->out_stride;
    turned.out = s->in, turned.oh = s->ih, turned.ow = s->iw, turned.out_stride = s->in_stride;
    turned.ph = (s->kh - 1) * s->dh - s->ph;
    turned.pw = (s->kw - 1) * s->dw - s->pw;
    return turned;
}

void stencil_turn(const struct stencil *s, const float *weights, float *turned)
{
    int taps = s->kh * s->kw;
    for (int i = 0; i < s->in; i++)
        for (int o = 0; o < s->out; o++) {
            const float *from = weights + (size_t)(o * s->in + i) * (size_t)taps;
            for (int tap = taps - 1; tap >= 0; tap--)
                *turned++ = from[tap];
        }
}

/* A map row `y` (which may lie outside) into a plane row of `pitch` floats that starts at map
 * column `x`; `map` points at the channel. */
static void load_row(const float *map, int height, int width, int stride, int y, int x,
                     size_t pitch, float *row)
{
    memset(row, 0, pitch * sizeof *row);
    int first = x < 0 ? -x : 0;
    long end = (long)pitch < (long)width - x ? (long)pitch : (long)width - x;
    if (y < 0 || y >= height)
        return;
    for (int i = first; i < end; i++)
        row[i] = map[((size_t)y * (size_t)width + (size_t)(x + i)) * (size_t)stride];
}

/* The planes that result rows from `y` on of image `image` read. */
static void load_planes(const struct stencil *s, const struct bands *b, const float *from,
                        int image, int y, float *planes)
{
    int rows = (int)(b->plane / b->pitch);
    from += (size_t)image * (size_t)s->ih * (size_t)s->iw * (size_t)s->in_stride;
    for (int i = 0; i < s->in; i++)
        for (int r = 0; r < rows; r++)
            load_row(from + i, s->ih, s->iw, s->in_stride, y - s->ph + r, -s->pw, b->pitch,
                     planes + (size_t)i * b->plane + (size_t)r * b->pitch);
    size_t used = (size_t)s->in * b->plane;
    memset(planes + used, 0, (b->planes - used) * sizeof *planes);
}

/* Where each tap of [in][kh][kw] finds its first pixel in the planes. */
static void tap_offsets(const struct stencil *s, const struct bands *b, size_t *offset)
{
    for (int i = 0; i < s->in; i++)
        for (int ky = 0; ky < s->kh; ky++)
            for (int kx = 0; kx < s->kw; kx++)
                *offset++ = (size_t)i * b->plane + (size_t)ky * (size_t)s->dh * b->pitch +
                            (size_t)kx * (size_t)s->dw;
}

/* sum[t] = sum over taps of weight * planes[t + offset], for `run` values of t. */
static void correlate(const float *restrict planes, const size_t *restrict offset,
                      const float *restrict weights, size_t taps, size_t run, float *restrict sum)
{
    for (size_t t = 0; t < run; t += TILE) {
        lanes total[VECTORS] = {{0}};
        for (size_t k = 0; k < taps; k++) {
            const float *from = planes + t + offset[k];
            float weight = weights[k];
            for (int v = 0; v < VECTORS; v++) {
                lanes value;
                memcpy(&value, from + v * LANES, sizeof value);
                total[v] += weight * value;
            }
        }
        memcpy(sum + t, total, sizeof total);
    }
}

static float add_up(const lanes total[VECTORS])
{
    lanes all = {0};
    for (int v = 0; v < VECTORS; v++)
        all += total[v];
    return (all[0] + all[1]) + (all[2] + all[3]);
}

/* total[tap] += sum over t of diff[t] * planes[t + offset]. */
static void correlate_weights(const float *restrict planes, const size_t *restrict offset,
                              const float *restrict diff, size_t taps, size_t run,
                              float *restrict total)
{
    for (size_t k = 0; k < taps; k++) {
        const float *from = planes + offset[k];
        lanes sum[VECTORS] = {{0}};
        for (size_t t = 0; t < run; t += TILE)
            for (int v = 0; v < VECTORS; v++) {
                lanes a, b;
                memcpy(&a, diff + t + v * LANES, sizeof a);
                memcpy(&b, from + t + v * LANES, sizeof b);
                sum[v] += a * b;
            }
        total[k] += add_up(sum);
    }
}

/* Result rows y.. of one channel, from `sum`, to the map whose channel `to` points at. */
static void store_rows(const struct stencil *s, const struct bands *b, const float *sum, int y,
                       float bias, bool add, float *to)
{
    int rows = smaller(b->rows, s->oh - y);
    for (int r = 0; r < rows; r++)
        for (int x = 0; x < s->ow; x++) {
            size_t pixel = (size_t)(y + r) * (size_t)s->ow + (size_t)x;
            float value = sum[(size_t)r * b->pitch + (size_t)x] + bias;
            float *at = to + pixel * (size_t)s->out_stride;
            *at = add ? *at + value : value;
        }
}

/* Scratch of stencil_run(): the offsets, then of each team: planes, sums. */
static size_t offsets_bytes(const struct stencil *s)
{
    return memory_round((size_t)s->in * (size_t)s->kh * (size_t)s->kw * sizeof(size_t));
}

size_t stencil_scratch(const struct stencil *s)
{
    struct bands b = bands_of(s);
    return offsets_bytes(s) + (size_t)b.teams * (b.planes + b.run) * sizeof(float);
}

static float *after_offsets(const struct stencil *s, void *scratch)
{
    return (float *)((char *)scratch + offsets_bytes(s));
}

static int start_of(int count, int part, int parts)
{
    return (int)((long)count * part / parts);
}

void stencil_run(const struct stencil *s, const float *from, const float *weights,
                 const float *bias, bool add, float *to, void *scratch)
{
    const struct bands b = bands_of(s);
    size_t taps = (size_t)s->in * (size_t)s->kh * (size_t)s->kw, *offset = scratch;
    float *areas = after_offsets(s, scratch);
    size_t image_floats = (size_t)s->oh * (size_t)s->ow * (size_t)s->out_stride;
    tap_offsets(s, &b, offset);
#pragma omp parallel for schedule(static) num_threads(b.teams) if (b.teams > 1)
    for (int team = 0; team < b.teams; team++) {
        float *planes = areas + (size_t)team * (b.planes + b.run), *sum = planes + b.planes;
        int end = start_of(b.count, team + 1, b.teams);
        for (int band = start_of(b.count, team, b.teams); band < end; band++) {
            int image = band / b.per_image, y = band % b.per_image * b.rows;
            load_planes(s, &b, from, image, y, planes);
            for (int o = 0; o < s->out; o++) {
                correlate(planes, offset, weights + (size_t)o * taps, taps, b.run, sum);
                store_rows(s, &b, sum, y, bias ? bias[o] : 0.0f, add,
                           to + (size_t)image * image_floats + o);
            }
        }
    }
}

/* Rows y.. of one channel of the result's gradient as a run with zeros beside the map. */
static void load_diff(const struct stencil *s, const struct bands *b, const float *diff, int y,
                      float *run)
{
    for (int r = 0; r < b->rows; r++)
        load_row(diff, s->oh, s->ow, s->out_stride, y + r, 0, b->pitch,
                 run + (size_t)r * b->pitch);
    size_t used = (size_t)b->rows * b->pitch;
    memset(run + used, 0, (b->run - used) * sizeof *run);
}

size_t stencil_weights_scratch(const struct stencil *s)
{
    struct bands b = bands_of(s);
    size_t area = b.planes + b.run + tiles(stencil_weights(s));
    return offsets_bytes(s) + (size_t)b.teams * area * sizeof(float);
}

/* The gradient from one team's bands into `total`. */
static void weights_of_bands(const struct stencil *s, const struct bands *b, const float *from,
                             const float *diff, const size_t *offset, int team, float *planes)
{
    size_t taps = (size_t)s->in * (size_t)s->kh * (size_t)s->kw;
    float *run = planes + b->planes, *total = run + b->run;
    memset(total, 0, stencil_weights(s) * sizeof *total);
    int end = start_of(b->count, team + 1, b->teams);
    for (int band = start_of(b->count, team, b->teams); band < end; band++) {
        int image = band / b->per_image, y = band % b->per_image * b->rows;
        size_t pixels = (size_t)image * (size_t)s->oh * (size_t)s->ow;
        load_planes(s, b, from, image, y, planes);
        for (int o = 0; o < s->out; o++) {
            load_diff(s, b, diff + pixels * (size_t)s->out_stride + o, y, run);
            correlate_weights(planes, offset, run, taps, b->run, total + (size_t)o * taps);
        }
    }
}

void stencil_run_weights(const struct stencil *s, const float *from, const float *diff, bool add,
                         float *grad, void *scratch)
{
    const struct bands b = bands_of(s);
    float *areas = after_offsets(s, scratch);
    size_t count = stencil_weights(s), area = b.planes + b.run + tiles(count);
    tap_offsets(s, &b, scratch);
#pragma omp parallel for schedule(static) num_threads(b.teams) if (b.teams > 1)
    for (int team = 0; team < b.teams; team++)
        weights_of_bands(s, &b, from, diff, scratch, team, areas + (size_t)team * area);
    for (size_t i = 0; i < count; i++) {
        float sum = add ? grad[i] : 0.0f;
        for (int team = 0; team < b.teams; team++)
            sum += areas[(size_t)team * area + b.planes + b.run + i];
        grad[i] = sum;
    }
}
