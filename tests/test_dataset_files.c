/* Reading data sets: IDX and CIFAR-10 files, and every way in which a file can be broken or
 * hostile. */
#include "tests/dataset_fixture.h"

static const char train_images[] = "train-images-idx3-ubyte";
static const char train_labels[] = "train-labels-idx1-ubyte";
static const char test_images[] = "t10k-images-idx3-ubyte";
static const char test_labels[] = "t10k-labels-idx1-ubyte";

/* ---- IDX ---- */

static void idx_good(void **state)
{
    const struct fixture *f = *state;
    struct dataset ds;
    fixture_idx(f, 30, 12, 3, 5, 4);
    fixture_open(f, "idx", "", &ds);
    assert_int_equal(ds.train.n, 30);
    assert_int_equal(ds.test.n, 12);
    assert_int_equal(ds.classes, 3);
    assert_int_equal(ds.channels, 1);
    assert_int_equal(ds.h, 5);
    assert_int_equal(ds.w, 4);
    assert_string_equal(ds.class_names[2], "2");
    assert_int_equal(ds.train.labels[4], 1);
    assert_int_equal(dataset_image(&ds, &ds.train, 7)[9], fixture_pixel(7, 9));
    assert_int_equal(dataset_image(&ds, &ds.test, 11)[19], fixture_pixel(100011, 19));
    dataset_close(&ds);
}

/* The hash is that of the content: plain or packed, whatever the options; one pixel changes it. */
static void idx_hash(void **state)
{
    const struct fixture *f = *state;
    struct dataset plain, packed, changed;
    size_t size;
    fixture_idx(f, 30, 12, 3, 5, 4);
    fixture_open(f, "idx", "", &plain);
    uint8_t *data = fixture_read(f, test_images, &size);
    fixture_delete(f, test_images);
    fixture_write_gz(f, "t10k-images-idx3-ubyte.gz", data, size);
    fixture_open(f, "idx", ":classes=0+2:per-class=5", &packed);
    assert_string_equal(plain.hash, packed.hash);
    data[size - 1] ^= 1;
    fixture_write(f, test_images, data, size); /* the plain file is the one that counts */
    fixture_open(f, "idx", "", &changed);
    assert_string_not_equal(plain.hash, changed.hash);

    char key[128], expected[128];
    dataset_key(&packed, key, sizeof key);
    snprintf(expected, sizeof expected, "idx@%s:classes=0+2:per-class=5:val=1", packed.hash);
    assert_string_equal(key, expected);
    free(data);
    dataset_close(&plain);
    dataset_close(&packed);
    dataset_close(&changed);
}

/* Writes the first n of the file's bytes, then `extra` zeros, and expects a refusal. */
static void refuse_length(const struct fixture *f, const char *kind, const char *name, size_t n,
                          size_t extra)
{
    size_t size;
    uint8_t *data = fixture_read(f, name, &size);
    uint8_t *other = calloc(1, n + extra + 1);
    assert_non_null(other);
    memcpy(other, data, n < size ? n : size);
    fixture_write(f, name, other, n + extra);
    expect_dir_refused(f, kind, ERR_FORMAT, name, "");
    fixture_write(f, name, data, size);
    free(other);
    free(data);
}

/* Every possible truncation of every file, plain and packed, and bytes appended. */
static void idx_lengths(void **state)
{
    const struct fixture *f = *state;
    const char *const names[] = {train_images, train_labels, test_images, test_labels};
    fixture_idx(f, 6, 4, 2, 3, 3);
    for (int packed = 0; packed < 2; packed++) {
        for (int i = 0; i < 4; i++) {
            char name[64];
            size_t size;
            snprintf(name, sizeof name, "%s%s", names[i], packed ? ".gz" : "");
            if (packed) {
                uint8_t *data = fixture_read(f, names[i], &size);
                fixture_write_gz(f, name, data, size);
                fixture_delete(f, names[i]);
                free(data);
            }
            uint8_t *data = fixture_read(f, name, &size);
            free(data);
            for (size_t n = 0; n < size; n++)
                refuse_length(f, "idx", name, n, 0);
            refuse_length(f, "idx", name, size, 4);
            refuse_length(f, "idx", name, size, 1);
        }
    }
    struct dataset ds;
    fixture_open(f, "idx", "", &ds); /* the files were put back as they had been */
    dataset_close(&ds);
}

