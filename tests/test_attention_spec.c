/* Specifications of attention beyond what a module computes: what is not understood is refused by
 * name; initial values; where attention sits in a network; insertion that changes nothing at the
 * start. */
#include "bench/models/model.h"
#include "bench/net/attention.h"
#include "impls/base/random.h"
#include "tests/net_case.h"
#include "tests/ways.h"

#include <math.h>
#include <string.h>

static void test_what_makes_no_sense_is_refused(void **state)
{
    static const struct {
        const char *spec, *named;
    } refused[] = {
        {"", "known are"},
        {"CBAM", "known are"},
        {"bam", "'bam'"},
        {"cbam:k=2", "'k=2'"},
        {"cbam:k=0", "'k=0'"},
        {"cbam:k=65", "'k=65'"},
        {"cbam:k=", "'k='"},
        {"cbam:k=7x", "'k=7x'"},
        {"cbam:r=0", "'r=0'"},
        {"cbam:r=-1", "'r=-1'"},
        {"cbam:r=1.5", "'r=1.5'"},
        {"cbam:r=99999999999999999999", "'r="},
        {"cbam:depth=3", "'depth=3'"},
        {"cbam:cpool=mean", "'cpool=mean'"},
        {"cbam:spool=max", "'spool=max'"},
        {"cbam:order=random", "'order=random'"},
        {"cbam:gate=product", "'gate=product'"},
        {"cbam:bias=yes", "'bias=yes'"},
        {"cbam:bn=1", "'bn=1'"},
        {"cbam:planes=max", "'planes=max'"},
        {"cbam:init=zero", "'init=zero'"},
        {"cbam:place=everywhere", "'place=everywhere'"},
        {"cbam:scale=3", "'scale=3'"},
        {"cbam:inner=1", "'inner=1'"},
        {"cbam:inner:alpha", "alpha"},
        {"cbam:gate=article:cpool=avg", "cpool=both"},
        {"cbam:gate=article:scale=2", "scale=2"},
        {"cbam-article:scale=2", "scale=2"},
        {"cbam:planes=mean-max:spool=conv1x1", "planes"},
        {"se:k=3", "'k=3'"},
        {"se:bn=off", "'bn=off'"},
        {"se:planes=mean-max", "'planes=mean-max'"},
        {"se:order=parallel", "'order=parallel'"},
        {"cbam-channel:spool=conv1x1", "'spool=conv1x1'"},
        {"cbam-channel:order=parallel", "'order=parallel'"},
        {"cbam-spatial:r=4", "'r=4'"},
        {"cbam-spatial:bias=on", "'bias=on'"},
        {"cbam-spatial:gate=article", "'gate=article'"},
        {"cbam-spatial:cpool=max", "'cpool=max'"},
        {"none:r=4", "'r=4'"},
        {"none:inner", "'inner'"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct attention_spec spec;
        if (attention_parse(refused[i].spec, &spec) != ERR_USAGE)
            fail_msg("'%s' is accepted", refused[i].spec);
        if (!strstr(fail_text(), refused[i].named) || strchr(fail_text(), '\n'))
            fail_msg("the message on '%s' does not name %s: %s", refused[i].spec,
                     refused[i].named, fail_text());
    }
}

/* Fresh values of a module with `init`. */
static void fresh(struct net_case *c, struct attention_spec *spec, const char *text)
{
    net_case_must(attention_parse(text, spec));
    net_case_open(c, impls[0], false);
    net_input(c->net, 4, 4, 32);
    c->net->output = attention_add(c->net, c->net->input, spec, "");
    net_case_finish(c);
    params_init(c->net->params, 3);
}

/* Largest absolute value of a parameter. */
static double largest(const struct net_case *c, const char *end)
{
    const struct net_param *param = net_case_find(c, end);
    double most = 0;
    assert_non_null(param);
    for (size_t i = 0; i < param->p.count; i++)
        most = fmax(most, fabs((double)param->p.data[i]));
    return most;
}

static void test_initial_values(void **state)
{
    struct attention_spec spec;
    struct net_case c;
    (void)state;
    fresh(&c, &spec, "cbam");
    assert_true(largest(&c, "bn.weight") == 0 && largest(&c, "bn.bias") == 0);
    assert_true(largest(&c, "running_mean") == 0 && largest(&c, "running_var") == 1);
    assert_true(largest(&c, "mlp.1.bias") == 0 && largest(&c, "mlp.3.bias") == 0);
    assert_true(largest(&c, "mlp.1.weight") > 0.1 && largest(&c, "mlp.1.weight") <= 1 / sqrt(32));
    assert_true(largest(&c, "mlp.3.weight") > 0.4 && largest(&c, "mlp.3.weight") <= 1 / sqrt(2));
    assert_true(largest(&c, "conv.weight") > 0.35); /* normal, deviation sqrt(2/49) = 0.202 */
    net_case_close(&c);
    fresh(&c, &spec, "cbam:init=pytorch");
    assert_true(largest(&c, "bn.weight") == 1 && largest(&c, "bn.bias") == 0);
    assert_true(largest(&c, "mlp.1.bias") > 0 && largest(&c, "mlp.1.bias") <= 1 / sqrt(32));
    assert_true(largest(&c, "mlp.3.bias") > 0.3 && largest(&c, "mlp.3.bias") <= 1 / sqrt(2));
    assert_true(largest(&c, "conv.weight") > 0.09 && largest(&c, "conv.weight") <= 1 / sqrt(98));
    net_case_close(&c);
    fresh(&c, &spec, "cbam-article");
    assert_true(largest(&c, "ca.fc.0.bias") > 0 && largest(&c, "ca.fc.2.bias") > 0);
    assert_true(largest(&c, "sa.conv.bias") > 0 && largest(&c, "sa.conv.bias") <= 1 / sqrt(98));
    net_case_close(&c);
}

/* ---- in a network ---- */

static const float *network_logits(struct net_case *c, struct model_spec *spec,
                                   struct program **program, const char *attention, bool train)
{
    net_case_must(model_parse("resnet18:width=0.125", attention, spec));
    spec->classes = 10;
    spec->input_h = spec->input_w = 33;
    net_free(c->net);
    net_case_must(model_build(spec, &c->net));
    net_case_finish(c);
    params_init(c->net->params, 9);
    *program = train ? net_case_train(c, 3, NET_CASE_ALL, true) : net_case_infer(c, 3, NULL, 0);
    struct tensor input = program_input(*program, 0);
    const struct random_stream stream = {13, 0};
    for (size_t i = 0; i < tensor_count(&input); i++)
        ((float *)input.data)[i] = (float)random_normal(stream, i);
    net_case_must(program_forward(*program));
    return program_output(*program, 0).data;
}

/* Logits of a network with attention inserted against those of the plain one with the same
 * weights (a tensor's fresh values depend on its name alone). Returns the largest difference. */
static double insertion(const struct way *way, const char *attention, bool train)
{
    struct net_case plain, with;
    struct model_spec spec[2];
    struct program *program[2];
    double most = 0;
    net_case_open(&plain, way->impl, way->fused);
    net_case_open(&with, way->impl, way->fused);
    const float *a = network_logits(&plain, &spec[0], &program[0], "none", train);
    const float *b = network_logits(&with, &spec[1], &program[1], attention, train);
    assert_true(with.net->params->count > plain.net->params->count);
    for (int i = 0; i < 3 * 10; i++)
        most = fmax(most, fabs((double)a[i] - (double)b[i]));
    for (int i = 0; i < 2; i++)
        program_free(program[i]);
    net_case_close(&plain);
    net_case_close(&with);
    return most;
}

static void test_identity_preserving_insertion(void **state)
{
    static const char *const same[] = {"cbam:scale=2", "cbam:alpha", "cbam-light:scale=2",
                                       "cbam-parallel:scale=2", "cbam:bn=off:scale=2",
                                       "cbam-article:alpha", "se:scale=2", "se:alpha",
                                       "cbam-spatial:spool=conv1x1:scale=2"};
    static const char *const other[] = {"cbam", "cbam-article", "se", "cbam-light"};
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
        for (int train = 0; train < 2; train++) {
            double most = insertion(*state, same[i], train);
            if (!(most <= 1e-6))
                fail_msg("%s changes the logits by %g at the start", same[i], most);
        }
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
        if (insertion(*state, other[i], false) < 1e-3)
            fail_msg("%s changes nothing: the comparison sees nothing", other[i]);
}

/* place=block|stage|head, and a branch between source and sum everywhere. */
static void test_places(void **state)
{
    static const struct {
        const char *model, *attention;
        int sites;
        const char *first, *last;
    } places[] = {
        {"resnet18:width=0.25", "cbam", 8, "layer1.0.cbam", "layer4.1.cbam"},
        {"resnet18:width=0.25", "cbam:place=block", 8, "layer1.0.cbam", "layer4.1.cbam"},
        {"resnet18:width=0.25", "cbam:place=stage", 4, "cbam1", "cbam4"},
        {"resnet18:width=0.25", "cbam:place=head", 1, "cbam", "cbam"},
        {"resnet18:width=0.25", "se", 8, "layer1.0", "layer4.1"},
        {"vgg16:stem=small:width=0.25", "cbam", 5, "cbam1", "cbam5"},
        {"densenet121", "cbam", 4, "features.cbam1", "features.cbam4"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        struct model_spec spec;
        struct net *net;
        net_case_must(model_parse(places[i].model, places[i].attention, &spec));
        net_case_must(model_build(&spec, &net));
        assert_int_equal(net->site_count, places[i].sites);
        assert_string_equal(net->sites[0].name, places[i].first);
        assert_string_equal(net->sites[net->site_count - 1].name, places[i].last);
        net_free(net);
    }
}

int main(int argc, char **argv)
{
    static const struct way_test tests[] = {
        {"what makes no sense is refused", test_what_makes_no_sense_is_refused, ONCE, NULL},
        {"initial values", test_initial_values, ONCE, NULL},
        {"places", test_places, ONCE, NULL},
        {"identity-preserving insertion", test_identity_preserving_insertion, EACH_WAY, NULL},
    };
    (void)argc;
    return ways_run(argv, "attention, specifications", tests, sizeof tests / sizeof tests[0]);
}
