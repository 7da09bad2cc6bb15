/* One image from bytes to floats: see transform.h. Knows no files and no splits. */
#include "datasets/transform.h"

#include "impls/base/random.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct normalisation table[] = {
    {"fashion-mnist", {0.2860f, 0.2860f, 0.2860f}, {0.3530f, 0.3530f, 0.3530f}},
    {"cifar10", {0.4914f, 0.4822f, 0.4465f}, {0.2470f, 0.2435f, 0.2616f}},
    {"cifar100", {0.5071f, 0.4865f, 0.4409f}, {0.2673f, 0.2564f, 0.2762f}},
    {"imagenet", {0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}},
    {"half", {0.5f, 0.5f, 0.5f}, {0.5f, 0.5f, 0.5f}},
};

enum { NORMALISATIONS = sizeof table / sizeof table[0] };

const struct normalisation *normalisation_find(const char *name)
{
    for (int i = 0; i < NORMALISATIONS; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    fail(ERR_USAGE, "unknown normalisation '%s': known are fashion-mnist, cifar10, cifar100, "
         "imagenet, half", name);
    return NULL;
}

static enum status check_channels(int in_c, int out_c)
{
    if ((in_c != 1 && in_c != 3) || (out_c != 1 && out_c != 3))
        return fail(ERR_USAGE, "images of %d channels for a network of %d: 1 or 3 were expected",
                    in_c, out_c);
    if (out_c < in_c)
        return fail(ERR_USAGE, "the images have 3 channels, the network takes 1: colour is not "
                    "turned into grey");
    return OK;
}

static enum status check_normalisation(const struct normalisation *norm, int channels)
{
    for (int c = 0; c < channels; c++)
        if (!isfinite(norm->mean[c]) || !isfinite(norm->std[c]) || !(norm->std[c] > 0.0f))
            return fail(ERR_USAGE, "mean %g and std %g of channel %d: finite numbers and a std "
                        "above 0 were expected", (double)norm->mean[c], (double)norm->std[c], c);
    return OK;
}

enum status transform_init(struct transform *t, int in_h, int in_w, int in_c, int out_h, int out_w,
                           int out_c, const struct normalisation *norm)
{
    TRY(check_channels(in_c, out_c));
    TRY(check_normalisation(norm, out_c));
    if (out_h < in_h || out_w < in_w)
        return fail(ERR_USAGE, "an input of %dx%d is less than the %dx%d of the images: they can "
                    "be padded, not made smaller", out_h, out_w, in_h, in_w);
    *t = (struct transform){.in_h = in_h, .in_w = in_w, .in_c = in_c,
                            .out_h = out_h, .out_w = out_w, .out_c = out_c,
                            .top = (out_h - in_h) / 2, .left = (out_w - in_w) / 2};
    memcpy(t->mean, norm->mean, sizeof t->mean);
    memcpy(t->std, norm->std, sizeof t->std);
    for (int c = 0; c < out_c; c++)
        for (int v = 0; v < 256; v++)
            t->value[c][v] = ((float)v / 255.0f - norm->mean[c]) / norm->std[c];
    return OK;
}

static void print_three(const float value[3], int channels, char *text, size_t size)
{
    if (channels == 1)
        snprintf(text, size, "%.6g", (double)value[0]);
    else
        snprintf(text, size, "%.6g %.6g %.6g", (double)value[0], (double)value[1],
                 (double)value[2]);
}

void transform_print(const struct transform *t, char *text, size_t size)
{
    char padding[64] = "", mean[64], std[64];
    if (t->out_h != t->in_h || t->out_w != t->in_w)
        snprintf(padding, sizeof padding, ", zeros to %dx%d", t->out_h, t->out_w);
    print_three(t->mean, t->out_c, mean, sizeof mean);
    print_three(t->std, t->out_c, std, sizeof std);
    snprintf(text, size, "%dx%dx%d%s%s, /255, mean %s, std %s", t->in_h, t->in_w, t->in_c, padding,
             t->out_c > t->in_c ? ", grey x3" : "", mean, std);
}

struct jitter jitter_draw(uint64_t seed, int epoch, int image)
{
    struct random_stream stream = {seed, random_mix(random_name("augment"), (uint64_t)epoch)};
    uint32_t word[4];
    random_block(stream, (uint64_t)image, word);
    /* Multiply-shift to 0..8: off from uniform by less than 2^-28. */
    return (struct jitter){.dy = (int)((uint64_t)word[0] * 9 >> 32) - 4,
                           .dx = (int)((uint64_t)word[1] * 9 >> 32) - 4,
                           .flip = word[2] >> 31};
}

/* Row sy of the stored image, which may lie outside of it, to one row of the output. */
static void apply_row(const struct transform *t, struct jitter jitter, const uint8_t *planes,
                      int sy, float *out)
{
    const size_t plane = (size_t)t->in_h * (size_t)t->in_w;
    const bool inside_y = sy >= 0 && sy < t->in_h;
    for (int x = 0; x < t->out_w; x++) {
        const int sx = (jitter.flip ? t->out_w - 1 - x : x) + jitter.dx - t->left;
        const bool inside = inside_y && sx >= 0 && sx < t->in_w;
        const size_t pixel = inside ? (size_t)sy * (size_t)t->in_w + (size_t)sx : 0;
        for (int c = 0; c < t->out_c; c++) {
            const size_t source = t->in_c == 1 ? 0 : (size_t)c * plane;
            *out++ = t->value[c][inside ? planes[source + pixel] : 0];
        }
    }
}

void transform_apply(const struct transform *t, struct jitter jitter, const uint8_t *planes,
                     float *out)
{
    const size_t row = (size_t)t->out_w * (size_t)t->out_c;
    for (int y = 0; y < t->out_h; y++)
        apply_row(t, jitter, planes, y + jitter.dy - t->top, out + (size_t)y * row);
}
