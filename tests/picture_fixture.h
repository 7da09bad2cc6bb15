/* Picture files for the tests of datasets/: PNG and JPEG of any form, written through the libraries
 * themselves, into memory. Judges nothing. */
#ifndef TESTS_PICTURE_FIXTURE_H
#define TESTS_PICTURE_FIXTURE_H

/* cmocka.h defines a macro fail(): our headers must come before it. */
#include "datasets/image.h"
#include "impls/base/memory.h"
#include "tests/dataset_fixture.h"

#include <png.h>

#include <jpeglib.h>

/* The picture that make_images.py knows too: pixel (y, x) of colour c. */
static inline uint8_t picture_value(int y, int x, int c)
{
    const int64_t p = y, q = x;
    return (uint8_t)(q * 5 + p * 3 + c * 40 + (q * q * 7 + p * p * 13 + p * q * (c + 1)) % 97);
}

/* h x w such pixels, to be freed with image_free(). */
static inline struct image picture_make(int h, int w)
{
    struct image image = {memory_alloc((size_t)h * (size_t)w * 3), h, w};
    assert_non_null(image.pixels);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int c = 0; c < 3; c++)
                image.pixels[3 * ((size_t)y * (size_t)w + (size_t)x) + (size_t)c] =
                    picture_value(y, x, c);
    return image;
}

/* A smooth one, which JPEG changes little. */
static inline struct image picture_make_smooth(int h, int w)
{
    struct image image = picture_make(h, w);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int c = 0; c < 3; c++)
                image.pixels[3 * ((size_t)y * (size_t)w + (size_t)x) + (size_t)c] =
                    (uint8_t)(40 + (x * (4 + c) + y * (6 - c)) / 2 + 10 * c);
    return image;
}

/* How a PNG is to be stored. `samples` are the rows as the file has them, packed. */
struct png_form {
    int h, w, depth, type; /* type: PNG_COLOR_TYPE_... */
    bool interlaced;
    const uint8_t *samples;
    png_color palette[4];  /* all four are written when type is PALETTE */
    uint8_t alpha[4];      /* of the palette; written when has_trns */
    png_color_16 key;      /* transparent value of grey and RGB; written when has_trns */
    bool has_trns;
    const uint8_t *exif;   /* TIFF structure, NULL for none */
    size_t exif_size;
};

static inline void picture_append(struct bytes *file, const void *data, size_t n)
{
    uint8_t *grown = memory_alloc(file->size + n);
    assert_non_null(grown);
    if (file->size)
        memcpy(grown, file->data, file->size);
    memcpy(grown + file->size, data, n);
    memory_free(file->data);
    file->data = grown;
    file->size += n;
}

static inline void picture_png_out(png_structp png, png_bytep data, size_t n)
{
    picture_append(png_get_io_ptr(png), data, n);
}

static inline void picture_png_head(png_structp png, png_infop info, const struct png_form *f)
{
    png_set_IHDR(png, info, (png_uint_32)f->w, (png_uint_32)f->h, f->depth, f->type,
                 f->interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (f->type == PNG_COLOR_TYPE_PALETTE)
        png_set_PLTE(png, info, f->palette, 4);
    if (f->has_trns)
        png_set_tRNS(png, info, f->alpha, f->type == PNG_COLOR_TYPE_PALETTE ? 4 : 0, &f->key);
    if (f->exif)
        png_set_eXIf_1(png, info, (png_uint_32)f->exif_size, (png_bytep)f->exif);
    png_write_info(png, info);
}

/* The file, to be freed with bytes_free(). */
static inline struct bytes picture_png(const struct png_form *f)
{
    struct bytes file = {0};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    assert_non_null(info);
    if (setjmp(png_jmpbuf(png)))
        fail_msg("libpng would not write the picture");
    png_set_write_fn(png, &file, picture_png_out, NULL);
    picture_png_head(png, info, f);
    const int passes = f->interlaced ? png_set_interlace_handling(png) : 1;
    const size_t row = png_get_rowbytes(png, info);
    for (int pass = 0; pass < passes; pass++)
        for (int y = 0; y < f->h; y++)
            png_write_row(png, (png_bytep)f->samples + (size_t)y * row);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    return file;
}

/* An 8-bit RGB PNG of an image. */
static inline struct bytes picture_png_of(const struct image *image)
{
    return picture_png(&(struct png_form){.h = image->h, .w = image->w, .depth = 8,
                                          .type = PNG_COLOR_TYPE_RGB, .samples = image->pixels});
}

/* How a JPEG is to be stored: `components` bytes a pixel, 1, 3 or 4 (CMYK, as it stands). */
struct jpeg_form {
    int h, w, components;
    const uint8_t *samples;
    bool progressive, arithmetic;
    const jpeg_scan_info *scans; /* a progression of its own, NULL for the usual one */
    int scan_count;
    const uint8_t *exif; /* TIFF structure, NULL for none */
    size_t exif_size;
};

static inline void picture_jpeg_exif(struct jpeg_compress_struct *jpeg, const struct jpeg_form *f)
{
    uint8_t segment[1024] = "Exif\0";
    assert_true(f->exif_size <= sizeof segment - 6);
    memcpy(segment + 6, f->exif, f->exif_size);
    jpeg_write_marker(jpeg, JPEG_APP0 + 1, segment, (unsigned)f->exif_size + 6);
}

/* The file, quality 100, to be freed with bytes_free(). */
static inline struct bytes picture_jpeg(const struct jpeg_form *f)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct bytes file = {0};
    unsigned char *memory = NULL;
    unsigned long size = 0;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &memory, &size);
    jpeg.image_width = (JDIMENSION)f->w;
    jpeg.image_height = (JDIMENSION)f->h;
    jpeg.input_components = f->components;
    jpeg.in_color_space = f->components == 1 ? JCS_GRAYSCALE
                        : f->components == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, 100, TRUE);
    jpeg.arith_code = f->arithmetic;
    if (f->progressive)
        jpeg_simple_progression(&jpeg);
    if (f->scans) {
        jpeg.scan_info = f->scans;
        jpeg.num_scans = f->scan_count;
    }
    jpeg_start_compress(&jpeg, TRUE);
    if (f->exif)
        picture_jpeg_exif(&jpeg, f);
    for (int y = 0; y < f->h; y++) {
        JSAMPROW row = (JSAMPROW)f->samples + (size_t)y * (size_t)(f->w * f->components);
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    picture_append(&file, memory, size);
    free(memory);
    return file;
}

/* EXIF data with nothing but an orientation, 26 bytes. */
static inline void picture_exif(uint8_t tiff[26], int orientation, bool big_endian)
{
    static const uint8_t little[26] = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0,
                                       1,   0,   0,  0, 0, 0, 0, 0, 0, 0, 0,    0};
    static const uint8_t big[26] = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3,
                                    0,   0,   0, 1,  0, 0, 0, 0, 0, 0, 0, 0};
    memcpy(tiff, big_endian ? big : little, 26);
    tiff[big_endian ? 19 : 18] = (uint8_t)orientation;
}

/* Decodes, which must succeed; to be freed with image_free(). */
static inline struct image picture_decode(const struct bytes *file)
{
    struct image image;
    if (image_decode(&image, file) != OK)
        fail_msg("%s", fail_text());
    return image;
}

static inline void picture_put(const struct fixture *f, const char *name, struct bytes file)
{
    fixture_write(f, name, file.data, file.size);
    bytes_free(&file);
}

#endif
