/* Public bug reports about freezing, training and evaluating networks with attention (the number is
 * in the name of the test, the fault above it), tried on real runs over a small data set. */
#include "bench/net/optimizer.h"
#include "bench/transfer/arm.h"
#include "bench/transfer/source.h"
#include "impls/base/threads.h"
#include "tests/network.h"
#include "tests/support.h"

#include <math.h>

/* Every tensor of the head, and of attention, in the networks used here. */
static const char *const head[] = {"linear.*", NULL};
static const char *const head_and_attention[] = {"linear.*", "*.cbam.*", NULL};
static const char *const everything[] = {"*", NULL};

/* ---- frozen means fixed ---- */

/* A source with attention on classes 0 and 1, and settings of a target run on the others. */
static void make_source(struct bed *bed, struct train_settings *s, const char *attention)
{
    support_settings(s, bed, attention);
    snprintf(s->data, sizeof s->data, "%.200s:classes=0+1", bed->data);
    support_free(support_train(s, bed_path(bed, "source")));
    snprintf(s->data, sizeof s->data, "%.200s:classes=2+3", bed->data);
    snprintf(s->init, sizeof s->init, "%s", bed_path(bed, "source"));
    s->transfer = ARM_FROZEN;
}

/* Statistics of batch normalisation that drift although "all weights are frozen". */
static void test_R32_frozen_includes_statistics(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    const char *after = bed_path(bed, "after");
    make_source(bed, &s, "cbam");
    support_free(support_train(&s, after));
    assert_int_equal(support_compare(s.init, after, head), 2);
    s.transfer = ARM_FINETUNE;
    support_free(support_train(&s, after));
    assert_true(support_compare(s.init, after, everything) > 100);
    assert_true(support_changed(s.init, after, "layer2.0.bn1.running_var"));
}

/* A frozen backbone that normalises by the batch while the head trains: what the training program
 * computes is what the inference program of the same operations computes, to the last bit, and what
 * evaluation computes with its own fused operations, but for rounding. */
static void test_R33_frozen_is_one_function(void **state)
{
    struct bed *bed = *state;
    for (int i = 0; impls[i]; i++) {
        struct train_settings s;
        struct session session;
        struct program *train, *infer, *fused;
        support_settings(&s, bed, "cbam");
        snprintf(s.impl, sizeof s.impl, "%s", impls[i]->name);
        support_free(support_train(&s, bed_path(bed, "source")));
        support_open(&session, &s, bed_path(bed, "source"), NULL);
        support_ok(arm_apply(session.net->params, ARM_FROZEN));
        support_ok(params_prepare_training(session.net->params));
        struct program_request request = {.impl = session.impl, .ctx = session.ctx,
                                          .net = session.lowered, .batch = 6};
        support_ok(program_compile(&infer, &request));
        request.net = session.inference;
        support_ok(program_compile(&fused, &request));
        request.net = session.lowered;
        request.train = request.loss = true;
        support_ok(program_compile(&train, &request));
        network_fill(train, 1);
        network_fill(infer, 1);
        network_fill(fused, 1);
        memset(program_labels(train), 0, 6 * sizeof(int32_t));
        const float *a = network_run(train, 0), *b = network_run(infer, 0);
        const float *c = network_run(fused, 0);
        for (int k = 0; k < 6 * TINY_CLASSES; k++) {
            assert_true(a[k] == b[k]);
            assert_true(fabsf(a[k] - c[k]) <= 1e-4f * (1 + fabsf(a[k])));
        }
        program_free(train);
        program_free(infer);
        program_free(fused);
        session_close(&session);
    }
}

/* Evaluation mode that is never left after the first validation: runs with and without validation
 * images over the same training images give the same weights. */
