/* Private to this folder: what the kernels of Winograd's convolution compute, as a table of
 * functions that exists once for each instruction set. A kernel works on one thread; it knows
 * neither plans nor maps: pixels are given by their addresses.
 *
 * Memory of one block of tiles, in floats: frequency f of tile t is row t of matrix f of `v`
 * (channels of the source) and of `m` (channels of the result), rows one after the other.
 * Transformed weights of frequency f are panels of WINO_PANEL*lanes columns (the last may have
 * half), each a dense matrix of as many rows as the source has channels. */
#ifndef IMPLS_FUSED_WINOGRAD_KERNELS_H
#define IMPLS_FUSED_WINOGRAD_KERNELS_H

#include <stdbool.h>
#include <stddef.h>

/* Sides of an output tile and of the input tile that it takes: m and m + 2, for windows of 3. */
enum { WINO_TAPS = 3, WINO_MOST = 6, WINO_PANEL = 2 };

/* The input tile around one output tile: side x side pixels, in rows; zeros outside the map. */
struct wino_source {
    const float *pixel[WINO_MOST * WINO_MOST];
    int channels;
    float *v;         /* of frequency 0, this tile's row */
    size_t frequency; /* from one frequency to the next */
    size_t vector;    /* from one vector of channels to the next */
};

/* One output tile: m x m pixels, in rows; NULL outside the map. */
struct wino_target {
    const float *m;   /* of frequency 0, this tile's row */
    size_t frequency;
    float *pixel[WINO_MOST * WINO_MOST];
    const float *shortcut[WINO_MOST * WINO_MOST]; /* used where `sum` */
    const float *bias;                            /* NULL: none */
    bool sum, relu, add; /* add: to what the pixels hold */
    int channels;
};

/* m[rows][columns] = v[rows][depth] times one panel of u, `vectors` (1 or 2) wide. */
struct wino_product {
    const float *v, *u;
    float *m;
    size_t v_stride, m_stride;
    int rows, depth, vectors;
};

/* Transformed weights of one panel. Tap (i,j) of the window from channel c to column k is
 * w[k*column + c*channel + 3*i + j], or, with `flip`, w[.. + 8 - 3*i - j]. */
struct wino_weights {
    const float *w;
    size_t column, channel;
    bool flip;
    int channels, columns; /* columns that there are; the others become zeros */
    int vectors;
    float *u;              /* of frequency 0, this panel */
    size_t frequency;
};

/* One tile of the result's gradient, m x m pixels in rows, zeros outside the map, as the transform
 * of results turns it round: A dY A^T. Behind the frequencies: the sum of its pixels. */
struct wino_spread {
    const float *pixel[WINO_MOST * WINO_MOST];
    int channels;
    float *d;                 /* of frequency 0, this tile's row */
    size_t frequency, vector; /* as in wino_source */
};

/* u[vectors][lanes][lanes] (+)= v^T d: over `depth` tiles, for one vector of source channels and
 * `vectors` (1 or 2) of the result's. Rows of v and d are one vector. */
struct wino_outer {
    const float *v, *d;
    float *u;
    size_t d_vector, u_vector; /* from one vector of the result's channels to the next */
    int depth, vectors;
    bool add;                  /* to u */
};

/* G^T U G: the gradient of 9 taps each for a vector of the result's channels. Tap (i,j) of column
 * k goes to grad[k*column + 3*i + j]. */
struct wino_collect {
    const float *u;   /* of frequency 0 */
    size_t frequency;
    float *grad;
    size_t column;
    int columns;      /* that there are, up to lanes */
    bool add;
};

struct wino_kernels {
    int lanes;
    void (*scatter[2])(const struct wino_source *source); /* [0]: m = 2, [1]: m = 4 */
    void (*gather[2])(const struct wino_target *target);
    void (*weights[2])(const struct wino_weights *weights);
    void (*product)(const struct wino_product *product);
    void (*spread[2])(const struct wino_spread *spread);
    void (*outer)(const struct wino_outer *outer);
    void (*collect[2])(const struct wino_collect *collect);
};

extern const struct wino_kernels wino_baseline, wino_avx2, wino_avx512;

#endif
