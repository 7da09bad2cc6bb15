/* numpy's .npy files: round trips, the exact bytes numpy writes, broken and hostile ones. */
#include "bench/net/npy.h"
#include "tests/temp_dir.h"

#include <math.h>
#include <signal.h>
#include <sys/resource.h>

/* A version 1.0 file: the header as given, then `data_bytes` zeros. */
static void put_npy(const char *path, const char *header, size_t data_bytes)
{
    size_t length = strlen(header), total = 10 + length + data_bytes;
    uint8_t *whole = calloc(1, total);
    assert_non_null(whole);
    memcpy(whole, "\x93NUMPY\1\0", 8);
    whole[8] = (uint8_t)(length & 255);
    whole[9] = (uint8_t)(length >> 8);
    memcpy(whole + 10, header, length);
    file_put(path, whole, total);
    free(whole);
}

static void assert_refused(const char *path, const char *expected)
{
    struct npy_array array;
    enum status status = npy_read(&array, path);
    if (status == OK)
        fail_msg("%s was accepted, '%s' was expected", path, expected);
    assert_message(fail_text(), path, expected);
    assert_null(array.data);
}

static void test_round_trips(void **state)
{
    static const float values[24] = {1, -0.0f, NAN, INFINITY, 1e-42f, -3e38f, 7};
    static const struct {
        int ndim, dim[4];
        size_t count;
    } shapes[] = {{0, {0}, 1}, {1, {5}, 5}, {2, {2, 3}, 6}, {3, {2, 3, 4}, 24},
                  {4, {2, 3, 2, 2}, 24}, {2, {0, 9}, 0}, {1, {0}, 0},
                  {4, {2147483647, 2147483647, 1, 0}, 0}};
    const char *path = temp_dir_file(state, "array.npy");
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct npy_array array;
        assert_int_equal(npy_write(path, shapes[i].ndim, shapes[i].dim, values), OK);
        if (npy_read(&array, path) != OK)
            fail_msg("%s", fail_text());
        assert_int_equal(array.ndim, shapes[i].ndim);
        assert_memory_equal(array.dim, shapes[i].dim, sizeof array.dim);
        assert_int_equal(array.count, shapes[i].count);
        assert_memory_equal(array.data, values, array.count * sizeof(float));
        npy_release(&array);
        npy_release(&array);
    }
    assert_int_equal(temp_dir_entries(state, false), 1);
}

/* What numpy.save gives for numpy.array([[1, 2]], '<f4'). */
static void test_exact_bytes(void **state)
{
    const char *path = temp_dir_file(state, "array.npy");
    uint8_t wanted[136];
    memset(wanted, ' ', sizeof wanted);
    memcpy(wanted, "\x93NUMPY\1\0\x76\0", 10);
    const char text[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }";
    memcpy(wanted + 10, text, sizeof text - 1);
    wanted[127] = '\n';
    memcpy(wanted + 128, "\0\0\x80\x3f\0\0\0\x40", 8);
    assert_int_equal(npy_write(path, 2, (const int[]){1, 2}, (const float[]){1, 2}), OK);
    assert_file_is(path, wanted, sizeof wanted);
}

#define NPY(type, order, shape) \
    "{'descr': " type ", 'fortran_order': " order ", 'shape': " shape ", }"

static void test_accepted_forms(void **state)
{
    static const char *const forms[] = {
        NPY("'<f4'", "False", "(2, 3)") "     \n",
        NPY("'<f4'", "False", "(2, 3,)"),
        "{\"shape\":(2,3),\"fortran_order\":False,\"descr\":\"<f4\"}\n",
        " { 'fortran_order' : False , 'shape' : ( 2 , 3 ) , 'descr' : '<f4' }\n",
    };
    const char *path = temp_dir_file(state, "form.npy");
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct npy_array array;
        put_npy(path, forms[i], 24);
        if (npy_read(&array, path) != OK)
            fail_msg("%s: %s", forms[i], fail_text());
        assert_int_equal(array.ndim, 2);
        assert_int_equal(array.dim[1], 3);
        npy_release(&array);
    }
}

static void test_version_2(void **state)
{
    const char *path = temp_dir_file(state, "two.npy");
    static const char file[] = "\x93NUMPY\2\0\x3b\0\0\0"
                               "{'descr':'<f4','fortran_order':False,'shape':(1,),}       \n"
                               "\0\0\x80\x3f";
    struct npy_array array;
    assert_int_equal(file[8], sizeof file - 1 - 12 - 4);
    file_put(path, file, sizeof file - 1);
    if (npy_read(&array, path) != OK)
        fail_msg("%s", fail_text());
    assert_int_equal(array.ndim, 1);
    assert_float_equal(array.data[0], 1, 0);
    npy_release(&array);
}

