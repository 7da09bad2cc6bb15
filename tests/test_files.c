/* Reading safetensors files: sound ones, broken ones, hostile ones, real ones. */
#include "bench/net/safetensors.h"
#include "tests/temp_dir.h"

#include <inttypes.h>
#include <math.h>

/* Writes length, header and `data_bytes` zeros, as a hostile writer would. */
static void put_parts(const char *path, uint64_t declared, const char *header, size_t length,
                      const void *data, size_t data_bytes)
{
    uint8_t *whole = calloc(1, 8 + length + data_bytes);
    assert_non_null(whole);
    memcpy(whole, &declared, 8);
    memcpy(whole + 8, header, length);
    if (data)
        memcpy(whole + 8 + length, data, data_bytes);
    file_put(path, whole, 8 + length + data_bytes);
    free(whole);
}

static void put_header(const char *path, const char *header, size_t data_bytes)
{
    put_parts(path, strlen(header), header, strlen(header), NULL, data_bytes);
}

static void assert_refused(const char *path, const char *expected)
{
    static const struct safetensors closed;
    struct safetensors file;
    enum status status = safetensors_open(&file, path);
    if (status == OK)
        fail_msg("%s was accepted, '%s' was expected", path, expected);
    assert_message(fail_text(), path, expected);
    assert_memory_equal(&file, &closed, sizeof file);
}

/* Touches every byte that the table gives, so that a sanitiser sees a bound that is wrong. */
static void read_all(const struct safetensors *file)
{
    for (size_t i = 0; i < file->count; i++) {
        const struct safetensors_tensor *tensor = &file->tensors[i];
        float *out = malloc((tensor->count + 1) * sizeof *out);
        assert_non_null(out);
        assert_true(safetensors_checksum(tensor) != 0);
        (void)safetensors_copy_f32(file, tensor, out, tensor->count);
        assert_ptr_equal(safetensors_find(file, tensor->name), tensor);
        free(out);
    }
}

static const char sound_header[] =
    "{\"__metadata__\":{\"model\":\"resnet20\"},"
    "\"conv.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
    "\"steps\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[24,32]}}  ";
enum { SOUND_DATA = 32 };

static void test_sound(void **state)
{
    const char *path = temp_dir_file(state, "sound.safetensors");
    const float values[8] = {1, -2, 3.5f, 0, 1e-40f, 6, 0, 0};
    put_parts(path, strlen(sound_header), sound_header, strlen(sound_header), values, 32);
    struct safetensors file;
    assert_int_equal(safetensors_open(&file, path), OK);
    assert_int_equal(file.count, 2);
    assert_string_equal(file.tensors[0].name, "conv.weight");
    assert_int_equal(file.tensors[0].ndim, 2);
    assert_int_equal(file.tensors[0].dim[1], 3);
    assert_int_equal(file.tensors[0].bytes, 24);
    assert_int_equal(file.tensors[1].count, 1);
    float out[6];
    assert_int_equal(safetensors_copy_f32(&file, &file.tensors[0], out, 6), OK);
    assert_memory_equal(out, values, sizeof out);
    assert_string_equal(safetensors_metadata(&file, "model"), "resnet20");
    assert_null(safetensors_metadata(&file, "attention"));
    assert_null(safetensors_find(&file, "conv.bias"));
    read_all(&file);
    safetensors_close(&file);
    safetensors_close(&file);
}

static void test_no_tensors(void **state)
{
    const char *path = temp_dir_file(state, "none.safetensors");
    put_header(path, "{}", 0);
    struct safetensors file;
    assert_int_equal(safetensors_open(&file, path), OK);
    assert_int_equal(file.count, 0);
    assert_null(safetensors_find(&file, "a"));
    safetensors_close(&file);
}

#define F32(name, shape, from, to) \
    "\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" from "," to "]}"

