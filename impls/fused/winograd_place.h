/* Private to this folder: where the tiles of Winograd's convolution lie in a map, and which share
 * of some work a thread has. Knows no arithmetic. */
#ifndef IMPLS_FUSED_WINOGRAD_PLACE_H
#define IMPLS_FUSED_WINOGRAD_PLACE_H

#include "impls/fused/winograd.h"

/* Where a tile is: its image, and the first row and column of its result. */
struct wino_place {
    int image, y, x;
};

static inline struct wino_place wino_place_of(const struct winograd *w, int tile)
{
    const int column = tile % w->columns, row = tile / w->columns % w->rows;
    return (struct wino_place){tile / w->columns / w->rows, row * w->m, column * w->m};
}

static inline float *wino_pixel(const struct tensor *t, int image, int y, int x)
{
    const size_t pixel = ((size_t)image * (size_t)t->h + (size_t)y) * (size_t)t->w + (size_t)x;
    return (float *)t->data + pixel * (size_t)t->stride;
}

/* The pixels of the input tile around a tile, (m+2) x (m+2) in rows; w->zeros outside the map. */
static inline void wino_window(const struct winograd *w, const struct tensor *src,
                               struct wino_place at, const float **pixel)
{
    const int side = w->m + 2, top = at.y - w->ph, left = at.x - w->pw;
    for (int i = 0; i < side; i++)
        for (int j = 0; j < side; j++) {
            const int y = top + i, x = left + j;
            const bool inside = y >= 0 && y < w->h && x >= 0 && x < w->w;
            pixel[i * side + j] = inside ? wino_pixel(src, at.image, y, x) : w->zeros;
        }
}

/* first <= i < last: what thread `rank` of `size` does of `count` things. */
struct wino_share {
    int first, last;
};

static inline struct wino_share wino_share_of(int rank, int size, int count)
{
    return (struct wino_share){(int)((long)count * rank / size),
                               (int)((long)count * (rank + 1) / size)};
}

#endif