static void test_R34_validation_leaves_no_trace(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    support_settings(&s, bed, "cbam");
    s.epochs = 3;
    snprintf(s.data, sizeof s.data, "%.200s:per-class=10:val=2", bed->data);
    struct train_result *result = support_train(&s, bed_path(bed, "with"));
    assert_int_equal(result->val_n, 2 * TINY_CLASSES);
    assert_true(isfinite(result->curve[0].val_accuracy));
    support_free(result);
    snprintf(s.data, sizeof s.data, "%.200s:per-class=8:val=0", bed->data);
    result = support_train(&s, bed_path(bed, "without"));
    assert_int_equal(result->train_n, 8 * TINY_CLASSES);
    assert_int_equal(result->val_n, 0);
    assert_true(isnan(result->curve[0].val_accuracy));
    support_free(result);
    support_same(bed_path(bed, "with"), bed_path(bed, "without"));
}

/* Predictions that depend on an evaluation before, or on the batch: evaluation is pure. */
static void test_R07_R35_evaluation_is_pure(void **state)
{
    static const int batches[] = {24, 24, 1, 3, 7};
    struct bed *bed = *state;
    for (int i = 0; impls[i]; i++) {
        struct train_settings s;
        struct session session;
        float *first = NULL;
        support_settings(&s, bed, "cbam");
        snprintf(s.impl, sizeof s.impl, "%s", impls[i]->name);
        support_free(support_train(&s, bed_path(bed, "weights")));
        support_open(&session, &s, bed_path(bed, "weights"), NULL);
        uint64_t hash = params_hash(session.net->params);
        for (int b = 0; b < 5; b++) {
            struct evaluation e;
            float *logits = support_logits(&session, batches[b], &e);
            assert_int_equal(e.n, 24);
            if (b == 0)
                first = logits;
            for (int k = 0; k < 24 * TINY_CLASSES; k++)
                if (fabsf(logits[k] - first[k]) > (b < 2 ? 0 : 1e-5f * (1 + fabsf(first[k]))))
                    fail_msg("%s: batch %d gives %.9g, not %.9g", impls[i]->name, batches[b],
                             (double)logits[k], (double)first[k]);
            if (b > 0)
                free(logits);
        }
        assert_true(hash == params_hash(session.net->params));
        free(first);
        session_close(&session);
    }
}

/* Elements of the tensors that differ, running statistics aside. */
static double changed_elements(const char *before, const char *after)
{
    struct safetensors file;
    double sum = 0;
    support_ok(safetensors_open(&file, before));
    for (size_t i = 0; i < file.count; i++)
        if (!strstr(file.tensors[i].name, "running_") &&
            support_changed(before, after, file.tensors[i].name))
            sum += (double)file.tensors[i].count;
    safetensors_close(&file);
    return sum;
}

/* A list of frozen layers that a later loop overwrites: the number of trainable parameters that is
 * printed is that of the tensors which did change. */
static void test_R27_R37_trainable_is_what_changes(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    make_source(bed, &s, "cbam");
    s.epochs = 5; /* gradual: head, three stages, all */
    for (enum transfer_arm arm = ARM_FROZEN; arm < ARM_FROZEN_RANDOM; arm++) {
        bool all = arm == ARM_FINETUNE || arm == ARM_LP_FT || arm == ARM_GRADUAL;
        s.transfer = arm;
        struct train_result *result = support_train(&s, bed_path(bed, "after"));
        assert_true(result->trainable == changed_elements(s.init, bed_path(bed, "after")));
        assert_true(all ? result->trainable == result->params
                        : result->trainable < result->params);
        support_free(result);
    }
    s.transfer = ARM_FROZEN_ATTENTION;
    support_free(support_train(&s, bed_path(bed, "after")));
    assert_true(support_compare(s.init, bed_path(bed, "after"), head_and_attention) > 2);
}

/* Nothing left to train is refused before the first batch. */
static void test_R39_nothing_to_train_is_refused(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    struct session session;
    struct program *program;
    support_settings(&s, bed, "cbam");
    support_save_fresh(&s, bed_path(bed, "fresh"));
    support_open(&session, &s, bed_path(bed, "fresh"), NULL);
    for (int i = 0; i < session.net->params->count; i++)
        session.net->params->list[i]->trainable = false;
    support_ok(params_prepare_training(session.net->params));
    const struct program_request request = {.impl = session.impl, .ctx = session.ctx,
                                            .net = session.lowered, .batch = 4, .train = true,
                                            .loss = true};
    support_refused(program_compile(&program, &request), ERR_USAGE, "nothing", "train");
    assert_null(program);
    session_close(&session);
}

