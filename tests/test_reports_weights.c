/* Public bug reports about the first steps of a network with attention and about weights that come
 * from elsewhere (the number is in the name of the test, the fault above it), tried on real runs
 * over a small data set. */
#include "impls/base/threads.h"
#include "tests/network.h"
#include "tests/support.h"

#include <math.h>

/* ---- the first steps ---- */

/* Largest distance from 0.5 of all spatial gates of the test images. */
static double spatial_gates_off_half(struct session *session)
{
    const struct net *net = session->lowered;
    int outputs[64];
    double most = 0;
    for (int i = 0; i < net->site_count; i++)
        outputs[i] = net->sites[i].spatial_gate;
    const struct program_request request = {.impl = session->impl, .ctx = session->ctx, .net = net,
                                            .batch = 3, .outputs = outputs,
                                            .output_count = net->site_count};
    struct program *program;
    support_ok(program_compile(&program, &request));
    network_fill(program, 1);
    for (int i = 0; i < net->site_count; i++) {
        const float *gate = network_run(program, i);
        struct tensor shape = program_output(program, i);
        for (size_t k = 0; k < tensor_count(&shape); k++)
            most = fmax(most, fabs((double)gate[k] - 0.5));
    }
    program_free(program);
    return most;
}

static void train_steps(struct train_settings *s, int steps, const char *save)
{
    s->steps = steps;
    support_free(support_train(s, save));
}

/* The weight of the gate's normalisation starts at 0, which nobody documented: all spatial gates
 * are 0.5 at first, its convolution does not move in step 1, and does in step 2. */
static void test_R11_spatial_gate_starts_at_half(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    struct session session;
    const char *fresh = bed_path(bed, "fresh"), *one = bed_path(bed, "one");
    const char *two = bed_path(bed, "two");
    support_settings(&s, bed, "cbam");
    s.weight_decay = 0;
    s.fuse = false; /* to see the gates */
    s.lr = 0.5; /* so that no step is lost in rounding */
    support_save_fresh(&s, fresh);
    support_open(&session, &s, fresh, NULL);
    assert_true(spatial_gates_off_half(&session) == 0);
    train_steps(&s, 1, one);
    train_steps(&s, 2, two);
    for (int i = 0; i < session.net->site_count; i++) {
        static const char *const ends[] = {"conv.weight", "bn.weight", "bn.bias"};
        for (int k = 0; k < 3; k++) {
            char name[PARAM_NAME];
            snprintf(name, sizeof name, "%.50s.SpatialGate.spatial.%s", session.net->sites[i].name,
                     ends[k]);
            if (support_changed(fresh, one, name) != (k > 0) || !support_changed(one, two, name))
                fail_msg("%s: moved %d in step 1, %d in step 2", name,
                         support_changed(fresh, one, name), support_changed(one, two, name));
        }
    }
    session_close(&session);
}

/* The other initialisation can be asked for, and then the gate works from the start. */
static void test_R11_the_start_can_be_chosen(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    struct session session;
    support_settings(&s, bed, "cbam:init=pytorch");
    s.weight_decay = 0;
    s.fuse = false;
    support_save_fresh(&s, bed_path(bed, "fresh"));
    support_open(&session, &s, bed_path(bed, "fresh"), NULL);
    assert_true(spatial_gates_off_half(&session) > 0.01);
    session_close(&session);
    train_steps(&s, 1, bed_path(bed, "one"));
    assert_true(support_changed(bed_path(bed, "fresh"), bed_path(bed, "one"),
                                "layer1.0.cbam.SpatialGate.spatial.conv.weight"));
}

/* A loss of NaN that goes on for hours: the run stops at once, names step and value, and leaves
 * neither weights nor a checkpoint. */
static void test_R12_divergence_stops_the_run(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    struct train_result *result;
    const char *save = bed_path(bed, "weights"), *checkpoint = bed_path(bed, "checkpoint");
    const struct train_io io = {.save = save, .checkpoint = checkpoint};
    support_settings(&s, bed, "cbam");
    s.lr = 1e6;
    support_ok(support_run(&s, &io, &result));
    assert_true(result->diverged);
    assert_non_null(strstr(result->diverged_at, "step "));
    assert_non_null(strstr(result->diverged_at, "is not finite"));
    assert_int_not_equal(access(save, F_OK), 0);
    assert_int_not_equal(access(checkpoint, F_OK), 0);
    support_free(result);
}