static const struct {
    const char *header;
    size_t data;
    const char *expected;
} hostile[] = {
    {NPY("'<f8'", "False", "(2, 3)"), 48, "'<f8'"},
    {NPY("'<i8'", "False", "(2, 3)"), 48, "'<i8'"},
    {NPY("'>f4'", "False", "(2, 3)"), 24, "'>f4'"},
    {NPY("'<f2'", "False", "(2, 3)"), 12, "'<f2'"},
    {NPY("'|u1'", "False", "(2, 3)"), 6, "'|u1'"},
    {NPY("'|O'", "False", "(2, 3)"), 24, "'|O'"},
    {NPY("''", "False", "(2, 3)"), 24, "''"},
    {NPY("[('a', '<f4')]", "False", "(2, 3)"), 24, "records"},
    {NPY("4", "False", "(2, 3)"), 24, "a type"},
    {NPY("'<f4\x1b[2J'", "False", "(2, 3)"), 24, "a type"},
    {NPY("'<f4'", "True", "(2, 3)"), 24, "Fortran order"},
    {NPY("'<f4'", "0", "(2, 3)"), 24, "True or False"},
    {NPY("'<f4'", "false", "(2, 3)"), 24, "True or False"},
    {NPY("'<f4'", "False", "(2, 3)"), 23, "cut off: 24 bytes"},
    {NPY("'<f4'", "False", "(2, 3)"), 0, "cut off: 24 bytes"},
    {NPY("'<f4'", "False", "(2, 3)"), 28, "trailing bytes: 24 bytes"},
    {NPY("'<f4'", "False", "(2, 3)"), 25, "trailing bytes"},
    {NPY("'<f4'", "False", "(0, 3)"), 4, "trailing bytes"},
    {NPY("'<f4'", "False", "()"), 0, "cut off: 4 bytes"},
    {NPY("'<f4'", "False", "(1, 1, 1, 1, 1)"), 4, "more than 4"},
    {NPY("'<f4'", "False", "(2147483647, 2147483647, 2147483647, 2)"), 0, "overflows"},
    {NPY("'<f4'", "False", "(2147483647, 2147483647, 2)"), 0, "overflows"},
    {NPY("'<f4'", "False", "(2147483647, 2147483647)"), 0, "cut off"},
    {NPY("'<f4'", "False", "(2147483648,)"), 0, "sizes up to"},
    {NPY("'<f4'", "False", "(99999999999999999999999999, 2)"), 0, "sizes up to"},
    {NPY("'<f4'", "False", "(-2, 3)"), 24, "sizes up to"},
    {NPY("'<f4'", "False", "(2.0, 3)"), 24, "sizes up to"},
    {NPY("'<f4'", "False", "(2 3)"), 24, "sizes up to"},
    {NPY("'<f4'", "False", "(,)"), 4, "sizes up to"},
    {NPY("'<f4'", "False", "(2, , 3)"), 24, "sizes up to"},
    {NPY("'<f4'", "False", "(6)"), 24, "','"},
    {NPY("'<f4'", "False", "[2, 3]"), 24, "'('"},
    {NPY("'<f4'", "False", "6"), 24, "'('"},
    {NPY("'<f4'", "False", "None"), 24, "'('"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3", 24, "sizes"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)", 24, "'}'"},
    {"{'descr': '<f4', 'fortran_order': False}", 24, "each of"},
    {"{'descr': '<f4', 'shape': (2, 3)}", 24, "each of"},
    {"{'fortran_order': False, 'shape': (2, 3)}", 24, "each of"},
    {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}", 24, "doubled"},
    {"{'shape': (2,), 'shape': (3,), 'fortran_order': False, 'descr': '<f4'}", 24, "doubled"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'x': 1}", 24, "unknown"},
    {"{'descr': '<f4' 'fortran_order': False, 'shape': (2, 3)}", 24, "',' or '}'"},
    {"{'descr' '<f4'}", 24, "a key"},
    {"{'descr': '<f4}", 24, "a type"},
    {"{'descr\": '<f4'}", 24, "a key"},
    {"{'a-key-that-goes-on-and-on-and-on-and-on-and-on-and-on-and-on-and-on': 1}", 24, "a key"},
    {NPY("'<f4'", "False", "(2, 3)") "x", 24, "behind"},
    {NPY("'<f4'", "False", "(2, 3)") "{}", 24, "behind"},
    {"", 24, "'{'"},
    {"garbage", 24, "'{'"},
};

static void test_hostile_headers(void **state)
{
    const char *path = temp_dir_file(state, "hostile.npy");
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        put_npy(path, hostile[i].header, hostile[i].data);
        assert_refused(path, hostile[i].expected);
    }
}

