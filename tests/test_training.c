/* Training runs as a whole: what each arm fixes, repetition, impossible requests. */
#include "impls/base/threads.h"
#include "tests/support.h"

#include <math.h>

static const char *const head[] = {"linear.*", NULL};
static const char *const head_and_attention[] = {"linear.*", "*.cbam.*", NULL};
static const char *const everything[] = {"*", NULL};

/* ---- what an arm fixes ---- */

static void test_frozen_moves_the_head_alone(void **state)
{
    struct bed *bed = *state;
    for (int i = 0; impls[i]; i++) {
        struct train_settings s;
        support_source(bed, &s, "cbam");
        snprintf(s.impl, sizeof s.impl, "%s", impls[i]->name);
        s.transfer = ARM_FROZEN;
        struct train_result *result = support_train(&s, bed_path(bed, "after"));
        assert_true(result->cached_features);
        assert_true(result->trainable == 2 * 16 + 2);
        support_free(result);
        assert_int_equal(support_compare(s.init, bed_path(bed, "after"), head), 2);
    }
}

/* Everything of attention moves, its running statistics too, and nothing below or beside it. */
static void test_frozen_attention_moves_head_and_attention(void **state)
{
    enum { SITES = 9, TENSORS = 4 + 1 + 4 };
    struct bed *bed = *state;
    for (int i = 0; impls[i]; i++) {
        struct train_settings s;
        support_source(bed, &s, "cbam");
        snprintf(s.impl, sizeof s.impl, "%s", impls[i]->name);
        s.transfer = ARM_FROZEN_ATTENTION;
        struct train_result *result = support_train(&s, bed_path(bed, "after"));
        assert_true(result->trainable < result->params);
        support_free(result);
        assert_int_equal(support_compare(s.init, bed_path(bed, "after"), head_and_attention),
                         SITES * TENSORS + 2);
    }
}

/* Tensors of the file whose name begins so. */
static int count_tensors(const char *path, const char *start)
{
    struct safetensors file;
    int count = 0;
    support_ok(safetensors_open(&file, path));
    for (size_t i = 0; i < file.count; i++)
        count += strncmp(file.tensors[i].name, start, strlen(start)) == 0;
    safetensors_close(&file);
    return count;
}

/* The last stages move, statistics and attention in them too, and the head; nothing below. */
static void test_top_moves_the_last_stages(void **state)
{
    static const char *const top[][4] = {{"linear.*", "layer3.*", NULL},
                                         {"linear.*", "layer3.*", "layer2.*", NULL}};
    struct bed *bed = *state;
    struct train_result *result;
    const struct train_io io = {0};
    struct train_settings s;
    support_source(bed, &s, "cbam");
    for (int k = 1; k <= 2; k++) {
        s.transfer = (enum transfer_arm)(ARM_TOP + k);
        support_free(support_train(&s, bed_path(bed, "after")));
        int expected = 2 + count_tensors(s.init, "layer3.");
        expected += k == 2 ? count_tensors(s.init, "layer2.") : 0;
        assert_int_equal(support_compare(s.init, bed_path(bed, "after"), top[k - 1]), expected);
    }
    s.transfer = (enum transfer_arm)(ARM_TOP + 4);
    support_refused(support_run(&s, &io, &result), ERR_USAGE, "top:4", "top:3");
    support_free(result);
}

static void test_finetune_and_scratch_move_everything(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    support_source(bed, &s, "cbam");
    s.transfer = ARM_FINETUNE;
    struct train_result *result = support_train(&s, bed_path(bed, "after"));
    assert_true(result->trainable == result->params && !result->cached_features);
    support_free(result);
    int tensors = count_tensors(s.init, "");
    assert_int_equal(support_compare(s.init, bed_path(bed, "after"), everything), tensors);
    s.transfer = ARM_SCRATCH;
    snprintf(s.init, sizeof s.init, "random");
    support_save_fresh(&s, bed_path(bed, "fresh"));
    support_free(support_train(&s, bed_path(bed, "after")));
    assert_int_equal(support_compare(bed_path(bed, "fresh"), bed_path(bed, "after"), everything),
                     tensors);
}

/* Attention that is inserted into a plain source is fixed as well under `frozen`: it keeps its
 * fresh values; under `frozen+attention` it trains. */
static void test_inserted_attention_belongs_to_its_part(void **state)
{
    static const char *const missing[] = {"*.cbam.*", NULL};
    struct bed *bed = *state;
    struct train_settings s;
    struct session session;
    struct train_result *result;
    const struct train_io io = {.save = bed_path(bed, "after"), .allow_missing = missing};
    support_source(bed, &s, "none");
    snprintf(s.attention, sizeof s.attention, "cbam");
    support_open(&session, &s, s.init, missing[0]);
    support_ok(session_save(&session, bed_path(bed, "inserted")));
    session_close(&session);
    s.transfer = ARM_FROZEN;
    support_ok(support_run(&s, &io, &result));
    support_free(result);
    assert_int_equal(support_compare(bed_path(bed, "inserted"), io.save, head), 2);
    s.transfer = ARM_FROZEN_ATTENTION;
    support_ok(support_run(&s, &io, &result));
    support_free(result);
    assert_true(support_compare(bed_path(bed, "inserted"), io.save, head_and_attention) > 40);
}

/* ---- repetition ---- */

