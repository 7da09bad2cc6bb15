/* Whole networks with attention against PyTorch on every implementation, on small inputs:
 * inference, gradients by name, running statistics, ten training steps. And what the comparison is
 * worth: networks and optimisers that differ in one decision are refused. slow_torch.c has the same
 * at 224 pixels. */
#include "tests/torch_fixture.h"
#include "tests/ways.h"

#include <string.h>

static void finish(struct torch_fixture *f, const struct way *way, const char *what, bool good,
                   const char *text)
{
    print_message("%s, %s: worst logits %.1e, gradients %.1e (median %.1e), statistics %.1e, "
                  "losses %.1e\n", way->name, what, f->worst[0], f->worst[1], f->median,
                  f->worst[2], f->worst[3]);
    if (!good)
        fail_msg("%s", text);
    torch_close(f);
}

/* Primitives alone, then with fused operations where the implementation has any; the ten steps on
 * whichever people train with. */
static void test_network(void **state)
{
    const struct way *way = *state;
    struct torch_fixture f;
    char text[TORCH_TEXT];
    if (strncmp(way->detail, "resnet50", 8) == 0)
        ways_skip_sanitized();
    torch_open(&f, way->detail, way->impl, false, NULL);
    bool good = torch_check_inference(&f, text) && torch_check_first_step(&f, text);
    finish(&f, way, "primitives", good, text);
    torch_open(&f, way->detail, way->impl, true, NULL);
    if (net_case_is_fused(&f.c))
        good = torch_check_inference(&f, text) && torch_check_first_step(&f, text);
    good = good && torch_check_training(&f, &f.sgd, text);
    finish(&f, way, net_case_is_fused(&f.c) ? "fused, ten steps" : "ten steps", good, text);
}

/* Inference alone, of networks made of operations that the others train. */
static void test_forward(void **state)
{
    const struct way *way = *state;
    for (int fused = 0; fused < 2; fused++) {
        struct torch_fixture f;
        char text[TORCH_TEXT];
        torch_open(&f, way->detail, way->impl, fused == 1, NULL);
        bool good = torch_check_inference(&f, text);
        finish(&f, way, fused ? "fused" : "primitives", good, text);
    }
}

static int winograd_steps(const struct net_case *c)
{
    struct program *program = net_case_infer(c, 1, NULL, 0);
    int count = 0;
    for (int i = 0; i < program_steps(program); i++)
        count += strstr(program_step(program, i).how, "own winograd") != NULL;
    program_free(program);
    return count;
}

/* Convolutions by Winograd's algorithm, which round more: three times the errors of direct ones
 * (which nearly all pass without) where 5e-4 is promised. */
static void test_winograd(void **state)
{
    const struct way *way = *state;
    struct algorithms algorithms = {.rule = ALGORITHM_WINOGRAD};
    struct torch_fixture f;
    char text[TORCH_TEXT];
    const struct impl *impl = impl_find("onednn");
    if (!impl)
        skip();
    if (strncmp(way->detail, "resnet50", 8) == 0)
        ways_skip_sanitized();
    torch_open(&f, way->detail, impl, true, NULL);
    f.c.algorithms = &algorithms;
    assert_true(winograd_steps(&f.c) >= 12);
    double *const tolerance[] = {&f.tolerance.logits, &f.tolerance.gradient, &f.tolerance.median,
                                 &f.tolerance.statistics, &f.tolerance.loss};
    for (size_t i = 0; i < sizeof tolerance / sizeof tolerance[0]; i++)
        *tolerance[i] *= 3;
    bool good = torch_check_inference(&f, text) && torch_check_first_step(&f, text);
    finish(&f, way, "one step", good, text);
}

/* ---- what is refused ---- */