/* Puts one 32-bit number into a header and expects a refusal that names the file. */
static void refuse_word(const struct fixture *f, const char *name, size_t at, uint32_t value,
                        const char *fragment)
{
    size_t size;
    uint8_t *data = fixture_read(f, name, &size);
    uint8_t old[4];
    memcpy(old, data + at, 4);
    fixture_put32(data + at, value);
    fixture_write(f, name, data, size);
    expect_dir_refused(f, "idx", ERR_FORMAT, name, fragment);
    memcpy(data + at, old, 4);
    fixture_write(f, name, data, size);
    free(data);
}

static void idx_headers(void **state)
{
    const struct fixture *f = *state;
    fixture_idx(f, 6, 4, 2, 3, 3);
    refuse_word(f, train_images, 0, 0x0801, "0x00000803 was expected");
    refuse_word(f, train_images, 0, 0x0d03, "0x00000d03");
    refuse_word(f, train_labels, 0, 0x0803, "0x00000801 was expected");
    refuse_word(f, train_images, 0, 0x89504e47, "0x89504e47"); /* PNG */
    refuse_word(f, train_images, 0, 0x1f8b0800, "0x1f8b0800"); /* gzip without the name */
    refuse_word(f, train_images, 4, 0, "dimension 0");
    refuse_word(f, test_images, 8, 0, "dimension 1");
    refuse_word(f, train_labels, 4, 0, "dimension 0");
    refuse_word(f, train_images, 4, 0xffffffff, "more than");
    refuse_word(f, train_labels, 4, 0xffffffff, "more than");
    refuse_word(f, train_images, 8, 0xffffffff, "4294967295");
    refuse_word(f, train_images, 12, 4097, "4097");
    refuse_word(f, train_images, 4, 7, "70 bytes, 79 were expected");
    refuse_word(f, train_images, 8, 4, "70 bytes, 88 were expected");
}

/* Dimensions whose product wraps round to the real length in 32 bits. */
static void idx_overflow(void **state)
{
    const struct fixture *f = *state;
    uint8_t data[16 + 64] = {0};
    fixture_idx(f, 6, 4, 2, 3, 3);
    fixture_put32(data, 0x0803);
    fixture_put32(data + 4, 0x10000001); /* times 4 times 16: 64 modulo 2^32 */
    fixture_put32(data + 8, 4);
    fixture_put32(data + 12, 16);
    fixture_write(f, train_images, data, sizeof data);
    expect_dir_refused(f, "idx", ERR_FORMAT, train_images, "header announces more than");
}

static void idx_mismatches(void **state)
{
    const struct fixture *f = *state;
    size_t size;
    fixture_idx(f, 6, 4, 2, 3, 3);
    uint8_t *data = fixture_idx_labels(5, 2, &size);
    fixture_write(f, train_labels, data, size);
    free(data);
    expect_dir_refused(f, "idx", ERR_FORMAT, train_labels, "5 labels for 6 images");

    fixture_idx(f, 6, 4, 2, 3, 3);
    data = fixture_idx_images(0, 4, 3, 4, &size);
    fixture_write(f, test_images, data, size);
    free(data);
    expect_dir_refused(f, "idx", ERR_FORMAT, test_images, "3x4");

    fixture_idx(f, 6, 4, 2, 3, 3);
    data = fixture_idx_labels(4, 4, &size);
    fixture_write(f, test_labels, data, size);
    free(data);
    expect_dir_refused(f, "idx", ERR_FORMAT, test_labels, "label 2 of image 2");
}

static void idx_missing(void **state)
{
    const struct fixture *f = *state;
    const char *const names[] = {train_images, train_labels, test_images, test_labels};
    char path[FIXTURE_PATH];
    for (int i = 0; i < 4; i++) {
        fixture_idx(f, 6, 4, 2, 3, 3);
        fixture_delete(f, names[i]);
        expect_dir_refused(f, "idx", ERR_IO, names[i], ".gz");
        fixture_path(f, names[i], path);
        assert_int_equal(mkdir(path, 0700), 0);
        expect_dir_refused(f, "idx", ERR_IO, names[i], "is a directory");
        assert_int_equal(rmdir(path), 0);
        assert_int_equal(mkfifo(path, 0600), 0);
        expect_dir_refused(f, "idx", ERR_IO, names[i], "not a regular file");
        fixture_delete(f, names[i]);
    }
    expect_refused("idx:/nowhere/at/all", ERR_IO, "no directory '/nowhere/at/all'", "idx");
    fixture_idx(f, 6, 4, 2, 3, 3);
    char text[FIXTURE_PATH + 8];
    fixture_path(f, train_images, path);
    snprintf(text, sizeof text, "idx:%s", path);
    expect_refused(text, ERR_IO, "no directory", train_images);
}

