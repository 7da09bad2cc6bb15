/* The arm top:K: which stages a network has, that the head and the last K of them train and nothing
 * else moves, cached features, freezing and thawing in the middle of a run, and what is refused. */
#include "bench/net/optimizer.h"
#include "bench/study/study.h"
#include "bench/transfer/arm.h"
#include "bench/transfer/source.h"
#include "tests/network.h"
#include "tests/support.h"

#include "tests/command.h"

#include <fnmatch.h>
#include <math.h>

enum { RESNET20_STAGES = 3 };

static enum transfer_arm top(int k)
{
    return (enum transfer_arm)(ARM_TOP + k);
}

/* ---- stages of networks ---- */

struct stages {
    const char *model;
    int count, blocks[5];
    const char *globs[5]; /* what stands in each; the rest is stem or head */
    const char *head;
};

static const struct stages networks[] = {
    {"resnet18:width=0.1", 4, {2, 2, 2, 2}, {"layer1.*", "layer2.*", "layer3.*", "layer4.*"},
     "fc.*"},
    {"resnet50:width=0.1", 4, {3, 4, 6, 3}, {"layer1.*", "layer2.*", "layer3.*", "layer4.*"},
     "fc.*"},
    {"resnet20", 3, {3, 3, 3}, {"layer1.*", "layer2.*", "layer3.*"}, "linear.*"},
    {"densenet121:width=0.25", 4, {6, 12, 24, 16},
     {"features.@(denseblock|transition)1.*", "features.@(denseblock|transition)2.*",
      "features.@(denseblock|transition)3.*", "features.@(denseblock4|norm5).*"},
     "classifier.*"},
    {"vgg16_bn:width=0.1", 5, {2, 2, 3, 3, 3},
     {"features.[0-5].*", "features.*", "features.*", "features.*", "*"}, "classifier.6.*"},
    {"vgg16:width=0.1:stem=small", 5, {2, 2, 3, 3, 3},
     {"features.[0-3].*", "features.*", "features.*", "features.*", "features.*"},
     "classifier.*"},
};

static void check_param(const struct stages *due, const struct net_param *param)
{
    if (param->part == PART_HEAD) {
        assert_int_equal(fnmatch(due->head, param->name, 0), 0);
        return;
    }
    assert_true(param->stage >= 0 && param->stage <= due->count);
    for (int i = 0; i < due->count && !strstr(due->model, "vgg"); i++) {
        bool matches = fnmatch(due->globs[i], param->name, FNM_EXTMATCH) == 0;
        if (matches != (param->stage == i + 1))
            fail_msg("%s: %s stands in stage %d", due->model, param->name, param->stage);
    }
    if (param->stage > 0 && fnmatch(due->globs[param->stage - 1], param->name, FNM_EXTMATCH) != 0)
        fail_msg("%s: %s stands in stage %d", due->model, param->name, param->stage);
}

static void test_stages_of_networks(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof networks / sizeof networks[0]; i++) {
        const struct stages *due = &networks[i];
        struct model_spec spec;
        struct net *net;
        support_ok(model_parse(due->model, "none", &spec));
        support_ok(model_build(&spec, &net));
        assert_int_equal(net->stage_count, due->count);
        assert_int_equal(arm_stages(net->params), due->count);
        for (int k = 0; k < due->count; k++)
            assert_int_equal(net->stages[k].blocks, due->blocks[k]);
        for (int k = 0; k < net->params->count; k++)
            check_param(due, net->params->list[k]);
        net_free(net);
    }
}

/* Each further stage adds parameters; top:ALL leaves the stem alone. */
static void test_arms_grow_with_k(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof networks / sizeof networks[0]; i++) {
        struct model_spec spec;
        struct net *net;
        support_ok(model_parse(networks[i].model, "cbam", &spec));
        support_ok(model_build(&spec, &net));
        support_ok(arm_apply(net->params, ARM_FROZEN));
        double last = params_count_trainable(net->params), stem = 0;
        for (int k = 1; k <= networks[i].count; k++) {
            support_ok(arm_apply(net->params, top(k)));
            assert_true(params_count_trainable(net->params) > last);
            last = params_count_trainable(net->params);
        }
        for (int k = 0; k < net->params->count; k++)
            if (net->params->list[k]->stage == 0 && !net->params->list[k]->buffer &&
                net->params->list[k]->part != PART_HEAD)
                stem += (double)net->params->list[k]->p.count;
        assert_true(last + stem == params_count(net->params));
        support_refused(arm_apply(net->params, top(networks[i].count + 1)), ERR_USAGE, "valid are",
                        "top:1, top:2, top:3");
        net_free(net);
    }
}

