/* How a picture becomes the input of a network with given weights: see metadata.h. */
#include "bench/transfer/metadata.h"

#include "datasets/resize.h"
#include "impls/base/memory.h"

#include <stdio.h>
#include <string.h>

/* torchvision's evaluation of ImageNet networks: Resize(256), CenterCrop(224); and the side below
 * which datasets/spec.c leaves the margin out. */
enum { SHORT_SIDE = 256, SIDE = 224, MARGIN_FROM = 64 };

static int scaled(int number, int to, int of)
{
    return (int)(((int64_t)number * to + of / 2) / of);
}

static enum status padded_rule(const struct weights_metadata *m, int input,
                               struct picture_rule *rule)
{
    int h = m->stored_h ? m->stored_h : input, w = m->stored_w ? m->stored_w : input;
    if (h > input || w > input)
        return fail(ERR_USAGE, "an input of %d pixels is less than the %dx%d of the images that "
                    "the weights were trained on, with zeros around", input, h, w);
    rule->as_is_h = h;
    rule->as_is_w = w;
    rule->short_side = rule->crop = h < w ? h : w;
    return OK;
}

static enum status cropped_rule(const struct weights_metadata *m, int input,
                                struct picture_rule *rule)
{
    int crop_h, crop_w;
    if (sscanf(m->resize, "short side to %d", &rule->short_side) != 1 ||
        sscanf(m->crop, "centre %dx%d", &crop_h, &crop_w) != 2 || crop_h != crop_w ||
        crop_h < 1 || rule->short_side < crop_h || rule->short_side > 65535)
        return fail(ERR_FORMAT, "the weights file says resize '%s', crop '%s': 'short side to "
                    "256', 'centre 224x224' or the like was expected", m->resize, m->crop);
    rule->short_side = scaled(rule->short_side, input, crop_h);
    rule->crop = input;
    return OK;
}

enum status picture_rule_make(const struct weights_metadata *m, int input,
                              struct picture_rule *rule)
{
    *rule = (struct picture_rule){.input = input, .norm = m->norm, .from_file = true};
    if (strncmp(m->resize, "zero padding", 12) == 0)
        return padded_rule(m, input, rule);
    if (m->resize[0])
        return cropped_rule(m, input, rule);
    rule->from_file = false;
    rule->crop = input;
    rule->short_side = input < MARGIN_FROM ? input : scaled(SHORT_SIDE, input, SIDE);
    return OK;
}

/* Pixels to planes. */
static void split_planes(const struct image *image, uint8_t *planes)
{
    size_t pixels = (size_t)image->h * (size_t)image->w;
    for (size_t p = 0; p < pixels; p++)
        for (size_t c = 0; c < 3; c++)
            planes[c * pixels + p] = image->pixels[3 * p + c];
}

enum status picture_rule_apply(const struct picture_rule *rule, const struct image *image,
                               float *out)
{
    bool as_is = image->h == rule->as_is_h && image->w == rule->as_is_w;
    int h = as_is ? image->h : rule->crop, w = as_is ? image->w : rule->crop;
    struct transform transform;
    TRY(transform_init(&transform, h, w, 3, rule->input, rule->input, 3, &rule->norm));
    uint8_t *planes = memory_alloc((size_t)h * (size_t)w * 3);
    if (!planes)
        return ERR_MEMORY;
    enum status status = OK;
    if (as_is)
        split_planes(image, planes);
    else
        status = resize_centre(image, rule->short_side, rule->crop, planes);
    if (status == OK)
        transform_apply(&transform, (struct jitter){0}, planes, out);
    memory_free(planes);
    return status;
}

void picture_rule_print(const struct picture_rule *rule, char *text, size_t size)
{
    const float *m = rule->norm.mean, *s = rule->norm.std;
    char padding[64] = "";
    if (rule->crop < rule->input)
        snprintf(padding, sizeof padding, ", zeros to %dx%d", rule->input, rule->input);
    snprintf(text, size,
             "short side to %d (bilinear, antialiased), centre %dx%d%s, /255, mean %g %g %g, std "
             "%g %g %g", rule->short_side, rule->crop, rule->crop, padding, (double)m[0],
             (double)m[1], (double)m[2], (double)s[0], (double)s[1], (double)s[2]);
}

json_t *picture_rule_json(const struct picture_rule *rule)
{
    const float *m = rule->norm.mean, *s = rule->norm.std;
    return json_pack("{s:i, s:s, s:i, s:i, s:[f,f,f], s:[f,f,f], s:s, s:s}", "short_side",
                     rule->short_side, "interpolation", "bilinear, antialiased", "centre_crop",
                     rule->crop, "input", rule->input, "mean", (double)m[0], (double)m[1],
                     (double)m[2], "std", (double)s[0], (double)s[1], (double)s[2], "rule_from",
                     rule->from_file ? "the weights file" : "torchvision", "normalisation",
                     rule->norm.name);
}
