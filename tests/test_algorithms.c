/* Which algorithm a convolution gets: rules, decisions by timing and the file that keeps them;
 * whole networks with Winograd's against direct ones. */
#include "bench/measure/decide.h"
#include "bench/net/algorithms.h"
#include "bench/transfer/settings.h"
#include "bench/transfer/train.h"
#include "impls/base/threads.h"
#include "impls/ops.h"
#include "tests/network.h"
#include "tests/temp_dir.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void must(enum status status)
{
    if (status != OK)
        fail_msg("status %d: %s", (int)status, fail_text());
}

static struct op_desc parsed(const char *text)
{
    struct op_desc desc;
    must(op_parse(text, &desc));
    return desc;
}

static enum conv_algorithm chosen(struct algorithms *algorithms, const char *text)
{
    enum conv_algorithm algorithm;
    const struct op_desc desc = parsed(text);
    must(algorithms_choose(algorithms, impls[0], NULL, &desc, &algorithm));
    return algorithm;
}

static void test_rules(void **state)
{
    (void)state;
    struct algorithms a;
    must(algorithms_parse("--algorithm", "direct", &a));
    assert_int_equal(chosen(&a, "conv2d h28 w28 c64 oc64 k3 p1"), CONV_DIRECT);
    assert_int_equal(chosen(NULL, "conv2d h28 w28 c64 oc64 k3 p1"), CONV_DIRECT);
    must(algorithms_parse("--algorithm", "winograd", &a));
    assert_int_equal(chosen(&a, "conv2d h28 w28 c64 oc64 k3 p1"), CONV_WINOGRAD4);
    assert_int_equal(chosen(&a, "conv_act h7 w7 c64 oc64 k3 p1"), CONV_WINOGRAD2);
    assert_int_equal(chosen(&a, "conv_act n8 h7 w7 c64 oc64 k3 p1"), CONV_WINOGRAD4);
    assert_int_equal(chosen(&a, "conv2d h28 w28 c64 oc64 k3 p1 s2"), CONV_DIRECT);
    assert_int_equal(chosen(&a, "conv2d h28 w28 c64 oc64"), CONV_DIRECT);
    assert_int_equal(chosen(&a, "conv2d h28 w28 c3 oc64 k3 p1"), CONV_DIRECT);
    assert_int_equal(algorithms_parse("--algorithm", "fast", &a), ERR_USAGE);
    assert_non_null(strstr(fail_text(), "--algorithm fast: direct, winograd, auto or auto:FILE"));
}

static int asked;

static enum status decide_winograd2(const struct impl *impl, struct impl_ctx *ctx,
                                    const struct op_desc *desc, struct decision *decision)
{
    (void)impl;
    (void)ctx;
    (void)desc;
    asked++;
    decision->algorithm = CONV_WINOGRAD2;
    decision->ms[CONV_WINOGRAD2] = 1.5;
    return OK;
}

/* What was decided stands in the file, is not decided again, and comes back with its figures. */
static void test_decisions_are_kept(void **state)
{
    char path[1024], option[1100], name[ALGORITHM_NAME], again[ALGORITHM_NAME];
    struct algorithms a, b;
    snprintf(path, sizeof path, "%s", temp_dir_file(state, "decisions.json"));
    snprintf(option, sizeof option, "auto:%s", path);
    must(threads_set(1));
    must(algorithms_parse("--algorithm", option, &a));
    a.decide = decide_winograd2;
    asked = 0;
    assert_int_equal(chosen(&a, "conv2d h28 w28 c64 oc64 k3 p1"), CONV_WINOGRAD2);
    assert_int_equal(chosen(&a, "conv2d h28 w28 c64 oc64 k3 p1"), CONV_WINOGRAD2);
    assert_int_equal(chosen(&a, "conv2d n2 h28 w28 c64 oc64 k3 p1"), CONV_WINOGRAD2);
    assert_int_equal(asked, 2);
    must(algorithms_parse("--algorithm", option, &b));
    assert_int_equal(b.count, 2);
    assert_float_equal(b.list[0].ms[CONV_WINOGRAD2], 1.5, 1e-9);
    assert_true(isnan(b.list[0].ms[CONV_DIRECT]));
    algorithms_name(&a, name);
    algorithms_name(&b, again);
    assert_string_equal(name, again);
    b.fixed = true;
    b.decide = decide_winograd2;
    assert_int_equal(chosen(&b, "conv2d h28 w28 c64 oc64 k3 p1"), CONV_WINOGRAD2);
    assert_int_equal(chosen(&b, "conv2d h20 w28 c64 oc64 k3 p1"), CONV_DIRECT);
    assert_int_equal(asked, 2);
    b.list[0].algorithm = CONV_DIRECT;
    algorithms_name(&b, again);
    assert_string_not_equal(name, again);
    algorithms_free(&a);
    algorithms_free(&b);
}

