/* Antialiased resizing: see resize.h. Knows no files and no augmentation. */
#include "datasets/resize.h"

#include "impls/base/memory.h"

#include <math.h>
#include <string.h>

enum { WEIGHT_BITS = 22, WEIGHT_ONE = 1 << WEIGHT_BITS, HALF = 1 << (WEIGHT_BITS - 1) };

/* One direction of a resize: `in` source pixels become `full`, of which `count` from `start` on
 * are wanted. */
struct axis {
    int in, full, start, count;
    double step;    /* source pixels a result pixel */
    double support; /* half the width of the filter, in source pixels */
    int taps;       /* the most source pixels that one result pixel can need */
    int32_t *first; /* per wanted pixel: its first source pixel */
    int32_t *weight; /* per wanted pixel: `taps` weights, zeros behind the last */
};

/* Where the parts of the scratch memory are. */
struct layout {
    struct axis columns, rows;
    int first_row, row_count; /* source rows that the wanted rows need */
    size_t sums, strip, bytes; /* offsets; the total */
};

static struct axis axis_make(int in, int full, int start, int count)
{
    struct axis axis = {.in = in, .full = full, .start = start, .count = count};
    axis.step = (double)in / full;
    axis.support = axis.step < 1.0 ? 1.0 : axis.step;
    axis.taps = 2 * (int)ceil(axis.support) + 1;
    return axis;
}

/* Source pixels [*first, *end) under the filter of wanted pixel i; returns the filter's centre. */
static double axis_span(const struct axis *axis, int i, int *first, int *end)
{
    const double centre = (axis->start + i + 0.5) * axis->step;
    const int low = (int)(centre - axis->support + 0.5);
    const int high = (int)(centre + axis->support + 0.5);
    *first = low < 0 ? 0 : low;
    *end = high > axis->in ? axis->in : high;
    return centre;
}

/* The triangle at a source pixel, not yet normalised. */
static double triangle(const struct axis *axis, int pixel, double centre)
{
    const double distance = fabs((pixel - centre + 0.5) * (1.0 / axis->support));
    return distance < 1.0 ? 1.0 - distance : 0.0;
}

static void fill_weights(struct axis *axis, int i)
{
    int first, end;
    double sum = 0.0;
    const double centre = axis_span(axis, i, &first, &end);
    int32_t *weight = axis->weight + (size_t)i * (size_t)axis->taps;
    CHECK(end > first && end - first <= axis->taps);
    for (int p = first; p < end; p++)
        sum += triangle(axis, p, centre);
    memset(weight, 0, (size_t)axis->taps * sizeof *weight);
    for (int p = first; p < end; p++)
        weight[p - first] = (int32_t)(0.5 + triangle(axis, p, centre) / sum * WEIGHT_ONE);
    axis->first[i] = first;
}

static size_t axis_bytes(const struct axis *axis)
{
    return memory_round((size_t)axis->count * (size_t)(axis->taps + 1) * sizeof(int32_t));
}

static void axis_fill(struct axis *axis, void *memory)
{
    axis->first = memory;
    axis->weight = axis->first + axis->count;
    for (int i = 0; i < axis->count; i++)
        fill_weights(axis, i);
}

static size_t strip_row(const struct layout *l)
{
    return (size_t)l->columns.count * 3;
}

static struct layout make_layout(const struct resize *r)
{
    struct layout l = {.columns = axis_make(r->from.w, r->full_w, r->to.left, r->to.w),
                       .rows = axis_make(r->from.h, r->full_h, r->to.top, r->to.h)};
    int end, ignored;
    axis_span(&l.rows, 0, &l.first_row, &ignored);
    axis_span(&l.rows, l.rows.count - 1, &ignored, &end);
    l.row_count = end - l.first_row;
    l.sums = axis_bytes(&l.columns) + axis_bytes(&l.rows);
    l.strip = l.sums + memory_round(strip_row(&l) * sizeof(int32_t));
    l.bytes = l.strip + memory_round(strip_row(&l) * (size_t)l.row_count);
    return l;
}