/* A frozen layer above a trainable one still hands gradients down: only stage 3 trains. */
static void test_R39_gradients_pass_a_frozen_head(void **state)
{
    static const char *const stage3[] = {"layer3.*", NULL};
    struct bed *bed = *state;
    struct train_settings s;
    struct session session;
    struct program *program;
    const struct sgd sgd = {.lr = 0.1, .momentum = 0.9, .weight_decay = 0};
    support_settings(&s, bed, "cbam");
    support_save_fresh(&s, bed_path(bed, "fresh"));
    support_open(&session, &s, bed_path(bed, "fresh"), NULL);
    for (int i = 0; i < session.net->params->count; i++) {
        struct net_param *param = session.net->params->list[i];
        param->trainable = !param->buffer && param->stage == 3 && param->part != PART_HEAD;
    }
    support_ok(params_prepare_training(session.net->params));
    const struct program_request request = {.impl = session.impl, .ctx = session.ctx,
                                            .net = session.lowered, .batch = 4, .train = true,
                                            .loss = true};
    support_ok(program_compile(&program, &request));
    for (int step = 0; step < 2; step++) {
        network_fill(program, 1);
        for (int i = 0; i < 4; i++)
            program_labels(program)[i] = i;
        support_ok(program_forward(program));
        support_ok(program_backward(program));
        sgd_step(session.net->params, &sgd);
    }
    support_ok(session_save(&session, bed_path(bed, "after")));
    int changed = support_compare(bed_path(bed, "fresh"), bed_path(bed, "after"), stage3);
    assert_true(changed > 30);
    assert_true(support_changed(bed_path(bed, "fresh"), bed_path(bed, "after"),
                                "layer3.0.conv1.weight"));
    program_free(program);
    session_close(&session);
}

/* ---- batches and sums ---- */

/* A last batch of one image breaks batch normalisation: it is left out, and that is said. */
static void test_R41_short_batches_are_left_out(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    size_t count;
    bed_write_part(bed, "train", 3, 3, 4); /* 9 images of 4x4: the last maps are 1x1 */
    bed_write_part(bed, "t10k", 3, 2, 4);
    support_settings(&s, bed, "cbam");
    s.batch = 4;
    struct train_result *result = support_train(&s, bed_path(bed, "weights"));
    assert_int_equal(result->train_n, 9);
    assert_int_equal(result->dropped, 1);
    assert_true(isfinite(result->train_loss) && isfinite(result->test_loss));
    float *variance = support_tensor(bed_path(bed, "weights"),
                                     "layer3.2.cbam.SpatialGate.spatial.bn.running_var", &count);
    assert_int_equal(count, 1);
    assert_true(isfinite(variance[0]) && variance[0] >= 0 && variance[0] != 1);
    free(variance);
    support_free(result);
}

/* One value per channel has no variance: refused before the first step, naming the layer; where no
 * normalisation trains, a batch of one is fine. */
static void test_R41_one_value_per_channel_is_refused(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    struct train_result *result;
    const struct train_io io = {0};
    bed_write_part(bed, "train", 3, 3, 4);
    bed_write_part(bed, "t10k", 3, 2, 4);
    support_settings(&s, bed, "cbam");
    support_save_fresh(&s, bed_path(bed, "fresh"));
    s.batch = 1;
    support_refused(support_run(&s, &io, &result), ERR_USAGE, "layer3.", "one value");
    support_free(result);
    snprintf(s.init, sizeof s.init, "%s", bed_path(bed, "fresh"));
    s.transfer = ARM_FROZEN;
    support_free(support_train(&s, NULL));
}