static void test_files_that_are_none(void **state)
{
    static const char *const texts[] = {
        "", "{", "[]", "{\"format\": \"other\", \"decisions\": []}",
        "{\"format\": \"cbam-bench algorithms 1\"}",
        "{\"format\": \"cbam-bench algorithms 1\", \"decisions\": [1]}",
        "{\"format\": \"cbam-bench algorithms 1\", \"decisions\": [{\"case\": \"conv2d\", "
        "\"impl\": \"onednn\", \"threads\": 1, \"gradients\": 0, \"algorithm\": \"best\"}]}"};
    const char *path = temp_dir_file(state, "broken.json");
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct algorithms a = {.rule = ALGORITHM_AUTO};
        file_put(path, texts[i], strlen(texts[i]));
        assert_int_equal(algorithms_read(&a, path), ERR_FORMAT);
        assert_non_null(strstr(fail_text(), path));
        algorithms_free(&a);
    }
}

/* By timing: the winner is one that was timed, within the bound, and no slower than the others. */
static void test_decided_by_timing(void **state)
{
    (void)state;
    const struct impl *impl = impl_find("onednn");
    struct impl_ctx *ctx;
    struct decision d = {.threads = 1};
    const struct op_desc desc = parsed("conv_act h28 w28 c64 oc64 k3 p1 bn relu");
    if (!impl)
        skip();
    must(threads_set(1));
    must(impl->open(&ctx));
    for (int i = 0; i < CONV_ALGORITHMS; i++)
        d.ms[i] = d.error[i] = NAN;
    must(decide_algorithm(impl, ctx, &desc, &d));
    for (int i = 0; i < CONV_ALGORITHMS; i++) {
        assert_true(d.ms[i] > 0 && d.ms[d.algorithm] <= d.ms[i]);
        assert_true(i == CONV_DIRECT || (d.error[i] > 0 && d.error[i] < DECIDE_BOUND));
    }
    impl->close(ctx);
}

/* An implementation without Winograd's keeps direct. */
static void test_nothing_to_decide(void **state)
{
    (void)state;
    const struct impl *impl = impl_find("naive");
    struct impl_ctx *ctx;
    struct decision d = {.threads = 1};
    const struct op_desc desc = parsed("conv2d h6 w6 c8 oc8 k3 p1");
    if (!impl)
        skip();
    must(impl->open(&ctx));
    for (int i = 0; i < CONV_ALGORITHMS; i++)
        d.ms[i] = d.error[i] = NAN;
    must(decide_algorithm(impl, ctx, &desc, &d));
    assert_int_equal(d.algorithm, CONV_DIRECT);
    assert_true(isnan(d.ms[CONV_WINOGRAD2]) && d.ms[CONV_DIRECT] > 0);
    impl->close(ctx);
}

/* ---- networks ---- */

static struct program *compiled(const struct network *n, int batch, struct algorithms *algorithms)
{
    struct program *program;
    const struct program_request request = {.impl = n->impl, .ctx = n->ctx, .net = n->inference,
                                            .batch = batch, .algorithms = algorithms};
    must(program_compile(&program, &request));
    network_fill(program, 5);
    return program;
}

static int winograd_steps(const struct program *program)
{
    int count = 0;
    for (int i = 0; i < program_steps(program); i++)
        count += strstr(program_step(program, i).how, "own winograd") != NULL;
    return count;
}

