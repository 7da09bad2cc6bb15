/* Variants of SGD, learning-rate schedules step by step and label smoothing against PyTorch
 * (tests/fixtures/torch_small.json); and the moments of every kind of initial values. */
#include "bench/models/model.h"
#include "bench/net/optimizer.h"
#include "bench/transfer/schedule.h"
#include "impls/base/random.h"
#include "impls/base/threads.h"
#include "tests/fixture_formula.h"
#include "tests/net_case.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char fixture[] = "tests/fixtures/torch_small.json";

static int open_fixture(void **state)
{
    json_error_t error;
    *state = json_load_file(fixture, 0, &error);
    if (!*state)
        print_error("%s: %s (run from the top of the checkout)\n", fixture, error.text);
    return *state ? 0 : -1;
}

static int close_fixture(void **state)
{
    json_decref(*state);
    return 0;
}

static const json_t *member(const json_t *object, const char *key)
{
    const json_t *found = json_object_get(object, key);
    if (!found)
        fail_msg("%s: no %s", fixture, key);
    return found;
}

static double number(const json_t *object, const char *key)
{
    return json_number_value(member(object, key));
}

static double element(const json_t *array, size_t i)
{
    assert_true(i < json_array_size(array));
    return json_number_value(json_array_get(array, i));
}

static void near(const char *what, size_t i, size_t step, double value, double expected,
                 double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%s, case %zu, step %zu: %.12g instead of %.12g", what, i, step, value, expected);
}

/* ---- SGD ---- */

/* One trainable parameter with the fixture's start. */
static struct params *new_params(size_t count)
{
    struct params *params = params_new();
    struct net_param like = {.name = "p", .ndim = 1, .dim = {(int)count}, .trainable = true,
                             .kind = OP_LINEAR};
    assert_non_null(params);
    struct net_param *param = params_add(params, &like);
    assert_non_null(param);
    param->trainable = true;
    net_case_must(params_prepare_training(params));
    for (size_t i = 0; i < count; i++)
        param->p.data[i] = (float)formula_uniform("sgd", 0, i);
    return params;
}

static void check_sgd(const json_t *variant, size_t number_of)
{
    const json_t *lr = member(variant, "lr"), *after = member(variant, "after");
    size_t count = json_array_size(json_array_get(after, 0));
    struct params *params = new_params(count);
    struct net_param *param = params->list[0];
    struct sgd sgd = {.momentum = number(variant, "momentum"),
                      .weight_decay = number(variant, "weight_decay"),
                      .nesterov = json_is_true(member(variant, "nesterov"))};
    for (size_t step = 0; step < json_array_size(after); step++) {
        for (size_t i = 0; i < count; i++)
            param->p.grad[i] = (float)formula_uniform("sgd gradient", step, i);
        sgd.lr = element(lr, step);
        unsigned version = param->p.version;
        sgd_step(params, &sgd);
        assert_int_not_equal(param->p.version, version);
        for (size_t i = 0; i < count; i++)
            near("sgd", number_of, step, (double)param->p.data[i],
                 element(json_array_get(after, step), i), 5e-7);
    }
    params_free(params);
}

static void test_sgd_variants(void **state)
{
    const json_t *variants = member(*state, "sgd");
    assert_true(json_array_size(variants) >= 9);
    for (size_t i = 0; i < json_array_size(variants); i++)
        check_sgd(json_array_get(variants, i), i);
}

/* ---- schedules ---- */

static void read_settings(const json_t *from, struct train_settings *s)
{
    const json_t *value;
    train_defaults(s);
    s->lr = number(from, "lr");
    s->momentum = number(from, "momentum");
    s->warmup_epochs = (int)number(from, "warmup_epochs");
    snprintf(s->schedule, sizeof s->schedule, "%s", json_string_value(member(from, "schedule")));
    if ((value = json_object_get(from, "step_epochs")))
        s->step_epochs = (int)json_integer_value(value);
    if ((value = json_object_get(from, "step_factor")))
        s->step_factor = json_number_value(value);
    if ((value = json_object_get(from, "pct_start")))
        s->pct_start = json_number_value(value);
    s->cycle_momentum = json_is_true(json_object_get(from, "cycle_momentum"));
    net_case_must(schedule_check(s));
}

