/* Picture files: every form of PNG and JPEG that is decoded. Refused: test_images_damaged.c. */
#include "datasets/exif.h"
#include "tests/picture_fixture.h"

enum { H = 7, W = 11 };

/* Decodes the form and compares with rgb[h][w][3]. */
static void assert_png(const struct png_form *form, const uint8_t *rgb)
{
    struct bytes file = picture_png(form);
    struct image image = picture_decode(&file);
    assert_int_equal(image.h, form->h);
    assert_int_equal(image.w, form->w);
    assert_memory_equal(image.pixels, rgb, image_bytes(&image));
    image_free(&image);
    bytes_free(&file);
}

static void assert_png_both_ways(struct png_form form, const uint8_t *rgb)
{
    assert_png(&form, rgb);
    form.interlaced = true;
    assert_png(&form, rgb);
}

/* Grey of 1, 2, 4, 8 and 16 bits: the highest value is white; 16 bits lose the low byte. */
static void png_grey(void **state)
{
    static const int depths[] = {1, 2, 4, 8, 16};
    (void)state;
    for (int d = 0; d < 5; d++) {
        const int depth = depths[d], most = (1 << (depth > 8 ? 8 : depth)) - 1;
        uint8_t samples[H * W * 2] = {0}, rgb[H * W * 3];
        const int row = (W * depth + 7) / 8;
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++) {
                const int value = picture_value(y, x, 0) & most, bit = x * depth;
                if (depth == 16) {
                    samples[y * row + 2 * x] = (uint8_t)value;
                    samples[y * row + 2 * x + 1] = 0xff;
                } else {
                    samples[y * row + bit / 8] |= (uint8_t)(value << (8 - depth - bit % 8));
                }
                memset(rgb + 3 * (y * W + x), value * 255 / most, 3);
            }
        assert_png_both_ways((struct png_form){.h = H, .w = W, .depth = depth,
                                               .type = PNG_COLOR_TYPE_GRAY, .samples = samples},
                             rgb);
    }
}

static void png_colour(void **state)
{
    struct image image = picture_make(H, W);
    uint8_t wide[H * W * 6];
    (void)state;
    for (int i = 0; i < H * W * 3; i++) {
        wide[2 * i] = image.pixels[i];
        wide[2 * i + 1] = (uint8_t)(i * 7);
    }
    struct png_form form = {.h = H, .w = W, .depth = 8, .type = PNG_COLOR_TYPE_RGB,
                            .samples = image.pixels};
    assert_png_both_ways(form, image.pixels);
    form.depth = 16;
    form.samples = wide;
    assert_png_both_ways(form, image.pixels);
    image_free(&image);
}

/* a v + (1 - a) 255 to the nearest whole number. */
static uint8_t over_white(int value, int alpha)
{
    return (uint8_t)(255.0 + (value - 255.0) * alpha / 255.0 + 0.5);
}

/* Grey and colour with alpha, 8 and 16 bits: laid on white. */
static void png_alpha(void **state)
{
    (void)state;
    for (int colours = 1; colours <= 3; colours += 2) {
        uint8_t narrow[H * W * 4], wide[H * W * 8], rgb[H * W * 3];
        for (int p = 0; p < H * W; p++) {
            const int alpha = p == 0 ? 0 : p == 1 ? 255 : picture_value(p, 3, 1);
            for (int c = 0; c <= colours; c++) {
                const int i = p * (colours + 1) + c;
                narrow[i] = (uint8_t)(c == colours ? alpha : picture_value(p, c, 0));
                wide[2 * i] = narrow[i];
                wide[2 * i + 1] = (uint8_t)(255 - i);
            }
            for (int c = 0; c < 3; c++)
                rgb[3 * p + c] = over_white(narrow[p * (colours + 1) + c % colours], alpha);
        }
        const int type = colours == 1 ? PNG_COLOR_TYPE_GRAY_ALPHA : PNG_COLOR_TYPE_RGB_ALPHA;
        struct png_form form = {.h = H, .w = W, .depth = 8, .type = type, .samples = narrow};
        assert_png_both_ways(form, rgb);
        form.depth = 16;
        form.samples = wide;
        assert_png_both_ways(form, rgb);
    }
}

