/* Public bug reports about what a reported accuracy stands on (the number is in the name of the
 * test, the fault above it), and the two settings of a run that studies need for it: other random
 * streams on the same split, and a shifted test. */
#include "impls/base/threads.h"
#include "tests/support.h"

#include "tests/temp_dir.h"

#include <math.h>

enum { TEST_IMAGES = TINY_CLASSES * 6, HASH = sizeof ((struct train_result *)0)->split_hash };

/* The best epoch chosen on the test set. With labels of the test set that have nothing to do with
 * its images nothing can be chosen: whatever the number of epochs, the accuracy is that of the
 * balanced guess. Every true class is given every label equally often, so that a network that sees
 * the true classes has 1/4 exactly; the run with true labels shows that it does see them. */
static void test_R44_the_test_set_chooses_nothing(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    support_settings(&s, bed, "none");
    s.epochs = 8;
    struct train_result *honest = support_train(&s, NULL);
    assert_true(honest->test_accuracy > 0.9);
    bed_write_part(bed, "t10k", TINY_CLASSES, 8, TINY_SIDE);
    uint8_t turned[TINY_CLASSES * 8];
    for (int i = 0; i < TINY_CLASSES * 8; i++)
        turned[i] = (uint8_t)((i + i / TINY_CLASSES) % TINY_CLASSES);
    bed_write_labels(bed, "t10k", turned, TINY_CLASSES * 8);
    struct train_result *shuffled = support_train(&s, NULL);
    assert_true(shuffled->test_accuracy < 0.4);
    assert_true(shuffled->train_accuracy == honest->train_accuracy);
    for (int e = 0; e < 8; e++)
        assert_true(shuffled->curve[e].train_loss == honest->curve[e].train_loss);
    support_free(honest);
    support_free(shuffled);
}

/* One data set object for both parts, augmentation shared: validation jittered. What is evaluated
 * does not depend on how training is augmented; training epochs do. */
static void test_R45_augmentation_is_for_training_alone(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    float *logits[3];
    support_settings(&s, bed, "none");
    s.augment = true;
    struct train_result *augmented = support_train(&s, bed_path(bed, "w"));
    s.augment = false;
    struct train_result *plain = support_train(&s, NULL);
    assert_true(augmented->curve[0].train_loss != plain->curve[0].train_loss);
    s.augment = true;
    for (int i = 0; i < 3; i++) {
        struct session session = {0};
        struct evaluation e;
        support_open(&session, &s, bed_path(bed, "w"), NULL);
        logits[i] = support_logits(&session, 5, &e);
        assert_true(evaluation_top1(&e) == augmented->test_accuracy);
        assert_memory_equal(logits[0], logits[i], TEST_IMAGES * TINY_CLASSES * sizeof(float));
        session_close(&session);
    }
    for (int i = 0; i < 3; i++)
        free(logits[i]);
    support_free(augmented);
    support_free(plain);
}

/* Another salt: another run on the same images; the same salt: the same run. */
static void a_salt_changes_the_streams_alone(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    support_settings(&s, bed, "cbam");
    struct train_result *none = support_train(&s, bed_path(bed, "none"));
    s.salt = 1;
    struct train_result *one = support_train(&s, bed_path(bed, "one"));
    struct train_result *again = support_train(&s, bed_path(bed, "again"));
    assert_string_equal(none->split_hash, one->split_hash);
    assert_true(none->curve[0].train_loss != one->curve[0].train_loss);
    assert_true(support_changed(bed_path(bed, "none"), bed_path(bed, "one"), "conv1.weight"));
    assert_true(again->curve[0].train_loss == one->curve[0].train_loss);
    support_same(bed_path(bed, "one"), bed_path(bed, "again"));
    support_free(none);
    support_free(one);
    support_free(again);
}

/* The shifted test of a run on its own data is its test; other data give another number and change
 * nothing else; data of other classes are refused. */
