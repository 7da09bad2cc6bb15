/* Splits, on small generated sets, and the real data sets where they are installed. */
#include "tests/dataset_fixture.h"

#include <math.h>

static int count_class(const struct image_list *list, int k)
{
    int count = 0;
    for (int i = 0; i < list->n; i++)
        count += list->images->labels[list->index[i]] == k;
    return count;
}

/* Whether every member of a is one of b. */
static bool is_part_of(const struct image_list *a, const struct image_list *b)
{
    for (int i = 0; i < a->n; i++)
        if (!fixture_is_member(b, a->index[i]))
            return false;
    return true;
}

static void split_balance(void **state)
{
    const struct fixture *f = *state;
    struct dataset ds;
    struct split split;
    fixture_idx(f, 400, 60, 4, 4, 4);
    fixture_open(f, "idx", ":classes=0+2+3:per-class=50:test-per-class=7", &ds);
    fixture_split(&ds, 1, &split);
    assert_int_equal(split.list[PART_TRAIN].n, 120);
    assert_int_equal(split.list[PART_VAL].n, 30);
    assert_int_equal(split.list[PART_TEST].n, 21);
    for (int k = 0; k < 3; k++) {
        assert_int_equal(count_class(&split.list[PART_TRAIN], k), 40);
        assert_int_equal(count_class(&split.list[PART_VAL], k), 10);
        assert_int_equal(count_class(&split.list[PART_TEST], k), 7);
    }
    for (int p = 0; p < PARTS; p++)
        for (int i = 1; i < split.list[p].n; i++)
            assert_true(split.list[p].index[i - 1] < split.list[p].index[i]);
    assert_int_equal(split.list[PART_TEST].index[20], 27); /* the 7th of stored class 3 */
    split_free(&split);
    dataset_close(&ds);
}

/* No image in two parts, by number and by content. */
static void split_disjoint(void **state)
{
    const struct fixture *f = *state;
    const char *const options[] = {"", ":val=30", ":per-class=100:val=20", ":per-class=1"};
    fixture_idx(f, 400, 60, 4, 4, 4);
    for (int o = 0; o < 4; o++) {
        struct dataset ds;
        struct split split;
        fixture_open(f, "idx", options[o], &ds);
        fixture_split(&ds, 3, &split);
        for (int i = 0; i < split.list[PART_VAL].n; i++)
            assert_false(fixture_is_member(&split.list[PART_TRAIN], split.list[PART_VAL].index[i]));
        for (int a = 0; a < PARTS; a++) {
            for (int b = 0; b < PARTS; b++) {
                int shared = -1;
                assert_int_equal(split_shared(&ds, &split.list[a], &split.list[b], &shared), OK);
                assert_int_equal(shared, a == b ? split.list[a].n : 0);
            }
        }
        split_free(&split);
        dataset_close(&ds);
    }
}

/* A training image copied into the test files is found, and only it. */
static void split_leak(void **state)
{
    const struct fixture *f = *state;
    struct dataset ds;
    struct split split;
    int shared;
    size_t size;
    fixture_idx(f, 40, 8, 4, 4, 4);
    uint8_t *data = fixture_read(f, "t10k-images-idx3-ubyte", &size);
    for (int p = 0; p < 16; p++)
        data[16 + 5 * 16 + p] = fixture_pixel(17, p);
    fixture_write(f, "t10k-images-idx3-ubyte", data, size);
    free(data);
    fixture_open(f, "idx", "", &ds);
    fixture_split(&ds, 3, &split);
    assert_int_equal(split_shared(&ds, &split.list[PART_TRAIN], &split.list[PART_TEST], &shared),
                     OK);
    assert_int_equal(shared, 1);
    split_free(&split);
    dataset_close(&ds);
}

static void split_seeds(void **state)
{
    const struct fixture *f = *state;
    struct dataset ds;
    struct split a, b, c;
    fixture_idx(f, 400, 60, 4, 4, 4);
    fixture_open(f, "idx", ":per-class=50", &ds);
    fixture_split(&ds, 7, &a);
    fixture_split(&ds, 7, &b);
    fixture_split(&ds, 8, &c);
    assert_string_equal(a.hash, b.hash);
    assert_string_not_equal(a.hash, c.hash);
    assert_memory_equal(a.list[PART_TRAIN].index, b.list[PART_TRAIN].index,
                        (size_t)a.list[PART_TRAIN].n * sizeof(int));
    assert_false(is_part_of(&a.list[PART_TRAIN], &c.list[PART_TRAIN]));
    assert_true(is_part_of(&a.list[PART_TEST], &c.list[PART_TEST])); /* whatever the seed */
    split_free(&a);
    split_free(&b);
    split_free(&c);
    dataset_close(&ds);
}

/* Over many seeds every image is drawn about equally often (6 standard deviations). */
static void split_uniform(void **state)
{
    enum { SEEDS = 400 };
    int drawn[100] = {0};
    struct dataset ds;
    fixture_idx(*state, 100, 4, 2, 4, 4);
    fixture_open(*state, "idx", ":per-class=10:val=0", &ds);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct split split;
        fixture_split(&ds, seed, &split);
        for (int i = 0; i < split.list[PART_TRAIN].n; i++)
            drawn[split.list[PART_TRAIN].index[i]]++;
        split_free(&split);
    }
    for (int i = 0; i < 100; i++)
        assert_true(fabs(drawn[i] - SEEDS * 0.2) < 6 * sqrt(SEEDS * 0.2 * 0.8));
    dataset_close(&ds);
}

