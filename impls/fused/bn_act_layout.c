/* Cutting maps into parts: see bn_act_layout.h. */
#include "impls/fused/bn_act_layout.h"

#include <omp.h>
#include <stdint.h>
#include <string.h>

enum {
    LINE = 16,             /* floats of a cache line, and of the widest vector */
    CHUNK_ROWS = 128,      /* fewer would make the partial sums a notable share of the traffic */
    MOST_CHUNKS = 32,
    FEW_PARTS = 16,        /* below it, columns are cut finer */
    LEAST_SLICE = 64,      /* columns: four cache lines */
    FOLD_COLUMNS = 64,     /* up to which pixels are folded: longer rows slow down large maps */
    FOLD_ROWS = 64,        /* rows that folding leaves where it may stop */
    /* Up to this size a written map is read again from a cache. Measured with 32 MB of last-level
     * cache, writing a map and then reading it once: streaming costs a quarter more at 6 MB, and
     * takes a third off at 12 MB, half at 25 MB. */
    CACHED_BYTES = 8 << 20,
    WORTH_THREADS = 1 << 16 /* elements below which a parallel region costs more than it saves */
};

/* Pixels that must be put into one row for it to have whole vectors. */
static size_t least_fold(size_t channels)
{
    size_t fold = 1;
    while (channels * fold % LINE)
        fold *= 2;
    return fold;
}

static size_t fold_of(size_t pixels, size_t channels, bool dense)
{
    size_t fold = least_fold(channels);
    if (!dense || fold > pixels || fold * channels > BN_COLUMNS)
        return 1;
    while (2 * fold * channels <= FOLD_COLUMNS && pixels / (2 * fold) >= FOLD_ROWS)
        fold *= 2;
    return fold;
}

static size_t divide_up(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

/* Slices of equal numbers of cache lines. */
static size_t slice_of(size_t columns, size_t most)
{
    size_t lines = divide_up(columns, LINE), count = divide_up(columns, most);
    return divide_up(lines, count) * LINE;
}

struct bn_layout bn_layout_make(const struct tensor *map, bool dense)
{
    struct bn_layout l = {.pixels = (size_t)map->n * (size_t)map->h * (size_t)map->w,
                          .channels = (size_t)map->c};
    size_t most = BN_COLUMNS;
    l.fold = fold_of(l.pixels, l.channels, dense);
    l.columns = l.fold * l.channels;
    l.rows = l.pixels / l.fold;
    l.rest = l.pixels % l.fold * l.channels;
    l.chunks = l.rows / CHUNK_ROWS;
    l.chunks = l.chunks < 1 ? 1 : l.chunks > MOST_CHUNKS ? MOST_CHUNKS : l.chunks;
    while (most > LEAST_SLICE && l.chunks * divide_up(l.columns, most) < FEW_PARTS)
        most /= 2;
    l.slice = slice_of(l.columns, most);
    l.slices = divide_up(l.columns, l.slice);
    return l;
}

struct bn_map bn_layout_map(const struct bn_layout *l, const struct tensor *t, float *zeros)
{
    if (!t || !t->data)
        return (struct bn_map){zeros, 0};
    return (struct bn_map){t->data, l->fold * (size_t)t->stride};
}

size_t bn_layout_zeros(const struct bn_layout *l)
{
    return l->columns;
}

size_t bn_layout_sums(const struct bn_layout *l)
{
    return l->chunks * 2 * l->columns;
}

int bn_layout_threads(const struct bn_layout *l)
{
    return l->pixels * l->channels < WORTH_THREADS ? 1 : omp_get_max_threads();
}

bool bn_layout_streams(const struct bn_layout *l, const struct bn_map *to)
{
    size_t line = LINE * sizeof(float);
    bool aligned = to->data && (uintptr_t)to->data % line == 0 && to->stride % LINE == 0 &&
                   l->columns % LINE == 0;
    return aligned && l->pixels * l->channels * sizeof(float) > CACHED_BYTES;
}

size_t bn_share_start(size_t count, struct bn_share share)
{
    return count * (size_t)share.thread / (size_t)share.threads;
}

size_t bn_share_end(size_t count, struct bn_share share)
{
    return count * (size_t)(share.thread + 1) / (size_t)share.threads;
}

static struct bn_map map_at(struct bn_map map, size_t row, size_t column)
{
    if (map.data)
        map.data += row * map.stride + column;
    return map;
}

static const float *vector_at(const float *vector, size_t column)
{
    return vector ? vector + column : NULL;
}

/* Rows and columns from (row, column) on; the partial sums of `chunk`. */
static struct bn_part part_at(const struct bn_layout *l, const struct bn_part *whole, size_t row,
                              size_t column, size_t chunk)
{
    struct bn_part p = {
        .x = map_at(whole->x, row, column),
        .shortcut = map_at(whole->shortcut, row, column),
        .y = map_at(whole->y, row, column),
        .dy = map_at(whole->dy, row, column),
        .dx = map_at(whole->dx, row, column),
        .dshortcut = map_at(whole->dshortcut, row, column),
        .old_dx = map_at(whole->old_dx, row, column),
        .old_dshortcut = map_at(whole->old_dshortcut, row, column),
        .masked = map_at(whole->masked, row, column),
        .mean = vector_at(whole->mean, column),
        .scale = vector_at(whole->scale, column),
        .shift = vector_at(whole->shift, column),
        .slope = vector_at(whole->slope, column),
        .gate_scale = vector_at(whole->gate_scale, column),
        .gate_shift = vector_at(whole->gate_shift, column),
        .origin = vector_at(whole->origin, column),
        .floor = whole->floor,
        .stream = whole->stream,
    };
    for (size_t k = 0; whole->sum[0] && k < 2; k++)
        p.sum[k] = whole->sum[0] + (chunk * 2 + k) * l->columns + column;
    return p;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void run_part(const struct bn_layout *l, const struct bn_part *whole,
                     void (*loop)(const struct bn_part *part), size_t chunk, size_t column)
{
    size_t first = l->rows * chunk / l->chunks, end = l->rows * (chunk + 1) / l->chunks;
    size_t columns = smaller(l->slice, l->columns - column);
    struct bn_part p = part_at(l, whole, first, column, chunk);
    for (size_t k = 0; p.sum[0] && k < 2; k++)
        memset(p.sum[k], 0, columns * sizeof *p.sum[k]);
    p.rows = end - first;
    p.columns = columns;
    loop(&p);
    if (chunk + 1 == l->chunks && column < l->rest) {
        p = part_at(l, whole, l->rows, column, chunk);
        p.rows = 1;
        p.columns = smaller(columns, l->rest - column);
        loop(&p);
    }
}

void bn_layout_run(const struct bn_layout *l, const struct bn_part *whole,
                   void (*loop)(const struct bn_part *part), struct bn_share share,
                   bool last_first)
{
    size_t parts = l->chunks * l->slices;
    size_t start = bn_share_start(parts, share), end = bn_share_end(parts, share);
    for (size_t i = start; i < end; i++) {
        size_t p = last_first ? end - 1 - (i - start) : i;
        run_part(l, whole, loop, p / l->slices, p % l->slices * l->slice);
    }
}
