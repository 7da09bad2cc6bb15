/* Batches: order, values, padding, augmentation, and what a loader refuses. */
#include "tests/dataset_fixture.h"

#include <math.h>
#include <omp.h>

struct batch_set {
    struct dataset ds;
    struct split split;
    struct loader loader;
    float *pixels;
    int32_t *labels;
};

/* A data set, its split of seed 1 and a loader over one part of it, with a buffer for a batch. */
static void batch_open(struct batch_set *b, const struct fixture *f, const char *kind,
                       const char *options, enum part part, struct loader_config config)
{
    fixture_open(f, kind, options, &b->ds);
    fixture_split(&b->ds, 1, &b->split);
    if (loader_init(&b->loader, &b->ds, &b->split.list[part], &config) != OK)
        fail_msg("%s", fail_text());
    b->pixels = calloc(loader_batch_floats(&b->loader) + 1, sizeof *b->pixels);
    b->labels = calloc((size_t)config.batch + 1, sizeof *b->labels);
    assert_true(b->pixels && b->labels);
}

static void batch_close(struct batch_set *b)
{
    loader_free(&b->loader);
    split_free(&b->split);
    dataset_close(&b->ds);
    free(b->pixels);
    free(b->labels);
}

/* Ten images in batches of four: 4, 4, 2, and nothing written behind the two. */
static void loader_short_batch(void **state)
{
    struct batch_set b;
    fixture_idx(*state, 10, 4, 2, 4, 4);
    batch_open(&b, *state, "idx", "", PART_TRAIN, (struct loader_config){.batch = 4});
    assert_int_equal(loader_batches(&b.loader), 3);
    assert_int_equal(loader_batch_size(&b.loader, 1), 4);
    assert_int_equal(loader_batch_size(&b.loader, 2), 2);
    for (int i = 0; i < 64; i++)
        b.pixels[i] = 99.0f;
    b.labels[2] = 77;
    assert_int_equal(loader_fill(&b.loader, 2, b.pixels, b.labels), 2);
    assert_true(b.pixels[31] < 2.0f);
    assert_true(b.pixels[32] > 98.0f);
    assert_int_equal(b.labels[2], 77);
    batch_close(&b);
    batch_open(&b, *state, "idx", "", PART_TRAIN, (struct loader_config){.batch = 10});
    assert_int_equal(loader_batches(&b.loader), 1);
    batch_close(&b);
    batch_open(&b, *state, "idx", "", PART_TRAIN, (struct loader_config){.batch = 9});
    assert_int_equal(loader_batch_size(&b.loader, 1), 1);
    batch_close(&b);
}

/* Colour, no padding: file order, NHWC, red first, PyTorch's arithmetic in single precision. */
static void loader_colour_values(void **state)
{
    struct batch_set b;
    const float mean[3] = {0.4914f, 0.4822f, 0.4465f}, std[3] = {0.2470f, 0.2435f, 0.2616f};
    fixture_cifar_file(*state, "data_batch_1.bin", 0, 20);
    fixture_cifar_file(*state, "test_batch.bin", 1000, 10);
    batch_open(&b, *state, "cifar10", "", PART_TRAIN, (struct loader_config){.batch = 8});
    assert_int_equal(loader_fill(&b.loader, 1, b.pixels, b.labels), 8);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(b.labels[i], (8 + i) % 10);
        for (int p = 0; p < 1024; p++) {
            for (int c = 0; c < 3; c++) {
                float byte = fixture_pixel(8 + i, c * 1024 + p);
                float expected = (byte / 255.0f - mean[c]) / std[c];
                assert_true(b.pixels[(i * 1024 + p) * 3 + c] == expected);
            }
        }
    }
    char text[160];
    transform_print(&b.loader.transform, text, sizeof text);
    assert_string_equal(text, "32x32x3, /255, mean 0.4914 0.4822 0.4465, std 0.247 0.2435 0.2616");
    batch_close(&b);
}

