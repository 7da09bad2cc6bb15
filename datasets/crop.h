/* Which part of a picture is taken, and to what size a picture is resized: torchvision's rules,
 * with its roundings (halves to the even number). Knows no pixels. */
#ifndef DATASETS_CROP_H
#define DATASETS_CROP_H

#include <stdbool.h>
#include <stdint.h>

/* Rows top .. top+h-1 and columns left .. left+w-1 of a picture. */
struct crop {
    int top, left, h, w;
};

/* Resize(short_side): the short side becomes `short_side`, the long one short_side * long / short,
 * cut to a whole number. */
void crop_resized_size(int h, int w, int short_side, int *out_h, int *out_w);

/* CenterCrop(size) of an h x w picture with both sides at least `size`. */
struct crop crop_centre(int h, int w, int size);

struct random_crop {
    struct crop from; /* to be resized to the network's input */
    bool flip;        /* then, to be mirrored */
};

/* RandomResizedCrop and RandomHorizontalFlip (scale 0.08 to 1, ratio 3/4 to 4/3 in the logarithm,
 * ten tries, then the largest centred crop within the ratios; flipped with probability 1/2), for
 * picture number `image` of h x w pixels in `epoch`: a function of these numbers alone. */
struct random_crop crop_draw(uint64_t seed, int epoch, int image, int h, int w);

#endif