/* A sparse file of more than 2 GiB: refused by its length, not read. */
static void idx_too_long(void **state)
{
    const struct fixture *f = *state;
    char path[FIXTURE_PATH];
    fixture_idx(f, 6, 4, 2, 3, 3);
    fixture_path(f, train_images, path);
    if (truncate(path, (off_t)1 << 31) != 0)
        skip();
    expect_dir_refused(f, "idx", ERR_FORMAT, train_images, "2147483648 bytes");
}

static void gz_damaged(void **state)
{
    const struct fixture *f = *state;
    const char packed[] = "train-images-idx3-ubyte.gz";
    size_t size;
    fixture_idx(f, 6, 4, 2, 3, 3);
    uint8_t *data = fixture_read(f, train_images, &size);
    fixture_delete(f, train_images);
    fixture_write(f, packed, data, size);
    expect_dir_refused(f, "idx", ERR_FORMAT, packed, "no gzip file");
    uint8_t zlib[256];
    uLongf zlib_size = sizeof zlib;
    assert_int_equal(compress(zlib, &zlib_size, data, size), Z_OK);
    fixture_write(f, packed, zlib, zlib_size);
    expect_dir_refused(f, "idx", ERR_FORMAT, packed, "no gzip file");
    fixture_write_gz(f, packed, data, size);
    free(data);
    data = fixture_read(f, packed, &size);
    for (size_t back = 1; back <= 8; back++) { /* checksum and length in the trailer */
        data[size - back] ^= 0x10;
        fixture_write(f, packed, data, size);
        expect_dir_refused(f, "idx", ERR_FORMAT, packed, "damaged");
        data[size - back] ^= 0x10;
    }
    free(data);
}

/* Packed files whose header announces too much, too little, or what cannot be. */
static void gz_bombs(void **state)
{
    const struct fixture *f = *state;
    const char packed[] = "train-images-idx3-ubyte.gz";
    const size_t big = (size_t)64 << 20;
    uint8_t *data = calloc(1, big);
    assert_non_null(data);
    fixture_idx(f, 6, 4, 2, 3, 3);
    fixture_delete(f, train_images);
    fixture_put32(data, 0x0803);
    fixture_put32(data + 4, 6);
    fixture_put32(data + 8, 3);
    fixture_put32(data + 12, 3);
    fixture_write_gz(f, packed, data, big);
    expect_dir_refused(f, "idx", ERR_FORMAT, packed, "more than the 70 bytes");
    fixture_put32(data + 4, 130000);
    fixture_put32(data + 8, 128);
    fixture_put32(data + 12, 128);
    fixture_write_gz(f, packed, data, 4096);
    expect_dir_refused(f, "idx", ERR_FORMAT, packed, "compressed");
    fixture_put32(data + 4, 0xfffffff0);
    fixture_write_gz(f, packed, data, 4096);
    expect_dir_refused(f, "idx", ERR_FORMAT, packed, "more than 2147483647");
    fixture_put32(data + 4, 2);
    fixture_put32(data + 8, 50);
    fixture_put32(data + 12, 50);
    fixture_write_gz(f, packed, data, 4096);
    expect_dir_refused(f, "idx", ERR_FORMAT, packed, "holds 4096 bytes unpacked, 5016");
    free(data);
}

/* Any byte of any header, changed at random: refused or consistent, never a crash. */
static void idx_mutations(void **state)
{
    const struct fixture *f = *state;
    const char *const names[] = {train_images, train_labels, "t10k-images-idx3-ubyte.gz"};
    size_t size;
    char text[DATA_TEXT_MAX];
    unsigned random = 12345;
    fixture_idx(f, 6, 4, 2, 3, 3);
    uint8_t *data = fixture_read(f, test_images, &size);
    fixture_write_gz(f, names[2], data, size);
    fixture_delete(f, test_images);
    free(data);
    snprintf(text, sizeof text, "idx:%s", f->dir);
    for (int trial = 0; trial < 600; trial++) {
        const char *name = names[trial % 3];
        data = fixture_read(f, name, &size);
        random = random * 1664525u + 1013904223u;
        size_t at = (random >> 8) % (size < 32 ? size : 32);
        uint8_t old = data[at];
        data[at] = (uint8_t)(random >> 24);
        fixture_write(f, name, data, size);
        struct dataset ds;
        if (dataset_open(&ds, text) == OK) {
            assert_int_equal(ds.train.n, 6);
            assert_int_equal(dataset_image_bytes(&ds), 9);
        }
        dataset_close(&ds);
        data[at] = old;
        fixture_write(f, name, data, size);
        free(data);
    }
}

