/* Picture files: which decoder, limits, orientation: see image.h. Knows no detail of a format. */
#include "datasets/image.h"

#include "datasets/image_codec.h"
#include "impls/base/memory.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* 512 MiB: more than an uncompressed picture of the largest size takes. */
enum { IMAGE_FILE_MAX = 1 << 29 };

/* Signatures of what people put among their pictures, so that a refusal can say what it is. */
static const struct {
    const char *name;
    size_t at, length;
    const char *bytes;
} foreign[] = {
    {"a GIF", 0, 4, "GIF8"},
    {"a WebP picture", 8, 4, "WEBP"},
    {"a TIFF picture", 0, 4, "II*\0"},
    {"a TIFF picture", 0, 4, "MM\0*"},
    {"a HEIF or AVIF picture", 4, 4, "ftyp"},
    {"a JPEG 2000 picture", 4, 4, "jP  "},
    {"a JPEG XL picture", 4, 4, "JXL "},
    {"a Photoshop document", 0, 4, "8BPS"},
    {"a PDF document", 0, 4, "%PDF"},
    {"a zip archive", 0, 4, "PK\003\004"},
    {"a gzip file", 0, 2, "\037\213"},
    {"a BMP picture", 0, 2, "BM"},
    {"an HTML, SVG or XML text", 0, 1, "<"},
};

enum { FOREIGN = sizeof foreign / sizeof foreign[0], SHOWN_BYTES = 4 };

static bool has_bytes(const struct bytes *file, size_t at, const char *bytes, size_t length)
{
    return file->size >= at + length && memcmp(file->data + at, bytes, length) == 0;
}

/* PBM, PGM, PPM, PAM: "P1" to "P7" and white space. */
static bool is_netpbm(const struct bytes *file)
{
    return file->size > 2 && file->data[0] == 'P' && file->data[1] >= '1' &&
           file->data[1] <= '7' && (file->data[2] == '\n' || file->data[2] == ' ');
}

static enum status refuse(const struct bytes *file)
{
    char hex[3 * SHOWN_BYTES + 1] = "";
    if (file->size == 0)
        return fail(ERR_FORMAT, "is empty (0 bytes)");
    for (int i = 0; i < FOREIGN; i++)
        if (has_bytes(file, foreign[i].at, foreign[i].bytes, foreign[i].length))
            return fail(ERR_FORMAT, "is %s, not a PNG or JPEG", foreign[i].name);
    if (has_bytes(file, 1, "PNG", 3))
        return fail(ERR_FORMAT, "is a PNG with a damaged signature");
    if (is_netpbm(file))
        return fail(ERR_FORMAT, "is a PBM, PGM or PPM picture, not a PNG or JPEG");
    for (size_t i = 0; i < SHOWN_BYTES && i < file->size; i++)
        snprintf(hex + 3 * i, 4, " %02x", file->data[i]);
    return fail(ERR_FORMAT, "is neither a PNG nor a JPEG (begins with%s)", hex);
}

enum status image_check_size(uint64_t h, uint64_t w)
{
    if (h == 0 || w == 0)
        return fail(ERR_FORMAT, "has no pixel: its size is %llu x %llu", (unsigned long long)w,
                    (unsigned long long)h);
    if (h > IMAGE_SIDE_MAX || w > IMAGE_SIDE_MAX || h * w > IMAGE_PIXELS_MAX)
        return fail(ERR_FORMAT, "has %llu x %llu pixels: at most %d a side and %d in all are "
                    "accepted", (unsigned long long)w, (unsigned long long)h, IMAGE_SIDE_MAX,
                    IMAGE_PIXELS_MAX);
    return OK;
}

enum status image_alloc(struct image *out, uint64_t h, uint64_t w)
{
    TRY(image_check_size(h, w));
    *out = (struct image){.pixels = memory_alloc((size_t)(h * w * 3)), .h = (int)h, .w = (int)w};
    return out->pixels ? OK : ERR_MEMORY;
}

size_t image_bytes(const struct image *image)
{
    return (size_t)image->h * (size_t)image->w * 3;
}

void image_free(struct image *image)
{
    memory_free(image->pixels);
    *image = (struct image){0};
}

/* Row `y` of the turned picture: source pixel (row, column) is (a, b), taken from the end where the
 * orientation says so, with x and y exchanged where it says so. */
static void orient_row(const struct image *from, int orientation, int y, int width, uint8_t *out)
{
    const bool exchanged = orientation >= 5;
    const bool rows_back = orientation == 3 || orientation == 4 || orientation == 6 ||
                           orientation == 7;
    const bool columns_back = orientation == 2 || orientation == 3 || orientation == 7 ||
                              orientation == 8;
    for (int x = 0; x < width; x++) {
        const int a = exchanged ? x : y, b = exchanged ? y : x;
        const int row = rows_back ? from->h - 1 - a : a;
        const int column = columns_back ? from->w - 1 - b : b;
        memcpy(out + 3 * (size_t)x,
               from->pixels + 3 * ((size_t)row * (size_t)from->w + (size_t)column), 3);
    }
}

enum status image_orient(struct image *image, int orientation)
{
    struct image turned = {0};
    CHECK(orientation >= 1 && orientation <= 8);
    if (orientation == 1)
        return OK;
    const bool exchanged = orientation >= 5;
    TRY(image_alloc(&turned, (uint64_t)(exchanged ? image->w : image->h),
                    (uint64_t)(exchanged ? image->h : image->w)));
    for (int y = 0; y < turned.h; y++)
        orient_row(image, orientation, y, turned.w,
                   turned.pixels + 3 * (size_t)y * (size_t)turned.w);
    image_free(image);
    *image = turned;
    return OK;
}

enum status image_decode(struct image *out, const struct bytes *file)
{
    int orientation = 1;
    enum status status;
    *out = (struct image){0};
    if (has_bytes(file, 0, "\211PNG\r\n\032\n", 8))
        status = image_png_decode(out, file, &orientation);
    else if (has_bytes(file, 0, "\377\330\377", 3))
        status = image_jpeg_decode(out, file, &orientation);
    else
        status = refuse(file);
    if (status == OK)
        status = image_orient(out, orientation);
    if (status != OK)
        image_free(out);
    return status;
}

enum status image_read(struct image *out, const char *path)
{
    struct bytes file;
    char reason[512];
    *out = (struct image){0};
    TRY(file_read(path, IMAGE_FILE_MAX, &file));
    enum status status = image_decode(out, &file);
    bytes_free(&file);
    if (status == OK)
        return OK;
    snprintf(reason, sizeof reason, "%s", fail_text());
    return fail(status, "%s: %s", path, reason);
}
