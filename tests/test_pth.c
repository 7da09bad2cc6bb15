/* bench/net/pth2safetensors.py on files that PyTorch wrote (tests/fixtures/make_pth.py), in each of
 * its formats: every value arrives, nothing in them is executed, damaged ones are refused. Skipped
 * where there is no python3; PyTorch is not needed: python3 runs without its site packages. */
#include "bench/net/safetensors.h"
#include "tests/command.h"
#include "tests/temp_dir.h"

#include <inttypes.h>

static const char script[] = "python3 -I -S -B bench/net/pth2safetensors.py";
static const char fixtures[] = "tests/fixtures";

static void need_python(void)
{
    struct command c;
    command_shell(&c, "python3 -I -S -c 'import sys; sys.exit(sys.version_info < (3, 6))'");
    int status = c.status;
    command_free(&c);
    if (status == 0)
        return;
    print_message("skipped: there is no python3 (3.6 or later) on this machine\n");
    skip();
}

static void convert(void **state, const char *input, const char *options, struct safetensors *file)
{
    struct command c;
    command_shell(&c, "%s %s %s '%s'", script, options, input, temp_dir_file(state, "out"));
    if (c.status != 0 || c.out[0])
        fail_msg("%s\nended with %d: %s%s", c.line, c.status, c.out, c.err);
    command_free(&c);
    if (safetensors_open(file, temp_dir_file(state, "out")) != OK)
        fail_msg("%s: %s", input, fail_text());
}

/* Fails unless the script says one line with both fragments, and leaves no file. */
static void refused(void **state, const char *input, const char *options, const char *fragment1,
                    const char *fragment2)
{
    struct command c;
    command_shell(&c, "%s %s '%s' '%s'", script, options, input, temp_dir_file(state, "out"));
    const char *end = strchr(c.err, '\n');
    if (c.status != 1 || c.out[0] || !end || end[1] || !strstr(c.err, fragment1) ||
        !strstr(c.err, fragment2))
        fail_msg("%s\nended with %d: %s%s; '%s' and '%s' were expected", c.line, c.status, c.out,
                 c.err, fragment1, fragment2);
    command_free(&c);
    assert_int_not_equal(access(temp_dir_file(state, "out"), F_OK), 0);
}

/* ---- values ---- */

static double element(const struct safetensors_tensor *tensor, size_t i)
{
    const uint8_t *at = (const uint8_t *)tensor->data + i * safetensors_dtype_bytes(tensor->dtype);
    int64_t whole = 0;
    double wide;
    switch (tensor->dtype) {
    case SAFETENSORS_F64:
        memcpy(&wide, at, sizeof wide);
        return wide;
    case SAFETENSORS_I64:
    case SAFETENSORS_I32:
    case SAFETENSORS_I16:
    case SAFETENSORS_I8:
    case SAFETENSORS_U8:
    case SAFETENSORS_BOOL:
        memcpy(&whole, at, safetensors_dtype_bytes(tensor->dtype)); /* none is negative */
        return (double)whole;
    default:
        fail_msg("%s has another type", tensor->name);
        return 0;
    }
}

/* The values that make_pth.py gave every tensor. */
static void check_values(const struct safetensors *file, const struct safetensors_tensor *tensor)
{
    bool floats = tensor->dtype == SAFETENSORS_F32 || tensor->dtype == SAFETENSORS_F16 ||
                  tensor->dtype == SAFETENSORS_BF16;
    bool fractions = floats || tensor->dtype == SAFETENSORS_F64;
    float *values = calloc(tensor->count + 1, sizeof *values);
    assert_non_null(values);
    if (floats)
        assert_int_equal(safetensors_copy_f32(file, tensor, values, tensor->count), OK);
    for (size_t i = 0; i < tensor->count; i++) {
        double expected = fractions ? ((double)(i * 7 % 23) - 11) / 8
                                    : (double)(tensor->dtype == SAFETENSORS_BOOL ? i % 2 : i);
        double found = floats ? (double)values[i] : element(tensor, i);
        if (found != expected)
            fail_msg("%s[%zu] is %g, %g was expected", tensor->name, i, found, expected);
    }
    free(values);
}

