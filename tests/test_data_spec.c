/* Data specifications: what is accepted, how it is printed, what is refused and how. */
#include "tests/dataset_fixture.h"

static void spec_round_trip(void **state)
{
    static const char *const texts[][2] = {
        {"fashion-mnist", "fashion-mnist"},
        {"fashion-mnist:classes=0-4:per-class=50", "fashion-mnist:classes=0-4:per-class=50:val=10"},
        {"idx:a/b:val=3:classes=7+0+2", "idx:a/b:classes=0+2+7:val=3"},
        {"cifar10:/x y:pad=2:classes=0-1+2+5-6", "cifar10:/x y:classes=0-2+5-6:pad=2"},
        {"idx:d:size=32:test-per-class=9:val=0:per-class=4",
         "idx:d:per-class=4:val=0:test-per-class=9:size=32"},
        {"cifar10:a=b", "cifar10:a=b"},
        {"folder:x y", "folder:x y:size=224:resize=256"},
        {"folder:d:size=128", "folder:d:size=128:resize=146"},
        {"folder:d:size=32:per-class=5", "folder:d:per-class=5:val=1:size=32:resize=32"},
        {"folder:d:broken=skip:resize=37:size=32", "folder:d:size=32:resize=37:broken=skip"},
        {"folder:d:broken=refuse:size=64:val=2", "folder:d:val=2:size=64:resize=73"},
        {"folder:d:size=4096", "folder:d:size=4096:resize=4681"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct data_spec spec, again;
        char text[DATA_TEXT_MAX], second[DATA_TEXT_MAX];
        assert_int_equal(data_spec_parse(texts[i][0], &spec), OK);
        data_spec_print(&spec, text, sizeof text);
        assert_string_equal(text, texts[i][1]);
        assert_int_equal(data_spec_parse(text, &again), OK);
        data_spec_print(&again, second, sizeof second);
        assert_string_equal(text, second);
    }
}

static void spec_small_buffer(void **state)
{
    (void)state;
    struct data_spec spec;
    assert_int_equal(data_spec_parse("idx:abc:classes=0+2+4+6:per-class=5", &spec), OK);
    for (size_t size = 1; size < 50; size++) {
        char text[64];
        memset(text, '#', sizeof text);
        data_spec_print(&spec, text, size);
        assert_non_null(memchr(text, '\0', size));
        assert_int_equal(text[size], '#');
    }
}

static void spec_refusals(void **state)
{
    static const char *const bad[][3] = {
        {"", "unknown data set ''", "fashion-mnist"},
        {"mnist", "unknown data set 'mnist'", "cifar10:DIR, cifar100:DIR, idx:DIR"},
        {"folders:x", "unknown data set 'folders'", "idx:DIR, folder:DIR"},
        {"folder", "needs its directory", "folder:DIR"},
        {"folder:size=32", "before its options", "folder:DIR:size=32"},
        {"folder:x:pad=2", "unknown option 'pad'", "size, resize, broken"},
        {"folder:x:resize=31:size=32", "resize=31 is less than size=32", "crop"},
        {"folder:x:broken=maybe", "broken=maybe", "refuse or skip"},
        {"folder:x:broken=skip:broken=skip", "'broken' is given twice", "data '"},
        {"fashion-mnist:resize=32", "unknown option 'resize'", "size, pad"},
        {"fashion-mnist:broken=skip", "unknown option 'broken'", "size, pad"},
        {"cifar10", "needs its directory", "cifar10:DIR"},
        {"cifar10:", "needs its directory", "cifar10:DIR"},
        {"idx:per-class=5", "before its options", "idx:DIR:per-class=5"},
        {"fashion-mnist:", "unknown option ''", "per-class"},
        {"fashion-mnist:perclass=5", "unknown option 'perclass'", "test-per-class"},
        {"fashion-mnist:val", "'val' needs a value", "val="},
        {"fashion-mnist:val=1:val=1", "'val' is given twice", "data '"},
        {"fashion-mnist:per-class=0", "per-class=0", "from 1 to"},
        {"fashion-mnist:per-class=-1", "per-class=-1", "from 1 to"},
        {"fashion-mnist:per-class=+1", "per-class=+1", "from 1 to"},
        {"fashion-mnist:per-class= 1", "per-class= 1", "from 1 to"},
        {"fashion-mnist:per-class=1e3", "per-class=1e3", "from 1 to"},
        {"fashion-mnist:per-class=", "per-class=", "from 1 to"},
        {"fashion-mnist:per-class=18446744073709551617", "1844674407370955161", "from 1 to"},
        {"fashion-mnist:per-class=5:val=5", "val=5", "nothing to train on"},
        {"fashion-mnist:size=32:pad=2", "exclude", "pad="},
        {"fashion-mnist:size=4097", "size=4097", "4096"},
        {"fashion-mnist:classes=", "no class list", "0-4"},
        {"fashion-mnist:classes=3", "classes=3", "at least 2"},
        {"fashion-mnist:classes=4-0", "no class list", "4-0"},
        {"fashion-mnist:classes=0-4+3", "class 3 twice", "data '"},
        {"fashion-mnist:classes=0+", "no class list", "0+"},
        {"fashion-mnist:classes=0-", "no class list", "0-"},
        {"fashion-mnist:classes=0;1", "no class list", "0;1"},
        {"fashion-mnist:classes=0-1000", "no class list", "999"},
        {"fashion-mnist,cifar10:x", "one data set was expected", "','"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_refused(bad[i][0], ERR_USAGE, bad[i][1], bad[i][2]);
    char text[2000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    expect_refused(text, ERR_USAGE, "longer than", "characters");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spec_round_trip),
        cmocka_unit_test(spec_small_buffer),
        cmocka_unit_test(spec_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