/* The depth at which the report saw NaN from fresh weights: attention 27 blocks deep must not. */
static void test_R12_a_deep_network_starts_finite(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    support_settings(&s, bed, "cbam");
    snprintf(s.model, sizeof s.model, "resnet56:width=0.25");
    s.steps = 4;
    struct train_result *result = support_train(&s, NULL);
    assert_true(isfinite(result->test_loss) && result->test_loss < 10);
    support_free(result);
}

/* ---- weights from elsewhere ---- */

/* Loss of the test images under an attention that is inserted into plain weights, and the largest
 * change of a logit against `plain`. */
static double inserted_loss(const struct train_settings *plain, const char *weights,
                            const char *attention, const char *glob, const float *logits,
                            double *moved)
{
    struct train_settings s = *plain;
    struct session session;
    struct evaluation e;
    snprintf(s.attention, sizeof s.attention, "%s", attention);
    support_open(&session, &s, weights, glob);
    assert_true(session.loaded.missing > 0);
    float *inserted = support_logits(&session, 100, &e);
    *moved = 0;
    for (int i = 0; i < e.n * session.model.classes; i++)
        *moved = fmax(*moved, fabs((double)inserted[i] - (double)logits[i]));
    free(inserted);
    session_close(&session);
    return evaluation_loss(&e);
}

/* Attention inserted into trained weights costs accuracy before the first update, unseen: the
 * evaluation shows the loss, and the forms that promise to preserve the network do. */
static void test_R18_insertion_is_visible(void **state)
{
    static const struct {
        const char *form, *glob;
        bool preserves;
    } forms[] = {{"cbam", "*.cbam.*", false},      {"cbam-article", "*.[cs]a.*", false},
                 {"se", "*.se.*", false},          {"cbam-light", "*.cbam.*", false},
                 {"cbam:scale=2", "*.cbam.*", true}, {"cbam:alpha", "*.cbam.*", true},
                 {"se:scale=2", "*.se.*", true}};
    struct bed *bed = *state;
    struct train_settings s;
    struct session session;
    struct evaluation e;
    const char *weights = bed_path(bed, "plain");
    support_settings(&s, bed, "none");
    s.epochs = 4;
    support_free(support_train(&s, weights));
    support_open(&session, &s, weights, NULL);
    float *logits = support_logits(&session, 100, &e);
    assert_true(evaluation_top1(&e) > 0.9);
    for (int f = 0; f < 7; f++) {
        double moved;
        double loss = inserted_loss(&s, weights, forms[f].form, forms[f].glob, logits, &moved);
        if (forms[f].preserves ? moved > 1e-6 : loss < evaluation_loss(&e) + 0.01)
            fail_msg("%s: loss %g after %g, logits moved by %g", forms[f].form, loss,
                     evaluation_loss(&e), moved);
    }
    free(logits);
    session_close(&session);
}

/* The report of a run that keeps the head says what the insertion did before the first update. */
static void test_R18_the_run_tells_accuracy_before_step_1(void **state)
{
    static const char *const missing[] = {"*.cbam.*", NULL};
    struct bed *bed = *state;
    struct train_settings s;
    struct session session;
    struct evaluation e;
    struct train_result *result;
    const struct train_io io = {.allow_missing = missing};
    support_settings(&s, bed, "none");
    support_free(support_train(&s, bed_path(bed, "plain")));
    snprintf(s.init, sizeof s.init, "%s", bed_path(bed, "plain"));
    snprintf(s.attention, sizeof s.attention, "cbam");
    support_open(&session, &s, s.init, missing[0]);
    free(support_logits(&session, 100, &e));
    session_close(&session);
    s.transfer = ARM_FINETUNE;
    s.keep_head = true;
    s.steps = 1;
    support_ok(support_run(&s, &io, &result));
    assert_true(result->before_accuracy == evaluation_top1(&e));
    assert_true(result->missing > 0 && result->loaded > 0);
    support_free(result);
}

