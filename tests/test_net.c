/* Networks: parameter and MAC totals of the literature, and that they are those of a weights
 * file. */
#include "bench/net/weights.h"
#include "impls/base/threads.h"
#include "tests/support.h"

#include <math.h>

/* ---- totals (Woo et al. 2018, Table 4; torchvision; counted by hand in the notes) ---- */

static const struct {
    const char *model, *attention;
    double count;
} totals[] = {
    {"resnet18", "none", 11689512},        {"resnet18", "cbam", 11779392},
    {"resnet18", "cbam-article", 11779384}, {"resnet18", "cbam-light", 11776960},
    {"resnet34", "none", 21797672},        {"resnet34", "cbam", 21960468},
    {"resnet34", "cbam-article", 21960452}, {"resnet34", "cbam-light", 21955672},
    {"resnet50", "none", 25557032},        {"resnet50", "cbam", 28089624},
    {"resnet50", "se", 28088024},          {"resnet50:strides=v1", "cbam", 28089624},
    {"resnet50", "cbam-article", 28089608}, {"resnet50", "cbam-light", 28072792},
    {"resnet101", "none", 44549160},       {"resnet101", "cbam", 49330172},
    {"resnet101", "cbam-article", 49330139}, {"vgg16_bn", "cbam", 138444344},
    {"densenet121", "none", 7978856},      {"densenet121", "cbam", 8285352},
    {"densenet121", "cbam-article", 8285348}, {"densenet121", "cbam-light", 8282164},
    {"wrn18", "none", 25875816},           {"wrn18", "se", 26074716},
    {"wrn18:widen=1.5", "cbam", 26075516}, {"wrn18:widen=2", "none", 45618216},
    {"wrn18:widen=2", "se", 45970456},     {"wrn18:widen=2", "cbam", 45971256},
    {"resnext50_32x4d", "none", 25028904}, {"resnext50_32x4d", "se", 27559896},
    {"resnext50_32x4d", "cbam", 27561496}, {"resnext101_32x4d", "none", 44177704},
    {"resnext101_32x4d", "se", 48955416},  {"resnext101_32x4d", "cbam", 48958716},
    {"mobilenet", "none", 4231976},        {"mobilenet", "se", 5072114},
    {"mobilenet", "cbam", 5074714},
};

static struct net *describe(struct model_spec *spec, const char *model, const char *attention)
{
    struct net *net;
    support_ok(model_parse(model, attention, spec));
    support_ok(model_build(spec, &net));
    return net;
}

static void check_total(const char *model, const char *attention, double expected)
{
    struct model_spec spec;
    struct net *net = describe(&spec, model, attention);
    double elements = 0, sites = 0;
    for (int i = 0; i < net->params->count; i++) {
        const struct net_param *param = net->params->list[i];
        elements += param->buffer ? 0 : (double)param->p.count;
        sites += param->part == PART_ATTENTION && !param->buffer ? (double)param->p.count : 0;
    }
    for (int i = 0; i < net->site_count; i++)
        sites -= net->sites[i].params;
    if (params_count(net->params) != expected || elements != expected || sites != 0)
        fail_msg("%s, %s: %.0f parameters, %.0f expected; %.0f at no site", model, attention,
                 params_count(net->params), expected, sites);
    net_free(net);
}

static void test_parameter_totals(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof totals / sizeof totals[0]; i++)
        check_total(totals[i].model, totals[i].attention, totals[i].count);
}

/* With 10 classes instead of 1000 the head shrinks and nothing else. */
static void test_the_head_follows_the_classes(void **state)
{
    struct model_spec spec;
    struct net *net;
    (void)state;
    support_ok(model_parse("resnet50", "cbam", &spec));
    spec.classes = 10;
    support_ok(model_build(&spec, &net));
    assert_true(params_count(net->params) == 28089624 - 990 * 2048 - 990);
    net_free(net);
}

static void test_mac_totals(void **state)
{
    static const struct {
        const char *model, *attention;
        double kilo; /* thousands */
    } rows[] = {
        {"resnet18", "none", 1814073},           {"resnet18", "cbam", 1815064},
        {"resnet34", "none", 3663761},           {"resnet34", "cbam", 3665435},
        {"resnet50:strides=v1", "none", 3857973}, {"resnet50:strides=v1", "se", 3860488},
        {"resnet50:strides=v1", "cbam", 3864362}, {"resnet50", "none", 4089184},
        {"resnet50", "cbam", 4095573},           {"resnet101:strides=v1", "none", 7570194},
        {"resnet101:strides=v1", "cbam", 7581366}, {"resnet101", "none", 7801405},
        {"resnet101", "cbam", 7812577},          {"resnet50:strides=v1", "cbam:k=3", 3863253},
        {"resnet50:strides=v1", "cbam:spool=conv1x1", 3869202},
        {"resnet50:strides=v1", "cbam-channel", 3863003},
        {"wrn18", "none", 3866327},              {"wrn18", "se", 3866523},
        {"wrn18", "cbam", 3867535},              {"wrn18:widen=2", "none", 6695707},
        {"wrn18:widen=2", "cbam", 6697219},      {"resnext50_32x4d:strides=v1", "none", 3768058},
        {"resnext50_32x4d:strides=v1", "se", 3770573},
        {"resnext50_32x4d:strides=v1", "cbam", 3774447},
        {"resnext101_32x4d:strides=v1", "none", 7507575},
        {"resnext101_32x4d:strides=v1", "se", 7512318},
        {"resnext101_32x4d:strides=v1", "cbam", 7518747},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct model_spec spec;
        struct net *net = describe(&spec, rows[i].model, rows[i].attention);
        double macs = net_macs(net);
        struct net *lowered = net_lower(net);
        assert_non_null(lowered);
        if (fabs(macs / 1e3 - rows[i].kilo) > 0.5001 || net_macs(lowered) != macs)
            fail_msg("%s, %s: %.0f MACs, %.0f lowered, %.0f thousand expected", rows[i].model,
                     rows[i].attention, macs, net_macs(lowered), rows[i].kilo);
        net_free(lowered);
        net_free(net);
    }
}