/* Grey 28x28 to 32x32 in three channels: the frame is zero bytes, so -mean/std. */
static void loader_padding(void **state)
{
    struct batch_set b;
    const struct normalisation norm = {"own", {0.1f, 0.2f, 0.3f}, {0.5f, 0.6f, 0.7f}};
    fixture_idx(*state, 10, 4, 2, 28, 28);
    batch_open(&b, *state, "idx", "", PART_TRAIN,
               (struct loader_config){.batch = 5, .h = 32, .w = 32, .channels = 3, .norm = &norm});
    loader_fill(&b.loader, 1, b.pixels, b.labels);
    for (int i = 0; i < 5; i++)
        for (int y = 0; y < 32; y++)
            for (int x = 0; x < 32; x++)
                for (int c = 0; c < 3; c++) {
                    bool inside = y >= 2 && y < 30 && x >= 2 && x < 30;
                    float byte = inside ? fixture_pixel(5 + i, (y - 2) * 28 + x - 2) : 0;
                    float expected = (byte / 255.0f - norm.mean[c]) / norm.std[c];
                    assert_true(b.pixels[((i * 32 + y) * 32 + x) * 3 + c] == expected);
                }
    char text[160];
    transform_print(&b.loader.transform, text, sizeof text);
    assert_string_equal(text, "28x28x1, zeros to 32x32, grey x3, /255, mean 0.1 0.2 0.3, "
                        "std 0.5 0.6 0.7");
    batch_close(&b);
}

/* pad= and size= of the specification, and an odd difference: one more right and below. */
static void loader_sizes(void **state)
{
    struct batch_set b;
    const struct loader_config config = {.batch = 4};
    fixture_idx(*state, 10, 4, 2, 5, 4);
    batch_open(&b, *state, "idx", ":pad=3", PART_TRAIN, config);
    assert_int_equal(b.loader.config.h, 11);
    assert_int_equal(b.loader.config.w, 10);
    assert_int_equal(loader_batch_floats(&b.loader), 4 * 110);
    batch_close(&b);
    batch_open(&b, *state, "idx", ":size=9", PART_TRAIN, config);
    assert_int_equal(b.loader.config.w, 9);
    assert_int_equal(b.loader.transform.top, 2);
    assert_int_equal(b.loader.transform.left, 2);
    batch_close(&b);
}

static void refuse_config(const struct fixture *f, const char *kind, const char *options,
                          enum part part, struct loader_config config, const char *fragment)
{
    struct dataset ds;
    struct split split;
    struct loader loader;
    fixture_open(f, kind, options, &ds);
    fixture_split(&ds, 1, &split);
    assert_int_equal(loader_init(&loader, &ds, &split.list[part], &config), ERR_USAGE);
    if (!strstr(fail_text(), fragment))
        fail_msg("'%s' has no '%s'", fail_text(), fragment);
    loader_free(&loader);
    split_free(&split);
    dataset_close(&ds);
}

static void loader_refusals(void **state)
{
    const struct fixture *f = *state;
    const struct normalisation flat = {"flat", {0}, {1.0f, 0.0f, 1.0f}};
    const struct normalisation nan = {"nan", {NAN}, {1.0f, 1.0f, 1.0f}};
    fixture_idx(f, 10, 4, 2, 5, 4);
    refuse_config(f, "idx", "", PART_TRAIN, (struct loader_config){.batch = 0}, "batch size 0");
    refuse_config(f, "idx", "", PART_VAL, (struct loader_config){.batch = 1}, "val part has no");
    refuse_config(f, "idx", "", PART_TEST, (struct loader_config){.batch = 1, .augment = true},
                  "test part");
    refuse_config(f, "idx", "", PART_TRAIN, (struct loader_config){.batch = 1, .h = 4}, "4x4");
    refuse_config(f, "idx", "", PART_TRAIN, (struct loader_config){.batch = 1, .h = 99999},
                  "4096");
    refuse_config(f, "idx", ":pad=1", PART_TRAIN,
                  (struct loader_config){.batch = 1, .h = 32, .w = 32}, "7x6");
    refuse_config(f, "idx", "", PART_TRAIN, (struct loader_config){.batch = 1, .channels = 2},
                  "1 or 3");
    refuse_config(f, "idx", "", PART_TRAIN,
                  (struct loader_config){.batch = 1, .channels = 3, .norm = &flat}, "std 0");
    refuse_config(f, "idx", "", PART_TRAIN, (struct loader_config){.batch = 1, .norm = &nan},
                  "finite");
    fixture_cifar_file(f, "data_batch_1.bin", 0, 20);
    fixture_cifar_file(f, "test_batch.bin", 1000, 10);
    refuse_config(f, "cifar10", "", PART_TRAIN, (struct loader_config){.batch = 1, .channels = 1},
                  "colour is not");
    assert_null(normalisation_find("mnist"));
}

