/* Patches of NHWC maps as rows of a matrix, and back. Row p of the matrix holds what output pixel
 * p = (n*oh + y)*ow + x sees: kh*kw cells of c channels, zeros where the window leaves the map.
 * Rows need not start or end with an image, so a matrix may be made in pieces of any size.
 * Knows neither weights nor products. */
#ifndef IMPLS_OPENBLAS_IM2COL_H
#define IMPLS_OPENBLAS_IM2COL_H

/* A window on a map. `c` channels are taken from each pixel; pixels are `stride` floats apart. */
struct window {
    int ih, iw, c, stride;
    int kh, kw, sh, sw, ph, pw, dh, dw;
    int oh, ow;
};

/* Floats in a row of the matrix: kh*kw*c. */
int window_width(const struct window *win);

/* Writes rows from..to-1 to `col` (row `from` first), read from the map at `src` (its first image;
 * offset by the caller when the channels are a slice). Uses `team` threads. */
void im2col(const struct window *win, const float *src, int from, int to, float *col, int team);

/* The transpose of im2col(): adds every cell of rows from..to-1 to the pixel of the map at `diff`
 * that it came from. Each pixel is touched by one thread, its cells are added in a fixed order. */
void col2im_add(const struct window *win, const float *col, int from, int to, float *diff,
                int team);

#endif