/* MobileNet as the paper's table 5 has it, rounded as there. Its 2.71 M for alpha=0.7 with SE or
 * CBAM and its 0.576 G for CBAM are 0.01 M and 0.002 G above what 26 sites make, its other cells
 * equal. */
static void test_mobilenet_is_that_of_table_5(void **state)
{
    static const struct {
        const char *model, *attention;
        double millions, giga, slack;
    } rows[] = {
        {"mobilenet:alpha=0.7", "none", 2.30, 0.283, 0},
        {"mobilenet:alpha=0.7", "se", 2.71, 0.283, 1},
        {"mobilenet:alpha=0.7", "cbam", 2.71, 0.289, 1},
        {"mobilenet", "none", 4.23, 0.569, 0},
        {"mobilenet", "se", 5.07, 0.570, 0},
        {"mobilenet", "cbam", 5.07, 0.576, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct model_spec spec;
        struct net *net = describe(&spec, rows[i].model, rows[i].attention);
        assert_int_equal(net->site_count, i % 3 ? 26 : 0);
        assert_true(fabs(params_count(net->params) / 1e6 - rows[i].millions) <=
                    0.005 + 0.005 * rows[i].slack);
        assert_true(fabs(net_macs(net) / 1e9 - rows[i].giga) <= 0.0005 + 0.001 * rows[i].slack);
        net_free(net);
    }
}

/* Options that belong to one network are refused for the others; narrowed ones are printed as
 * such. */
static void test_own_options_of_networks(void **state)
{
    struct model_spec spec;
    char title[128];
    (void)state;
    support_refused(model_parse("resnet18:widen=2", "none", &spec), ERR_USAGE, "widen=2",
                    "widen=X (wrn18)");
    support_refused(model_parse("wrn18:alpha=2", "none", &spec), ERR_USAGE, "alpha=2", "known are");
    support_refused(model_parse("mobilenet:alpha=", "none", &spec), ERR_USAGE, "alpha",
                    "0.01 to 8");
    support_refused(model_parse("mobilenet:strides=v1", "none", &spec), ERR_USAGE, "strides", "");
    support_ok(model_parse("mobilenet:alpha=0.7:stem=small", "none", &spec));
    model_title(&spec, title, sizeof title);
    assert_string_equal(title, "MobileNet alpha=0.7, small stem");
    support_ok(model_parse("wrn18", "none", &spec));
    model_title(&spec, title, sizeof title);
    assert_string_equal(title, "WideResNet-18 widen=1.5");
}

/* The totals are those of the tensors in the file that is saved. */
static void test_totals_are_those_of_the_file(void **state)
{
    static const char *const models[] = {"resnet20:width=0.5", "resnet50:stem=small:width=0.1",
                                         "vgg16_bn:stem=small:width=0.1",
                                         "densenet121:stem=small:width=0.25",
                                         "resnext50_32x4d:stem=small:width=0.25",
                                         "wrn18:stem=small:width=0.1",
                                         "mobilenet:stem=small:alpha=0.25"};
    struct bed *bed = *state;
    for (int k = 0; k < 14; k++) {
        struct model_spec spec;
        struct safetensors file;
        struct net *net = describe(&spec, models[k / 2], k % 2 ? "cbam-article" : "cbam");
        double elements = 0;
        support_ok(weights_save(bed_path(bed, "w"), net->params, NULL, 0));
        support_ok(safetensors_open(&file, bed_path(bed, "w")));
        assert_int_equal(file.count, net->params->count);
        for (size_t i = 0; i < file.count; i++)
            if (!strstr(file.tensors[i].name, ".running_"))
                elements += (double)file.tensors[i].count;
        assert_true(elements == params_count(net->params));
        safetensors_close(&file);
        net_free(net);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parameter_totals),
        cmocka_unit_test(test_the_head_follows_the_classes),
        cmocka_unit_test(test_mac_totals),
        cmocka_unit_test(test_mobilenet_is_that_of_table_5),
        cmocka_unit_test(test_own_options_of_networks),
        BED_TEST(test_totals_are_those_of_the_file),
    };
    (void)argc;
    threads_startup(argv);
    return cmocka_run_group_tests_name("networks: totals", tests, NULL, NULL) != 0;
}
