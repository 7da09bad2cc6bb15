/* Patches of maps as rows of a matrix, and back: see im2col.h. */
#include "impls/openblas/im2col.h"

#include <stddef.h>
#include <string.h>

/* The cells of one window row that fall on the map: kx from `first` to `end`-1; the first of them
 * on map column `column`. Coordinates are long because a dilated or padded window may be far wider
 * than the map. */
struct cells {
    int first, end;
    int column;
};

static long ceil_div(long a, long b)
{
    return a <= 0 ? 0 : (a + b - 1) / b;
}

static struct cells cells_of(const struct window *win, int ox)
{
    long left = (long)ox * win->sw - win->pw;
    long first = ceil_div(-left, win->dw), end = ceil_div(win->iw - left, win->dw);
    if (end > win->kw)
        end = win->kw;
    if (first >= end)
        return (struct cells){0, 0, 0};
    return (struct cells){(int)first, (int)end, (int)(left + first * win->dw)};
}

/* Neighbouring cells are neighbours in memory: they can be moved at once. */
static int cells_are_contiguous(const struct window *win)
{
    return win->dw == 1 && win->stride == win->c;
}

int window_width(const struct window *win)
{
    return win->kh * win->kw * win->c;
}

/* `row` receives one window row: kw cells, from the map row at `src`. */
static void gather_row(const struct window *win, struct cells cells, const float *src, float *row)
{
    size_t c = (size_t)win->c, cell = c * sizeof *row;
    if (cells.first > 0)
        memset(row, 0, (size_t)cells.first * cell);
    if (cells.end < win->kw)
        memset(row + (size_t)cells.end * c, 0, (size_t)(win->kw - cells.end) * cell);
    const float *from = src + (size_t)cells.column * (size_t)win->stride;
    float *to = row + (size_t)cells.first * c;
    int count = cells.end - cells.first;
    if (cells_are_contiguous(win)) {
        memcpy(to, from, (size_t)count * cell);
        return;
    }
    for (int i = 0; i < count; i++, to += c, from += (size_t)win->dw * (size_t)win->stride)
        memcpy(to, from, cell);
}

static void gather_pixel(const struct window *win, const float *src, int pixel, float *row)
{
    int oy = pixel / win->ow % win->oh;
    size_t image = (size_t)(pixel / (win->ow * win->oh));
    struct cells cells = cells_of(win, pixel % win->ow);
    size_t pitch = (size_t)win->iw * (size_t)win->stride, width = (size_t)(win->kw * win->c);
    src += image * (size_t)win->ih * pitch;
    for (int ky = 0; ky < win->kh; ky++, row += width) {
        long iy = (long)oy * win->sh - win->ph + (long)ky * win->dh;
        if (iy < 0 || iy >= win->ih)
            memset(row, 0, width * sizeof *row);
        else
            gather_row(win, cells, src + (size_t)iy * pitch, row);
    }
}

void im2col(const struct window *win, const float *src, int from, int to, float *col, int team)
{
    size_t width = (size_t)window_width(win);
#pragma omp parallel for schedule(static) num_threads(team) if (team > 1)
    for (int pixel = from; pixel < to; pixel++)
        gather_pixel(win, src, pixel, col + (size_t)(pixel - from) * width);
}

static void add_floats(float *restrict to, const float *restrict from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] += from[i];
}

/* Adds one window row to the map row at `diff`. */
static void scatter_row(const struct window *win, struct cells cells, const float *row,
                        float *diff)
{
    size_t c = (size_t)win->c;
    const float *from = row + (size_t)cells.first * c;
    float *to = diff + (size_t)cells.column * (size_t)win->stride;
    int count = cells.end - cells.first;
    if (cells_are_contiguous(win)) {
        add_floats(to, from, (size_t)count * c);
        return;
    }
    for (int i = 0; i < count; i++, from += c, to += (size_t)win->dw * (size_t)win->stride)
        add_floats(to, from, c);
}

/* Adds to map row `line` (counted over all images) all cells of rows from..to-1 that fall on it. */
static void scatter_line(const struct window *win, const float *col, int from, int to, int line,
                         float *diff)
{
    size_t width = (size_t)window_width(win), part = (size_t)(win->kw * win->c);
    int image = line / win->ih, iy = line % win->ih;
    for (int ky = 0; ky < win->kh; ky++) {
        long y = (long)iy + win->ph - (long)ky * win->dh;
        if (y < 0 || y % win->sh || y / win->sh >= win->oh)
            continue;
        int start = (image * win->oh + (int)(y / win->sh)) * win->ow;
        int first = from > start ? from : start;
        int end = to < start + win->ow ? to : start + win->ow;
        for (int pixel = first; pixel < end; pixel++)
            scatter_row(win, cells_of(win, pixel - start),
                        col + (size_t)(pixel - from) * width + (size_t)ky * part, diff);
    }
}

void col2im_add(const struct window *win, const float *col, int from, int to, float *diff,
                int team)
{
    int area = win->oh * win->ow;
    int first = from / area * win->ih, end = ((to - 1) / area + 1) * win->ih;
    size_t pitch = (size_t)win->iw * (size_t)win->stride;
#pragma omp parallel for schedule(static) num_threads(team) if (team > 1)
    for (int line = first; line < end; line++)
        scatter_line(win, col, from, to, line, diff + (size_t)line * pitch);
}
