/* Writing files: safetensors round trips, and what stays when a write fails or is killed. */
#include "bench/net/atomic_file.h"
#include "bench/net/safetensors.h"
#include "tests/temp_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const float weights[6] = {1, -0.0f, 1e-42f, INFINITY, NAN, 3.402823466e38f};
static const int64_t counters[2] = {INT64_MAX, -1};
static const uint8_t bytes[3] = {1, 2, 255};

static const struct safetensors_tensor some[] = {
    {.name = "rng", .dtype = SAFETENSORS_U8, .ndim = 1, .dim = {3}, .data = bytes},
    {.name = "conv.weight", .ndim = 4, .dim = {2, 1, 1, 3}, .data = weights},
    {.name = "empty", .ndim = 2, .dim = {0, 7}},
    {.name = "alpha", .ndim = 0, .data = weights},
    {.name = "step", .dtype = SAFETENSORS_I64, .ndim = 1, .dim = {2}, .data = counters},
    {.name = "\xc3\xa9.\"q\"\\", .ndim = 8, .dim = {1, 1, 1, 1, 1, 1, 1, 2}, .data = weights},
};
enum { SOME = sizeof some / sizeof *some };

static const struct safetensors_pair pairs[] = {
    {"model", "resnet20"},
    {"class_names", "[\"cat\", \"d\xc3\xb6g\"]\n\ttwo"},
    {"empty", ""},
};
enum { PAIRS = sizeof pairs / sizeof *pairs };

static void assert_same_tensor(const struct safetensors_tensor *read,
                               const struct safetensors_tensor *written)
{
    size_t count, size;
    assert_true(safetensors_size(written, &count, &size));
    assert_string_equal(read->name, written->name);
    assert_int_equal(read->dtype, written->dtype);
    assert_int_equal(read->ndim, written->ndim);
    assert_memory_equal(read->dim, written->dim, sizeof read->dim);
    assert_int_equal(read->count, count);
    assert_int_equal(read->bytes, size);
    if (size > 0)
        assert_memory_equal(read->data, written->data, size);
    assert_int_equal((uintptr_t)read->data % safetensors_dtype_bytes(read->dtype), 0);
    assert_true(safetensors_checksum(read) == hash_bytes(HASH_START, written->data, size));
}

static void test_round_trip(void **state)
{
    const char *path = temp_dir_file(state, "some.safetensors");
    assert_int_equal(safetensors_write(path, some, SOME, pairs, PAIRS), OK);
    struct safetensors file;
    assert_int_equal(safetensors_open(&file, path), OK);
    assert_int_equal(file.count, SOME);
    for (size_t i = 0; i < SOME; i++) {
        assert_same_tensor(&file.tensors[i], &some[i]);
        assert_ptr_equal(safetensors_find(&file, some[i].name), &file.tensors[i]);
    }
    assert_int_equal(file.metadata_count, PAIRS);
    for (size_t i = 0; i < PAIRS; i++) {
        assert_string_equal(file.metadata[i].key, pairs[i].key);
        assert_string_equal(safetensors_metadata(&file, pairs[i].key), pairs[i].value);
    }
    safetensors_close(&file);
    assert_int_equal(temp_dir_entries(state, false), 1);
}

/* The tables of a reader are what a writer takes: the same file comes out, even on top of the
 * one that is being read. */
static void test_rewrite_in_place(void **state)
{
    const char *path = temp_dir_file(state, "some.safetensors");
    assert_int_equal(safetensors_write(path, some, SOME, pairs, PAIRS), OK);
    size_t size;
    uint8_t *before = file_get(path, &size);
    struct safetensors file;
    assert_int_equal(safetensors_open(&file, path), OK);
    assert_int_equal(safetensors_write(path, file.tensors, file.count, file.metadata,
                                       file.metadata_count), OK);
    safetensors_close(&file);
    assert_file_is(path, before, size);
    free(before);
}