static const struct {
    const char *name, *shape;
    enum safetensors_dtype dtype;
} expected[] = {{"conv.weight", "[4, 3, 2, 2]", SAFETENSORS_F32},
                {"fc.weight", "[3, 5]", SAFETENSORS_F32},
                {"slice", "[6]", SAFETENSORS_F32},
                {"odd.weight", "[2, 3, 4]", SAFETENSORS_F32},
                {"column", "[6]", SAFETENSORS_F32},
                {"half", "[6]", SAFETENSORS_F16},
                {"bfloat16", "[6]", SAFETENSORS_BF16},
                {"double", "[2, 2]", SAFETENSORS_F64},
                {"count", "[]", SAFETENSORS_I64},
                {"int32", "[5]", SAFETENSORS_I32},
                {"int16", "[5]", SAFETENSORS_I16},
                {"int8", "[5]", SAFETENSORS_I8},
                {"uint8", "[5]", SAFETENSORS_U8},
                {"bool", "[5]", SAFETENSORS_BOOL},
                {"nothing", "[0, 3]", SAFETENSORS_F32},
                {"parameter", "[3]", SAFETENSORS_F32},
                {"tied", "[3, 5]", SAFETENSORS_F32}};
enum { TENSORS = sizeof expected / sizeof expected[0], IN_TAR = 3 };

static void check_file(const struct safetensors *file, size_t count, const char *prefix)
{
    assert_int_equal(file->count, count);
    for (size_t i = 0; i < count; i++) {
        char name[64], shape[64];
        snprintf(name, sizeof name, "%s%s", prefix, expected[i].name);
        const struct safetensors_tensor *tensor = safetensors_find(file, name);
        if (!tensor)
            fail_msg("there is no tensor %s", name);
        safetensors_shape_text(tensor, shape, sizeof shape);
        assert_string_equal(shape, expected[i].shape);
        assert_int_equal(tensor->dtype, expected[i].dtype);
        check_values(file, tensor);
    }
}

/* The zip archive of today, the pickles before version 1.6, both pickle protocols, and the tar
 * archive before 0.1.10; tensors in any memory order. */
static void test_every_format(void **state)
{
    static const struct {
        const char *file;
        size_t count;
    } files[] = {{"tests/fixtures/state.pth", TENSORS},
                 {"tests/fixtures/state_legacy.pth", TENSORS},
                 {"tests/fixtures/state_protocol4.pth", TENSORS},
                 {"tests/fixtures/state_tar.pth", IN_TAR}};
    need_python();
    for (int i = 0; i < 4; i++) {
        struct safetensors file;
        convert(state, files[i].file, "", &file);
        check_file(&file, files[i].count, "");
        assert_string_equal(safetensors_metadata(&file, "format"), "pt");
        safetensors_close(&file);
    }
}

static void test_metadata_can_be_added(void **state)
{
    struct safetensors file;
    need_python();
    convert(state, "tests/fixtures/state_legacy.pth",
            "--metadata 'mean=0.5 0.5 0.5' --metadata 'class_names=[\"a=b\",\"c\"]'", &file);
    assert_string_equal(safetensors_metadata(&file, "mean"), "0.5 0.5 0.5");
    assert_string_equal(safetensors_metadata(&file, "class_names"), "[\"a=b\",\"c\"]");
    safetensors_close(&file);
    remove(temp_dir_file(state, "out"));
    refused(state, "tests/fixtures/state_legacy.pth", "--metadata mean", "--metadata", "KEY=VALUE");
}

/* ---- checkpoints ---- */

static void check_wrapped(const struct safetensors *file)
{
    const struct safetensors_tensor *tensor = safetensors_find(file, "module.conv.weight");
    assert_int_equal(file->count, 2);
    assert_non_null(tensor);
    check_values(file, tensor);
}

static void test_checkpoints(void **state)
{
    struct safetensors file;
    need_python();
    refused(state, "tests/fixtures/checkpoint.pth", "", "argparse.Namespace", "no part of a state");
    convert(state, "tests/fixtures/checkpoint.pth", "--inert argparse.Namespace", &file);
    check_wrapped(&file);
    safetensors_close(&file);
    remove(temp_dir_file(state, "out"));
    refused(state, "tests/fixtures/two_states.pth", "", "--key", "'model', 'ema'");
    refused(state, "tests/fixtures/two_states.pth", "--key optimizer", "no entry", "optimizer");
    convert(state, "tests/fixtures/two_states.pth", "--key ema", &file);
    check_wrapped(&file);
    safetensors_close(&file);
}