/* Refused loads change nothing and name the tensors: plain weights into attention, the other way
 * round, and another reduction. */
static void test_R21_R22_other_attention_is_refused(void **state)
{
    static const struct {
        const char *from, *to, *names;
    } pairs[] = {{"none", "cbam", "ChannelGate.mlp.1.weight"},
                 {"cbam", "none", "ChannelGate.mlp.1.weight"},
                 {"cbam:r=4", "cbam:r=2", "in the network"},
                 {"cbam", "cbam-article", "missing"}};
    struct bed *bed = *state;
    for (int i = 0; i < 4; i++) {
        struct train_settings s;
        struct session session = {0};
        support_settings(&s, bed, pairs[i].from);
        support_save_fresh(&s, bed_path(bed, "weights"));
        const struct weights_request request = {.model = s.model, .attention = pairs[i].to,
                                                .weights = bed_path(bed, "weights"), .seed = 1};
        support_refused(session_open_weights(&session, &request), ERR_FORMAT, pairs[i].names,
                        "--attention");
        session_close(&session);
    }
}

/* Saving and loading that forgets layers: the file holds every parameter and buffer, and what was
 * measured before saving is measured again after loading, to the last bit. */
static void test_R23_saved_networks_are_complete(void **state)
{
    static const char *const forms[] = {"cbam", "cbam-article", "se", "cbam:alpha"};
    struct bed *bed = *state;
    for (int f = 0; f < 4; f++) {
        struct train_settings s;
        struct session session;
        struct safetensors file;
        struct evaluation e;
        const char *weights = bed_path(bed, "weights");
        support_settings(&s, bed, forms[f]);
        s.steps = 3;
        struct train_result *result = support_train(&s, weights);
        support_open(&session, &s, weights, NULL);
        support_ok(safetensors_open(&file, weights));
        assert_int_equal(file.count, session.net->params->count);
        assert_int_equal(file.count, session.loaded.loaded);
        for (int i = 0; i < session.net->params->count; i++)
            assert_non_null(safetensors_find(&file, session.net->params->list[i]->name));
        safetensors_close(&file);
        free(support_logits(&session, 100, &e));
        assert_true(evaluation_loss(&e) == result->test_loss);
        session_close(&session);
        support_free(result);
    }
}

/* Two networks under one name with equal shapes: the file records which it is, and loading it as
 * the other is said. */
static void test_R28_v1_and_v15_are_told_apart(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    struct session session;
    support_settings(&s, bed, "none");
    snprintf(s.model, sizeof s.model, "resnet50:stem=small:width=0.05");
    support_save_fresh(&s, bed_path(bed, "v15"));
    support_open(&session, &s, bed_path(bed, "v15"), NULL);
    assert_null(strstr(session.notes, "warning"));
    session_close(&session);
    snprintf(s.model, sizeof s.model, "resnet50:stem=small:width=0.05:strides=v1");
    support_open(&session, &s, bed_path(bed, "v15"), NULL);
    assert_non_null(strstr(session.notes, "warning"));
    assert_non_null(strstr(session.notes, "strides=v1"));
    session_close(&session);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(test_R11_spatial_gate_starts_at_half),
        BED_TEST(test_R11_the_start_can_be_chosen),
        BED_TEST(test_R12_divergence_stops_the_run),
        BED_TEST(test_R12_a_deep_network_starts_finite),
        BED_TEST(test_R18_insertion_is_visible),
        BED_TEST(test_R18_the_run_tells_accuracy_before_step_1),
        BED_TEST(test_R21_R22_other_attention_is_refused),
        BED_TEST(test_R23_saved_networks_are_complete),
        BED_TEST(test_R28_v1_and_v15_are_told_apart),
    };
    (void)argc;
    threads_startup(argv);
    return cmocka_run_group_tests_name("reports: weights", tests, NULL, NULL) != 0;
}
