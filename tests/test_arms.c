/* The arms beyond frozen, finetune and top:K: what head+bn, lp-ft, gradual, frozen-random and a
 * lower rate of the backbone move and what they fix, bit for bit; interruption; what is refused. */
#include "bench/study/study.h"
#include "bench/transfer/arm.h"
#include "bench/transfer/phase.h"
#include "tests/support.h"

#include <math.h>

enum { STAGES = 3 }; /* of CIFAR ResNet-20 */

/* ---- what moves ---- */

/* Head, and batch normalisations of the backbone with their running statistics; the convolutions
 * and all of attention, its own batch normalisation too, are bit-identical. */
static void test_head_bn_moves_head_and_batch_normalisations(void **state)
{
    static const char *const globs[] = {"linear.*", "bn1.*", "layer?.?.bn?.*", NULL};
    struct bed *bed = *state;
    struct train_settings s;
    support_source(bed, &s, "cbam");
    s.transfer = ARM_HEAD_BN;
    for (int i = 0; impls[i]; i++) {
        snprintf(s.impl, sizeof s.impl, "%s", impls[i]->name);
        struct train_result *result = support_train(&s, bed_path(bed, "after"));
        assert_true(result->trainable < result->params && !result->cached_features);
        support_free(result);
        int due = support_count_matching(s.init, globs);
        assert_int_equal(due, 2 + 4 * (1 + 2 * 3 * STAGES));
        assert_int_equal(support_compare(s.init, bed_path(bed, "after"), globs), due);
    }
}

/* The head learns on features of a network that nobody trained, and that is left as it was. */
static void test_frozen_random_moves_the_head_alone(void **state)
{
    static const char *const head[] = {"linear.*", NULL};
    struct bed *bed = *state;
    struct train_settings s;
    struct train_result *result;
    const struct train_io io = {0};
    support_source(bed, &s, "cbam");
    s.transfer = ARM_FROZEN_RANDOM;
    support_refused(support_run(&s, &io, &result), ERR_USAGE, "frozen-random", "--init random");
    support_free(result);
    snprintf(s.init, sizeof s.init, "random");
    support_save_fresh(&s, bed_path(bed, "fresh"));
    result = support_train(&s, bed_path(bed, "after"));
    assert_true(result->cached_features);
    support_free(result);
    assert_int_equal(support_compare(bed_path(bed, "fresh"), bed_path(bed, "after"), head), 2);
}

/* ---- phases are the arms they consist of ---- */

/* Runs `arm` for so many epochs from weights `from`, whose head is kept, to weights `to`. */
static void run_part(const struct train_settings *like, enum transfer_arm arm, int epochs,
                     const char *from, const char *to)
{
    struct train_settings s = *like;
    s.transfer = arm;
    s.epochs = epochs;
    snprintf(s.init, sizeof s.init, "%s", from);
    s.keep_head = true;
    support_free(support_train(&s, to));
}

/* lp-ft is a frozen run, then a fine-tuning run that starts from it, each with a schedule of its
 * own. (One order in all epochs, since the order of epoch 3 is not that of epoch 1.) */
static void test_lp_ft_is_frozen_then_finetune(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    support_source(bed, &s, "cbam");
    s.shuffled = false;
    s.transfer = ARM_LP_FT;
    s.epochs = 5;
    s.probe_epochs = 2;
    s.keep_head = true;
    snprintf(s.schedule, sizeof s.schedule, "onecycle");
    struct train_result *result = support_train(&s, bed_path(bed, "whole"));
    assert_true(result->trainable == result->params && result->cached_features);
    support_free(result);
    run_part(&s, ARM_FROZEN, 2, s.init, bed_path(bed, "probe"));
    run_part(&s, ARM_FINETUNE, 3, bed_path(bed, "probe"), bed_path(bed, "chain"));
    support_same(bed_path(bed, "whole"), bed_path(bed, "chain"));
    assert_true(support_difference(bed_path(bed, "probe"), bed_path(bed, "chain")) > 1e-3);
}

/* Without momentum, which gradual unfreezing keeps, it is a chain of top:K. */
static void test_gradual_is_a_chain_of_top_k(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    support_source(bed, &s, "cbam");
    s.shuffled = false;
    s.transfer = ARM_GRADUAL;
    s.epochs = 2 * (STAGES + 1) + 1;
    s.unfreeze_epochs = 2;
    s.keep_head = true;
    s.momentum = 0;
    snprintf(s.schedule, sizeof s.schedule, "constant");
    support_free(support_train(&s, bed_path(bed, "whole")));
    run_part(&s, ARM_FROZEN, 2, s.init, bed_path(bed, "part0"));
    for (int k = 1; k <= STAGES; k++) {
        char from[16], to[16];
        snprintf(from, sizeof from, "part%d", k - 1);
        snprintf(to, sizeof to, "part%d", k);
        run_part(&s, (enum transfer_arm)(ARM_TOP + k), 2, bed_path(bed, from), bed_path(bed, to));
    }
    run_part(&s, ARM_FINETUNE, 1, bed_path(bed, "part3"), bed_path(bed, "chain"));
    support_same(bed_path(bed, "whole"), bed_path(bed, "chain"));
}