/* A palette of 2-bit indices, plain and with alpha; one transparent value of grey and of RGB. */
static void png_palette_and_key(void **state)
{
    static const png_color palette[4] = {{10, 20, 30}, {200, 100, 0}, {0, 255, 60}, {77, 77, 77}};
    static const uint8_t samples[2] = {0x1b, 0xe4}; /* 0 1 2 3, 3 2 1 0 */
    static const int index[8] = {0, 1, 2, 3, 3, 2, 1, 0};
    struct png_form form = {.h = 2, .w = 4, .depth = 2, .type = PNG_COLOR_TYPE_PALETTE,
                            .samples = samples, .alpha = {0, 255, 128, 1}};
    uint8_t rgb[24];
    (void)state;
    memcpy(form.palette, palette, sizeof palette);
    for (int trns = 0; trns < 2; trns++) {
        form.has_trns = trns;
        for (int p = 0; p < 8; p++) {
            const png_color *colour = &palette[index[p]];
            const int alpha = trns ? form.alpha[index[p]] : 255;
            rgb[3 * p] = over_white(colour->red, alpha);
            rgb[3 * p + 1] = over_white(colour->green, alpha);
            rgb[3 * p + 2] = over_white(colour->blue, alpha);
        }
        assert_png_both_ways(form, rgb);
    }
    /* The key of 16-bit grey is compared before the low byte is lost: 0x1234 is not 0x1235. */
    static const uint8_t grey[4] = {0x12, 0x34, 0x12, 0x35};
    static const uint8_t shown[6] = {255, 255, 255, 0x12, 0x12, 0x12};
    assert_png(&(struct png_form){.h = 1, .w = 2, .depth = 16, .type = PNG_COLOR_TYPE_GRAY,
                                  .samples = grey, .has_trns = true, .key = {.gray = 0x1234}},
               shown);
    static const uint8_t colours[6] = {1, 2, 3, 1, 2, 4}, left[6] = {255, 255, 255, 1, 2, 4};
    assert_png(&(struct png_form){.h = 1, .w = 2, .depth = 8, .type = PNG_COLOR_TYPE_RGB,
                                  .samples = colours, .has_trns = true,
                                  .key = {.red = 1, .green = 2, .blue = 3}},
               left);
}

/* Mean absolute difference of two pictures of the same shape, in grey levels. */
static double mean_difference(const struct image *a, const struct image *b)
{
    double sum = 0;
    assert_int_equal(a->h, b->h);
    assert_int_equal(a->w, b->w);
    for (size_t i = 0; i < image_bytes(a); i++)
        sum += abs(a->pixels[i] - b->pixels[i]);
    return sum / (double)image_bytes(a);
}

/* Colour and grey, baseline, progressive and arithmetic. */
static void jpeg_forms(void **state)
{
    struct image image = picture_make_smooth(40, 30), grey = picture_make_smooth(40, 30);
    uint8_t samples[40 * 30];
    (void)state;
    for (int p = 0; p < 40 * 30; p++) {
        samples[p] = image.pixels[3 * p];
        memset(grey.pixels + 3 * p, samples[p], 3);
    }
    for (int form = 0; form < 8; form++) {
        const bool colour = form & 1;
        struct bytes file = picture_jpeg(&(struct jpeg_form){
            .h = 40, .w = 30, .components = colour ? 3 : 1,
            .samples = colour ? image.pixels : samples,
            .progressive = form & 2, .arithmetic = form & 4});
        struct image decoded = picture_decode(&file);
        assert_true(mean_difference(&decoded, colour ? &image : &grey) < 1.5);
        image_free(&decoded);
        bytes_free(&file);
    }
    image_free(&image);
    image_free(&grey);
}

/* Stray bytes before the end change no pixel: decoded, as viewers do. */
static void jpeg_stray_bytes(void **state)
{
    struct image image = picture_make_smooth(16, 16);
    struct bytes file = picture_jpeg(
        &(struct jpeg_form){.h = 16, .w = 16, .components = 3, .samples = image.pixels});
    struct image plain = picture_decode(&file);
    (void)state;
    file.size -= 2;
    picture_append(&file, "\1\2\3\377\331", 5);
    struct image shown = picture_decode(&file);
    assert_memory_equal(plain.pixels, shown.pixels, image_bytes(&plain));
    image_free(&shown);
    image_free(&plain);
    image_free(&image);
    bytes_free(&file);
}

/* CMYK with Adobe's marker holds 255 - ink: white, black, cyan, and half black yellow. */
static void jpeg_cmyk(void **state)
{
    static const uint8_t inks[4][4] = {{255, 255, 255, 255}, {255, 255, 255, 0},
                                       {0, 255, 255, 255}, {255, 255, 0, 128}};
    static const uint8_t expected[4][3] = {{255, 255, 255}, {0, 0, 0}, {0, 255, 255},
                                           {128, 128, 0}};
    (void)state;
    for (int i = 0; i < 4; i++) {
        uint8_t samples[16 * 16 * 4];
        for (int p = 0; p < 16 * 16; p++)
            memcpy(samples + 4 * p, inks[i], 4);
        struct bytes file = picture_jpeg(
            &(struct jpeg_form){.h = 16, .w = 16, .components = 4, .samples = samples});
        struct image image = picture_decode(&file);
        for (int p = 0; p < 16 * 16; p++)
            for (int c = 0; c < 3; c++)
                assert_true(abs(image.pixels[3 * p + c] - expected[i][c]) <= 2);
        image_free(&image);
        bytes_free(&file);
    }
}

