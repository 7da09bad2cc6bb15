/* Grey pictures of small maps: see grey_png.h. */
#include "bench/report/grey_png.h"

#include "bench/net/atomic_file.h"

#include <math.h>
#include <png.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE_MAX = 65535 };

static enum status to_pixels(const char *path, const float *values, int h, int w, int zoom,
                             uint8_t *pixels)
{
    size_t row = (size_t)w * (size_t)zoom;
    for (int y = 0; y < h; y++) {
        uint8_t *first = pixels + (size_t)y * (size_t)zoom * row;
        for (int x = 0; x < w; x++) {
            float value = values[(size_t)y * (size_t)w + (size_t)x];
            if (isnan(value))
                return fail(ERR_NUMERIC, "%s: value (%d, %d) is not a number", path, y, x);
            value = value < 0 ? 0 : value > 1 ? 1 : value;
            memset(first + (size_t)x * (size_t)zoom, (int)lrintf(255 * value), (size_t)zoom);
        }
        for (int k = 1; k < zoom; k++)
            memcpy(first + (size_t)k * row, first, row);
    }
    return OK;
}

static enum status encode(const char *path, const uint8_t *pixels, int h, int w)
{
    png_image image = {.version = PNG_IMAGE_VERSION, .width = (png_uint_32)w,
                       .height = (png_uint_32)h, .format = PNG_FORMAT_GRAY};
    png_alloc_size_t size = 0;
    void *data = NULL;
    if (png_image_write_to_memory(&image, NULL, &size, 0, pixels, 0, NULL))
        data = malloc(size);
    if (!data || !png_image_write_to_memory(&image, data, &size, 0, pixels, 0, NULL)) {
        free(data);
        return fail(ERR_LIBRARY, "%s: libpng: %s", path, image.message);
    }
    enum status status = atomic_file_save(path, data, size);
    free(data);
    return status;
}

enum status grey_png_write(const char *path, const float *values, int h, int w, int least)
{
    int longer = h > w ? h : w;
    CHECK(h > 0 && w > 0);
    int zoom = least > longer ? (least + longer - 1) / longer : 1;
    if (longer > SIDE_MAX / zoom)
        return fail(ERR_USAGE, "%s: %d x %d values are too many for a picture", path, h, w);
    uint8_t *pixels = malloc((size_t)h * (size_t)w * (size_t)zoom * (size_t)zoom);
    if (!pixels)
        return fail(ERR_MEMORY, "%s: out of memory", path);
    enum status status = to_pixels(path, values, h, w, zoom, pixels);
    if (status == OK)
        status = encode(path, pixels, h * zoom, w * zoom);
    free(pixels);
    return status;
}
