/* Resizing against Pillow, sizes and corners against torchvision (tests/fixtures/make_images.py),
 * and the random crops. */
#include "datasets/resize.h"
#include "tests/picture_fixture.h"

#include <math.h>

static const char fixture[] = "tests/fixtures/resize_pillow.tsv";

/* Calls check() with every line of the fixture that begins with `kind`; there must be some. */
static void each_line(const char *kind, void (*check)(const char *fields))
{
    FILE *file = fopen(fixture, "r");
    char *line = NULL;
    size_t size = 0;
    int lines = 0;
    if (!file)
        fail_msg("%s is missing: run from the top of the checkout", fixture);
    while (getline(&line, &size, file) > 0) {
        const size_t length = strlen(kind);
        if (strncmp(line, kind, length) == 0 && line[length] == '\t' && ++lines)
            check(line + length + 1);
    }
    assert_true(lines > 0);
    free(line);
    fclose(file);
}

static uint8_t *run(const struct resize *r)
{
    const size_t scratch_bytes = resize_scratch_bytes(r);
    uint8_t *scratch = memory_alloc(scratch_bytes);
    uint8_t *planes = malloc((size_t)r->to.h * (size_t)r->to.w * 3);
    assert_true(scratch && planes);
    resize_run(r, scratch, planes);
    memory_free(scratch);
    return planes;
}

static uint8_t *run_whole(const struct image *image, int h, int w)
{
    return run(&(struct resize){.source = image, .from = {0, 0, image->h, image->w}, .full_h = h,
                                .full_w = w, .to = {0, 0, h, w}});
}

/* Everywhere within one level of Pillow's bytes, and in the mean far nearer. */
static void check_against_pillow(const char *fields)
{
    int h, w, to_h, to_w, used = 0;
    assert_int_equal(sscanf(fields, "%d %d %d %d %n", &h, &w, &to_h, &to_w, &used), 4);
    struct image image = picture_make(h, w);
    uint8_t *planes = run_whole(&image, to_h, to_w);
    const char *hex = fields + used;
    double sum = 0;
    for (int p = 0; p < to_h * to_w; p++)
        for (int c = 0; c < 3; c++, hex += 2) {
            unsigned expected;
            assert_int_equal(sscanf(hex, "%2x", &expected), 1);
            const int difference = abs(planes[c * to_h * to_w + p] - (int)expected);
            assert_true(difference <= 1);
            sum += difference;
        }
    assert_true(sum / (3 * to_h * to_w) < 0.01);
    free(planes);
    image_free(&image);
}

static void resize_is_pillows(void **state)
{
    (void)state;
    each_line("resize", check_against_pillow);
}

static void check_rule(const char *fields)
{
    int h, w, short_side, size, to_h, to_w, top, left, got_h, got_w;
    assert_int_equal(sscanf(fields, "%d %d %d %d %d %d %d %d", &h, &w, &short_side, &size, &to_h,
                            &to_w, &top, &left), 8);
    crop_resized_size(h, w, short_side, &got_h, &got_w);
    assert_int_equal(got_h, to_h);
    assert_int_equal(got_w, to_w);
    struct crop crop = crop_centre(got_h, got_w, size);
    assert_int_equal(crop.top, top);
    assert_int_equal(crop.left, left);
    assert_int_equal(crop.h, size);
    assert_int_equal(crop.w, size);
}

static void rules_are_torchvisions(void **state)
{
    (void)state;
    each_line("rule", check_rule);
}

/* A window of the result is the same piece of the whole result, and a part of the source the same
 * as a picture of that part alone. */