/* Byte for byte, against the text of the format's description. */
static void test_exact_bytes(void **state)
{
    static const char with[] =
        "\x58\0\0\0\0\0\0\0"
        "{\"__metadata__\":{\"m\":\"v\"},"
        "\"b\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]}}       "
        "\0\0\x80\x3f\0\0\0\x80";
    static const char without[] = "\10\0\0\0\0\0\0\0{}      ";
    const struct safetensors_tensor one = {.name = "b", .ndim = 2, .dim = {1, 2},
                                           .data = weights};
    const struct safetensors_pair pair = {"m", "v"};
    const char *path = temp_dir_file(state, "exact.safetensors");
    assert_int_equal(safetensors_write(path, &one, 1, &pair, 1), OK);
    assert_file_is(path, with, sizeof with - 1);
    assert_int_equal(safetensors_write(path, NULL, 0, NULL, 0), OK);
    assert_file_is(path, without, sizeof without - 1);
}

static const struct {
    struct safetensors_tensor tensor;
    const char *expected;
} wrong_tensors[] = {
    {{.name = NULL, .data = weights}, "cannot be the name"},
    {{.name = "", .data = weights}, "cannot be the name"},
    {{.name = "a\nb", .data = weights}, "'a?b' cannot be the name"},
    {{.name = "__metadata__", .data = weights}, "cannot be the name"},
    {{.name = "\xff\xfe", .data = weights}, "not UTF-8"},
    {{.name = "rng", .data = weights}, "two tensors named 'rng'"},
    {{.name = "a", .ndim = 1, .dim = {-1}, .data = weights}, "shape"},
    {{.name = "a", .ndim = 2, .dim = {0, -1}, .data = weights}, "shape"},
    {{.name = "a", .ndim = 3, .dim = {1l << 40, 1l << 40, 1}, .data = weights}, "shape"},
    {{.name = "a", .ndim = 9, .dim = {1}, .data = weights}, "shape"},
    {{.name = "a", .ndim = -1, .data = weights}, "shape"},
    {{.name = "a", .ndim = 1, .dim = {2}, .data = NULL}, "no data"},
    {{.name = "a", .ndim = 1, .dim = {INT64_MAX / 4}, .data = weights}, "too large together"},
};

static const struct {
    struct safetensors_pair pair[2];
    const char *expected;
} wrong_pairs[] = {
    {{{"a", "b"}, {"a", "c"}}, "'a' is empty, doubled"},
    {{{"", "b"}, {"a", "c"}}, "is empty"},
    {{{"\x1b[2J", "b"}, {"a", "c"}}, "control"},
    {{{"a", "\xc3("}, {"b", "c"}}, "not UTF-8"},
    {{{"a", NULL}, {"b", "c"}}, "'a' cannot go"},
};

static void test_wrong_lists(void **state)
{
    const char *path = temp_dir_file(state, "kept.safetensors");
    file_put(path, "old", 3);
    for (size_t i = 0; i < sizeof wrong_tensors / sizeof *wrong_tensors; i++) {
        const struct safetensors_tensor two[] = {some[0], wrong_tensors[i].tensor};
        assert_int_equal(safetensors_write(path, two, 2, NULL, 0), ERR_USAGE);
        assert_message(fail_text(), path, wrong_tensors[i].expected);
    }
    for (size_t i = 0; i < sizeof wrong_pairs / sizeof *wrong_pairs; i++) {
        assert_int_equal(safetensors_write(path, some, SOME, wrong_pairs[i].pair, 2), ERR_USAGE);
        assert_message(fail_text(), path, wrong_pairs[i].expected);
    }
    assert_file_is(path, "old", 3);
    assert_int_equal(temp_dir_entries(state, false), 1);
}

/* A disk that is full after `limit` bytes, as far as this process can tell. */
static enum status write_limited(const char *path, rlim_t limit, size_t floats)
{
    struct rlimit old;
    float *data = calloc(floats, sizeof *data);
    assert_non_null(data);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    const struct rlimit small = {.rlim_cur = limit, .rlim_max = old.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    const struct safetensors_tensor tensor = {.name = "a", .ndim = 1, .dim = {(int64_t)floats},
                                              .data = data};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    enum status status = safetensors_write(path, &tensor, 1, pairs, PAIRS);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, handler);
    free(data);
    return status;
}