/* ---- names ---- */

static void test_names(void **state)
{
    static const char *const bad[] = {"top",   "top:",    "top:0", "top:10", "top:x",  "top:-1",
                                      "top:1x", "top: 1", "Top:1", "top=1",  "top:01", "layer4"};
    struct train_settings s, back;
    enum transfer_arm arm;
    (void)state;
    for (int k = 1; k <= ARM_TOP_MAX; k++) {
        char text[16];
        snprintf(text, sizeof text, "top:%d", k);
        support_ok(transfer_parse(text, &arm));
        assert_int_equal(transfer_top(arm), k);
        assert_string_equal(transfer_name(arm), text);
        assert_true(arm_needs_source(arm) && arm_caches(arm));
    }
    for (enum transfer_arm plain = ARM_SCRATCH; plain < ARM_COUNT; plain++)
        assert_int_equal(transfer_top(plain), 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        support_refused(transfer_parse(bad[i], &arm), ERR_USAGE, bad[i], "top:K");
    train_defaults(&s);
    support_ok(train_settings_set(&s, "transfer", "top:3"));
    json_t *json = train_settings_json(&s);
    assert_string_equal(json_string_value(json_object_get(json, "transfer")), "top:3");
    support_ok(train_settings_from_json(json, &back));
    assert_int_equal(back.transfer, top(3));
    json_decref(json);
    char *line = train_settings_command(&s, NULL);
    assert_non_null(strstr(line, "--transfer top:3"));
    free(line);
}

/* ---- what trains and what is fixed ---- */

/* Names of what top:K may move in CIFAR ResNet-20, and how many tensors of a file these are. */
static int movable(int k, const char *path, const char *globs[RESNET20_STAGES + 2])
{
    static const char *const all[] = {"linear.*", "layer3.*", "layer2.*", "layer1.*"};
    for (int i = 0; i <= k; i++)
        globs[i] = all[i];
    globs[k + 1] = NULL;
    return support_count_matching(path, globs);
}

/* On every implementation all tensors of the last K stages and the head move, running statistics
 * and gates among them, and everything below is bit-identical. */
static void test_the_last_stages_and_the_head_move(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    support_source(bed, &s, "cbam");
    for (int i = 0; impls[i]; i++)
        for (int k = 1; k <= RESNET20_STAGES; k++) {
            const char *globs[RESNET20_STAGES + 2];
            snprintf(s.impl, sizeof s.impl, "%s", impls[i]->name);
            s.transfer = top(k);
            struct train_result *result = support_train(&s, bed_path(bed, "after"));
            assert_true(result->cached_features && result->trainable < result->params);
            support_free(result);
            int due = movable(k, s.init, globs);
            assert_int_equal(support_compare(s.init, bed_path(bed, "after"), globs), due);
        }
}

/* ---- cached features ---- */

static void test_caching_changes_no_result(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    support_settings(&s, bed, "cbam");
    support_free(support_train(&s, bed_path(bed, "source")));
    snprintf(s.init, sizeof s.init, "%s", bed_path(bed, "source"));
    s.steps = 10;
    s.keep_head = true;
    for (int k = 1; k <= RESNET20_STAGES; k++) {
        struct session session;
        s.transfer = top(k);
        support_free(support_train(&s, bed_path(bed, "cached")));
        support_open(&session, &s, s.init, NULL);
        support_train_by_hand(&session, &s);
        support_ok(session_save(&session, bed_path(bed, "uncached")));
        session_close(&session);
        assert_true(support_difference(s.init, bed_path(bed, "cached")) > 1e-3);
        assert_true(support_difference(bed_path(bed, "cached"), bed_path(bed, "uncached")) < 1e-5);
    }
}

/* Every family of networks is cut where its stage begins: nothing that trains stands before. */
static void test_the_cut_is_at_the_stage(void **state)
{
    static const char *const models[] = {
        "resnet18:stem=small:width=0.1", "resnet50:stem=small:width=0.1", "resnet20:width=0.25",
        "densenet121:stem=small:width=0.25", "vgg16_bn:stem=small:width=0.1", "vgg16:width=0.05"};
    (void)state;
    for (int m = 0; m < 6; m++) {
        struct network n;
        network_open(&n, impls[0], models[m], "cbam", 4, 32, 32);
        for (int k = 1; k <= arm_stages(n.net->params); k++) {
            int ids[SOURCE_INPUTS];
            support_ok(arm_apply(n.net->params, top(k)));
            int count = arm_boundary(n.train, ids, SOURCE_INPUTS);
            if (k == arm_stages(n.net->params) && strstr(models[m], "vgg")) {
                assert_int_equal(count, 0); /* VGG has no stem: the first stage reads the image */
                continue;
            }
            assert_true(count == 1 || count == 2); /* a block's input, and its plain shortcut */
            for (int id = 0; id < n.train->count; id++)
                for (int p = 0; p < OP_MAX_PARAM && id <= ids[0]; p++) {
                    const struct net_param *param = n.train->nodes[id].param[p];
                    assert_true(!param || !param->trainable);
                }
        }
        network_close(&n);
    }
}

/* ---- freezing and thawing in the middle ---- */

/* A network under training whose arm changes while it goes on. */
struct course {
    struct session session;
    struct program *program;
    int steps_done;
};

static void change_arm(struct course *c, enum transfer_arm arm)
{
    program_free(c->program);
    support_ok(arm_apply(c->session.net->params, arm));
    support_ok(params_prepare_training(c->session.net->params));
    const struct program_request request = {.impl = c->session.impl, .ctx = c->session.ctx,
                                            .net = c->session.lowered, .batch = 4, .train = true,
                                            .loss = true};
    support_ok(program_compile(&c->program, &request));
}

static void go_on(struct course *c, int steps)
{
    const struct sgd sgd = {.lr = 0.05, .momentum = 0.9, .weight_decay = 0.01};
    for (int step = 0; step < steps; step++) {
        network_fill(c->program, (uint64_t)c->steps_done++);
        for (int i = 0; i < 4; i++)
            program_labels(c->program)[i] = i;
        support_ok(program_forward(c->program));
        support_ok(program_backward(c->program));
        sgd_step(c->session.net->params, &sgd);
    }
}

static bool all_zero(const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (values[i] != 0)
            return false;
    return true;
}

/* Momentum that was gathered before the freeze moves nothing after it: it is gone, with the
 * gradient. What thaws later starts anew and moves. */
static void test_R36_R40_freeze_and_thaw(void **state)
{
    struct bed *bed = *state;
    const char *globs[RESNET20_STAGES + 2];
    struct train_settings s;
    struct course c = {0};
    support_settings(&s, bed, "cbam");
    support_save_fresh(&s, bed_path(bed, "fresh"));
    support_open(&c.session, &s, bed_path(bed, "fresh"), NULL);
    const struct params *params = c.session.net->params;
    change_arm(&c, ARM_FINETUNE);
    go_on(&c, 3);
    support_ok(session_save(&c.session, bed_path(bed, "frozen")));
    change_arm(&c, top(1));
    for (int i = 0; i < params->count; i++) {
        const struct net_param *param = params->list[i];
        assert_true(param->trainable == (param->velocity != NULL));
        assert_true(param->trainable == (param->p.grad != NULL));
    }
    go_on(&c, 3);
    support_ok(session_save(&c.session, bed_path(bed, "later")));
    int due = movable(1, bed_path(bed, "fresh"), globs);
    assert_int_equal(support_compare(bed_path(bed, "frozen"), bed_path(bed, "later"), globs), due);
    change_arm(&c, top(2));
    for (int i = 0; i < params->count; i++)
        if (params->list[i]->trainable && params->list[i]->stage == 2)
            assert_true(all_zero(params->list[i]->velocity, params->list[i]->p.count));
    go_on(&c, 2);
    support_ok(session_save(&c.session, bed_path(bed, "thawed")));
    due = movable(2, bed_path(bed, "fresh"), globs);
    assert_int_equal(support_compare(bed_path(bed, "later"), bed_path(bed, "thawed"), globs), due);
    program_free(c.program);
    session_close(&c.session);
}

static void test_resumed_is_undisturbed(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    struct train_result *part;
    support_source(bed, &s, "cbam");
    s.transfer = top(2);
    struct train_io io = {.save = bed_path(bed, "resumed"), .resume = true,
                          .checkpoint = bed_path(bed, "checkpoint"), .stop_after_epochs = 1};
    support_free(support_train(&s, bed_path(bed, "whole")));
    support_ok(support_run(&s, &io, &part));
    support_free(part);
    io.stop_after_epochs = 0;
    support_ok(support_run(&s, &io, &part));
    support_free(part);
    support_same(bed_path(bed, "whole"), io.save);
    s.transfer = top(1);
    support_refused(support_run(&s, &io, &part), ERR_FORMAT, "checkpoint", "'transfer' differs");
    support_free(part);
}

/* ---- what is refused; studies; the program ---- */

static void test_R38_stages_that_are_not_there(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    struct train_result *result;
    const struct train_io io = {0};
    support_source(bed, &s, "cbam");
    s.transfer = top(4);
    support_refused(support_run(&s, &io, &result), ERR_USAGE, "top:4", "top:1, top:2, top:3");
    support_free(result);
    s.transfer = top(2);
    snprintf(s.init, sizeof s.init, "random");
    support_refused(support_run(&s, &io, &result), ERR_USAGE, "top:2", "--init");
    support_free(result);
}

static void test_studies_take_several(void **state)
{
    static const char text[] = "name: tops\nmodels: [resnet20]\nattention: [none, cbam]\nseeds: 1\n"
                               "source: {data: 'idx:a'}\ntarget: {data: ['idx:b']}\ntransfer:\n"
                               "  - arm: frozen\n  - arm: top:1\n  - {arm: 'top:2', epochs: 3}\n"
                               "  - arm: top:3\n  - arm: finetune\n  - arm: scratch\n";
    struct bed *bed = *state;
    struct study *study = calloc(1, sizeof *study);
    assert_non_null(study);
    fixture_write(&bed->folder, "study.yaml", text, strlen(text));
    support_ok(study_load(study, bed_path(bed, "study.yaml")));
    assert_int_equal(study->arm_count, 6);
    assert_int_equal(study->arms[1].transfer, top(1));
    assert_int_equal(study->arms[2].transfer, top(2));
    assert_int_equal(study->arms[2].epochs, 3);
    char *twice = strdup(text), *third = strstr(twice, "top:3");
    third[4] = '1';
    fixture_write(&bed->folder, "study.yaml", twice, strlen(twice));
    support_refused(study_load(study, bed_path(bed, "study.yaml")), ERR_FORMAT, "top:1",
                    "stands there twice");
    free(twice);
    free(study);
}

static void test_describe_lists_them(void **state)
{
    struct command c;
    double sum = 0, trainable = 0;
    (void)state;
    command_need();
    command_ok(&c, "describe --model resnet20 --attention cbam --transfer top:2 --format json");
    json_t *json = command_json(&c), *row;
    command_free(&c);
    const json_t *rows = command_member(json, "stages");
    static const char *const from[] = {"finetune", "top:3", "top:2", "top:1", "frozen"};
    size_t i;
    assert_int_equal(json_array_size(rows), 5);
    json_array_foreach(rows, i, row) {
        assert_string_equal(json_string_value(command_member(row, "trains_from")), from[i]);
        double params = command_number(row, "params"), moving = command_number(row, "trainable");
        sum += params;
        trainable += moving;
        assert_true(moving == (i < 2 ? 0 : params));
    }
    assert_true(sum == command_number(json, "params"));
    assert_true(trainable == command_number(json, "trainable"));
    json_decref(json);
    command_ok(&c, "describe --model densenet121");
    assert_non_null(strstr(c.out, "features.denseblock3, transition3"));
    command_free(&c);
    command_refused(2, "top:4", "top:1, top:2, top:3",
                    "describe --model resnet20 --transfer top:4");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stages_of_networks),
        cmocka_unit_test(test_arms_grow_with_k),
        cmocka_unit_test(test_names),
        BED_TEST(test_the_last_stages_and_the_head_move),
        BED_TEST(test_caching_changes_no_result),
        cmocka_unit_test(test_the_cut_is_at_the_stage),
        BED_TEST(test_R36_R40_freeze_and_thaw),
        BED_TEST(test_resumed_is_undisturbed),
        BED_TEST(test_R38_stages_that_are_not_there),
        BED_TEST(test_studies_take_several),
        cmocka_unit_test(test_describe_lists_them),
    };
    return cmocka_run_group_tests_name("top", tests, NULL, NULL);
}