/* Each epoch is another permutation of the members; any epoch can be started at any time. */
static void loader_orders(void **state)
{
    struct batch_set b;
    int first[60], seen[100] = {0};
    fixture_idx(*state, 100, 4, 4, 4, 4);
    batch_open(&b, *state, "idx", ":per-class=15:val=0", PART_TRAIN,
               (struct loader_config){.batch = 7, .order = ORDER_SHUFFLED, .seed = 5});
    const struct image_list *list = &b.split.list[PART_TRAIN];
    assert_int_equal(list->n, 60);
    memcpy(first, b.loader.order, sizeof first);
    for (int i = 0; i < 60; i++) {
        seen[first[i]]++;
        assert_true(fixture_is_member(list, first[i]));
    }
    for (int i = 0; i < 100; i++)
        assert_true(seen[i] <= 1);
    assert_memory_not_equal(first, list->index, sizeof first);
    loader_start(&b.loader, 1);
    assert_memory_not_equal(first, b.loader.order, sizeof first);
    loader_start(&b.loader, 0);
    assert_memory_equal(first, b.loader.order, sizeof first);
    b.loader.config.seed = 6;
    loader_start(&b.loader, 0);
    assert_memory_not_equal(first, b.loader.order, sizeof first);
    batch_close(&b);
    batch_open(&b, *state, "idx", ":per-class=15:val=0", PART_TRAIN,
               (struct loader_config){.batch = 7, .order = ORDER_SEQUENTIAL, .seed = 5});
    loader_start(&b.loader, 3);
    assert_memory_equal(b.loader.order, b.split.list[PART_TRAIN].index, sizeof first);
    batch_close(&b);
}

/* Every batch of an epoch; pixels[image] is where image `image` of the files goes. */
static void fill_epoch(struct batch_set *b, int epoch, float *pixels)
{
    loader_start(&b->loader, epoch);
    const size_t floats = loader_batch_floats(&b->loader) / (size_t)b->loader.config.batch;
    for (int batch = loader_batches(&b->loader) - 1; batch >= 0; batch--) {
        int n = loader_fill(&b->loader, batch, b->pixels, b->labels);
        for (int i = 0; i < n; i++) {
            int image = b->loader.order[batch * b->loader.config.batch + i];
            assert_int_equal(b->labels[i], b->ds.train.labels[image]);
            memcpy(pixels + (size_t)image * floats, b->pixels + (size_t)i * floats,
                   floats * sizeof(float));
        }
    }
}

/* What becomes of an image in an epoch depends on neither order, batch size, nor threads; it
 * differs between epochs and seeds. */
static void augmentation_is_a_function(void **state)
{
    enum { IMAGES = 50, FLOATS = 32 * 32 * 3 };
    const size_t bytes = (size_t)IMAGES * FLOATS * sizeof(float);
    float *reference = malloc(bytes), *other = malloc(bytes);
    struct batch_set b;
    const int before = omp_get_max_threads();
    assert_true(reference && other);
    struct loader_config config = {.batch = 8, .augment = true, .seed = 4, .h = 32, .w = 32,
                                   .channels = 3};
    fixture_idx(*state, IMAGES, 4, 2, 28, 28);
    omp_set_num_threads(1);
    batch_open(&b, *state, "idx", "", PART_TRAIN, config);
    fill_epoch(&b, 2, reference);
    fill_epoch(&b, 3, other);
    assert_memory_not_equal(reference, other, bytes);
    fill_epoch(&b, 2, other);
    assert_memory_equal(reference, other, bytes);
    batch_close(&b);
    for (int threads = 1; threads <= 4; threads++) {
        omp_set_num_threads(threads);
        config.order = ORDER_SHUFFLED;
        config.batch = 3 + threads;
        batch_open(&b, *state, "idx", "", PART_TRAIN, config);
        fill_epoch(&b, 2, other);
        assert_memory_equal(reference, other, bytes);
        batch_close(&b);
    }
    config.seed = 5;
    batch_open(&b, *state, "idx", "", PART_TRAIN, config);
    fill_epoch(&b, 2, other);
    assert_memory_not_equal(reference, other, bytes);
    batch_close(&b);
    omp_set_num_threads(before);
    free(reference);
    free(other);
}