static void windows(void **state)
{
    struct image image = picture_make(41, 29), part = picture_make(17, 13);
    (void)state;
    uint8_t *whole = run_whole(&image, 19, 23);
    struct resize r = {.source = &image, .from = {0, 0, 41, 29}, .full_h = 19, .full_w = 23,
                       .to = {6, 11, 8, 5}};
    uint8_t *window = run(&r);
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < 8; y++)
            assert_memory_equal(window + (c * 8 + y) * 5, whole + (c * 19 + y + 6) * 23 + 11, 5);
    for (int y = 0; y < 17; y++)
        memcpy(part.pixels + 39 * y, image.pixels + 3 * ((20 + y) * 29 + 9), 39);
    uint8_t *alone = run_whole(&part, 8, 8);
    r = (struct resize){.source = &image, .from = {20, 9, 17, 13}, .full_h = 8, .full_w = 8,
                        .to = {0, 0, 8, 8}};
    uint8_t *within = run(&r);
    assert_memory_equal(alone, within, 3 * 64);
    free(whole);
    free(window);
    free(alone);
    free(within);
    image_free(&image);
    image_free(&part);
}

/* Pictures of one row, one column and one pixel; a constant picture stays constant. */
static void extreme_shapes(void **state)
{
    static const int shapes[][2] = {{1, 65535}, {65535, 1}, {1, 1}, {3, 2000}};
    uint8_t planes[3 * 8 * 8];
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct image image = picture_make(shapes[i][0], shapes[i][1]);
        memset(image.pixels, 201, image_bytes(&image));
        assert_int_equal(resize_centre(&image, 9, 8, planes), OK);
        for (int p = 0; p < 3 * 64; p++)
            assert_int_equal(planes[p], 201);
        image_free(&image);
    }
}

/* Within the picture; area and shape within the ranges but for rounding; the same numbers again for
 * the same key; others for another. */
static void random_crops_in_range(void **state)
{
    int flips = 0, differ = 0;
    double area_sum = 0;
    const int n = 4000, h = 300, w = 400;
    (void)state;
    for (int i = 0; i < n; i++) {
        const struct random_crop a = crop_draw(5, i % 7, i, h, w);
        const struct random_crop again = crop_draw(5, i % 7, i, h, w);
        const struct random_crop other = crop_draw(5, i % 7 + 1, i, h, w);
        assert_memory_equal(&a.from, &again.from, sizeof a.from);
        assert_int_equal(a.flip, again.flip);
        differ += memcmp(&a.from, &other.from, sizeof a.from) != 0;
        const struct crop *c = &a.from;
        assert_true(c->top >= 0 && c->left >= 0 && c->h >= 1 && c->w >= 1);
        assert_true(c->top + c->h <= h && c->left + c->w <= w);
        const double area = (double)c->h * c->w / (h * w), ratio = (double)c->w / c->h;
        assert_true(area > 0.075 && area <= 1.0 && ratio > 0.74 && ratio < 1.35);
        area_sum += area;
        flips += a.flip;
    }
    assert_true(differ > n * 99 / 100);
    assert_true(abs(flips - n / 2) < 160); /* 5 deviations */
    /* Torchvision's mean over 20,000 draws is 0.433 (large shapes often do not fit); its standard
     * error for n draws is 0.0034. */
    assert_true(fabs(area_sum / n - 0.433) < 0.017);
}

/* No try can fit into a picture that is far too long: the centred crop of ratio 4/3 or 3/4. */
static void random_crops_fall_back(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        struct random_crop wide = crop_draw(1, 0, i, 10, 1000);
        struct random_crop high = crop_draw(1, 0, i, 900, 12);
        if (wide.from.h == 10)
            assert_memory_equal(&wide.from, (&(struct crop){0, 493, 10, 13}), sizeof wide.from);
        if (high.from.w == 12)
            assert_memory_equal(&high.from, (&(struct crop){442, 0, 16, 12}), sizeof high.from);
        assert_true(wide.from.h <= 10 && high.from.w <= 12);
    }
    struct random_crop dot = crop_draw(1, 0, 0, 1, 1);
    assert_memory_equal(&dot.from, (&(struct crop){0, 0, 1, 1}), sizeof dot.from);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resize_is_pillows),
        cmocka_unit_test(rules_are_torchvisions),
        cmocka_unit_test(windows),
        cmocka_unit_test(extreme_shapes),
        cmocka_unit_test(random_crops_in_range),
        cmocka_unit_test(random_crops_fall_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