/* Members of the smaller specification keep their side in the larger one. */
static void expect_nested(const struct fixture *f, const char *small, const char *large)
{
    for (uint64_t seed = 0; seed < 3; seed++) {
        struct dataset ds1, ds2;
        struct split split1, split2;
        fixture_open(f, "idx", small, &ds1);
        fixture_open(f, "idx", large, &ds2);
        fixture_split(&ds1, seed, &split1);
        fixture_split(&ds2, seed, &split2);
        for (int p = 0; p < PARTS; p++)
            assert_true(is_part_of(&split1.list[p], &split2.list[p]));
        split_free(&split1);
        split_free(&split2);
        dataset_close(&ds1);
        dataset_close(&ds2);
    }
}

static void split_nested(void **state)
{
    const struct fixture *f = *state;
    fixture_idx(f, 400, 60, 4, 4, 4);
    expect_nested(f, ":per-class=10", ":per-class=50");
    expect_nested(f, ":per-class=50:val=10", ":per-class=100:val=10");
    expect_nested(f, ":per-class=20:val=5", ":val=5");
    expect_nested(f, ":per-class=10:classes=1+3", ":per-class=10");
    expect_nested(f, ":per-class=10:classes=0-1", ":per-class=30:classes=0-2");
    expect_nested(f, ":test-per-class=3", "");
}

/* An image added to the files moves nobody to another side and replaces at most one a side. */
static void split_growing_files(void **state)
{
    const struct fixture *f = *state;
    for (int n = 80; n < 100; n++) {
        struct dataset ds1, ds2;
        struct split before, after;
        fixture_idx(f, n, 8, 4, 4, 4);
        fixture_open(f, "idx", ":per-class=15:val=5", &ds1);
        fixture_idx(f, n + 1, 8, 4, 4, 4);
        fixture_open(f, "idx", ":per-class=15:val=5", &ds2);
        fixture_split(&ds1, 5, &before);
        fixture_split(&ds2, 5, &after);
        for (int p = PART_TRAIN; p <= PART_VAL; p++) {
            int lost = 0;
            for (int i = 0; i < before.list[p].n; i++)
                lost += !fixture_is_member(&after.list[p], before.list[p].index[i]);
            assert_true(lost <= 1);
        }
        for (int i = 0; i < before.list[PART_VAL].n; i++)
            assert_false(fixture_is_member(&after.list[PART_TRAIN],
                                           before.list[PART_VAL].index[i]));
        split_free(&before);
        split_free(&after);
        dataset_close(&ds1);
        dataset_close(&ds2);
    }
}

/* ---- real data ---- */

static void expect_labels(const struct image_set *set, const char *digits)
{
    for (int i = 0; digits[i]; i++)
        assert_int_equal(set->labels[i], digits[i] - '0');
}

static void real_fashion_mnist(void **state)
{
    struct dataset ds;
    struct split split;
    (void)state;
    if (dataset_open(&ds, "fashion-mnist:per-class=50") != OK) {
        print_message("skipped: %s\n", fail_text());
        skip();
    }
    assert_int_equal(ds.train.n, 60000);
    assert_int_equal(ds.test.n, 10000);
    assert_int_equal(ds.h, 28);
    expect_labels(&ds.train, "9003027255");
    expect_labels(&ds.test, "9211614657");
    assert_string_equal(ds.class_names[0], "T-shirt/top");
    fixture_split(&ds, 1, &split);
    assert_int_equal(split.list[PART_TRAIN].n, 400);
    assert_int_equal(split.list[PART_VAL].n, 100);
    assert_int_equal(split.list[PART_TEST].n, 10000);
    double sum = 0, squares = 0, n = 60000.0 * 784;
    for (size_t i = 0; i < (size_t)n; i++) {
        double v = ds.train.pixels[i] / 255.0;
        sum += v;
        squares += v * v;
    }
    double mean = sum / n;
    assert_true(fabs(mean - (double)ds.norm->mean[0]) < 1e-4);
    assert_true(fabs(sqrt(squares / n - mean * mean) - (double)ds.norm->std[0]) < 1e-4);
    split_free(&split);
    dataset_close(&ds);
}

static void real_cifar10(void **state)
{
    struct dataset ds;
    (void)state;
    if (!getenv("CBAM_DATA")) {
        print_message("skipped: CBAM_DATA is not set\n");
        skip();
    }
    if (dataset_open(&ds, "cifar10:cifar-10-lossless-bin") != OK) {
        print_message("skipped: %s\n", fail_text());
        skip();
    }
    assert_int_equal(ds.test.n, 1000);
    expect_labels(&ds.train, "6994112783");
    expect_labels(&ds.test, "3880661631");
    assert_string_equal(ds.class_names[6], "frog");
    const uint8_t *first = dataset_image(&ds, &ds.train, 0);
    assert_int_equal(first[0], 59);
    assert_int_equal(first[1], 43);
    dataset_close(&ds);
    expect_refused("cifar10:cifar-10-lossless-bin:test-per-class=100", ERR_USAGE,
                   "test-per-class=100", "has 89 test images");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(split_balance),
        FIXTURE_TEST(split_disjoint),
        FIXTURE_TEST(split_leak),
        FIXTURE_TEST(split_seeds),
        FIXTURE_TEST(split_uniform),
        FIXTURE_TEST(split_nested),
        FIXTURE_TEST(split_growing_files),
        cmocka_unit_test(real_fashion_mnist),
        cmocka_unit_test(real_cifar10),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