/* Against a plain construction: pad by 2, pad by 4, crop, flip, normalise. */
static void augmentation_values(void **state)
{
    struct batch_set b;
    fixture_idx(*state, 30, 4, 2, 28, 28);
    batch_open(&b, *state, "idx", "", PART_TRAIN,
               (struct loader_config){.batch = 30, .augment = true, .seed = 9, .h = 32, .w = 32});
    loader_start(&b.loader, 1);
    loader_fill(&b.loader, 0, b.pixels, b.labels);
    for (int i = 0; i < 30; i++) {
        uint8_t padded[40][40] = {{0}};
        for (int p = 0; p < 28 * 28; p++)
            padded[6 + p / 28][6 + p % 28] = fixture_pixel(i, p);
        struct jitter jitter = jitter_draw(9, 1, i);
        for (int y = 0; y < 32; y++)
            for (int x = 0; x < 32; x++) {
                int column = jitter.flip ? 31 - x : x;
                float byte = padded[4 + jitter.dy + y][4 + jitter.dx + column];
                assert_true(b.pixels[(i * 32 + y) * 32 + x] == (byte / 255.0f - 0.5f) / 0.5f);
            }
    }
    batch_close(&b);
}

/* All 81 shifts and both directions, about equally often (5 standard deviations). */
static void augmentation_is_uniform(void **state)
{
    enum { DRAWS = 81 * 1000 };
    static int shift[9][9];
    int flips = 0;
    (void)state;
    for (int i = 0; i < DRAWS; i++) {
        struct jitter jitter = jitter_draw(11, i % 10, i / 10);
        assert_true(abs(jitter.dy) <= 4 && abs(jitter.dx) <= 4);
        shift[jitter.dy + 4][jitter.dx + 4]++;
        flips += jitter.flip;
    }
    for (int i = 0; i < 81; i++)
        assert_true(fabs(shift[i / 9][i % 9] - 1000.0) < 5 * sqrt(1000.0));
    assert_true(fabs(flips - DRAWS / 2.0) < 5 * sqrt(DRAWS / 4.0));
}

/* An augmenting training loader beside it changes nothing for evaluation, and the other way. */
static void loaders_are_independent(void **state)
{
    struct batch_set b;
    struct loader eval;
    float before[4 * 64], after[4 * 64];
    int32_t labels[4];
    fixture_idx(*state, 10, 4, 2, 8, 8);
    batch_open(&b, *state, "idx", "", PART_TRAIN,
               (struct loader_config){.batch = 4, .augment = true});
    const struct loader_config plain = {.batch = 4};
    assert_int_equal(loader_init(&eval, &b.ds, &b.split.list[PART_TEST], &plain), OK);
    loader_fill(&eval, 0, before, labels);
    for (int epoch = 0; epoch < 3; epoch++) {
        loader_start(&b.loader, epoch);
        loader_fill(&b.loader, 0, b.pixels, b.labels);
        loader_fill(&eval, 0, after, labels);
        assert_memory_equal(before, after, sizeof before);
    }
    loader_free(&eval);
    batch_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(loader_short_batch),
        FIXTURE_TEST(loader_colour_values),
        FIXTURE_TEST(loader_padding),
        FIXTURE_TEST(loader_sizes),
        FIXTURE_TEST(loader_refusals),
        FIXTURE_TEST(loader_orders),
        FIXTURE_TEST(augmentation_is_a_function),
        FIXTURE_TEST(augmentation_values),
        cmocka_unit_test(augmentation_is_uniform),
        FIXTURE_TEST(loaders_are_independent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
