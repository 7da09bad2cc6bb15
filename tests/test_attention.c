/* The attention module against its worked example on every implementation, and the example's check
 * against modules that are wrong in the ways in which published ones were: each must be told apart.
 * All forms and options: test_attention_forms.c. */
#include "bench/net/attention.h"
#include "tests/attention_example.h"
#include "tests/ways.h"

#include <stdio.h>
#include <string.h>

/* ---- the real module ---- */

/* `detail` is a specification; it need not live longer than the call (the parsed one must). */
static void build_attention(struct net_case *c, const void *detail, int gates[2])
{
    static struct attention_spec spec;
    net_case_must(attention_parse(detail, &spec));
    c->net->output = attention_add(c->net, c->net->input, &spec, "");
    net_case_finish(c);
    gates[0] = c->infer->sites[0].channel_gate;
    gates[1] = c->infer->sites[0].spatial_gate;
}

static void test_worked_example(void **state)
{
    const struct way *way = *state;
    char text[EXAMPLE_TEXT];
    for (enum example_row row = 0; row < EXAMPLE_ROWS; row++)
        if (!example_check(way->impl, way->fused, row, build_attention, example_spec(row), text))
            fail_msg("%s", text);
}

/* ---- options that would be taken for another form ---- */

static void test_another_form_is_told_apart(void **state)
{
    static const struct {
        enum example_row row;
        const char *spec;
    } wrong[] = {
        {EXAMPLE_ARTICLE, "cbam-article:gate=sum"},
        {EXAMPLE_ARTICLE, "cbam-article:planes=max-mean"},
        {EXAMPLE_ARTICLE, "cbam-article:order=parallel"},
        {EXAMPLE_ARTICLE, "cbam-article:order=spatial-first"},
        {EXAMPLE_ARTICLE, "cbam-article:bn=on"},
        {EXAMPLE_BARE, "cbam:bn=off:gate=article"},
        {EXAMPLE_BARE, "cbam:bn=off:planes=mean-max"},
        {EXAMPLE_BARE, "cbam-parallel:bn=off"},
        {EXAMPLE_BARE, "cbam-spatial-first:bn=off"},
        {EXAMPLE_BARE, "cbam:bn=off:inner"},
        {EXAMPLE_BARE, "cbam:bn=off:scale=2"},
        {EXAMPLE_BARE, "cbam:bn=off:cpool=avg"},
        {EXAMPLE_BARE, "cbam:bn=off:cpool=max"},
        {EXAMPLE_BARE, "cbam:bn=off:bias=off"},
        {EXAMPLE_BARE, "cbam:bn=off:k=5"},
        {EXAMPLE_FRESH, "cbam:bn=off"},
        {EXAMPLE_LIGHT, "cbam-light:bn=off"},
        {EXAMPLE_LIGHT, "cbam-light:bias=on:bn=off:cpool=both"},
        {EXAMPLE_LIGHT, "cbam-light:bias=on:bn=off:spool=both"},
    };
    const struct way *way = *state;
    char text[EXAMPLE_TEXT];
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (example_check(way->impl, way->fused, wrong[i].row, build_attention,
                          wrong[i].spec, text))
            fail_msg("%s passes for '%s'", wrong[i].spec, example_name(wrong[i].row));
}

/* ---- wrong modules ---- */

/* Faults of published modules; user reports R01, R02, R08 and others. */
enum mutation {
    NO_MUTATION,
    TWO_MLPS,             /* another MLP for the maximum */
    TWO_MLPS_ALIKE,       /* another one with the same values: only its gradient tells */
    NO_CHANNEL_SIGMOID,
    NO_SPATIAL_SIGMOID,
    TWO_CHANNEL_SIGMOIDS,
    TWO_SPATIAL_SIGMOIDS,
    PLANES_SWAPPED,
    MAX_UNUSED,
    MEAN_UNUSED,
    SPATIAL_READS_X,      /* and not the map that the channel gate has scaled */
    CONV_HAS_BIAS,
    NO_NORMALISATION,
    SPATIAL_ONLY,
    MUTATIONS
};

static const char *const mutation_names[MUTATIONS] = {
    "no mutation",          "two MLPs",         "two MLPs with equal weights",
    "no channel sigmoid",   "no spatial sigmoid", "two channel sigmoids",
    "two spatial sigmoids", "planes swapped",   "maximum unused",
    "mean unused",          "spatial gate reads x", "bias in the convolution",
    "no normalisation",     "channel gate not applied",
};

struct wrong_module {
    enum mutation mutation;
    bool bn;
};

static int pool(struct net *net, int x, enum pool_hw_mode mode)
{
    struct op_desc desc = {.kind = OP_POOL_HW, .pool_hw = {mode}};
    return net_op(net, "pool", &desc, x, NO_NODE);
}

static int linear(struct net *net, const char *mlp, int layer, int x, int width)
{
    char name[64];
    struct op_desc desc = {.kind = OP_LINEAR, .linear = {width, true}};
    snprintf(name, sizeof name, "ChannelGate.%s.%d", mlp, layer);
    return net_op_shared(net, name, &desc, x, NO_NODE);
}

static int mlp(struct net *net, const char *name, int x)
{
    return linear(net, name, 3, net_relu(net, linear(net, name, 1, x, 1)), EXAMPLE_C);
}

static int sigmoids(struct net *net, int x, int count)
{
    for (int i = 0; i < count; i++)
        x = net_op(net, "sigmoid", &(struct op_desc){.kind = OP_SIGMOID}, x, NO_NODE);
    return x;
}