static void test_phases_of_arms(void **state)
{
    struct train_settings s;
    struct phases p;
    (void)state;
    train_defaults(&s);
    s.transfer = ARM_GRADUAL;
    support_ok(phases_make(&p, &s, 12, 4));
    assert_int_equal(p.count, 6);
    for (int epoch = 0; epoch < 12; epoch++)
        assert_int_equal(phases_at(&p, epoch), epoch / 2);
    assert_false(p.list[1].cached); /* images are augmented by default */
    support_refused(phases_make(&p, &s, 5, 4), ERR_USAGE, "5 epochs", "at least 6");
    s.unfreeze_epochs = 3;
    support_refused(phases_make(&p, &s, 15, 4), ERR_USAGE, "15 epochs", "at least 16");
    s.transfer = ARM_LP_FT;
    support_ok(phases_make(&p, &s, 7, 4));
    assert_int_equal(p.list[1].first, 3);
    support_refused(phases_make(&p, &s, 1, 4), ERR_USAGE, "lp-ft", "head alone");
    s.probe_epochs = 7;
    support_refused(phases_make(&p, &s, 7, 4), ERR_USAGE, "lp-ft", "7 of 7");
}

/* Each phase of lp-ft ends its own course: the rate is near 0 before the second begins. */
static void test_each_phase_of_lp_ft_has_its_schedule(void **state)
{
    struct train_settings s;
    struct phases p;
    (void)state;
    train_defaults(&s);
    s.transfer = ARM_LP_FT;
    s.probe_lr = 0.4;
    s.lr = 0.1;
    support_ok(phases_make(&p, &s, 4, 4));
    assert_true(phases_rate(&p, 0, &s, 0, 40, 10).lr == 0.4);
    assert_true(phases_rate(&p, 0, &s, 19, 40, 10).lr < 0.01);
    assert_true(phases_rate(&p, 1, &s, 20, 40, 10).lr == 0.1);
    assert_true(phases_rate(&p, 1, &s, 39, 40, 10).lr < 0.01);
}

/* ---- a lower rate of the backbone ---- */

/* After one step without momentum and decay, a tenth of the rate is a tenth of the way; head and
 * attention go as far as before. */
static void test_backbone_rate_scales_the_backbone_alone(void **state)
{
    static const struct {
        const char *name;
        double share;
    } due[] = {{"linear.weight", 1}, {"layer1.0.cbam.ChannelGate.mlp.1.weight", 1},
               {"layer1.0.conv1.weight", 0.125}, {"layer3.2.bn2.bias", 0.125}};
    struct bed *bed = *state;
    struct train_settings s;
    support_source(bed, &s, "cbam");
    s.transfer = ARM_FINETUNE;
    s.keep_head = true;
    s.steps = 1;
    s.momentum = s.weight_decay = 0;
    support_free(support_train(&s, bed_path(bed, "full")));
    s.backbone_rate = 0.125;
    support_free(support_train(&s, bed_path(bed, "low")));
    for (int i = 0; i < 4; i++) {
        size_t n;
        float *from = support_tensor(s.init, due[i].name, &n);
        float *full = support_tensor(bed_path(bed, "full"), due[i].name, &n);
        float *low = support_tensor(bed_path(bed, "low"), due[i].name, &n);
        double moved = 0;
        for (size_t k = 0; k < n; k++) {
            double way = (double)full[k] - (double)from[k];
            double error = (double)low[k] - (double)from[k] - due[i].share * way;
            moved += fabs(way);
            assert_true(fabs(error) <= 2e-7 * fmax(1, fabs((double)from[k])));
        }
        assert_true(moved > 0);
        free(from);
        free(full);
        free(low);
    }
}

/* ---- interruption ---- */