size_t resize_scratch_bytes(const struct resize *resize)
{
    return make_layout(resize).bytes;
}

static uint8_t to_byte(int32_t sum)
{
    const int32_t value = sum >> WEIGHT_BITS;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* One source row (its first pixel is that of column 0 of `from`) to columns->count pixels. */
static void squeeze_row(const struct axis *columns, const uint8_t *source, uint8_t *out)
{
    for (int x = 0; x < columns->count; x++) {
        const int32_t *weight = columns->weight + (size_t)x * (size_t)columns->taps;
        const uint8_t *pixel = source + 3 * (size_t)columns->first[x];
        const int left = columns->in - columns->first[x];
        const int taps = left < columns->taps ? left : columns->taps;
        int32_t red = HALF, green = HALF, blue = HALF;
        for (int k = 0; k < taps; k++, pixel += 3) {
            red += pixel[0] * weight[k];
            green += pixel[1] * weight[k];
            blue += pixel[2] * weight[k];
        }
        *out++ = to_byte(red);
        *out++ = to_byte(green);
        *out++ = to_byte(blue);
    }
}

/* Row y of the result into the three planes, from the squeezed rows. */
static void squeeze_column(const struct layout *l, const uint8_t *strip, int y, int32_t *sums,
                           uint8_t *planes)
{
    const struct axis *rows = &l->rows;
    const size_t width = strip_row(l), plane = (size_t)rows->count * (size_t)l->columns.count;
    const int32_t *weight = rows->weight + (size_t)y * (size_t)rows->taps;
    const int first = rows->first[y] - l->first_row;
    for (size_t p = 0; p < width; p++)
        sums[p] = HALF;
    for (int k = 0; k < rows->taps && first + k < l->row_count; k++) {
        const uint8_t *row = strip + (size_t)(first + k) * width;
        for (size_t p = 0; p < width; p++)
            sums[p] += row[p] * weight[k];
    }
    uint8_t *out = planes + (size_t)y * (size_t)l->columns.count;
    for (size_t x = 0; x < (size_t)l->columns.count; x++)
        for (size_t c = 0; c < 3; c++)
            out[c * plane + x] = to_byte(sums[3 * x + c]);
}

static void check_resize(const struct resize *r)
{
    const struct crop *from = &r->from, *to = &r->to;
    CHECK(from->top >= 0 && from->left >= 0 && from->h >= 1 && from->w >= 1);
    CHECK(from->h <= r->source->h - from->top && from->w <= r->source->w - from->left);
    CHECK(to->top >= 0 && to->left >= 0 && to->h >= 1 && to->w >= 1);
    CHECK(to->h <= r->full_h - to->top && to->w <= r->full_w - to->left);
}

void resize_run(const struct resize *resize, void *scratch, uint8_t *planes)
{
    check_resize(resize);
    struct layout l = make_layout(resize);
    uint8_t *memory = scratch, *strip = memory + l.strip;
    axis_fill(&l.columns, memory);
    axis_fill(&l.rows, memory + axis_bytes(&l.columns));
    const size_t source_row = 3 * (size_t)resize->source->w;
    const uint8_t *source = resize->source->pixels +
                            (size_t)(resize->from.top + l.first_row) * source_row +
                            3 * (size_t)resize->from.left;
    for (int y = 0; y < l.row_count; y++)
        squeeze_row(&l.columns, source + (size_t)y * source_row,
                    strip + (size_t)y * strip_row(&l));
    for (int y = 0; y < l.rows.count; y++)
        squeeze_column(&l, strip, y, (int32_t *)(memory + l.sums), planes);
}

enum status resize_centre(const struct image *source, int short_side, int size, uint8_t *planes)
{
    struct resize r = {.source = source, .from = {0, 0, source->h, source->w}};
    crop_resized_size(source->h, source->w, short_side, &r.full_h, &r.full_w);
    r.to = crop_centre(r.full_h, r.full_w, size);
    void *scratch = memory_alloc(resize_scratch_bytes(&r));
    if (!scratch)
        return ERR_MEMORY;
    resize_run(&r, scratch, planes);
    memory_free(scratch);
    return OK;
}