static const struct {
    const char *header;
    size_t data;
    const char *expected;
} hostile[] = {
    {"{" F32("a", "[2]", "0", "8") "," F32("b", "[2]", "4", "12") "}", 12, "overlap"},
    {"{" F32("a", "[2]", "0", "8") "," F32("b", "[2]", "0", "8") "}", 8, "overlap"},
    {"{" F32("a", "[2]", "0", "8") "," F32("b", "[0]", "4", "4") "}", 8, "overlap"},
    {"{" F32("a", "[2]", "0", "8") "," F32("b", "[2]", "12", "20") "}", 20, "hole"},
    {"{" F32("a", "[2]", "4", "12") "}", 12, "hole"},
    {"{" F32("a", "[2]", "0", "8") "}", 12, "belong to no tensor"},
    {"{}", 4, "belong to no tensor"},
    {"{" F32("a", "[3]", "0", "8") "}", 8, "needs 12 bytes"},
    {"{" F32("a", "[]", "0", "8") "}", 8, "needs 4 bytes"},
    {"{" F32("a", "[0]", "0", "8") "}", 8, "needs 0 bytes"},
    {"{" F32("a", "[4294967296,4294967296]", "0", "0") "}", 0, "overflows"},
    {"{" F32("a", "[4294967296,4294967296,0]", "0", "0") "}", 0, "overflows"},
    {"{" F32("a", "[4611686018427387904]", "0", "0") "}", 0, "overflows"},
    {"{" F32("a", "[9223372036854775807,2]", "0", "0") "}", 0, "overflows"},
    {"{" F32("a", "[-2]", "0", "8") "}", 8, "not a size"},
    {"{" F32("a", "[-1,-2]", "0", "8") "}", 8, "not a size"},
    {"{" F32("a", "[2.0]", "0", "8") "}", 8, "not a size"},
    {"{" F32("a", "[\"2\"]", "0", "8") "}", 8, "not a size"},
    {"{" F32("a", "[[2]]", "0", "8") "}", 8, "not a size"},
    {"{" F32("a", "[99999999999999999999]", "0", "8") "}", 8, "JSON"},
    {"{" F32("a", "[1e999]", "0", "8") "}", 8, "JSON"},
    {"{" F32("a", "[1,1,1,1,1,1,1,1,1]", "0", "4") "}", 4, "at most 8"},
    {"{" F32("a", "{\"0\":2}", "0", "8") "}", 8, "no shape"},
    {"{" F32("a", "null", "0", "8") "}", 8, "no shape"},
    {"{" F32("a", "[2]", "8", "0") "}", 8, "do not lie"},
    {"{" F32("a", "[2]", "-8", "0") "}", 8, "do not lie"},
    {"{" F32("a", "[2]", "0", "16") "}", 8, "do not lie"},
    {"{" F32("a", "[2]", "9223372036854775800", "9223372036854775807") "}", 8, "do not lie"},
    {"{" F32("a", "[2]", "0", "8.0") "}", 8, "not a pair"},
    {"{" F32("a", "[2]", "\"0\"", "8") "}", 8, "not a pair"},
    {"{" F32("a", "[2]", "0", "8,8") "}", 8, "not a pair"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", 8, "not a pair"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":8}}", 8, "not a pair"},
    {"{\"a\":{\"dtype\":\"Q8\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "unknown dtype 'Q8'"},
    {"{\"a\":{\"dtype\":\"f32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "unknown dtype"},
    {"{\"a\":{\"dtype\":\"\\u001b[2J\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "'?[2J'"},
    {"{\"a\":{\"dtype\":32,\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "no dtype"},
    {"{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "exactly dtype"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "exactly dtype"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"strides\":[9]}}", 8,
     "exactly dtype"},
    {"{\"a\":{\"type\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "no dtype"},
    {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8,
     "duplicate"},
    {"{" F32("a", "[1]", "0", "4") "," F32("a", "[1]", "4", "8") "}", 8, "duplicate"},
    {"{" F32("a", "[1]", "0", "4") "," F32("\\u0061", "[1]", "4", "8") "}", 8, "duplicate"},
    {"{\"a\":[2]}", 8, "exactly dtype"},
    {"{\"a\":null}", 0, "exactly dtype"},
    {"{\"a\":\"F32\"}", 0, "exactly dtype"},
    {"{\"a\":{}}", 0, "exactly dtype"},
    {"{\"a\":{\"b\":{\"c\":[{\"d\":[[],{}]}]},\"data_offsets\":[0,8],\"x\":1}}", 8, "no dtype"},
    {"{" F32("", "[2]", "0", "8") "}", 8, "is empty"},
    {"{" F32("a\\u0000b", "[2]", "0", "8") "}", 8, "JSON"},
    {"{" F32("a\\nb", "[2]", "0", "8") "}", 8, "'a?b'"},
    {"{" F32("\\u001b[31mred", "[2]", "0", "8") "}", 8, "'?[31mred'"},
    {"{" F32("a\\u007f", "[2]", "0", "8") "}", 8, "control"},
    {"{" F32("\\u009b31m", "[2]", "0", "8") "}", 8, "'?31m'"},
    {"{" F32("a\x1b[31m", "[2]", "0", "8") "}", 8, "JSON"},
    {"{" F32("\xff\xfe", "[2]", "0", "8") "}", 8, "JSON"},
    {"{" F32("\\ud800", "[2]", "0", "8") "}", 8, "JSON"},
    {"{\"__metadata__\":[\"x\"]}", 0, "map of strings"},
    {"{\"__metadata__\":null}", 0, "map of strings"},
    {"{\"__metadata__\":{\"epochs\":3}}", 0, "'epochs' is not a string"},
    {"{\"__metadata__\":{\"a\":{\"b\":\"c\"}}}", 0, "not a string"},
    {"{\"__metadata__\":{\"a\\tb\":\"c\"}}", 0, "control"},
    {"{\"__metadata__\":{\"a\":\"b\",\"a\":\"c\"}}", 0, "duplicate"},
    {"{hello}", 0, "JSON"},
    {"{\"a\":", 0, "JSON"},
    {"{{}}", 0, "JSON"},
    {"{} {}", 0, "JSON"},
    {"{}x", 0, "JSON"},
    {"{} // comment", 0, "JSON"},
    {"[{\"a\":1}]", 0, "not a safetensors file"},
    {" {}", 0, "not a safetensors file"},
    {"\xef\xbb\xbf{}", 0, "not a safetensors file"},
    {"\"text\"", 0, "not a safetensors file"},
};

static void test_hostile_headers(void **state)
{
    const char *path = temp_dir_file(state, "hostile.safetensors");
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        put_header(path, hostile[i].header, hostile[i].data);
        assert_refused(path, hostile[i].expected);
    }
}

static void test_nul_bytes(void **state)
{
    static const char in_name[] =
        "{\"a\0b\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}";
    static const char behind[] = "{}\0\0\0\0\0";
    const char *path = temp_dir_file(state, "nul.safetensors");
    put_parts(path, sizeof in_name - 1, in_name, sizeof in_name - 1, NULL, 4);
    assert_refused(path, "JSON");
    put_parts(path, sizeof behind - 1, behind, sizeof behind - 1, NULL, 0);
    assert_refused(path, "JSON");
}

static void test_deep_nesting(void **state)
{
    enum { DEPTH = 1000000 };
    const char *path = temp_dir_file(state, "deep.safetensors");
    char *header = malloc(DEPTH + 8);
    assert_non_null(header);
    strcpy(header, "{\"a\":");
    memset(header + 5, '[', DEPTH);
    put_parts(path, DEPTH + 5, header, DEPTH + 5, NULL, 0);
    assert_refused(path, "JSON");
    for (size_t i = 0; i < DEPTH / 5; i++)
        memcpy(header + 5 * i, "{\"a\":", 5);
    put_parts(path, DEPTH, header, DEPTH, NULL, 0);
    assert_refused(path, "JSON");
    free(header);
}

static void test_declared_length(void **state)
{
    const uint64_t length = strlen(sound_header);
    const uint64_t wrong[] = {0, 1, 2, length - 3, length + 1, length + SOUND_DATA,
                              length + SOUND_DATA + 1, 100000001, INT64_MAX,
                              (uint64_t)INT64_MAX + 1, UINT64_MAX - 7, UINT64_MAX};
    const char *path = temp_dir_file(state, "length.safetensors");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        put_parts(path, wrong[i], sound_header, length, NULL, SOUND_DATA);
        assert_refused(path, wrong[i] > length + SOUND_DATA ? "or cut off: a header of" : "");
    }
}

/* A file whose header really is too long; its bytes are a hole on the disk. */
static void test_header_above_limit(void **state)
{
    const char *path = temp_dir_file(state, "long.safetensors");
    put_parts(path, SAFETENSORS_MAX_HEADER + 1, "{", 1, NULL, 0);
    assert_int_equal(truncate(path, 8 + (off_t)SAFETENSORS_MAX_HEADER + 1), 0);
    assert_refused(path, "at most 100000000");
}

static void test_cut_and_appended(void **state)
{
    const char *path = temp_dir_file(state, "cut.safetensors");
    size_t length = strlen(sound_header), total = 8 + length + SOUND_DATA;
    for (size_t cut = 1; cut <= total; cut++) {
        put_parts(path, length, sound_header, length, NULL, SOUND_DATA);
        assert_int_equal(truncate(path, (off_t)(total - cut)), 0);
        assert_refused(path, "");
    }
    for (size_t more = 1; more <= 9; more++) {
        put_parts(path, length, sound_header, length, NULL, SOUND_DATA + more);
        assert_refused(path, "belong to no tensor");
    }
}

/* Every single bit of length and header: refused, or read without leaving the file. */
static void test_flipped_bits(void **state)
{
    const char *path = temp_dir_file(state, "flipped.safetensors");
    size_t length = strlen(sound_header);
    int accepted = 0;
    for (size_t bit = 0; bit < (8 + length) * 8; bit++) {
        put_parts(path, length, sound_header, length, NULL, SOUND_DATA);
        size_t bytes;
        uint8_t *whole = file_get(path, &bytes);
        whole[bit / 8] ^= (uint8_t)(1u << bit % 8);
        file_put(path, whole, bytes);
        free(whole);
        struct safetensors file;
        if (safetensors_open(&file, path) == OK) {
            accepted++;
            read_all(&file);
            safetensors_close(&file);
        } else {
            assert_message(fail_text(), path, "");
        }
        /* The top bit alone is never UTF-8 in this header, and the length must be exact. */
        if (bit < 64 || bit % 8 == 7)
            assert_null(file.path);
    }
    assert_in_range(accepted, 1, length * 8 / 2);
}

static void test_not_such_files(void **state)
{
    static const uint8_t png[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0, 13,
                                  'I', 'H', 'D', 'R', 0, 0, 0, 1, 0, 0, 0, 1};
    static const char zip[] = "PK\3\4\0\0\10\10\0\0\0\0\0\0\0\0archive/data.pkl";
    static const char lfs[] = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n";
    const char *path = temp_dir_file(state, "other");
    assert_refused(path, "No such file");
    file_put(path, "", 0);
    assert_refused(path, "0 bytes are too few");
    file_put(path, "\2\0\0\0\0\0\0", 7);
    assert_refused(path, "7 bytes are too few");
    file_put(path, "\2\0\0\0\0\0\0\0", 8);
    assert_refused(path, "8 bytes are too few");
    file_put(path, png, sizeof png);
    assert_refused(path, "not a safetensors file");
    file_put(path, zip, sizeof zip);
    assert_refused(path, "not a safetensors file");
    file_put(path, lfs, sizeof lfs);
    assert_refused(path, "not a safetensors file");
    assert_refused(temp_dir_file(state, "other/inside"), "Not a directory");
    assert_refused(temp_dir_file(state, "."), "folder");
    path = temp_dir_file(state, "pipe");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_refused(path, "not a regular file");
    assert_refused("/dev/zero", "not a regular file");
}

static void test_unreadable(void **state)
{
    if (geteuid() == 0)
        skip(); /* root may read everything */
    const char *path = temp_dir_file(state, "secret.safetensors");
    put_header(path, "{}", 0);
    assert_int_equal(chmod(path, 0), 0);
    assert_refused(path, "Permission denied");
}

static const char mixed_header[] =
    "{\"u8\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
    "\"f32\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[1,9]},"
    "\"f64\":{\"dtype\":\"F64\",\"shape\":[3],\"data_offsets\":[9,33]},"
    "\"f16\":{\"dtype\":\"F16\",\"shape\":[9],\"data_offsets\":[33,51]},"
    "\"bf16\":{\"dtype\":\"BF16\",\"shape\":[3],\"data_offsets\":[51,57]},"
    "\"i64\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[57,65]},"
    "\"i32\":{\"dtype\":\"I32\",\"shape\":[],\"data_offsets\":[65,69]},"
    "\"i64s\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[69,85]},"
    "\"huge\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[85,101]}}";

static void put_mixed(const char *path)
{
    const float f32[2] = {-1.5f, 3e38f};
    const double f64[3] = {0.1, -INFINITY, NAN}, huge[2] = {1, 1e300};
    const uint16_t f16[9] = {0x3c00, 0xc000, 0x0001, 0x8000, 0x7bff, 0x7c00, 0x7e00, 0x03ff,
                             0x0400};
    const uint16_t bf16[3] = {0x3f80, 0xc049, 0x0001};
    const int64_t i64 = -5, i64s[2] = {INT64_MIN, 7};
    const int32_t i32 = 1234567;
    uint8_t data[101] = {9};
    memcpy(data + 1, f32, 8);
    memcpy(data + 9, f64, 24);
    memcpy(data + 33, f16, 18);
    memcpy(data + 51, bf16, 6);
    memcpy(data + 57, &i64, 8);
    memcpy(data + 65, &i32, 4);
    memcpy(data + 69, i64s, 16);
    memcpy(data + 85, huge, 16);
    put_parts(path, strlen(mixed_header), mixed_header, strlen(mixed_header), data, sizeof data);
}

static void assert_converts(const struct safetensors *file, const char *name, const float *wanted,
                            size_t count)
{
    float out[16];
    const struct safetensors_tensor *tensor = safetensors_find(file, name);
    assert_non_null(tensor);
    assert_int_equal(safetensors_copy_f32(file, tensor, out, count), OK);
    for (size_t i = 0; i < count; i++)
        if (isnan(wanted[i]) ? !isnan(out[i]) : memcmp(&out[i], &wanted[i], sizeof *out) != 0)
            fail_msg("%s[%zu] is %a, not %a", name, i, (double)out[i], (double)wanted[i]);
}

/* All at odd addresses. */
static void test_conversions(void **state)
{
    const char *path = temp_dir_file(state, "mixed.safetensors");
    put_mixed(path);
    struct safetensors file;
    assert_int_equal(safetensors_open(&file, path), OK);
    assert_converts(&file, "f32", (const float[]){-1.5f, 3e38f}, 2);
    assert_converts(&file, "f64", (const float[]){0.1f, -INFINITY, NAN}, 3);
    assert_converts(&file, "f16", (const float[]){1, -2, 0x1p-24f, -0.0f, 65504, INFINITY, NAN,
                                                  0x3ffp-24f, 0x1p-14f}, 9);
    assert_converts(&file, "bf16", (const float[]){1, -3.140625f, 0x1p-133f}, 3);
    assert_converts(&file, "i64", (const float[]){-5}, 1);
    assert_converts(&file, "i32", (const float[]){1234567}, 1);
    int64_t numbers[2];
    assert_int_equal(safetensors_copy_i64(&file, safetensors_find(&file, "i64s"), numbers, 2), OK);
    assert_true(numbers[0] == INT64_MIN && numbers[1] == 7);
    safetensors_close(&file);
}

static void test_refused_conversions(void **state)
{
    const char *path = temp_dir_file(state, "mixed.safetensors");
    put_mixed(path);
    struct safetensors file;
    float out[16];
    int64_t numbers[2];
    assert_int_equal(safetensors_open(&file, path), OK);
    const struct safetensors_tensor *f32 = safetensors_find(&file, "f32");
    assert_int_equal(safetensors_copy_f32(&file, f32, out, 3), ERR_FORMAT);
    assert_message(fail_text(), path, "'f32' has shape [2], 3 elements");
    assert_int_equal(safetensors_copy_f32(&file, safetensors_find(&file, "i64s"), out, 2),
                     ERR_FORMAT);
    assert_message(fail_text(), path, "has type I64");
    assert_int_equal(safetensors_copy_f32(&file, safetensors_find(&file, "u8"), out, 1),
                     ERR_FORMAT);
    assert_message(fail_text(), path, "has type U8");
    assert_int_equal(safetensors_copy_f32(&file, safetensors_find(&file, "huge"), out, 2),
                     ERR_NUMERIC);
    assert_message(fail_text(), path, "element 1");
    assert_int_equal(safetensors_copy_i64(&file, f32, numbers, 2), ERR_FORMAT);
    assert_int_equal(safetensors_copy_i64(&file, safetensors_find(&file, "i64s"), numbers, 1),
                     ERR_FORMAT);
    safetensors_close(&file);
}

static const struct {
    const char *file;
    size_t tensors, elements;
    const char *name;
    int64_t dim[4];
} real[] = {
    {"resnet20_cifar10", 97, 271098, "layer3.2.conv2.weight", {64, 64, 3, 3}},
    {"densenet_fast_40_12_cifar10", 53, 1003546, "features.conv0.weight", {16, 3, 3, 3}},
    {"cnn_cbam_cifar10", 22, 546224, "block1.0.weight", {32, 3, 3, 3}},
    {"squeezenet1_0_imagenet", 52, 1248424, "features.0.weight", {96, 3, 7, 7}},
    {"expected/resnet20_cifar10", 1, 10000, "logits", {1000, 10}},
    {"expected/cnn_cbam_cifar10", 9, 109968, "first4.cbam1.input", {4, 32, 16, 16}},
};

static void assert_real(const char *root, size_t i)
{
    char path[1024];
    struct safetensors file;
    snprintf(path, sizeof path, "%s/weights/%s.safetensors", root, real[i].file);
    if (safetensors_open(&file, path) != OK)
        fail_msg("%s", fail_text());
    size_t elements = 0;
    for (size_t t = 0; t < file.count; t++) {
        const struct safetensors_tensor *tensor = &file.tensors[t];
        float *out = malloc((tensor->count + 1) * sizeof *out);
        assert_non_null(out);
        assert_int_equal(safetensors_copy_f32(&file, tensor, out, tensor->count), OK);
        for (size_t k = 0; k < tensor->count; k++)
            assert_true(isfinite(out[k]));
        free(out);
        elements += tensor->count;
    }
    assert_int_equal(file.count, real[i].tensors);
    assert_int_equal(elements, real[i].elements);
    const struct safetensors_tensor *known = safetensors_find(&file, real[i].name);
    assert_non_null(known);
    assert_memory_equal(known->dim, real[i].dim, sizeof real[i].dim);
    assert_true(file.metadata_count > 0);
    safetensors_close(&file);
}

static void test_real_files(void **state)
{
    (void)state;
    const char *root = getenv("CBAM_DATA");
    if (!root || !*root) {
        print_message("skipped: set CBAM_DATA to the folder that has weights/\n");
        skip();
    }
    for (size_t i = 0; i < sizeof real / sizeof *real; i++)
        assert_real(root, i);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, temp_dir_make, temp_dir_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_sound),
        TEST(test_no_tensors),
        TEST(test_hostile_headers),
        TEST(test_nul_bytes),
        TEST(test_deep_nesting),
        TEST(test_declared_length),
        TEST(test_header_above_limit),
        TEST(test_cut_and_appended),
        TEST(test_flipped_bits),
        TEST(test_not_such_files),
        TEST(test_unreadable),
        TEST(test_conversions),
        TEST(test_refused_conversions),
        cmocka_unit_test(test_real_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