/* ---- hostile and damaged files ---- */

/* Files that run a command in whoever unpickles them: refused by name, and even when the user lets
 * the name be there, nothing is run. */
static void test_nothing_is_executed(void **state)
{
    static const char *const files[] = {"evil.pth", "evil_legacy.pth", "evil_protocol4.pth"};
    need_python();
    for (int i = 0; i < 3; i++) {
        char path[64];
        struct safetensors file;
        snprintf(path, sizeof path, "%s/%s", fixtures, files[i]);
        refused(state, path, "", "posix.system", "nothing was executed");
        convert(state, path, "--inert posix.system", &file);
        check_wrapped(&file);
        safetensors_close(&file);
        remove(temp_dir_file(state, "out"));
        assert_int_not_equal(access("pth-was-executed", F_OK), 0);
    }
}

/* Every shortened file, one byte more, and one bit other in the data: refused. */
static void check_damaged(void **state, const char *source, const char *flipped)
{
    size_t size;
    uint8_t *data = file_get(source, &size);
    char path[1024];
    snprintf(path, sizeof path, "%s", temp_dir_file(state, "damaged"));
    for (int i = 0; i < 6; i++) {
        file_put(path, data, size - 1 - (size_t)i * size / 6);
        refused(state, path, "", path, "");
    }
    data[size] = 0; /* file_get() left room for one more */
    if (!flipped) {
        file_put(path, data, size + 1);
        refused(state, path, "", "1 bytes behind its end", "");
    } else {
        for (size_t at = 0; at + 8 < size; at++)
            if (memcmp(data + at, "\x00\x00\xb0\xbf\x00\x00\x00\xbf", 8) == 0)
                data[at + 2] ^= 1; /* elements 0 and 1 of a tensor: -1.375, -0.5 */
        file_put(path, data, size);
        refused(state, path, "", flipped, "");
    }
    free(data);
}

static void test_damaged_files(void **state)
{
    need_python();
    check_damaged(state, "tests/fixtures/state.pth", "checksum");
    check_damaged(state, "tests/fixtures/state_legacy.pth", NULL);
}

static void test_other_files(void **state)
{
    static const uint8_t png[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    static const uint8_t number[] = "\x80\x02K\x07.";
    char path[1024];
    need_python();
    snprintf(path, sizeof path, "%s", temp_dir_file(state, "other"));
    refused(state, path, "", path, "No such file");
    refused(state, "tests", "", "tests", "directory");
    file_put(path, "", 0);
    refused(state, path, "", "empty", path);
    file_put(path, png, sizeof png);
    refused(state, path, "", "not from torch.save()", path);
    file_put(path, number, sizeof number);
    refused(state, path, "", "not one of torch.save()", path);
    refused(state, "tests/fixtures/torch_resnet18_cbam.safetensors", "", "not from torch.save()",
            "");
}

/* What stood at the destination stays when the file is refused; input and output may not be one. */
static void test_destinations(void **state)
{
    struct command c;
    char path[1024];
    need_python();
    snprintf(path, sizeof path, "%s", temp_dir_file(state, "kept"));
    file_put(path, "kept", 4);
    command_shell(&c, "%s tests/fixtures/evil.pth '%s'", script, path);
    assert_int_equal(c.status, 1);
    command_free(&c);
    command_shell(&c, "%s '%s' '%s'", script, path, path);
    assert_int_equal(c.status, 1);
    assert_non_null(strstr(c.err, "one file"));
    command_free(&c);
    command_shell(&c, "%s tests/fixtures/state.pth '%s/none/out'", script, path);
    assert_int_equal(c.status, 1);
    command_free(&c);
    assert_file_is(path, "kept", 4);
    assert_int_equal(temp_dir_entries(state, false), 1); /* and nothing beside it */
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, temp_dir_make, temp_dir_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_format),    TEST(test_metadata_can_be_added), TEST(test_checkpoints),
        TEST(test_nothing_is_executed), TEST(test_damaged_files),     TEST(test_other_files),
        TEST(test_destinations),
    };
    return cmocka_run_group_tests_name("pth2safetensors", tests, NULL, NULL) != 0;
}
