/* CIFAR-100 as its binary version stores it: fine labels, names, and the ways in which the files
 * can be broken. CIFAR-10 is in test_dataset_files.c. */
#include "tests/dataset_fixture.h"

enum { RECORD = 3074 };

/* n records that show patterns first.. with fine label (7 first + i) % 100 and coarse i % 20. */
static void put_records(const struct fixture *f, const char *name, int first, int n)
{
    uint8_t *data = calloc((size_t)n, RECORD);
    assert_non_null(data);
    for (int i = 0; i < n; i++) {
        uint8_t *record = data + (size_t)i * RECORD;
        record[0] = (uint8_t)(i % 20);
        record[1] = (uint8_t)((7 * first + i) % 100);
        for (int p = 0; p < RECORD - 2; p++)
            record[2 + p] = fixture_pixel(first + i, p);
    }
    fixture_write(f, name, data, (size_t)n * RECORD);
    free(data);
}

static void put_set(const struct fixture *f)
{
    put_records(f, "train.bin", 0, 200);
    put_records(f, "test.bin", 1000, 100);
}

static void put_names(const struct fixture *f, int count)
{
    char text[2048] = "";
    for (int k = 0; k < count; k++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "kind_%d\n", k);
    fixture_write(f, "fine_label_names.txt", text, strlen(text));
}

/* Writes one byte of a file, which must then be refused; puts it back. */
static void refuse_byte(const struct fixture *f, const char *name, size_t at, uint8_t value,
                        const char *what)
{
    size_t n;
    uint8_t *data = fixture_read(f, name, &n);
    uint8_t old = data[at];
    data[at] = value;
    fixture_write(f, name, data, n);
    expect_dir_refused(f, "cifar100", ERR_FORMAT, name, what);
    data[at] = old;
    fixture_write(f, name, data, n);
    free(data);
}

static void fine_labels_are_the_classes(void **state)
{
    const struct fixture *f = *state;
    struct dataset ds;
    put_set(f);
    fixture_open(f, "cifar100", "", &ds);
    assert_int_equal(ds.classes, 100);
    assert_true(ds.train.n == 200 && ds.test.n == 100);
    assert_true(ds.channels == 3 && ds.h == 32 && ds.w == 32);
    assert_string_equal(ds.class_names[42], "42");
    for (int i = 0; i < ds.train.n; i++) {
        assert_int_equal(ds.train.labels[i], i % 100);
        for (int p = 0; p < 3072; p += 1023)
            assert_int_equal(dataset_image(&ds, &ds.train, i)[p], fixture_pixel(i, p));
    }
    assert_int_equal(ds.test.labels[3], 3);
    assert_string_equal(ds.norm->name, "cifar100");
    dataset_close(&ds);
}

static void names_and_options(void **state)
{
    const struct fixture *f = *state;
    struct dataset ds;
    char key[200];
    put_set(f);
    put_names(f, 100);
    fixture_open(f, "cifar100", ":classes=10-19:per-class=2:val=1:size=40", &ds);
    assert_int_equal(ds.classes, 10);
    assert_string_equal(ds.class_names[9], "kind_19");
    assert_true(ds.out_h == 40 && ds.out_w == 40);
    dataset_key(&ds, key, sizeof key);
    assert_int_equal(strncmp(key, "cifar100@", 9), 0);
    dataset_close(&ds);
    expect_dir_refused(f, "cifar10", ERR_IO, "data_batch_1.bin", f->dir);
}

static void broken_files(void **state)
{
    const struct fixture *f = *state;
    put_set(f);
    refuse_byte(f, "train.bin", 5 * RECORD + 1, 100, "label 100 of record 5");
    refuse_byte(f, "test.bin", 2 * RECORD, 20, "coarse label 20 of record 2");
    put_names(f, 99);
    expect_dir_refused(f, "cifar100", ERR_FORMAT, "fine_label_names.txt", "99 class names");
    put_names(f, 101);
    expect_dir_refused(f, "cifar100", ERR_FORMAT, "fine_label_names.txt", "more than 100");
    fixture_delete(f, "fine_label_names.txt");
    size_t n;
    uint8_t *data = fixture_read(f, "train.bin", &n);
    for (size_t cut = n - 1; cut > n - RECORD; cut -= 500) {
        fixture_write(f, "train.bin", data, cut);
        expect_dir_refused(f, "cifar100", ERR_FORMAT, "train.bin", "CIFAR-100 records");
    }
    free(data);
    fixture_cifar_file(f, "train.bin", 0, 50); /* records of CIFAR-10 */
    expect_dir_refused(f, "cifar100", ERR_FORMAT, "train.bin", "3074");
    fixture_delete(f, "train.bin");
    expect_dir_refused(f, "cifar100", ERR_IO, "train.bin", f->dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(fine_labels_are_the_classes),
        FIXTURE_TEST(names_and_options),
        FIXTURE_TEST(broken_files),
    };
    return cmocka_run_group_tests_name("cifar100", tests, NULL, NULL);
}