static void the_shifted_test(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    struct train_result *result;
    support_settings(&s, bed, "none");
    struct train_result *without = support_train(&s, NULL);
    assert_true(isnan(without->shifted_accuracy));
    assert_int_equal(without->shifted_n, 0);
    snprintf(s.shifted, sizeof s.shifted, "%s", s.data);
    struct train_result *with = support_train(&s, NULL);
    assert_int_equal(with->shifted_n, with->test_n);
    assert_true(with->shifted_accuracy == with->test_accuracy);
    assert_true(with->shifted_loss == with->test_loss);
    assert_true(with->test_accuracy == without->test_accuracy);
    assert_true(with->train_loss == without->train_loss);
    snprintf(s.shifted, sizeof s.shifted, "%.200s:classes=0-1", s.data);
    const struct train_io io = {0};
    support_refused(support_run(&s, &io, &result), ERR_USAGE, "--shifted", "2 classes");
    support_free(result);
    support_free(without);
    support_free(with);
}

/* Runs the settings to the end and returns what they said; the result is the caller's. */
static char *talk_of(const struct train_settings *s, struct train_result **result)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    const struct train_io io = {.talk = out};
    support_ok(support_run(s, &io, result));
    fclose(out);
    return text;
}

/* The split that a run of this seed reports; it tells of no leak. */
static void split_of(struct train_settings *s, uint64_t seed, char hash[HASH])
{
    struct train_result *result;
    s->seed = seed;
    char *talk = talk_of(s, &result);
    assert_null(strstr(talk, "pixel by pixel"));
    snprintf(hash, HASH, "%s", result->split_hash);
    free(talk);
    support_free(result);
}

/* A split without a seed: the parts changed with every run. Here the seed fixes it, and its hash is
 * in the result. (That images which are added move nobody is tests/test_datasets.c's and
 * test_folder.c's.) */
static void test_R46_the_seed_fixes_the_split(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    char first[HASH], again[HASH], other[HASH];
    support_settings(&s, bed, "none");
    snprintf(s.data, sizeof s.data, "%.200s:per-class=10:val=3", bed->data);
    s.epochs = 1;
    split_of(&s, 1, first);
    split_of(&s, 1, again);
    split_of(&s, 2, other);
    assert_true(first[0]);
    assert_string_equal(first, again);
    assert_string_not_equal(first, other);
}

/* An image in two parts, under two names: it is found by its content, and said. */
static void test_R46_images_in_two_parts_are_told(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    struct train_result *result;
    size_t size;
    char test[FIXTURE_PATH];
    const size_t header = 16, image = TINY_SIDE * TINY_SIDE;
    fixture_path(&bed->folder, "t10k-images-idx3-ubyte", test);
    uint8_t *train = file_get(bed_path(bed, "train-images-idx3-ubyte"), &size);
    uint8_t *tests = file_get(test, &size);
    memcpy(tests + header, train + header, image);                     /* both of class 0 */
    memcpy(tests + header + 5 * image, train + header + 9 * image, image); /* of class 1 */
    file_put(test, tests, size);
    support_settings(&s, bed, "none");
    s.epochs = 1;
    char *talk = talk_of(&s, &result);
    if (!strstr(talk, "2 of the 24 test images are, pixel by pixel, among the train images"))
        fail_msg("it said: %s", talk);
    free(train);
    free(tests);
    free(talk);
    support_free(result);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(test_R44_the_test_set_chooses_nothing),
        BED_TEST(test_R45_augmentation_is_for_training_alone),
        BED_TEST(test_R46_the_seed_fixes_the_split),
        BED_TEST(test_R46_images_in_two_parts_are_told),
        BED_TEST(a_salt_changes_the_streams_alone),
        BED_TEST(the_shifted_test),
    };
    (void)argc;
    threads_startup(argv);
    return cmocka_run_group_tests_name("reports: selection", tests, NULL, NULL) != 0;
}