static void test_a_seed_decides_the_run(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    support_settings(&s, bed, "cbam");
    s.augment = true;
    struct train_result *a = support_train(&s, bed_path(bed, "a"));
    struct train_result *b = support_train(&s, bed_path(bed, "b"));
    s.seed = 2;
    struct train_result *c = support_train(&s, bed_path(bed, "c"));
    support_same(bed_path(bed, "a"), bed_path(bed, "b"));
    assert_memory_equal(a->predictions, b->predictions, (size_t)a->test_n * sizeof(int32_t));
    assert_true(a->test_loss == b->test_loss && a->train_loss == b->train_loss);
    assert_true(a->test_loss != c->test_loss);
    assert_true(support_compare(bed_path(bed, "a"), bed_path(bed, "c"), everything) > 100);
    support_free(a);
    support_free(b);
    support_free(c);
}

static void test_every_thread_count_repeats_itself(void **state)
{
    struct bed *bed = *state;
    for (int i = 0; impls[i]; i++)
        for (int threads = 1; threads <= 2 && threads <= threads_available(); threads++) {
            struct train_settings s;
            support_settings(&s, bed, "cbam");
            snprintf(s.data, sizeof s.data, "%.200s:test-per-class=1", bed->data);
            snprintf(s.impl, sizeof s.impl, "%s", impls[i]->name);
            s.threads = threads;
            s.steps = 3;
            s.augment = true;
            support_free(support_train(&s, bed_path(bed, "a")));
            support_free(support_train(&s, bed_path(bed, "b")));
            support_same(bed_path(bed, "a"), bed_path(bed, "b"));
        }
}

/* Adding attention moves no other initial tensor, in any network. */
static void test_attention_moves_no_other_initial_tensor(void **state)
{
    static const char *const models[] = {
        "resnet20:width=0.25", "resnet18:stem=small:width=0.1", "resnet50:stem=small:width=0.1",
        "vgg16_bn:stem=small:width=0.1", "densenet121:stem=small:width=0.25"};
    static const char *const forms[] = {"cbam", "cbam-article", "se", "cbam:place=head"};
    (void)state;
    for (int k = 0; k < 20; k++) {
        struct model_spec plain_spec, spec;
        struct net *plain, *with;
        support_ok(model_parse(models[k / 4], "none", &plain_spec));
        support_ok(model_parse(models[k / 4], forms[k % 4], &spec));
        support_ok(model_build(&plain_spec, &plain));
        support_ok(model_build(&spec, &with));
        params_init(plain->params, 7);
        params_init(with->params, 7);
        assert_true(with->params->count > plain->params->count);
        for (int i = 0; i < plain->params->count; i++) {
            const struct net_param *a = plain->params->list[i];
            const struct net_param *b = params_find(with->params, a->name);
            assert_non_null(b);
            assert_int_equal(a->p.count, b->p.count);
            assert_memory_equal(a->p.data, b->p.data, a->p.count * sizeof(float));
        }
        net_free(plain);
        net_free(with);
    }
}

/* ---- what must be refused ---- */

static void refuse(struct train_settings *s, const char *fragment1, const char *fragment2)
{
    struct train_result *result;
    const struct train_io io = {0};
    support_refused(support_run(s, &io, &result), ERR_USAGE, fragment1, fragment2);
    support_free(result);
}

static void test_impossible_runs_are_refused(void **state)
{
    struct bed *bed = *state;
    struct train_settings good, s;
    support_settings(&good, bed, "cbam");
    support_save_fresh(&good, bed_path(bed, "w"));
    s = good;
    snprintf(s.init, sizeof s.init, "%s", bed_path(bed, "w"));
    refuse(&s, "scratch", "finetune");
    for (int arm = ARM_FROZEN; arm < ARM_FROZEN_RANDOM; arm++) {
        s = good;
        s.transfer = (enum transfer_arm)arm;
        refuse(&s, transfer_name(s.transfer), "--init");
    }
    s = good;
    s.epochs = 0;
    refuse(&s, "--epochs", "--steps");
    s = good;
    s.epochs = TRAIN_CURVE_MAX + 1;
    refuse(&s, "1001", "1000");
    s = good;
    snprintf(s.schedule, sizeof s.schedule, "linear");
    refuse(&s, "linear", "cosine");
    s = good;
    s.threads = 100000;
    refuse(&s, "100000", "");
    s = good;
    s.size = 8;
    refuse(&s, "8x8", "12x12");
}

/* A kept head must be for as many classes as the data have. */
static void test_a_kept_head_must_fit_the_data(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    support_settings(&s, bed, "cbam");
    support_save_fresh(&s, bed_path(bed, "w"));
    snprintf(s.init, sizeof s.init, "%s", bed_path(bed, "w"));
    snprintf(s.data, sizeof s.data, "%.200s:classes=2+3", bed->data);
    s.transfer = ARM_FINETUNE;
    s.keep_head = true;
    refuse(&s, "4 classes", "2");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(test_frozen_moves_the_head_alone),
        BED_TEST(test_frozen_attention_moves_head_and_attention),
        BED_TEST(test_top_moves_the_last_stages),
        BED_TEST(test_finetune_and_scratch_move_everything),
        BED_TEST(test_inserted_attention_belongs_to_its_part),
        BED_TEST(test_a_seed_decides_the_run),
        BED_TEST(test_every_thread_count_repeats_itself),
        cmocka_unit_test(test_attention_moves_no_other_initial_tensor),
        BED_TEST(test_impossible_runs_are_refused),
        BED_TEST(test_a_kept_head_must_fit_the_data),
    };
    (void)argc;
    threads_startup(argv);
    return cmocka_run_group_tests_name("training runs", tests, NULL, NULL) != 0;
}
