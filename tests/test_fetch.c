/* datasets/fetch.sh without a network: the list, the dry run, and whole ways from an archive on
 * disk to an unpacked data set, or to a refusal that leaves nothing behind. Runs from the
 * checkout's root, as `make test` does. */
#include "tests/dataset_fixture.h"

#include "tests/command.h"

/* Runs the script; fails unless it exits with `status` and says `expected` somewhere. */
static void fetch(int status, const char *expected, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void fetch(int status, const char *expected, const char *format, ...)
{
    char arguments[3000];
    struct command c;
    va_list args;
    va_start(args, format);
    vsnprintf(arguments, sizeof arguments, format, args);
    va_end(args);
    command_shell(&c, "unset CBAM_DATA; sh datasets/fetch.sh %s", arguments);
    if (c.status != status || !(strstr(c.out, expected) || strstr(c.err, expected)))
        fail_msg("%s\nended with %d, printed '%s' and said '%s'; %d and '%s' were expected", c.line,
                 c.status, c.out, c.err, status, expected);
    command_free(&c);
}

static void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void shell(const char *format, ...)
{
    char line[3000];
    struct command c;
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    command_shell(&c, "%s", line);
    if (c.status != 0)
        fail_msg("%s\nended with %d: %s", line, c.status, c.err);
    command_free(&c);
}

static bool is_there(const struct fixture *f, const char *name)
{
    char path[FIXTURE_PATH];
    struct stat info;
    fixture_path(f, name, path);
    return stat(path, &info) == 0;
}

/* An archive "tiny.tar.gz" with a folder "tiny-set", and a list that describes it. `sum` NULL: its
 * true checksum of the given kind; `bytes` 0: its true size. */
static void publish(const struct fixture *f, const char *kind, const char *sum, int bytes)
{
    shell("mkdir -p '%s/web/tiny-set' && cd '%s/web' && echo data > tiny-set/train.bin && "
          "tar -czf tiny.tar.gz tiny-set", f->dir, f->dir);
    char fixed[200] = "";
    if (sum)
        snprintf(fixed, sizeof fixed, "sum=%s", sum);
    else
        snprintf(fixed, sizeof fixed, "sum=$(%ssum < tiny.tar.gz | cut -d' ' -f1)", kind);
    shell("cd '%s/web' && %s && size=%d && { [ $size != 0 ] || size=$(wc -c < tiny.tar.gz); } && "
          "echo \"# a comment\ntiny tiny-set $size %s:$sum file://%s/web/tiny.tar.gz idx:tiny-set\""
          " > ../list.txt", f->dir, fixed, bytes, kind, f->dir);
}

static void the_list_has_what_is_promised(void **state)
{
    (void)state;
    fetch(0, "cifar10: 170 MB", "--list");
    fetch(0, "--data cifar100:cifar-100-binary", "--list");
    fetch(0, "--data folder:hymenoptera_data:broken=skip", "--list");
}

/* A dry run needs no network and makes nothing, not even the place. */
static void dry_run_touches_nothing(void **state)
{
    const struct fixture *f = *state;
    fetch(0, "md5:c32a1d4ab5d03f1284b67883e8d87530", "--dry-run --to '%s/place' cifar10", f->dir);
    fetch(0, "hymenoptera_data.zip", "--dry-run --to '%s/place' all", f->dir);
    assert_false(is_there(f, "place"));
}

static void impossible_requests(void **state)
{
    const struct fixture *f = *state;
    fetch(2, "Usage", " ");
    fetch(2, "unknown option --fast", "--fast cifar10");
    fetch(1, "CBAM_DATA", "cifar10");
    fetch(1, "known are: cifar10 cifar100 ants-bees all", "--dry-run --to '%s' mnist", f->dir);
    fetch(1, "no data set '*'", "--dry-run --to '%s' '*'", f->dir);
    fetch(1, "cannot be read", "--sources '%s/none' --list", f->dir);
    fetch(1, "--to needs a value", "cifar10 --to");
}

static void fetches_checks_and_unpacks(void **state)
{
    const struct fixture *f = *state;
    static const char *const kinds[] = {"md5", "sha256"};
    for (int i = 0; i < 2; i++) {
        publish(f, kinds[i], NULL, 0);
        fetch(0, "--data idx:tiny-set", "--sources '%s/list.txt' --to '%s/my data' tiny", f->dir,
              f->dir);
        assert_true(is_there(f, "my data/tiny-set/train.bin"));
        assert_true(is_there(f, "my data/downloads/tiny.tar.gz"));
        assert_false(is_there(f, "my data/downloads/tiny.tar.gz.part"));
        assert_false(is_there(f, "my data/.unpacking-tiny"));
        shell("rm -r '%s/my data'", f->dir);
    }
}

/* What is there is never written to; an archive that was brought along needs no source. */
static void nothing_is_overwritten(void **state)
{
    const struct fixture *f = *state;
    publish(f, "sha256", NULL, 0);
    shell("mkdir -p '%s/data/tiny-set' && echo mine > '%s/data/tiny-set/train.bin'", f->dir,
          f->dir);
    fetch(0, "is there already", "--sources '%s/list.txt' --to '%s/data' tiny", f->dir, f->dir);
    size_t n;
    uint8_t *text = fixture_read(f, "data/tiny-set/train.bin", &n);
    assert_true(n == 5 && memcmp(text, "mine\n", 5) == 0);
    free(text);
    assert_false(is_there(f, "data/downloads"));
    shell("cd '%s' && rm -r data/tiny-set && mkdir data/downloads && "
          "mv web/tiny.tar.gz data/downloads", f->dir);
    fetch(0, "would check", "--dry-run --sources '%s/list.txt' --to '%s/data' tiny", f->dir,
          f->dir);
    fetch(0, "in ", "--sources '%s/list.txt' --to '%s/data' tiny", f->dir, f->dir);
    assert_true(is_there(f, "data/tiny-set/train.bin"));
}

/* Nothing whose size or checksum is wrong is unpacked, nor does it stay to be taken for good. */
static void wrong_archives_are_refused(void **state)
{
    const struct fixture *f = *state;
    publish(f, "md5", "0123456789abcdef0123456789abcdef", 0);
    fetch(1, "md5 sum", "--sources '%s/list.txt' --to '%s/data' tiny", f->dir, f->dir);
    assert_false(is_there(f, "data/tiny-set"));
    assert_false(is_there(f, "data/downloads/tiny.tar.gz"));
    assert_false(is_there(f, "data/downloads/tiny.tar.gz.part"));
    publish(f, "md5", NULL, 77);
    fetch(1, "77 were expected", "--sources '%s/list.txt' --to '%s/data' tiny", f->dir, f->dir);
    shell("cp '%s/web/tiny.tar.gz' '%s/data/downloads/tiny.tar.gz'", f->dir, f->dir);
    fetch(1, "to have it fetched anew", "--sources '%s/list.txt' --to '%s/data' tiny", f->dir,
          f->dir);
    assert_true(is_there(f, "data/downloads/tiny.tar.gz")); /* someone's own */
    assert_false(is_there(f, "data/tiny-set"));
    publish(f, "sha256", NULL, 0);
    shell("rm '%s/web/tiny.tar.gz' '%s/data/downloads/tiny.tar.gz'", f->dir, f->dir);
    fetch(1, "download failed", "--sources '%s/list.txt' --to '%s/data' tiny", f->dir, f->dir);
}

/* An archive without the folder that the list promises leaves no half-made folder. */
static void archives_of_something_else(void **state)
{
    const struct fixture *f = *state;
    publish(f, "md5", NULL, 0);
    shell("cd '%s' && sed -i 's/tiny tiny-set/tiny other-set/' list.txt", f->dir);
    fetch(1, "no folder other-set", "--sources '%s/list.txt' --to '%s/data' tiny", f->dir, f->dir);
    assert_false(is_there(f, "data/other-set"));
    assert_false(is_there(f, "data/.unpacking-tiny"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(the_list_has_what_is_promised), FIXTURE_TEST(dry_run_touches_nothing),
        FIXTURE_TEST(impossible_requests),           FIXTURE_TEST(fetches_checks_and_unpacks),
        FIXTURE_TEST(nothing_is_overwritten),        FIXTURE_TEST(wrong_archives_are_refused),
        FIXTURE_TEST(archives_of_something_else),
    };
    return cmocka_run_group_tests_name("fetch", tests, NULL, NULL);
}