/* Stopped after every epoch, also at the border of two phases. */
static void test_resumed_is_undisturbed(void **state)
{
    static const enum transfer_arm arms[] = {ARM_HEAD_BN, ARM_LP_FT, ARM_GRADUAL,
                                             ARM_FROZEN_RANDOM};
    struct bed *bed = *state;
    struct train_settings s;
    support_source(bed, &s, "cbam");
    s.epochs = STAGES + 2;
    s.backbone_rate = 0.5;
    for (int i = 0; i < 8; i++) {
        struct train_result *result;
        struct train_io io = {.save = bed_path(bed, "resumed"), .resume = true,
                              .checkpoint = bed_path(bed, "checkpoint")};
        s.transfer = arms[i / 2];
        s.augment = i % 2 == 1;
        snprintf(s.init, sizeof s.init, "%s",
                 arms[i / 2] == ARM_FROZEN_RANDOM ? "random" : bed_path(bed, "source"));
        support_free(support_train(&s, bed_path(bed, "whole")));
        for (io.stop_after_epochs = 1; io.stop_after_epochs <= s.epochs; io.stop_after_epochs++) {
            support_ok(support_run(&s, &io, &result));
            assert_int_equal(result->epochs, io.stop_after_epochs);
            support_free(result);
        }
        support_same(bed_path(bed, "whole"), io.save);
        unlink(io.save);
        unlink(io.checkpoint);
    }
}

/* ---- names, settings, studies ---- */

static void test_names(void **state)
{
    static const char *const names[] = {"head+bn", "lp-ft", "gradual", "frozen-random"};
    enum transfer_arm arm;
    (void)state;
    for (int i = 0; i < 4; i++) {
        support_ok(transfer_parse(names[i], &arm));
        assert_string_equal(transfer_name(arm), names[i]);
        assert_true(arm_needs_source(arm) == (i < 3));
    }
    support_refused(transfer_parse("lpft", &arm), ERR_USAGE, "lpft", "lp-ft");
}

/* Settings that came after the first results stand in the JSON only where they say something, so
 * that older keys keep their meaning, and are read back. */
static void test_late_settings(void **state)
{
    struct train_settings s, back;
    (void)state;
    train_defaults(&s);
    json_t *json = train_settings_json(&s);
    assert_null(json_object_get(json, "backbone_rate"));
    assert_null(json_object_get(json, "probe_epochs"));
    support_ok(train_settings_from_json(json, &back));
    assert_true(back.backbone_rate == 0 && back.probe_epochs == 0);
    json_decref(json);
    support_ok(train_settings_set(&s, "backbone-rate", "0.1"));
    support_ok(train_settings_set(&s, "unfreeze-epochs", "2"));
    json = train_settings_json(&s);
    support_ok(train_settings_from_json(json, &back));
    assert_true(back.backbone_rate == 0.1 && back.unfreeze_epochs == 2);
    json_decref(json);
    char *line = train_settings_command(&s, NULL);
    assert_non_null(strstr(line, "--backbone-rate 0.1"));
    assert_null(strstr(line, "probe"));
    free(line);
    support_refused(train_settings_set(&s, "backbone-rate", "-1"), ERR_USAGE, "backbone-rate",
                    "-1");
}

static void test_studies_tell_arms_by_their_rate(void **state)
{
    static const char text[] =
        "name: arms\nmodels: [resnet20]\nattention: [none, cbam]\nseeds: 1\n"
        "source: {data: 'idx:a'}\ntarget: {data: ['idx:b']}\ntransfer:\n"
        "  - arm: frozen-random\n  - {arm: lp-ft, probe-epochs: 3}\n  - arm: head+bn\n"
        "  - arm: finetune\n  - {arm: finetune, backbone-rate: 0.1}\n  - arm: gradual\n";
    struct bed *bed = *state;
    struct study *study = calloc(1, sizeof *study);
    char label[ARM_LABEL_MAX];
    assert_non_null(study);
    fixture_write(&bed->folder, "study.yaml", text, strlen(text));
    support_ok(study_load(study, bed_path(bed, "study.yaml")));
    assert_int_equal(study->arm_count, 6);
    assert_int_equal(study->arms[1].probe_epochs, 3);
    train_settings_arm(&study->arms[3], label);
    assert_string_equal(label, "finetune");
    train_settings_arm(&study->arms[4], label);
    assert_string_equal(label, "finetune, backbone rate x0.1");
    char *twice = strdup(text), *rate = strstr(twice, "0.1");
    memcpy(rate, "0.0", 3);
    fixture_write(&bed->folder, "study.yaml", twice, strlen(twice));
    support_refused(study_load(study, bed_path(bed, "study.yaml")), ERR_FORMAT, "finetune",
                    "stands there twice");
    free(twice);
    free(study);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(test_head_bn_moves_head_and_batch_normalisations),
        BED_TEST(test_frozen_random_moves_the_head_alone),
        BED_TEST(test_lp_ft_is_frozen_then_finetune),
        BED_TEST(test_gradual_is_a_chain_of_top_k),
        cmocka_unit_test(test_phases_of_arms),
        cmocka_unit_test(test_each_phase_of_lp_ft_has_its_schedule),
        BED_TEST(test_backbone_rate_scales_the_backbone_alone),
        BED_TEST(test_resumed_is_undisturbed),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_late_settings),
        BED_TEST(test_studies_tell_arms_by_their_rate),
    };
    return cmocka_run_group_tests_name("arms", tests, NULL, NULL);
}