static void test_schedules(void **state)
{
    const json_t *cases = member(*state, "schedules");
    assert_true(json_array_size(cases) >= 11);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i), *lr = member(c, "lr_steps");
        const json_t *momentum = member(c, "momentum_steps");
        struct train_settings s;
        int steps = (int)number(c, "steps"), per_epoch = (int)number(c, "per_epoch");
        read_settings(member(c, "settings"), &s);
        assert_int_equal(json_array_size(lr), steps);
        for (int step = 0; step < steps; step++) {
            struct rate rate = schedule_rate(&s, step, steps, per_epoch);
            near(s.schedule, i, (size_t)step, rate.lr, element(lr, (size_t)step), 1e-11);
            near("momentum", i, (size_t)step, rate.momentum, element(momentum, (size_t)step),
                 1e-11);
        }
    }
}

static void test_constant_and_unknown_schedule(void **state)
{
    struct train_settings s;
    (void)state;
    train_defaults(&s);
    snprintf(s.schedule, sizeof s.schedule, "constant");
    s.lr = 0.3;
    s.warmup_epochs = 1;
    near("constant", 0, 0, schedule_rate(&s, 0, 12, 4).lr, 0.3 / 5, 1e-12);
    near("constant", 0, 3, schedule_rate(&s, 3, 12, 4).lr, 0.3 * 4 / 5, 1e-12);
    near("constant", 0, 4, schedule_rate(&s, 4, 12, 4).lr, 0.3, 0);
    near("constant", 0, 11, schedule_rate(&s, 11, 12, 4).lr, 0.3, 0);
    snprintf(s.schedule, sizeof s.schedule, "polynomial");
    assert_int_equal(schedule_check(&s), ERR_USAGE);
    assert_non_null(strstr(fail_text(), "'polynomial'"));
}

/* ---- loss ---- */

static void check_smoothing(const struct impl *impl, const json_t *c, size_t i)
{
    enum { N = 4, CLASSES = 7 };
    struct net_case net;
    struct program *program;
    net_case_open(&net, impl, false);
    net_input(net.net, 1, 1, CLASSES);
    net.net->output = net.net->input;
    net_case_finish(&net);
    const struct program_request request = {
        .impl = impl, .ctx = net.ctx, .net = net.train, .batch = N, .train = true, .loss = true,
        .input_gradients = true, .smoothing = (float)number(c, "smoothing")};
    net_case_must(program_compile(&program, &request));
    float *x = program_input(program, 0).data;
    const float *dx = program_input_gradient(program, 0).data;
    for (size_t k = 0; k < N * CLASSES; k++)
        x[k] = 3 * (float)formula_uniform("logits", 0, k);
    formula_fill_labels(program_labels(program), N, CLASSES, 0);
    net_case_must(program_forward(program));
    net_case_must(program_backward(program));
    for (size_t k = 0; k < N; k++)
        near("loss", i, k, (double)program_losses(program)[k], element(member(c, "losses"), k),
             3e-6);
    for (size_t k = 0; k < N * CLASSES; k++)
        near("gradient of the loss", i, k, (double)dx[k], element(member(c, "gradient"), k), 2e-7);
    program_free(program);
    net_case_close(&net);
}

static void test_label_smoothing(void **state)
{
    const json_t *cases = member(*state, "smoothing");
    assert_int_equal(json_array_size(cases), 3);
    for (int i = 0; impls[i]; i++)
        for (size_t k = 0; k < json_array_size(cases); k++)
            check_smoothing(impls[i], json_array_get(cases, k), k);
}

/* ---- initial values ---- */

struct moments {
    double mean, variance, fourth, most; /* fourth: over the variance squared; most: largest |x| */
};

static struct moments moments_of(const struct param *p)
{
    struct moments m = {0};
    for (size_t i = 0; i < p->count; i++)
        m.mean += (double)p->data[i] / (double)p->count;
    for (size_t i = 0; i < p->count; i++) {
        double d = (double)p->data[i] - m.mean;
        m.variance += d * d / (double)p->count;
        m.fourth += d * d * d * d / (double)p->count;
        m.most = fmax(m.most, fabs((double)p->data[i]));
    }
    m.fourth /= m.variance * m.variance;
    return m;
}

/* Five standard errors of each moment of `count` independent values: mean, variance and fourth
 * moment of a normal (3) or a uniform (1.8) distribution; a uniform one keeps its bounds. */
