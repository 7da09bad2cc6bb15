/* Sizes and crops: see crop.h. Knows no pixels. */
#include "datasets/crop.h"

#include "impls/base/random.h"
#include "impls/base/status.h"

#include <math.h>

/* Blocks of random numbers of one picture: one a try, one for the flip, the rest unused. */
enum { TRIES = 10, FLIP_BLOCK = 15, BLOCKS = 16 };

static const double scale_min = 0.08, scale_max = 1.0;
static const double ratio_min = 3.0 / 4.0, ratio_max = 4.0 / 3.0; /* width by height */

static int round_even(double value)
{
    return (int)lrint(value);
}

void crop_resized_size(int h, int w, int short_side, int *out_h, int *out_w)
{
    const int64_t shorter = h < w ? h : w, longer = h < w ? w : h;
    const int long_side = (int)(short_side * longer / shorter);
    *out_h = h <= w ? short_side : long_side;
    *out_w = w <= h ? short_side : long_side;
}

struct crop crop_centre(int h, int w, int size)
{
    CHECK(h >= size && w >= size);
    return (struct crop){round_even((h - size) / 2.0), round_even((w - size) / 2.0), size, size};
}

static double between(double low, double high, uint32_t word)
{
    return low + (high - low) * ((double)word * 0x1p-32);
}

/* 0 .. bound-1 by multiply-shift: off from uniform by less than 2^-16 for any picture's side. */
static int below(int bound, uint32_t word)
{
    return (int)((uint64_t)word * (uint64_t)bound >> 32);
}

/* One try; false when the shape drawn does not fit into the picture. */
static bool try_crop(const uint32_t word[4], int h, int w, struct crop *crop)
{
    const double area = (double)h * w * between(scale_min, scale_max, word[0]);
    const double ratio = exp(between(log(ratio_min), log(ratio_max), word[1]));
    crop->w = round_even(sqrt(area * ratio));
    crop->h = round_even(sqrt(area / ratio));
    if (crop->w < 1 || crop->w > w || crop->h < 1 || crop->h > h)
        return false;
    crop->top = below(h - crop->h + 1, word[2]);
    crop->left = below(w - crop->w + 1, word[3]);
    return true;
}

/* The whole picture, less what makes it too long for the ratios. */
static struct crop largest_crop(int h, int w)
{
    const double ratio = (double)w / h;
    struct crop crop = {.h = h, .w = w};
    if (ratio < ratio_min)
        crop.h = round_even(w / ratio_min);
    else if (ratio > ratio_max)
        crop.w = round_even(h * ratio_max);
    crop.top = (h - crop.h) / 2;
    crop.left = (w - crop.w) / 2;
    return crop;
}

struct random_crop crop_draw(uint64_t seed, int epoch, int image, int h, int w)
{
    const struct random_stream stream = {
        seed, random_mix(random_name("random-resized-crop"), (uint64_t)epoch)};
    const uint64_t first = (uint64_t)image * BLOCKS;
    struct random_crop drawn = {.from = largest_crop(h, w)};
    uint32_t word[4];
    random_block(stream, first + FLIP_BLOCK, word);
    drawn.flip = word[0] >> 31;
    for (int i = 0; i < TRIES; i++) {
        struct crop crop;
        random_block(stream, first + (uint64_t)i, word);
        if (try_crop(word, h, w, &crop)) {
            drawn.from = crop;
            break;
        }
    }
    return drawn;
}