/* Where the upright picture's pixel (y, x) lies in the stored one, per orientation, in the words of
 * the EXIF standard: what the stored row 0 and column 0 are. */
static void stored_place(int orientation, int y, int x, int h, int w, int *row, int *column)
{
    const int places[8][2] = {
        {y, x},                 /* top, left */
        {y, w - 1 - x},         /* top, right */
        {h - 1 - y, w - 1 - x}, /* bottom, right */
        {h - 1 - y, x},         /* bottom, left */
        {x, y},                 /* left, top */
        {w - 1 - x, y},         /* right, top */
        {w - 1 - x, h - 1 - y}, /* right, bottom */
        {x, h - 1 - y},         /* left, bottom */
    };
    *row = places[orientation - 1][0];
    *column = places[orientation - 1][1];
}

static void assert_turned(const struct image *stored, const struct image *shown, int orientation)
{
    const bool exchanged = orientation >= 5;
    assert_int_equal(shown->h, exchanged ? stored->w : stored->h);
    assert_int_equal(shown->w, exchanged ? stored->h : stored->w);
    for (int y = 0; y < shown->h; y++)
        for (int x = 0; x < shown->w; x++) {
            int row, column;
            stored_place(orientation, y, x, shown->h, shown->w, &row, &column);
            assert_memory_equal(shown->pixels + 3 * (y * shown->w + x),
                                stored->pixels + 3 * (row * stored->w + column), 3);
        }
}

/* All eight orientations, both byte orders, in JPEG and in PNG; 0 and 9 mean nothing. */
static void orientations(void **state)
{
    struct image image = picture_make(6, 9);
    struct jpeg_form jpeg = {.h = 6, .w = 9, .components = 3, .samples = image.pixels};
    struct bytes plain_file = picture_jpeg(&jpeg);
    struct image plain = picture_decode(&plain_file);
    (void)state;
    for (int i = 0; i <= 19; i++) {
        const int orientation = i % 10;
        const int expected = orientation == 0 || orientation == 9 ? 1 : orientation;
        uint8_t exif[26];
        picture_exif(exif, orientation, i >= 10);
        jpeg.exif = exif;
        jpeg.exif_size = sizeof exif;
        struct bytes files[2] = {picture_jpeg(&jpeg), picture_png(&(struct png_form){
            .h = 6, .w = 9, .depth = 8, .type = PNG_COLOR_TYPE_RGB, .samples = image.pixels,
            .exif = exif, .exif_size = sizeof exif})};
        for (int k = 0; k < 2; k++) {
            struct image shown = picture_decode(&files[k]);
            assert_turned(k == 0 ? &plain : &image, &shown, expected);
            image_free(&shown);
            bytes_free(&files[k]);
        }
    }
    image_free(&plain);
    image_free(&image);
    bytes_free(&plain_file);
}

/* Damaged EXIF data say "upright"; whatever is in them, nothing is read beyond them. */
static void exif_damaged(void **state)
{
    uint8_t exif[26];
    (void)state;
    for (int cut = 0; cut <= 26; cut++) {
        picture_exif(exif, 6, cut % 2);
        uint8_t *copy = malloc((size_t)cut + 1); /* its own block, so that a sanitizer sees */
        assert_non_null(copy);
        memcpy(copy, exif, (size_t)cut);
        const int found = exif_orientation(copy, (size_t)cut);
        assert_int_equal(found, cut >= 20 ? 6 : 1);
        free(copy);
    }
    picture_exif(exif, 5, false);
    exif[12] = 4; /* LONG */
    assert_int_equal(exif_orientation(exif, sizeof exif), 5);
    exif[12] = 2; /* ASCII */
    assert_int_equal(exif_orientation(exif, sizeof exif), 1);
    exif[12] = 3;
    exif[14] = 2; /* two numbers */
    assert_int_equal(exif_orientation(exif, sizeof exif), 1);
    uint32_t noise = 1;
    for (int round = 0; round < 20000; round++) {
        picture_exif(exif, 3, round % 2);
        for (int k = 0; k < 1 + round % 3; k++) {
            noise = noise * 1664525 + 1013904223;
            exif[(noise >> 8) % sizeof exif] = (uint8_t)(noise >> 24);
        }
        const int found = exif_orientation(exif, sizeof exif);
        assert_true(found >= 1 && found <= 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(png_grey),
        cmocka_unit_test(png_colour),
        cmocka_unit_test(png_alpha),
        cmocka_unit_test(png_palette_and_key),
        cmocka_unit_test(jpeg_forms),
        cmocka_unit_test(jpeg_stray_bytes),
        cmocka_unit_test(jpeg_cmyk),
        cmocka_unit_test(orientations),
        cmocka_unit_test(exif_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
