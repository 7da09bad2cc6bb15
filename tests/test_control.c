/* The control for attention: as many parameters, at the same sites, and nothing that gates. */
#include "bench/net/attention.h"
#include "tests/network.h"
#include "tests/support.h"

#include <math.h>

static struct net *describe(struct model_spec *spec, const char *model, const char *attention)
{
    struct net *net;
    support_ok(model_parse(model, attention, spec));
    support_ok(model_build(spec, &net));
    return net;
}

/* Site by site to the nearest hidden width, which is worth 2 C + 1 parameters; the same sites. */
static void test_as_many_parameters_as_cbam(void **state)
{
    static const char *const models[] = {"resnet20", "resnet50:width=0.25", "vgg16_bn:width=0.25",
                                         "densenet121:width=0.5", "mobilenet:alpha=0.5"};
    static const char *const forms[][2] = {{"cbam", "control"}, {"cbam:r=4:k=3", "control:r=4:k=3"},
                                           {"cbam:place=stage", "control:place=stage"}};
    (void)state;
    for (int i = 0; i < 15; i++) {
        struct model_spec a, b;
        struct net *gated = describe(&a, models[i / 3], forms[i % 3][0]);
        struct net *plain = describe(&b, models[i / 3], forms[i % 3][1]);
        assert_int_equal(gated->site_count, plain->site_count);
        for (int s = 0; s < gated->site_count; s++) {
            double difference = plain->sites[s].params - gated->sites[s].params;
            assert_int_equal(plain->sites[s].map.c, gated->sites[s].map.c);
            assert_true(plain->sites[s].params > 0);
            assert_true(fabs(difference) <= plain->sites[s].map.c + 0.5);
        }
        net_free(gated);
        net_free(plain);
    }
}

/* Fresh, it leaves the network bit for bit what it was: its last convolution is zero. */
static void test_insertion_changes_nothing(void **state)
{
    static const char *const missing[] = {"*.control.*", NULL};
    struct bed *bed = *state;
    struct train_settings s;
    support_settings(&s, bed, "none");
    support_free(support_train(&s, bed_path(bed, "plain")));
    for (int i = 0; impls[i]; i++) {
        struct session a, b;
        struct evaluation e, f;
        snprintf(s.impl, sizeof s.impl, "%s", impls[i]->name);
        snprintf(s.attention, sizeof s.attention, "none");
        support_open(&a, &s, bed_path(bed, "plain"), NULL);
        float *x = support_logits(&a, 4, &e);
        session_close(&a);
        snprintf(s.attention, sizeof s.attention, "control");
        support_open(&b, &s, bed_path(bed, "plain"), missing[0]);
        float *y = support_logits(&b, 4, &f);
        for (int k = 0; k < e.n * TINY_CLASSES; k++)
            assert_true(fabsf(x[k] - y[k]) <= 1e-5f * fmaxf(1, fabsf(x[k])));
        assert_int_equal(e.correct1, f.correct1);
        session_close(&b);
        free(x);
        free(y);
    }
}

/* It is in the attention's place for the arms as well. */
static void test_frozen_attention_trains_it(void **state)
{
    enum { SITES = 9 };
    static const char *const may[] = {"linear.*", "*.control.*", NULL};
    struct bed *bed = *state;
    struct train_settings s;
    support_settings(&s, bed, "control");
    support_free(support_train(&s, bed_path(bed, "source")));
    snprintf(s.init, sizeof s.init, "%s", bed_path(bed, "source"));
    s.transfer = ARM_FROZEN_ATTENTION;
    for (int i = 0; impls[i]; i++) {
        snprintf(s.impl, sizeof s.impl, "%s", impls[i]->name);
        support_free(support_train(&s, bed_path(bed, "after")));
        assert_int_equal(support_compare(s.init, bed_path(bed, "after"), may), 4 * SITES + 2);
    }
}

static void test_options_of_gates_are_refused(void **state)
{
    static const char *const bad[] = {"control:cpool=avg", "control:scale=2", "control:alpha",
                                      "control:inner", "control:bn=off",
                                      "control:order=parallel", "control:init=pytorch",
                                      "control:bias=off"};
    struct attention_spec spec;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        support_refused(attention_parse(bad[i], &spec), ERR_USAGE, bad[i], "option");
    support_ok(attention_parse("control:place=head", &spec));
    assert_false(attention_is_none(&spec));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_many_parameters_as_cbam),
        BED_TEST(test_insertion_changes_nothing),
        BED_TEST(test_frozen_attention_trains_it),
        cmocka_unit_test(test_options_of_gates_are_refused),
    };
    return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}