static void test_disk_full(void **state)
{
    static const rlim_t limits[] = {0, 4, 8, 20, 300, 4096, 100000};
    const char *path = temp_dir_file(state, "kept.safetensors");
    file_put(path, "old", 3);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        assert_int_equal(write_limited(path, limits[i], 30000), ERR_IO);
        assert_message(fail_text(), path, "cannot be written: File too large");
        assert_file_is(path, "old", 3);
        assert_int_equal(temp_dir_entries(state, false), 1);
    }
    assert_int_equal(write_limited(path, 200000, 30000), OK);
    assert_int_equal(temp_dir_entries(state, false), 1);
}

static void assert_unwritable(const char *path, const char *expected)
{
    assert_int_equal(safetensors_write(path, some, SOME, pairs, PAIRS), ERR_IO);
    assert_message(fail_text(), path, expected);
    assert_int_equal(atomic_file_check(path), ERR_IO);
    assert_message(fail_text(), path, expected);
}

static void test_wrong_places(void **state)
{
    struct stat info;
    char name[300];
    assert_unwritable(temp_dir_file(state, "no/such/folder"), "folder does not exist");
    assert_unwritable(temp_dir_file(state, "."), "it is a folder");
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_unwritable(temp_dir_file(state, name), "File name too long");
    assert_int_equal(temp_dir_entries(state, false), 0);
    /* A pipe stands for every device: never aim a test at a real one, as root it could be lost. */
    const char *fifo = temp_dir_file(state, "pipe");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_unwritable(fifo, "not a regular file");
    assert_int_equal(stat(fifo, &info), 0);
    assert_true(S_ISFIFO(info.st_mode));
    assert_int_equal(temp_dir_entries(state, false), 1);
    assert_int_equal(atomic_file_check(""), ERR_USAGE);
    assert_int_equal(atomic_file_check(temp_dir_file(state, "new/")), ERR_USAGE);
}

static void test_read_only_folder(void **state)
{
    if (geteuid() == 0)
        skip(); /* root may write everywhere */
    const struct temp_dir *dir = *state;
    const char *path = temp_dir_file(state, "kept");
    file_put(path, "old", 3);
    assert_int_equal(chmod(dir->path, 0500), 0);
    assert_unwritable(path, "Permission denied");
    assert_int_equal(chmod(dir->path, 0700), 0);
    assert_file_is(path, "old", 3);
}

static void test_protected_file(void **state)
{
    if (geteuid() == 0)
        skip(); /* root may write everything */
    const char *path = temp_dir_file(state, "kept");
    file_put(path, "old", 3);
    assert_int_equal(chmod(path, 0400), 0);
    assert_unwritable(path, "Permission denied");
    assert_file_is(path, "old", 3);
}

static enum status write_text(const char *path, const char *text)
{
    struct atomic_file file;
    TRY(atomic_file_open(&file, path));
    TRY(atomic_file_write(&file, text, strlen(text)));
    return atomic_file_commit(&file);
}

static void test_destination_kept_until_commit(void **state)
{
    struct atomic_file file;
    const char *path = temp_dir_file(state, "kept");
    assert_int_equal(write_text(path, "old"), OK);
    assert_int_equal(atomic_file_open(&file, path), OK);
    assert_int_equal(atomic_file_write(&file, "new", 3), OK);
    assert_file_is(path, "old", 3);
    atomic_file_abort(&file);
    atomic_file_abort(&file);
    assert_file_is(path, "old", 3);
    assert_int_equal(atomic_file_check(path), OK);
    assert_int_equal(temp_dir_entries(state, false), 1);
    assert_int_equal(write_text(path, "new"), OK);
    assert_file_is(path, "new", 3);
}

static void test_killed_writer(void **state)
{
    const char *path = temp_dir_file(state, "kept");
    assert_int_equal(write_text(path, "old"), OK);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct atomic_file file;
        if (atomic_file_open(&file, path) == OK && atomic_file_write(&file, "half", 4) == OK)
            raise(SIGKILL);
        _exit(1);
    }
    int result;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFSIGNALED(result));
    assert_file_is(path, "old", 3);
    assert_int_equal(write_text(path, "new"), OK);
    assert_file_is(path, "new", 3);
}