/* A mean of batch means weights a short last batch wrongly: 8 of 10 is 0.8 at every batch size. */
static void test_R42_every_image_counts_alike(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    struct session session;
    struct evaluation e;
    uint8_t labels[12];
    double loss = 0;
    support_settings(&s, bed, "cbam");
    bed_write_part(bed, "t10k", 2, 5, TINY_SIDE);
    support_free(support_train(&s, bed_path(bed, "weights")));
    support_open(&session, &s, bed_path(bed, "weights"), NULL);
    int32_t predictions[10];
    support_ok(evaluate(&session, &session.split.list[PART_TEST], 10, &e, predictions, NULL));
    session_close(&session);
    for (int i = 0; i < 10; i++) /* right on the first 8 only */
        labels[i] = (uint8_t)(i < 8 ? predictions[i] : (predictions[i] + 1) % TINY_CLASSES);
    bed_write_labels(bed, "t10k", labels, 10);
    support_open(&session, &s, bed_path(bed, "weights"), NULL);
    for (int batch = 10; batch > 0; batch -= 3) { /* 10, 7, 4, 1 */
        support_ok(evaluate(&session, &session.split.list[PART_TEST], batch, &e, NULL, NULL));
        assert_int_equal(e.n, 10);
        assert_true(evaluation_top1(&e) == 0.8);
        loss = batch == 10 ? evaluation_loss(&e) : loss;
        assert_true(fabs(evaluation_loss(&e) - loss) < 1e-5 * loss);
    }
    session_close(&session);
}

/* ---- threads ---- */

static void train_steps(struct train_settings *s, int steps, const char *save)
{
    s->steps = steps;
    support_free(support_train(s, save));
}

/* Other thread counts, other networks: the same count gives the same bits, another stays within
 * rounding after one step and within what 8 steps make of it. */
static void test_R47_threads_change_no_more_than_rounding(void **state)
{
    static const struct {
        int steps;
        double bound;
    } rows[] = {{1, 1e-5}, {8, 1e-3}};
    struct bed *bed = *state;
    int most = threads_available() < 2 ? 1 : 2;
    for (int i = 0; impls[i]; i++)
        for (int r = 0; r < 2; r++) {
            struct train_settings s;
            support_settings(&s, bed, "cbam");
            snprintf(s.data, sizeof s.data, "%.200s:test-per-class=1", bed->data);
            snprintf(s.impl, sizeof s.impl, "%s", impls[i]->name);
            for (s.threads = 1; s.threads <= most; s.threads++) {
                train_steps(&s, rows[r].steps, bed_path(bed, s.threads == 1 ? "1" : "2"));
                if (r == 0) {
                    train_steps(&s, 1, bed_path(bed, "again"));
                    support_same(bed_path(bed, s.threads == 1 ? "1" : "2"),
                                 bed_path(bed, "again"));
                }
            }
            double difference =
                most == 2 ? support_difference(bed_path(bed, "1"), bed_path(bed, "2")) : 0;
            print_message("%s, %d steps: 1 and 2 threads differ by %.3g\n", s.impl, rows[r].steps,
                          difference);
            assert_true(difference <= rows[r].bound);
        }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(test_R32_frozen_includes_statistics),
        BED_TEST(test_R33_frozen_is_one_function),
        BED_TEST(test_R34_validation_leaves_no_trace),
        BED_TEST(test_R07_R35_evaluation_is_pure),
        BED_TEST(test_R27_R37_trainable_is_what_changes),
        BED_TEST(test_R39_nothing_to_train_is_refused),
        BED_TEST(test_R39_gradients_pass_a_frozen_head),
        BED_TEST(test_R41_short_batches_are_left_out),
        BED_TEST(test_R41_one_value_per_channel_is_refused),
        BED_TEST(test_R42_every_image_counts_alike),
        BED_TEST(test_R47_threads_change_no_more_than_rounding),
    };
    (void)argc;
    threads_startup(argv);
    return cmocka_run_group_tests_name("reports: training and transfer", tests, NULL, NULL) != 0;
}
