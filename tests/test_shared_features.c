/* Features that runs share: the same bits with and without, read where the fixed part is the same
 * and nowhere else, damaged files made anew. */
#include "bench/transfer/features.h"
#include "tests/support.h"

#include <dirent.h>

static void make_source(struct bed *bed, struct train_settings *s, char folder[FIXTURE_PATH])
{
    support_settings(s, bed, "cbam");
    support_free(support_train(s, bed_path(bed, "source")));
    snprintf(s->init, sizeof s->init, "%s", bed_path(bed, "source"));
    snprintf(folder, FIXTURE_PATH, "%s", bed_path(bed, "features"));
    if (mkdir(folder, 0777) != 0)
        fail_msg("%s: cannot be made", folder);
}

/* Files in the folder; the last one's path. */
static int count_files(const char *folder, char path[2 * FIXTURE_PATH])
{
    DIR *dir = opendir(folder);
    int count = 0;
    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir));)
        if (entry->d_name[0] != '.') {
            count++;
            snprintf(path, 2 * FIXTURE_PATH, "%s/%s", folder, entry->d_name);
        }
    closedir(dir);
    return count;
}

static void run(struct bed *bed, const struct train_settings *s, const char *folder,
                const char *save)
{
    struct train_result *result;
    const struct train_io io = {.save = bed_path(bed, save), .features = folder};
    support_ok(support_run(s, &io, &result));
    support_free(result);
}

/* Frozen and the two arms that begin so share one file, and learn what they learn without. */
static void test_arms_share_one_file(void **state)
{
    static const enum transfer_arm arms[] = {ARM_FROZEN, ARM_LP_FT, ARM_GRADUAL};
    struct bed *bed = *state;
    struct train_settings s;
    char folder[FIXTURE_PATH], path[2 * FIXTURE_PATH];
    make_source(bed, &s, folder);
    s.epochs = 5;
    for (int i = 0; i < 3; i++) {
        s.transfer = arms[i];
        run(bed, &s, NULL, "alone");
        run(bed, &s, folder, "sharing");
        support_same(bed_path(bed, "alone"), bed_path(bed, "sharing"));
        if (i < 2)
            assert_int_equal(count_files(folder, path), 1);
    }
    s.transfer = ARM_FROZEN; /* another rate, as a search tries them */
    s.lr = 0.01;
    int before = count_files(folder, path);
    run(bed, &s, folder, "sharing");
    assert_int_equal(count_files(folder, path), before);
}

/* What is read decides: with other numbers in the file the run ends elsewhere. A damaged file is
 * made anew. */
static void test_the_file_is_what_is_learned_from(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    char folder[FIXTURE_PATH], path[2 * FIXTURE_PATH];
    make_source(bed, &s, folder);
    s.transfer = ARM_FROZEN;
    run(bed, &s, folder, "first");
    assert_int_equal(count_files(folder, path), 1);
    size_t count;
    float *values = support_tensor(path, "features", &count);
    struct safetensors_tensor tensor = {.name = "features", .ndim = 1, .dim = {(int64_t)count},
                                        .data = values};
    for (size_t i = 0; i < count; i++)
        values[i] = -values[i];
    support_ok(safetensors_write(path, &tensor, 1, NULL, 0));
    run(bed, &s, folder, "other");
    assert_true(support_changed(bed_path(bed, "first"), bed_path(bed, "other"), "linear.weight"));
    tensor.dim[0]--;
    support_ok(safetensors_write(path, &tensor, 1, NULL, 0));
    run(bed, &s, folder, "again");
    support_same(bed_path(bed, "first"), bed_path(bed, "again"));
    free(values);
}

/* Another source, another split, another implementation: another file. */
static void test_what_differs_is_not_shared(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    char folder[FIXTURE_PATH], path[2 * FIXTURE_PATH];
    make_source(bed, &s, folder);
    s.transfer = ARM_FROZEN;
    run(bed, &s, folder, "a");
    s.seed++;
    support_save_fresh(&s, bed_path(bed, "fresh"));
    snprintf(s.init, sizeof s.init, "%s", bed_path(bed, "fresh"));
    run(bed, &s, folder, "b");
    assert_int_equal(count_files(folder, path), 2);
    s.batch = 4;
    run(bed, &s, folder, "c");
    assert_int_equal(count_files(folder, path), 3);
    if (impls[1]) {
        snprintf(s.impl, sizeof s.impl, "%s", impls[1]->name);
        run(bed, &s, folder, "d");
        assert_int_equal(count_files(folder, path), 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(test_arms_share_one_file),
        BED_TEST(test_the_file_is_what_is_learned_from),
        BED_TEST(test_what_differs_is_not_shared),
    };
    return cmocka_run_group_tests_name("shared features", tests, NULL, NULL);
}