/* What another process of the same number left is neither used nor removed. */
static void test_temporary_taken(void **state)
{
    char name[64];
    snprintf(name, sizeof name, "kept.tmp-%ld", (long)getpid());
    file_put(temp_dir_file(state, name), "alien", 5);
    assert_int_equal(write_text(temp_dir_file(state, "kept"), "new"), OK);
    assert_file_is(temp_dir_file(state, "kept"), "new", 3);
    assert_file_is(temp_dir_file(state, name), "alien", 5);
    assert_int_equal(temp_dir_entries(state, false), 2);
}

/* What was left long ago goes; what may still be written to, and files of other names, stay. */
static void test_sweep(void **state)
{
    static const struct {
        const char *name;
        bool old, swept;
    } files[] = {{"a.safetensors.tmp-123", true, true}, {"a.safetensors.tmp-12-7", true, true},
                 {"b.safetensors.tmp-124", false, false}, {"a.safetensors", true, false},
                 {"a.tmp-x1", true, false}, {"a.tmp-", true, false}, {".tmp-5", true, false}};
    const struct timespec hour_ago[2] = {{time(NULL) - 3600, 0}, {time(NULL) - 3600, 0}};
    char folder[1024];
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        const char *path = temp_dir_file(state, files[i].name);
        file_put(path, "x", 1);
        if (files[i].old)
            assert_int_equal(utimensat(AT_FDCWD, path, hour_ago, 0), 0);
        snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
    }
    atomic_file_sweep("no/such/folder", 0);
    atomic_file_sweep(folder, 1800);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        assert_int_equal(access(temp_dir_file(state, files[i].name), F_OK) != 0, files[i].swept);
}

static void test_link_and_permissions(void **state)
{
    const char *path = temp_dir_file(state, "real");
    struct stat info;
    char link[1100];
    file_put(path, "old", 3);
    assert_int_equal(chmod(path, 0640), 0);
    snprintf(link, sizeof link, "%s-link", path);
    assert_int_equal(symlink("real", link), 0);
    assert_int_equal(write_text(link, "new"), OK);
    assert_int_equal(lstat(link, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
    assert_file_is(path, "new", 3);
}

/* Published test vectors of FNV-1a, and a file of more than one block. */
static void test_hashes(void **state)
{
    enum { LARGE = 200001 };
    assert_true(hash_bytes(HASH_START, "", 0) == UINT64_C(0xcbf29ce484222325));
    assert_true(hash_bytes(HASH_START, "a", 1) == UINT64_C(0xaf63dc4c8601ec8c));
    assert_true(hash_bytes(HASH_START, "foobar", 6) == UINT64_C(0x85944171f73967e8));
    const char *path = temp_dir_file(state, "hashed");
    uint64_t hash;
    file_put(path, "foobar", 6);
    assert_int_equal(hash_file(&hash, path), OK);
    assert_true(hash == UINT64_C(0x85944171f73967e8));
    uint8_t *large = malloc(LARGE);
    assert_non_null(large);
    for (size_t i = 0; i < LARGE; i++)
        large[i] = (uint8_t)(i * i >> 3);
    file_put(path, large, LARGE);
    assert_int_equal(hash_file(&hash, path), OK);
    assert_true(hash == hash_bytes(HASH_START, large, LARGE));
    free(large);
    path = temp_dir_file(state, "missing");
    assert_int_equal(hash_file(&hash, path), ERR_IO);
    assert_message(fail_text(), path, "No such file");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, temp_dir_make, temp_dir_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_round_trip),
        TEST(test_rewrite_in_place),
        TEST(test_exact_bytes),
        TEST(test_wrong_lists),
        TEST(test_disk_full),
        TEST(test_wrong_places),
        TEST(test_read_only_folder),
        TEST(test_protected_file),
        TEST(test_destination_kept_until_commit),
        TEST(test_killed_writer),
        TEST(test_temporary_taken),
        TEST(test_sweep),
        TEST(test_link_and_permissions),
        TEST(test_hashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
