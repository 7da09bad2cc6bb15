/* Picture files that are refused, and how: other formats, impossible sizes, damage anywhere, files
 * that would take for ever. */
#include "tests/picture_fixture.h"

static void assert_refused_bytes(const void *data, size_t size, const char *expected)
{
    struct bytes file = {memory_alloc(size), size};
    struct image image;
    assert_non_null(file.data);
    memcpy(file.data, data, size);
    if (image_decode(&image, &file) != ERR_FORMAT || !strstr(fail_text(), expected))
        fail_msg("'%s' was expected, '%s' was said", expected, fail_text());
    assert_null(image.pixels);
    bytes_free(&file);
}

static void other_formats(void **state)
{
    static const struct {
        const char *bytes, *expected;
    } other[] = {
        {"", "is empty (0 bytes)"},       {"GIF89a........", "is a GIF"},
        {"RIFF....WEBPVP8 ", "is a WebP"}, {"II*\0........", "is a TIFF"},
        {"....ftypheic", "HEIF"},         {"%PDF-1.4....", "is a PDF"},
        {"BM..........", "is a BMP"},     {"<!DOCTYPE html>", "is an HTML"},
        {"P5\n3 3\n255\n...", "PGM"},     {"hello, world", "begins with 68 65 6c 6c"},
        {"\377", "begins with ff)"},      {"\211PNG\n\n\032\n", "a damaged signature"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
        assert_refused_bytes(other[i].bytes, i == 0 ? 0 : i == 10 ? 1 : i == 11 ? 8 : 12,
                             other[i].expected);
}

/* A claim of a size beyond the limits is refused before anything is allocated. */
static void size_claims(void **state)
{
    struct image image = picture_make_smooth(16, 16);
    struct bytes png = picture_png_of(&image);
    struct bytes jpeg = picture_jpeg(
        &(struct jpeg_form){.h = 16, .w = 16, .components = 3, .samples = image.pixels});
    static const uint32_t sizes[][2] = {{65535, 65535}, {8193, 8192}, {1, 70000}, {0, 16},
                                        {0x7fffffff, 0x7fffffff}};
    (void)state;
    for (int i = 0; i < 5; i++) {
        fixture_put32(png.data + 16, sizes[i][0]);
        fixture_put32(png.data + 20, sizes[i][1]);
        fixture_put32(png.data + 29, (uint32_t)crc32(0, png.data + 12, 17));
        assert_refused_bytes(png.data, png.size, i < 2 ? "accepted" : "damaged PNG");
    }
    uint8_t *frame = memmem(jpeg.data, jpeg.size, "\377\300\0\021\010", 5);
    assert_non_null(frame);
    memcpy(frame + 5, "\377\0\377\0", 4); /* 65280 x 65280 */
    assert_refused_bytes(jpeg.data, jpeg.size, "accepted");
    memset(frame + 5, 0, 2);
    assert_refused_bytes(jpeg.data, jpeg.size, "cannot be decoded");
    memcpy(frame + 4, "\014\0\020\0\020", 5);
    assert_refused_bytes(jpeg.data, jpeg.size, "precision 12");
    image_free(&image);
    bytes_free(&png);
    bytes_free(&jpeg);
}

/* The file and the damage are refused, or a picture within the limits comes out. */
static void assert_decides(const struct bytes *file)
{
    struct image image;
    const enum status status = image_decode(&image, file);
    assert_true(status == OK || status == ERR_FORMAT);
    assert_true(status == OK ? image.h > 0 && image.w > 0 : !image.pixels && fail_text()[0]);
    image_free(&image);
}

static int make_samples(struct bytes files[5])
{
    struct image image = picture_make(9, 13);
    struct jpeg_form jpeg = {.h = 9, .w = 13, .components = 3, .samples = image.pixels};
    files[0] = picture_png_of(&image);
    files[1] = picture_jpeg(&jpeg);
    jpeg.progressive = true;
    files[2] = picture_jpeg(&jpeg);
    jpeg.progressive = false;
    jpeg.arithmetic = true;
    files[3] = picture_jpeg(&jpeg);
    files[4] = picture_png(&(struct png_form){.h = 3, .w = 13, .depth = 8, .interlaced = true,
                                              .type = PNG_COLOR_TYPE_RGB_ALPHA,
                                              .samples = image.pixels});
    image_free(&image);
    return 5;
}

/* Cut off anywhere: refused. */
static void cut_anywhere(void **state)
{
    struct bytes files[5];
    const int n = make_samples(files);
    (void)state;
    for (int i = 0; i < n; i++) {
        for (size_t size = 0; size < files[i].size; size++)
            assert_refused_bytes(files[i].data, size, "");
        struct image image = picture_decode(&files[i]);
        image_free(&image);
        bytes_free(&files[i]);
    }
}

/* Bytes changed at random: never more than a refusal. */
static void changed_anywhere(void **state)
{
    struct bytes files[5];
    const int n = make_samples(files);
    uint32_t noise = 7;
    (void)state;
    for (int i = 0; i < n; i++) {
        for (int round = 0; round < 1500; round++) {
            struct bytes copy = {memory_alloc(files[i].size), files[i].size};
            assert_non_null(copy.data);
            memcpy(copy.data, files[i].data, copy.size);
            for (int k = 0; k < 1 + round % 4; k++) {
                noise = noise * 1664525 + 1013904223;
                copy.data[(noise >> 8) % copy.size] = (uint8_t)(noise >> 3);
            }
            assert_decides(&copy);
            bytes_free(&copy);
        }
        bytes_free(&files[i]);
    }
}

/* A progressive file of a few scans, the last of which is repeated again and again: each repetition
 * is allowed and costs the work of a whole picture, so their number has a limit. */
static void jpeg_scan_bomb(void **state)
{
    static const jpeg_scan_info scans[2] = {{1, {0}, 0, 0, 0, 0}, {1, {0}, 1, 63, 0, 0}};
    static const uint8_t samples[16 * 16] = {1, 2, 3};
    struct bytes file = picture_jpeg(&(struct jpeg_form){
        .h = 16, .w = 16, .components = 1, .samples = samples, .scans = scans, .scan_count = 2});
    (void)state;
    size_t scan = file.size - 2;
    while (memcmp(file.data + scan, "\377\332", 2) != 0)
        scan--;
    const size_t length = file.size - 2 - scan;
    for (int repeats = 400; repeats <= 600; repeats += 200) {
        struct bytes bomb = {memory_alloc(file.size + 600 * length), scan};
        assert_non_null(bomb.data);
        memcpy(bomb.data, file.data, scan);
        for (int i = 0; i < repeats; i++, bomb.size += length)
            memcpy(bomb.data + bomb.size, file.data + scan, length);
        memcpy(bomb.data + bomb.size, "\377\331", 2);
        bomb.size += 2;
        if (repeats > 500) {
            assert_refused_bytes(bomb.data, bomb.size, "more than 500 scans");
        } else {
            struct image image = picture_decode(&bomb);
            image_free(&image);
        }
        bytes_free(&bomb);
    }
    bytes_free(&file);
}

static void read_names_the_file(void **state)
{
    const struct fixture *f = *state;
    struct image image = picture_make(4, 5), read;
    char path[FIXTURE_PATH];
    picture_put(f, "right.gif", picture_png_of(&image));
    fixture_path(f, "right.gif", path);
    assert_int_equal(image_read(&read, path), OK);
    assert_memory_equal(read.pixels, image.pixels, 60);
    image_free(&read);
    fixture_write(f, "wrong.jpg", "GIF89a", 6);
    fixture_path(f, "wrong.jpg", path);
    assert_int_equal(image_read(&read, path), ERR_FORMAT);
    assert_non_null(strstr(fail_text(), "wrong.jpg: is a GIF"));
    assert_int_equal(image_read(&read, f->dir), ERR_IO);
    assert_non_null(strstr(fail_text(), "is a directory"));
    fixture_path(f, "none.png", path);
    assert_int_equal(image_read(&read, path), ERR_IO);
    assert_non_null(strstr(fail_text(), "none.png"));
    image_free(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_formats),
        cmocka_unit_test(size_claims),
        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(changed_anywhere),
        cmocka_unit_test(jpeg_scan_bomb),
        FIXTURE_TEST(read_names_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