static void test_cut(void **state)
{
    const char *path = temp_dir_file(state, "cut.npy");
    static const float values[6] = {1, 2, 3, 4, 5, 6};
    for (off_t left = 0; left < 128 + 24; left++) {
        assert_int_equal(npy_write(path, 2, (const int[]){2, 3}, values), OK);
        assert_int_equal(truncate(path, left), 0);
        assert_refused(path, "");
    }
}

/* Every bit of prefix and header: refused, or an array that the file really holds. */
static void test_flipped_bits(void **state)
{
    const char *path = temp_dir_file(state, "flipped.npy");
    static const float values[6] = {1, 2, 3, 4, 5, 6};
    size_t bytes;
    assert_int_equal(npy_write(path, 2, (const int[]){2, 3}, values), OK);
    uint8_t *whole = file_get(path, &bytes);
    for (size_t bit = 0; bit < 128 * 8; bit++) {
        struct npy_array array;
        whole[bit / 8] ^= (uint8_t)(1u << bit % 8);
        file_put(path, whole, bytes);
        whole[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (npy_read(&array, path) != OK) {
            assert_message(fail_text(), path, "");
            continue;
        }
        assert_in_range(bit, 10 * 8, 128 * 8); /* magic, version and length are exact */
        assert_int_equal(array.count, 6);
        assert_memory_equal(array.data, values, sizeof values);
        npy_release(&array);
    }
    free(whole);
}

static void test_not_such_files(void **state)
{
    const char *path = temp_dir_file(state, "other.npy");
    assert_refused(path, "No such file");
    file_put(path, "", 0);
    assert_refused(path, "0 bytes are too few");
    file_put(path, "\x93NUMPY\1", 7);
    assert_refused(path, "7 bytes are too few");
    file_put(path, "\x93NUMPY\1\0\0", 9);
    assert_refused(path, "cut off");
    file_put(path, "\x93NUMPY\2\0\xff\xff\xff\xff{}", 14);
    assert_refused(path, "too long");
    file_put(path, "\x93NUMPY\3\0\2\0\0\0{}", 14);
    assert_refused(path, "version 3.0");
    file_put(path, "\x93NUMPY\1\1\2\0{}", 12);
    assert_refused(path, "version 1.1");
    file_put(path, "\x89PNG\r\n\x1a\n\0\0\0\15IHDR", 16);
    assert_refused(path, "not a .npy file");
    file_put(path, "PK\3\4\0\0\0\0x.npy", 13);
    assert_refused(path, "not a .npy file");
    assert_refused(temp_dir_file(state, "."), "folder");
    assert_refused("/dev/zero", "not a regular file");
}

static void test_wrong_shapes(void **state)
{
    static const float value;
    const char *path = temp_dir_file(state, "kept.npy");
    file_put(path, "old", 3);
    assert_int_equal(npy_write(path, 5, (const int[]){1, 1, 1, 1, 1}, &value), ERR_USAGE);
    assert_message(fail_text(), path, "5 dimensions");
    assert_int_equal(npy_write(path, -1, NULL, &value), ERR_USAGE);
    assert_int_equal(npy_write(path, 1, (const int[]){-1}, &value), ERR_USAGE);
    assert_int_equal(npy_write(path, 3, (const int[]){2147483647, 2147483647, 8}, &value),
                     ERR_USAGE);
    assert_file_is(path, "old", 3);
    assert_int_equal(temp_dir_entries(state, false), 1);
}

static void test_disk_full(void **state)
{
    const char *path = temp_dir_file(state, "kept.npy");
    static const float values[5000];
    struct rlimit old;
    file_put(path, "old", 3);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    for (rlim_t limit = 3; limit < 20000; limit = limit * 3 + 1) {
        const struct rlimit small = {.rlim_cur = limit, .rlim_max = old.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        enum status status = npy_write(path, 1, (const int[]){5000}, values);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        assert_int_equal(status, ERR_IO);
        assert_message(fail_text(), path, "File too large");
        assert_file_is(path, "old", 3);
        assert_int_equal(temp_dir_entries(state, false), 1);
    }
    signal(SIGXFSZ, handler);
    assert_int_equal(npy_write(temp_dir_file(state, "no/folder.npy"), 0, NULL, values), ERR_IO);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, temp_dir_make, temp_dir_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_round_trips),
        TEST(test_exact_bytes),
        TEST(test_accepted_forms),
        TEST(test_version_2),
        TEST(test_hostile_headers),
        TEST(test_cut),
        TEST(test_flipped_bits),
        TEST(test_not_such_files),
        TEST(test_wrong_shapes),
        TEST(test_disk_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