/* Other forms of attention whose weights have the same names. */
static void test_other_networks_are_refused(void **state)
{
    const struct way *way = *state;
    static const char *const wrong[] = {"cbam:planes=mean-max", "cbam-spatial-first",
                                        "cbam-parallel", "cbam:gate=article", "cbam:inner",
                                        "cbam:cpool=avg", "cbam:scale=2"};
    ways_skip_sanitized();
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct torch_fixture f;
        char text[TORCH_TEXT];
        torch_open(&f, "resnet18_cbam", way->impl, false, wrong[i]);
        if (torch_check_inference(&f, text))
            fail_msg("%s passes in inference", wrong[i]);
        if (torch_check_first_step(&f, text))
            fail_msg("%s passes in training", wrong[i]);
        torch_close(&f);
    }
}

static void test_other_optimisers_are_refused(void **state)
{
    const struct way *way = *state;
    static const struct {
        const char *what;
        struct sgd sgd;
    } wrong[] = {{"nesterov", {.lr = 0.003, .momentum = 0.9, .weight_decay = 0.1,
                               .nesterov = true}},
                 {"no momentum", {.lr = 0.003, .weight_decay = 0.1}},
                 {"no weight decay", {.lr = 0.003, .momentum = 0.9}},
                 {"another rate", {.lr = 0.00303, .momentum = 0.9, .weight_decay = 0.1}}};
    struct torch_fixture f;
    char text[TORCH_TEXT];
    ways_skip_sanitized();
    torch_open(&f, "resnet18_cbam", way->impl, false, NULL);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (torch_check_training(&f, &wrong[i].sgd, text))
            fail_msg("passes: %s", wrong[i].what);
    }
    torch_close(&f);
}

/* A running variance that is updated with the biased variance, as some libraries do; in layer4 a
 * channel has 16 values. */
static void test_biased_variance_is_refused(void **state)
{
    const struct way *way = *state;
    struct torch_fixture f;
    char text[TORCH_TEXT];
    torch_open(&f, "resnet18_cbam", way->impl, false, NULL);
    struct net_param *param = net_case_find(&f.c, "layer4.1.bn2.running_var");
    assert_non_null(param);
    float old[512];
    assert_int_equal(param->p.count, 512);
    for (int i = 0; i < 512; i++)
        old[i] = param->p.data[i];
    assert_true(torch_check_first_step(&f, text));
    for (int i = 0; i < 512; i++)
        param->p.data[i] = 0.9f * old[i] + (param->p.data[i] - 0.9f * old[i]) * 15 / 16;
    assert_false(torch_check_statistics(&f, "first", f.tolerance.statistics, text));
    torch_close(&f);
}

int main(int argc, char **argv)
{
    static const struct way_test tests[] = {
        {"resnet18_cbam", test_network, EACH_IMPL, "resnet18_cbam"},
        {"a biased variance is refused", test_biased_variance_is_refused, ONCE, NULL},
        {"resnet50_cbam", test_network, EACH_IMPL, "resnet50_cbam"},
        {"resnet50_article", test_network, EACH_IMPL, "resnet50_article"},
        {"vgg16_bn_cbam", test_network, EACH_IMPL, "vgg16_bn_cbam"},
        {"densenet121_cbam", test_network, EACH_IMPL, "densenet121_cbam"},
        {"resnext50_cbam", test_forward, EACH_IMPL, "resnext50_cbam"},
        {"mobilenet_cbam", test_forward, EACH_IMPL, "mobilenet_cbam"},
        {"winograd resnet18_cbam", test_winograd, ONCE, "resnet18_cbam"},
        {"winograd resnet50_cbam", test_winograd, ONCE, "resnet50_cbam"},
        {"winograd vgg16_bn_cbam", test_winograd, ONCE, "vgg16_bn_cbam"},
        {"other networks are refused", test_other_networks_are_refused, ONCE, NULL},
        {"other optimisers are refused", test_other_optimisers_are_refused, ONCE, NULL},
    };
    (void)argc;
    return ways_run(argv, "networks against PyTorch", tests, sizeof tests / sizeof tests[0]);
}
