/* One image from stored bytes to normalised floats: zero padding, optional random crop and flip,
 * (value/255 - mean)/std. Knows no files and no splits. */
#ifndef DATASETS_TRANSFORM_H
#define DATASETS_TRANSFORM_H

#include "impls/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Mean and standard deviation of red, green and blue on the scale 0..1 (grey: three times). */
struct normalisation {
    const char *name;
    float mean[3], std[3];
};

/* "fashion-mnist", "cifar10", "imagenet", "half" (0.5 and 0.5: nothing known about the data);
 * NULL, with a message, for another name. Sources of the numbers: README.md. */
const struct normalisation *normalisation_find(const char *name);

/* The fixed part. Padding is zero bytes, before normalisation: a padded pixel becomes -mean/std.
 * An odd difference gives the right and the lower side one pixel more. */
struct transform {
    int in_h, in_w, in_c;    /* stored planes */
    int out_h, out_w, out_c; /* out_c 3 of in_c 1: grey three times */
    int top, left;           /* zero pixels above and to the left */
    float mean[3], std[3];   /* as given, for reports */
    float value[3][256];     /* byte -> float, per output channel */
};

/* Fills `t`. ERR_USAGE when the output is smaller than the input, a colour image is wanted as grey,
 * channels are not 1 or 3, or mean or std cannot be. Values are formed in single precision in
 * PyTorch's order (byte/255, minus mean, by std), so they are bit-identical to torchvision's. */
enum status transform_init(struct transform *t, int in_h, int in_w, int in_c, int out_h, int out_w,
                           int out_c, const struct normalisation *norm);

/* The fixed part in words, for reports: "28x28x1, zeros to 32x32, grey x3, /255, mean 0.286 0.286
 * 0.286, std 0.353 0.353 0.353" (one line). */
void transform_print(const struct transform *t, char *text, size_t size);

/* The random part: a shift of the (padded) image by -4..4 pixels in y and x, zeros moving in
 * (torchvision's RandomCrop(size, padding=4)), then a horizontal flip with probability 1/2. */
struct jitter {
    int dy, dx;
    bool flip;
};

/* The jitter of stored image `image` in `epoch`: a function of these numbers alone. */
struct jitter jitter_draw(uint64_t seed, int epoch, int image);

/* Writes out[out_h][out_w][out_c]. A zeroed jitter changes nothing. */
void transform_apply(const struct transform *t, struct jitter jitter, const uint8_t *planes,
                     float *out);

#endif