static int channel_gate(struct net *net, enum mutation mutation, int x)
{
    bool two = mutation == TWO_MLPS || mutation == TWO_MLPS_ALIKE;
    int mean = mlp(net, "mlp", pool(net, x, POOL_MEAN));
    int max = mlp(net, two ? "other" : "mlp", pool(net, x, POOL_MAX));
    int logits = mutation == MAX_UNUSED ? mean : mutation == MEAN_UNUSED ? max
                                                                         : net_add(net, mean, max);
    return sigmoids(net, logits, mutation == NO_CHANNEL_SIGMOID     ? 0
                                 : mutation == TWO_CHANNEL_SIGMOIDS ? 2
                                                                    : 1);
}

static int spatial_gate(struct net *net, const struct wrong_module *m, int x)
{
    struct op_desc planes = {.kind = OP_POOL_C,
                             .pool_c = {m->mutation == PLANES_SWAPPED ? PLANES_MEAN_MAX
                                                                      : PLANES_MAX_MEAN}};
    struct op_desc conv = {.kind = OP_CONV2D,
                           .conv = {.oc = 1, .kh = 7, .kw = 7, .sh = 1, .sw = 1, .ph = 3, .pw = 3,
                                    .dh = 1, .dw = 1, .groups = 1,
                                    .bias = m->mutation == CONV_HAS_BIAS}};
    struct op_desc bn = {.kind = OP_BATCHNORM, .bn = {.eps = 1e-5f, .momentum = 0.01f}};
    x = net_op(net, "SpatialGate.spatial.conv", &conv, net_op(net, "planes", &planes, x, NO_NODE),
               NO_NODE);
    if (m->bn && m->mutation != NO_NORMALISATION)
        x = net_op(net, "SpatialGate.spatial.bn", &bn, x, NO_NODE);
    return sigmoids(net, x, m->mutation == NO_SPATIAL_SIGMOID     ? 0
                            : m->mutation == TWO_SPATIAL_SIGMOIDS ? 2
                                                                  : 1);
}

static void set_if_there(const struct net_case *c, const char *end, const double *values,
                         size_t count)
{
    struct net_param *param = net_case_find(c, end);
    if (param)
        net_case_set(param, values, count);
}

/* Weights that the example does not set. */
static void set_extra_weights(const struct net_case *c, enum mutation mutation)
{
    double other = mutation == TWO_MLPS ? -0.5 : 0;
    set_if_there(c, "other.1.weight", (double[]){0.5 + other, -0.25}, 2);
    set_if_there(c, "other.1.bias", (double[]){0.1}, 1);
    set_if_there(c, "other.3.weight", (double[]){1, -2}, 2);
    set_if_there(c, "other.3.bias", (double[]){0.2, -0.1}, 2);
    set_if_there(c, "SpatialGate.spatial.conv.bias", (double[]){0.05}, 1);
}

static void build_wrong(struct net_case *c, const void *detail, int gates[2])
{
    const struct wrong_module *m = detail;
    struct net *net = c->net;
    int x = net->input;
    gates[0] = channel_gate(net, m->mutation, x);
    int z = net_op(net, "mul_channel", &(struct op_desc){.kind = OP_MUL_CHANNEL}, x, gates[0]);
    gates[1] = spatial_gate(net, m, m->mutation == SPATIAL_READS_X ? x : z);
    net->output = net_op(net, "mul_spatial", &(struct op_desc){.kind = OP_MUL_SPATIAL},
                         m->mutation == SPATIAL_ONLY ? x : z, gates[1]);
    net_case_finish(c);
    set_extra_weights(c, m->mutation);
}

static void test_wrong_modules_are_told_apart(void **state)
{
    const struct way *way = *state;
    static const enum example_row tried[] = {EXAMPLE_NORMALISED, EXAMPLE_FRESH, EXAMPLE_BARE};
    for (enum mutation mutation = 0; mutation < MUTATIONS; mutation++) {
        int passed = 0;
        char text[EXAMPLE_TEXT] = "";
        for (int i = 0; i < 3; i++) {
            struct wrong_module m = {mutation, tried[i] != EXAMPLE_BARE};
            passed += example_check(way->impl, false, tried[i], build_wrong, &m, text);
        }
        if (mutation == NO_MUTATION && passed != 3)
            fail_msg("the module composed here is refused: %s", text);
        if (mutation != NO_MUTATION && passed == 3)
            fail_msg("not told apart: %s", mutation_names[mutation]);
    }
}

/* Which rows, and which comparison in them, tell a fault apart is part of the example's worth: with
 * equal weights nothing but the gradient of the shared weights shows two MLPs, and nothing but the
 * fresh row (BN weight 0) shows beyond doubt that the normalisation is missing. */
static void test_what_tells_them_apart(void **state)
{
    const struct way *way = *state;
    char text[EXAMPLE_TEXT];
    struct wrong_module alike = {TWO_MLPS_ALIKE, false}, bare = {NO_NORMALISATION, true};
    assert_false(example_check(way->impl, false, EXAMPLE_BARE, build_wrong, &alike, text));
    if (!strstr(text, "mlp.1.weight"))
        fail_msg("two MLPs with equal weights were told apart by: %s", text);
    assert_false(example_check(way->impl, false, EXAMPLE_FRESH, build_wrong, &bare, text));
    if (!strstr(text, "spatial gate"))
        fail_msg("a missing normalisation was told apart by: %s", text);
}

int main(int argc, char **argv)
{
    static const struct way_test tests[] = {
        {"worked example", test_worked_example, EACH_WAY, NULL},
        {"another form is told apart", test_another_form_is_told_apart, EACH_WAY, NULL},
        {"wrong modules are told apart", test_wrong_modules_are_told_apart, EACH_IMPL, NULL},
        {"what tells them apart", test_what_tells_them_apart, EACH_IMPL, NULL},
    };
    (void)argc;
    return ways_run(argv, "attention, worked example", tests, sizeof tests / sizeof tests[0]);
}