static void check_moments(const struct net_param *param, double sd, bool normal)
{
    double n = (double)param->p.count;
    struct moments m = moments_of(&param->p);
    double fourth = normal ? 3 : 1.8;
    near(param->name, 0, 0, m.mean, 0, 5 * sd / sqrt(n));
    near(param->name, 0, 2, m.variance / (sd * sd), 1, 5 * sqrt((fourth - 1) / n));
    near(param->name, 0, 4, m.fourth, fourth, 5 * (normal ? sqrt(24 / n) : sqrt(1 / n)));
    double bound = sd * sqrt(3.0);
    assert_true(normal ? m.most > 3 * sd : m.most <= bound * 1.000001 && m.most > 0.99 * bound);
}

/* Weight shapes of ResNet-18: layer2.0.conv2 [128][128][3][3], fc [1000][512]. */
static void test_initial_moments(void **state)
{
    static const double in = 128 * 9, out = 128 * 9, fc_in = 512, fc_out = 1000;
    const struct {
        const char *scheme;
        double conv, linear; /* standard deviations */
        bool conv_normal, linear_normal;
        double bias; /* of fc.bias; 0: none */
    } schemes[] = {
        {"torchvision", sqrt(2 / out), 1 / sqrt(3 * fc_in), true, false, 1 / sqrt(3 * fc_in)},
        {"pytorch", 1 / sqrt(3 * in), 1 / sqrt(3 * fc_in), false, false, 1 / sqrt(3 * fc_in)},
        {"kaiming", sqrt(2 / in), sqrt(2 / fc_in), true, true, 1 / sqrt(3 * fc_in)},
        {"xavier", sqrt(2 / (in + out)), sqrt(2 / (fc_in + fc_out)), false, false, 0},
    };
    struct model_spec spec;
    struct net *net;
    (void)state;
    net_case_must(model_parse("resnet18", "none", &spec));
    net_case_must(model_build(&spec, &net));
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        net_case_must(params_scheme(net->params, schemes[i].scheme));
        params_init(net->params, 21);
        check_moments(params_find(net->params, "layer2.0.conv2.weight"), schemes[i].conv,
                      schemes[i].conv_normal);
        check_moments(params_find(net->params, "fc.weight"), schemes[i].linear,
                      schemes[i].linear_normal);
        const struct net_param *bias = params_find(net->params, "fc.bias");
        if (schemes[i].bias > 0)
            check_moments(bias, schemes[i].bias, false);
        else
            assert_true(moments_of(&bias->p).most == 0);
        assert_true(moments_of(&params_find(net->params, "bn1.weight")->p).mean == 1);
        assert_true(moments_of(&params_find(net->params, "bn1.bias")->p).most == 0);
        assert_true(moments_of(&params_find(net->params, "bn1.running_var")->p).mean == 1);
    }
    assert_int_equal(params_scheme(net->params, "lecun"), ERR_USAGE);
    net_free(net);
}

/* A tensor's values depend on the seed and its name: attention moves nothing, a seed everything. */
static void test_values_depend_on_seed_and_name(void **state)
{
    struct model_spec spec[2];
    struct net *net[2];
    (void)state;
    for (int i = 0; i < 2; i++) {
        net_case_must(model_parse("resnet18:width=0.25", i ? "cbam" : "none", &spec[i]));
        net_case_must(model_build(&spec[i], &net[i]));
        params_init(net[i]->params, 5);
    }
    for (int i = 0; i < net[0]->params->count; i++) {
        const struct net_param *a = net[0]->params->list[i];
        const struct net_param *b = params_find(net[1]->params, a->name);
        assert_non_null(b);
        assert_memory_equal(a->p.data, b->p.data, a->p.count * sizeof(float));
    }
    params_init(net[1]->params, 6);
    const struct net_param *a = params_find(net[0]->params, "layer1.0.conv1.weight");
    const struct net_param *b = params_find(net[1]->params, "layer1.0.conv1.weight");
    const struct net_param *c = params_find(net[0]->params, "layer1.0.conv2.weight");
    size_t same = 0;
    for (size_t i = 0; i < a->p.count; i++)
        same += a->p.data[i] == b->p.data[i] || a->p.data[i] == c->p.data[i];
    assert_true(same < a->p.count / 100);
    net_free(net[0]);
    net_free(net[1]);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sgd_variants),
        cmocka_unit_test(test_schedules),
        cmocka_unit_test(test_constant_and_unknown_schedule),
        cmocka_unit_test(test_label_smoothing),
        cmocka_unit_test(test_initial_moments),
        cmocka_unit_test(test_values_depend_on_seed_and_name),
    };
    (void)argc;
    threads_startup(argv);
    return cmocka_run_group_tests_name("small values against PyTorch", tests, open_fixture,
                                       close_fixture) != 0;
}
