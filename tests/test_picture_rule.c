/* How a picture becomes the input of a network, by the metadata of its weights or without. Reports
 * R30 and R31 are in the names of tests. */
#include "bench/transfer/metadata.h"
#include "impls/base/memory.h"
#include "tests/support.h"

#include <math.h>

static struct weights_metadata rule_metadata(const char *resize, const char *crop, int stored)
{
    struct weights_metadata m = {.norm = *normalisation_find("half"), .stored_h = stored,
                                 .stored_w = stored};
    snprintf(m.resize, sizeof m.resize, "%s", resize);
    snprintf(m.crop, sizeof m.crop, "%s", crop);
    return m;
}

static void test_picture_rules(void **state)
{
    static const struct {
        const char *resize, *crop;
        int stored, input, short_side, size, as_is;
    } rows[] = {{"", "", 0, 224, 256, 224, 0},
                {"", "", 0, 299, 342, 299, 0},
                {"", "", 0, 32, 32, 32, 0},
                {"short side to 256", "centre 224x224", 224, 224, 256, 224, 0},
                {"short side to 40", "centre 32x32", 32, 64, 80, 64, 0},
                {"zero padding to the input size", "none", 28, 32, 28, 28, 28},
                {"zero padding to the input size", "none", 32, 32, 32, 32, 32}};
    struct picture_rule rule;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct weights_metadata m = rule_metadata(rows[i].resize, rows[i].crop, rows[i].stored);
        support_ok(picture_rule_make(&m, rows[i].input, &rule));
        assert_int_equal(rule.short_side, rows[i].short_side);
        assert_int_equal(rule.crop, rows[i].size);
        assert_int_equal(rule.as_is_h, rows[i].as_is);
        assert_int_equal(rule.from_file, rows[i].resize[0] != '\0');
    }
    struct weights_metadata m = rule_metadata("short side to 20", "centre 32x32", 32);
    support_refused(picture_rule_make(&m, 32, &rule), ERR_FORMAT, "short side to 20", "expected");
    m = rule_metadata("squeezed", "none", 32);
    support_refused(picture_rule_make(&m, 32, &rule), ERR_FORMAT, "squeezed", "expected");
    m = rule_metadata("zero padding to the input size", "none", 32);
    support_refused(picture_rule_make(&m, 28, &rule), ERR_USAGE, "28", "32x32");
}

/* R31: the way of a picture is the documented one. A horizontal ramp of 300x200 pixels: the short
 * side goes to 256, the long one to 384, the middle 224 columns are kept; far from the edges a
 * resized ramp is a ramp. */
static void test_R31_a_ramp_stays_a_ramp(void **state)
{
    enum { W = 300, H = 200, N = 224 };
    struct weights_metadata m = rule_metadata("", "", 0);
    struct picture_rule rule;
    struct image image = {memory_alloc(3 * W * H), H, W};
    float *out = memory_alloc(sizeof *out * N * N * 3);
    (void)state;
    assert_true(image.pixels && out);
    for (int i = 0; i < W * H; i++) {
        image.pixels[3 * i] = (uint8_t)(i % W * 255 / (W - 1));
        image.pixels[3 * i + 1] = (uint8_t)(i / W);
        image.pixels[3 * i + 2] = 7;
    }
    support_ok(picture_rule_make(&m, N, &rule));
    support_ok(picture_rule_apply(&rule, &image, out));
    for (int y = 0; y < N; y++)
        for (int x = 0; x < N; x++) {
            const float *pixel = out + 3 * (y * N + x);
            double column = (x + 80 + 0.5) * W / 384 - 0.5, row = (y + 16 + 0.5) * H / 256 - 0.5;
            double red = (column / (W - 1) - 0.5) / 0.5, green = (row / 255 - 0.5) / 0.5;
            assert_true(fabs((double)pixel[0] - red) < 2.1 / 127.5);
            assert_true(fabs((double)pixel[1] - green) < 1.1 / 127.5);
            assert_true(pixel[2] == (7.0f / 255.0f - 0.5f) / 0.5f);
        }
    image_free(&image);
    memory_free(out);
}

/* R30: red is channel 0, planes come out as the network's rows of pixels; a padded picture lies in
 * the middle, and a picture of the stored size is not resampled. */
static void test_R30_channels_and_places(void **state)
{
    struct weights_metadata m = rule_metadata("zero padding to the input size", "none", 2);
    struct picture_rule rule;
    uint8_t pixels[12] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30};
    struct image image = {pixels, 2, 2};
    float out[4 * 4 * 3];
    (void)state;
    support_ok(picture_rule_make(&m, 4, &rule));
    support_ok(picture_rule_apply(&rule, &image, out));
    for (int y = 0; y < 4; y++)
        for (int x = 0; x < 4; x++)
            for (int c = 0; c < 3; c++) {
                bool inside = y >= 1 && y < 3 && x >= 1 && x < 3;
                int value = inside ? pixels[3 * (2 * (y - 1) + x - 1) + c] : 0;
                assert_true(out[3 * (4 * y + x) + c] == ((float)value / 255.0f - 0.5f) / 0.5f);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_picture_rules),
        cmocka_unit_test(test_R31_a_ramp_stays_a_ramp),
        cmocka_unit_test(test_R30_channels_and_places),
    };
    return cmocka_run_group_tests_name("pictures as inputs", tests, NULL, NULL) != 0;
}