static void check_network(const char *model, const char *attention, int h, int least)
{
    const struct impl *impl = impl_find("onednn");
    struct algorithms algorithms = {.rule = ALGORITHM_WINOGRAD};
    struct network n;
    double difference = 0, norm = 0;
    if (!impl)
        skip();
    network_open(&n, impl, model, attention, 10, h, h - 3);
    struct program *direct = compiled(&n, 2, NULL), *winograd = compiled(&n, 2, &algorithms);
    assert_int_equal(winograd_steps(direct), 0);
    assert_true(winograd_steps(winograd) >= least);
    const float *due = network_run(direct, 0), *got = network_run(winograd, 0);
    for (int i = 0; i < 2 * 10; i++) {
        difference += (double)(got[i] - due[i]) * (double)(got[i] - due[i]);
        norm += (double)due[i] * (double)due[i];
    }
    if (!(sqrt(difference / norm) <= 5e-4))
        fail_msg("%s: logits differ by %.3g", model, sqrt(difference / norm));
    program_free(direct);
    program_free(winograd);
    network_close(&n);
}

/* ---- training runs ---- */

/* Two runs of three updates: the same numbers again, and those of direct to within rounding. */
static double last_loss(const char *algorithm)
{
    struct train_settings s;
    struct train_io io = {.decide = decide_winograd2};
    struct train_result *result = calloc(1, sizeof *result);
    assert_non_null(result);
    train_defaults(&s);
    must(train_settings_set(&s, "model", "resnet20:width=0.5"));
    must(train_settings_set(&s, "data", "fashion-mnist:classes=0-2:per-class=12"));
    must(train_settings_set(&s, "impl", "onednn"));
    must(train_settings_set(&s, "algorithm", algorithm));
    s.threads = 1;
    s.steps = 3;
    s.batch = 8;
    must(train_run(&s, &io, result));
    assert_true(!strstr(result->how, "own winograd") == !s.algorithm[0]);
    const double loss = result->train_loss;
    free(result->predictions);
    free(result);
    return loss;
}

static void test_training(void **state)
{
    char option[1100];
    if (!impl_find("onednn") || access("/usr/share/datasets/fashion-mnist", R_OK) != 0)
        skip();
    snprintf(option, sizeof option, "auto:%s", temp_dir_file(state, "training.json"));
    const double direct = last_loss("direct"), winograd = last_loss("winograd");
    const double decided = last_loss(option);
    assert_true(winograd == last_loss("winograd"));
    assert_true(decided == last_loss(option));
    assert_float_equal(winograd / direct, 1, 1e-3);
    assert_float_equal(decided / direct, 1, 1e-3);
}

static void test_training_needs_a_file(void **state)
{
    (void)state;
    struct train_settings s;
    const struct train_io io = {.save = NULL};
    struct train_result *result = calloc(1, sizeof *result);
    assert_non_null(result);
    train_defaults(&s);
    must(train_settings_set(&s, "algorithm", "direct"));
    assert_string_equal(s.algorithm, "");
    must(train_settings_set(&s, "algorithm", "auto"));
    assert_int_equal(train_run(&s, &io, result), ERR_USAGE);
    assert_non_null(strstr(fail_text(), "auto:FILE was expected"));
    must(train_settings_set(&s, "algorithm", "auto:/nowhere/decisions.json"));
    assert_int_equal(train_run(&s, &io, result), ERR_IO);
    assert_non_null(strstr(fail_text(), "/nowhere/decisions.json"));
    free(result);
}

static void test_networks(void **state)
{
    (void)state;
    check_network("resnet20", "cbam", 32, 16);
    check_network("resnet50:width=0.25", "cbam", 70, 13);
    check_network("vgg16_bn:width=0.25", "none", 64, 12);
    check_network("densenet121:width=0.5", "none", 64, 20);
}

int main(int argc, char **argv)
{
    (void)argc;
    threads_startup(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test_setup_teardown(test_decisions_are_kept, temp_dir_make, temp_dir_remove),
        cmocka_unit_test_setup_teardown(test_files_that_are_none, temp_dir_make, temp_dir_remove),
        cmocka_unit_test(test_decided_by_timing),
        cmocka_unit_test(test_nothing_to_decide),
        cmocka_unit_test(test_networks),
        cmocka_unit_test_setup_teardown(test_training, temp_dir_make, temp_dir_remove),
        cmocka_unit_test(test_training_needs_a_file),
    };
    return cmocka_run_group_tests_name("algorithms", tests, NULL, NULL);
}