/* ---- what the specification asks for against what is there ---- */

static void counts_refused(void **state)
{
    const struct fixture *f = *state;
    static const char *const bad[][3] = {
        {":classes=0-4", "class 4", "0 to 3"},
        {":per-class=8", "per-class=8", "has 7 training images"},
        {":val=7", "nothing to train on", "has 7 training images"},
        {":test-per-class=4", "test-per-class=4", "has 3 test images"},
        {":size=3", "size=3", "5x4"},
    };
    fixture_idx(f, 28, 12, 4, 5, 4);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[DATA_TEXT_MAX];
        snprintf(text, sizeof text, "idx:%s%s", f->dir, bad[i][0]);
        expect_refused(text, ERR_USAGE, bad[i][1], bad[i][2]);
    }
}

/* Labels 1 and 3 only: classes 0 and 2 are empty until the specification leaves them out. */
static void empty_classes(void **state)
{
    const struct fixture *f = *state;
    struct dataset ds;
    uint8_t labels[8 + 6] = {0, 0, 8, 1, 0, 0, 0, 6, 1, 3, 1, 3, 1, 3};
    fixture_idx(f, 6, 4, 2, 3, 3);
    fixture_write(f, train_labels, labels, sizeof labels);
    expect_dir_refused(f, "idx", ERR_USAGE, "class 0 (0) has no training image", "classes=");
    char text[DATA_TEXT_MAX];
    snprintf(text, sizeof text, "idx:%s:classes=2+3", f->dir);
    expect_refused(text, ERR_USAGE, "class 2 (2) has no training image", "classes=");
    fixture_open(f, "idx", ":classes=1+3", &ds);
    assert_int_equal(ds.classes, 2);
    assert_int_equal(ds.class_stored[1], 3);
    assert_string_equal(ds.class_names[0], "1");
    assert_int_equal(ds.train.labels[0], 0);
    assert_int_equal(ds.train.labels[1], 1);
    assert_int_equal(ds.test.labels[0], -1);
    dataset_close(&ds);
    labels[8] = labels[10] = labels[12] = 2;
    fixture_write(f, train_labels, labels, sizeof labels);
    snprintf(text, sizeof text, "idx:%s:classes=2-3", f->dir);
    expect_refused(text, ERR_USAGE, "no test image", "data '");
}

/* ---- CIFAR-10 ---- */

static void cifar_good(void **state)
{
    const struct fixture *f = *state;
    struct dataset ds;
    fixture_cifar_file(f, "data_batch_10.bin", 50, 10);
    fixture_cifar_file(f, "data_batch_2.bin", 30, 20);
    fixture_cifar_file(f, "data_batch_1.bin", 0, 30);
    fixture_cifar_file(f, "test_batch.bin", 1000, 10);
    fixture_open(f, "cifar10", "", &ds);
    assert_int_equal(ds.train.n, 60);
    assert_int_equal(ds.test.n, 10);
    assert_int_equal(ds.channels, 3);
    assert_string_equal(ds.class_names[9], "truck");
    for (int i = 0; i < 60; i++) {
        assert_int_equal(ds.train.labels[i], i % 10);
        assert_int_equal(dataset_image(&ds, &ds.train, i)[3071], fixture_pixel(i, 3071));
    }
    dataset_close(&ds);

    static const char names[] = "a\r\nb\r\nc\nd\ne\nf\ng\nh\ni\nlast one\n\n";
    fixture_write(f, "batches.meta.txt", names, strlen(names));
    fixture_open(f, "cifar10", ":classes=1+9", &ds);
    assert_string_equal(ds.class_names[0], "b");
    assert_string_equal(ds.class_names[1], "last one");
    dataset_close(&ds);
}

