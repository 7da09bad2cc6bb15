/* Public bug reports about what a reported accuracy stands on (the number is in the name of the
 * test, the fault above it), and the two settings of a run that studies need for it: other random
 * streams on the same split, and a shifted test. */
#include "impls/base/threads.h"
#include "tests/support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

enum { TEST_IMAGES = TINY_CLASSES * 6 };

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

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(test_R44_the_test_set_chooses_nothing),
        BED_TEST(test_R45_augmentation_is_for_training_alone),
        BED_TEST(a_salt_changes_the_streams_alone),
        BED_TEST(the_shifted_test),
    };
    (void)argc;
    threads_startup(argv);
    return cmocka_run_group_tests_name("reports: selection", tests, NULL, NULL) != 0;
}