static void cifar_broken(void **state)
{
    const struct fixture *f = *state;
    fixture_cifar_file(f, "test_batch.bin", 1000, 10);
    expect_dir_refused(f, "cifar10", ERR_IO, "no data_batch_1.bin", f->dir);
    fixture_cifar_file(f, "data_batch_1.bin", 0, 20);
    fixture_cifar_file(f, "data_batch_2.bin", 20, 10);
    const size_t size = 10 * CIFAR_RECORD;
    const char *const names[] = {"data_batch_2.bin", "test_batch.bin"};
    for (int i = 0; i < 2; i++) {
        refuse_length(f, "cifar10", names[i], size - 1, 0);
        refuse_length(f, "cifar10", names[i], size, 4);
        refuse_length(f, "cifar10", names[i], 0, 0);
        size_t n;
        uint8_t *data = fixture_read(f, names[i], &n);
        data[3 * CIFAR_RECORD] = 10;
        fixture_write(f, names[i], data, n);
        expect_dir_refused(f, "cifar10", ERR_FORMAT, names[i], "label 10 of record 3");
        data[3 * CIFAR_RECORD] = 3;
        fixture_write(f, names[i], data, n);
        free(data);
    }
    fixture_write(f, "data_batch_x.bin", "", 0);
    expect_dir_refused(f, "cifar10", ERR_FORMAT, "data_batch_x.bin", "a number was expected");
    fixture_delete(f, "data_batch_x.bin");
    char path[FIXTURE_PATH];
    fixture_path(f, "data_batch_3.bin", path);
    assert_int_equal(mkdir(path, 0700), 0);
    expect_dir_refused(f, "cifar10", ERR_IO, "data_batch_3.bin", "is a directory");
    assert_int_equal(rmdir(path), 0);
    fixture_delete(f, "test_batch.bin");
    expect_dir_refused(f, "cifar10", ERR_IO, "test_batch.bin", "No such file");
}

static void cifar_names_broken(void **state)
{
    const struct fixture *f = *state;
    static const char *const bad[][2] = {
        {"a\nb\nc\nd\ne\nf\ng\nh\ni\n", "has 9 class names"},
        {"a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\n", "more than 10"},
        {"a\nb\nc\nd\ne\nf\ng\nh\ni\n\x1b[2J\n", "control character"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", "63 bytes"},
        {"", "has 0 class names"},
    };
    fixture_cifar_file(f, "data_batch_1.bin", 0, 20);
    fixture_cifar_file(f, "test_batch.bin", 1000, 10);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        fixture_write(f, "batches.meta.txt", bad[i][0], strlen(bad[i][0]));
        expect_dir_refused(f, "cifar10", ERR_FORMAT, "batches.meta.txt", bad[i][1]);
    }
    fixture_write(f, "batches.meta.txt", "a\0b\n", 4);
    expect_dir_refused(f, "cifar10", ERR_FORMAT, "batches.meta.txt", "control character");
}

/* ---- where data are looked for ---- */

static void places(void **state)
{
    const struct fixture *f = *state;
    struct fixture inner;
    struct dataset ds;
    const char *old = getenv("CBAM_DATA");
    char *kept = old ? strdup(old) : NULL;
    setenv("CBAM_DATA", f->dir, 1);
    snprintf(inner.dir, sizeof inner.dir, "%.200s/fashion-mnist", f->dir);
    assert_int_equal(mkdir(inner.dir, 0700), 0);
    fixture_idx(&inner, 20, 10, 10, 28, 28);
    assert_int_equal(dataset_open(&ds, "fashion-mnist"), OK);
    assert_string_equal(ds.dir, inner.dir);
    assert_string_equal(ds.class_names[9], "Ankle boot");
    assert_int_equal(ds.train.n, 20);
    dataset_close(&ds);
    assert_int_equal(dataset_open(&ds, "idx:fashion-mnist:pad=2"), OK);
    assert_int_equal(ds.out_h, 32);
    dataset_close(&ds);
    size_t size;
    uint8_t *data = fixture_idx_labels(20, 13, &size);
    fixture_write(&inner, train_labels, data, size);
    free(data);
    expect_refused("fashion-mnist", ERR_FORMAT, "label 10 of image 10", train_labels);
    expect_refused("idx:not-there", ERR_IO, "'not-there'", "CBAM_DATA");
    if (kept)
        setenv("CBAM_DATA", kept, 1);
    else
        unsetenv("CBAM_DATA");
    free(kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(idx_good),
        FIXTURE_TEST(idx_hash),
        FIXTURE_TEST(idx_lengths),
        FIXTURE_TEST(idx_headers),
        FIXTURE_TEST(idx_overflow),
        FIXTURE_TEST(idx_mismatches),
        FIXTURE_TEST(idx_missing),
        FIXTURE_TEST(idx_too_long),
        FIXTURE_TEST(gz_damaged),
        FIXTURE_TEST(gz_bombs),
        FIXTURE_TEST(idx_mutations),
        FIXTURE_TEST(counts_refused),
        FIXTURE_TEST(empty_classes),
        FIXTURE_TEST(cifar_good),
        FIXTURE_TEST(cifar_broken),
        FIXTURE_TEST(cifar_names_broken),
        FIXTURE_TEST(places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
