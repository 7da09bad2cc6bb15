/* Every specification and option of attention: it parses, has exactly the parameters it should,
 * and gives on every implementation what the double-precision reference gives, forward and
 * backward, in training and in inference; what is not understood is refused by name; what is to
 * change nothing at the start changes nothing. */
#include "bench/models/model.h"
#include "bench/net/attention.h"
#include "impls/base/random.h"
#include "impls/base/threads.h"
#include "tests/attention_reference.h"
#include "tests/net_case.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BATCH = 2, SIDE_H = 4, SIDE_W = 5, CHANNELS = 6 };

/* On what a test runs. */
struct way {
    const struct impl *impl;
    bool fused; /* with the fused operations that the implementation offers */
    char name[96];
};

/* ---- what each specification is to mean, in the test's own words ---- */

#define GATES .channel = true, .spatial = true, .k = 7
#define AUTHORS GATES, .hidden = 1, .mlp_bias = true, .bn = true
#define ARTICLE GATES, .hidden = 1, .mlp_bias = true, .article = true, .mean_first = true, \
                .conv_bias = true
#define LIGHT GATES, .hidden = 1, .cpool = 'h', .spool = 'h', .bn = true

static const struct form_row {
    const char *spec;
    char names; /* 'a' the authors' names, 'r' the article's, 's' squeeze and excitation */
    struct reference_form form;
} forms[] = {
    {"cbam", 'a', {AUTHORS}},
    {"cbam:r=16", 'a', {AUTHORS}},
    {"cbam:r=4", 'a', {GATES, .hidden = 1, .mlp_bias = true, .bn = true}},
    {"cbam:r=2", 'a', {GATES, .hidden = 3, .mlp_bias = true, .bn = true}},
    {"cbam:r=1", 'a', {GATES, .hidden = 6, .mlp_bias = true, .bn = true}},
    {"cbam:k=1", 'a', {.channel = true, .spatial = true, .hidden = 1, .k = 1, .mlp_bias = true,
                       .bn = true}},
    {"cbam:k=3", 'a', {.channel = true, .spatial = true, .hidden = 1, .k = 3, .mlp_bias = true,
                       .bn = true}},
    {"cbam:k=9", 'a', {.channel = true, .spatial = true, .hidden = 1, .k = 9, .mlp_bias = true,
                       .bn = true}},
    {"cbam:cpool=both", 'a', {AUTHORS}},
    {"cbam:cpool=avg", 'a', {AUTHORS, .cpool = 'a'}},
    {"cbam:cpool=max", 'a', {AUTHORS, .cpool = 'm'}},
    {"cbam:spool=both", 'a', {AUTHORS}},
    {"cbam:spool=conv1x1", 'a', {AUTHORS, .spool = 'r'}},
    {"cbam:order=channel-first", 'a', {AUTHORS}},
    {"cbam:order=spatial-first", 'a', {AUTHORS, .order = 's'}},
    {"cbam:order=parallel", 'a', {AUTHORS, .order = 'p'}},
    {"cbam:gate=sum", 'a', {AUTHORS}},
    {"cbam:gate=article", 'a', {AUTHORS, .article = true}},
    {"cbam:bias=on", 'a', {AUTHORS}},
    {"cbam:bias=off", 'a', {GATES, .hidden = 1, .bn = true}},
    {"cbam:bn=on", 'a', {AUTHORS}},
    {"cbam:bn=off", 'a', {GATES, .hidden = 1, .mlp_bias = true}},
    {"cbam:planes=max-mean", 'a', {AUTHORS}},
    {"cbam:planes=mean-max", 'a', {AUTHORS, .mean_first = true}},
    {"cbam:init=authors", 'a', {AUTHORS}},
    {"cbam:init=pytorch", 'a', {AUTHORS}},
    {"cbam:place=block", 'a', {AUTHORS}},
    {"cbam:inner", 'a', {AUTHORS, .inner = true}},
    {"cbam:scale=2", 'a', {AUTHORS, .twice = true}},
    {"cbam:alpha", 'a', {AUTHORS, .alpha = true}},
    {"cbam:scale=2:alpha", 'a', {AUTHORS, .twice = true, .alpha = true}},
    {"cbam:bias=off:bn=off:planes=mean-max", 'a', {GATES, .hidden = 1, .mean_first = true}},
    {"cbam:r=2:k=3:spool=conv1x1:inner:order=spatial-first:bn=off", 'a',
     {.channel = true, .spatial = true, .hidden = 3, .k = 3, .mlp_bias = true, .spool = 'r',
      .inner = true, .order = 's'}},
    {"cbam-article", 'r', {ARTICLE}},
    {"cbam-article:order=parallel", 'r', {ARTICLE, .order = 'p'}},
    {"cbam-article:order=spatial-first", 'r', {ARTICLE, .order = 's'}},
    {"cbam-article:gate=sum", 'r',
     {GATES, .hidden = 1, .mlp_bias = true, .mean_first = true, .conv_bias = true}},
    {"cbam-article:bias=off", 'r', {GATES, .hidden = 1, .article = true, .mean_first = true}},
    {"cbam-article:bn=on", 'r', {ARTICLE, .bn = true}},
    {"cbam-article:r=3:k=5", 'r',
     {.channel = true, .spatial = true, .hidden = 2, .k = 5, .mlp_bias = true, .article = true,
      .mean_first = true, .conv_bias = true}},
    {"cbam-article:planes=max-mean", 'r',
     {GATES, .hidden = 1, .mlp_bias = true, .article = true, .conv_bias = true}},
    {"se", 's', {.channel = true, .hidden = 1, .mlp_bias = true, .cpool = 'a'}},
    {"se:r=2", 's', {.channel = true, .hidden = 3, .mlp_bias = true, .cpool = 'a'}},
    {"se:bias=off", 's', {.channel = true, .hidden = 1, .cpool = 'a'}},
    {"se:cpool=max", 's', {.channel = true, .hidden = 1, .mlp_bias = true, .cpool = 'm'}},
    {"se:inner", 's',
     {.channel = true, .hidden = 1, .mlp_bias = true, .cpool = 'a', .inner = true}},
    {"se:scale=2", 's',
     {.channel = true, .hidden = 1, .mlp_bias = true, .cpool = 'a', .twice = true}},
    {"cbam-channel", 'a', {.channel = true, .hidden = 1, .mlp_bias = true}},
    {"cbam-channel:gate=article:r=2", 'a',
     {.channel = true, .hidden = 3, .mlp_bias = true, .article = true}},
    {"cbam-spatial", 'a', {.spatial = true, .k = 7, .bn = true}},
    {"cbam-spatial:spool=conv1x1:k=3", 'a', {.spatial = true, .k = 3, .bn = true, .spool = 'r'}},
    {"cbam-spatial:bn=off:alpha", 'a', {.spatial = true, .k = 7, .alpha = true}},
    {"cbam-parallel", 'a', {AUTHORS, .order = 'p'}},
    {"cbam-spatial-first", 'a', {AUTHORS, .order = 's'}},
    {"cbam-light", 'a', {LIGHT}},
    {"cbam-light:r=4", 'a', {GATES, .hidden = 2, .cpool = 'h', .spool = 'h', .bn = true}},
    {"cbam-light:bias=on:bn=off", 'a',
     {GATES, .hidden = 1, .mlp_bias = true, .cpool = 'h', .spool = 'h'}},
    {"cbam-light:order=parallel", 'a', {LIGHT, .order = 'p'}},
};
enum { FORMS = sizeof forms / sizeof forms[0] };

/* Name of a value under each way of naming, relative to the block. */
static const char *value_name(enum reference_value value, char names)
{
    static const struct {
        enum reference_value value;
        const char *authors, *article, *squeeze;
    } table[] = {
        {REFERENCE_W0, "cbam.ChannelGate.mlp.1.weight", "ca.fc.0.weight", "se.fc.0.weight"},
        {REFERENCE_B0, "cbam.ChannelGate.mlp.1.bias", "ca.fc.0.bias", "se.fc.0.bias"},
        {REFERENCE_W1, "cbam.ChannelGate.mlp.3.weight", "ca.fc.2.weight", "se.fc.2.weight"},
        {REFERENCE_B1, "cbam.ChannelGate.mlp.3.bias", "ca.fc.2.bias", "se.fc.2.bias"},
        {REFERENCE_REDUCE, "cbam.SpatialGate.reduce.weight", NULL, NULL},
        {REFERENCE_CONV, "cbam.SpatialGate.spatial.conv.weight", "sa.conv.weight", NULL},
        {REFERENCE_CONV_BIAS, NULL, "sa.conv.bias", NULL},
        {REFERENCE_GAMMA, "cbam.SpatialGate.spatial.bn.weight", "sa.bn.weight", NULL},
        {REFERENCE_BETA, "cbam.SpatialGate.spatial.bn.bias", "sa.bn.bias", NULL},
        {REFERENCE_MEAN, "cbam.SpatialGate.spatial.bn.running_mean", "sa.bn.running_mean", NULL},
        {REFERENCE_VAR, "cbam.SpatialGate.spatial.bn.running_var", "sa.bn.running_var", NULL},
        {REFERENCE_ALPHA, "cbam.alpha.weight", "alpha.weight", "alpha.weight"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].value == value)
            return names == 'a' ? table[i].authors
                   : names == 'r' ? table[i].article
                                  : table[i].squeeze;
    return NULL;
}

/* ---- one form on one implementation ---- */

struct form_case {
    const struct form_row *row;
    struct attention_spec spec;
    struct net_case c;
    struct reference r;
    struct net_param *param[REFERENCE_VALUES];
    double weight[REFERENCE_MOST]; /* of the output in the objective */
};

static void fill_values(struct form_case *f)
{
    for (int v = 0; v < REFERENCE_VALUES; v++) {
        const struct random_stream stream = {14, (uint64_t)v};
        double scale = v == REFERENCE_X ? 1 : v == REFERENCE_CONV ? 0.15 : 0.6;
        for (size_t i = 0; i < reference_count(&f->r, (enum reference_value)v); i++)
            f->r.value[v][i] =
                v == REFERENCE_VAR ? 0.7 : (double)(float)(scale * random_normal(stream, i));
    }
    const struct random_stream stream = {12, 0};
    for (size_t i = 0; i < REFERENCE_MOST; i++)
        f->weight[i] = (double)(float)random_normal(stream, i);
}

static void find_params(struct form_case *f)
{
    int expected = 0;
    for (int v = REFERENCE_X + 1; v < REFERENCE_VALUES; v++) {
        size_t count = reference_count(&f->r, (enum reference_value)v);
        const char *name = count ? value_name((enum reference_value)v, f->row->names) : NULL;
        if (!count)
            continue;
        f->param[v] = name ? params_find(f->c.net->params, name) : NULL;
        if (!f->param[v])
            fail_msg("%s has no parameter %s", f->row->spec, name ? name : "of that kind");
        net_case_set(f->param[v], f->r.value[v], count);
        expected++;
    }
    if (f->c.net->params->count != expected)
        fail_msg("%s has %d parameters, not %d", f->row->spec, f->c.net->params->count, expected);
}

static void open_form(struct form_case *f, const struct form_row *row, const struct way *way)
{
    memset(f, 0, sizeof *f);
    f->row = row;
    f->r = (struct reference){.form = row->form, .n = BATCH, .h = SIDE_H, .w = SIDE_W,
                              .c = CHANNELS};
    fill_values(f);
    net_case_must(attention_parse(row->spec, &f->spec));
    net_case_open(&f->c, way->impl, way->fused);
    net_input(f->c.net, SIDE_H, SIDE_W, CHANNELS);
    f->c.net->output = attention_add(f->c.net, f->c.net->input, &f->spec, "");
    net_case_finish(&f->c);
    find_params(f);
}

static void close_form(struct form_case *f)
{
    net_case_close(&f->c);
}

/* Single precision on numbers of size 1, sums of up to 100 terms. */
static void compare(const struct form_case *f, const char *what, size_t i, double value,
                    double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance * (1 + fabs(expected))))
        fail_msg("%s: %s[%zu] is %.8g, the reference has %.8g", f->row->spec, what, i, value,
                 expected);
}

static void fill_input(const struct form_case *f, const struct program *program)
{
    struct tensor input = program_input(program, 0);
    for (size_t i = 0; i < reference_count(&f->r, REFERENCE_X); i++)
        ((float *)input.data)[i] = (float)f->r.value[REFERENCE_X][i];
}

static void check_inference(struct form_case *f)
{
    const struct net_site *site = &f->c.infer->sites[0];
    int outputs[3] = {f->c.infer->output, site->channel_gate, site->spatial_gate};
    for (int i = 1; i < 3; i++)
        outputs[i] = outputs[i] == NO_NODE ? outputs[0] : outputs[i];
    bool channel = site->channel_gate != NO_NODE, spatial = site->spatial_gate != NO_NODE;
    assert_true(f->c.fused || (channel == f->row->form.channel && spatial == f->row->form.spatial));
    struct program *program = net_case_infer(&f->c, BATCH, outputs, 3);
    fill_input(f, program);
    f->r.batch_stats = false;
    reference_forward(&f->r);
    net_case_must(program_forward(program));
    const float *y = program_output(program, 0).data;
    for (size_t i = 0; i < reference_count(&f->r, REFERENCE_X); i++)
        compare(f, "output", i, (double)y[i], f->r.y[i], 1e-6);
    const float *gc = program_output(program, 1).data;
    for (size_t i = 0; i < BATCH * CHANNELS && channel; i++)
        compare(f, "channel gate", i, (double)gc[i], f->r.channel_gate[i], 1e-6);
    const float *gs = program_output(program, 2).data;
    for (size_t i = 0; i < BATCH * SIDE_H * SIDE_W && spatial; i++)
        compare(f, "spatial gate", i, (double)gs[i], f->r.spatial_gate[i], 1e-6);
    program_free(program);
}

/* Gradients of everything that has one, after the program's backward pass. */
static void check_gradients(struct form_case *f, const struct program *program)
{
    const float *dx = program_input_gradient(program, 0).data;
    for (size_t i = 0; i < reference_count(&f->r, REFERENCE_X); i++)
        compare(f, "input gradient", i, (double)dx[i],
                reference_gradient(&f->r, f->weight, REFERENCE_X, i), 2e-5);
    for (int v = REFERENCE_X + 1; v < REFERENCE_VALUES; v++) {
        const struct net_param *param = f->param[v];
        for (size_t i = 0; param && param->p.grad && i < param->p.count; i++)
            compare(f, param->name, i, (double)param->p.grad[i],
                    reference_gradient(&f->r, f->weight, (enum reference_value)v, i), 2e-5);
    }
}

static void check_training(struct form_case *f, enum net_case_train what)
{
    struct program *program = net_case_train(&f->c, BATCH, what, false);
    float *dy = program_output_gradient(program).data;
    f->r.batch_stats = what == NET_CASE_ALL;
    fill_input(f, program);
    reference_forward(&f->r);
    net_case_must(program_forward(program));
    const float *y = program_output(program, 0).data;
    for (size_t i = 0; i < reference_count(&f->r, REFERENCE_X); i++) {
        compare(f, "output in training", i, (double)y[i], f->r.y[i], 2e-6);
        dy[i] = (float)f->weight[i];
    }
    net_case_must(program_backward(program));
    check_gradients(f, program);
    program_free(program);
}

static void test_every_form(void **state)
{
    for (int i = 0; i < FORMS; i++) {
        struct form_case f;
        open_form(&f, &forms[i], *state);
        check_inference(&f);
        check_training(&f, NET_CASE_FIXED_BN);
        check_training(&f, NET_CASE_ALL); /* last: it moves the running statistics */
        close_form(&f);
    }
}

/* ---- specifications alone ---- */

/* An option that is accepted changes the module or its initial values, or says what was so
 * already; no two forms of the table that should differ have equal results. */
static void test_forms_differ(void **state)
{
    (void)state;
    double sums[FORMS];
    for (int i = 0; i < FORMS; i++) {
        struct form_case f = {.row = &forms[i],
                              .r = {.form = forms[i].form, .n = BATCH, .h = SIDE_H, .w = SIDE_W,
                                    .c = CHANNELS}};
        fill_values(&f);
        reference_forward(&f.r);
        sums[i] = 0;
        for (size_t k = 0; k < reference_count(&f.r, REFERENCE_X); k++)
            sums[i] += f.weight[k] * f.r.y[k];
        for (int j = 0; j < i; j++) {
            bool same = memcmp(&forms[i].form, &forms[j].form, sizeof forms[i].form) == 0;
            if (!same && fabs(sums[i] - sums[j]) < 1e-6)
                fail_msg("%s and %s give the same", forms[i].spec, forms[j].spec);
        }
    }
}

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

#define TEST(function, each) {#function, function, each}
static const struct {
    const char *name;
    CMUnitTestFunction function;
    bool each; /* on every implementation */
} tests[] = {
    TEST(test_every_form, true),
    TEST(test_identity_preserving_insertion, true),
    TEST(test_forms_differ, false),
    TEST(test_what_makes_no_sense_is_refused, false),
    TEST(test_initial_values, false),
    TEST(test_places, false),
};
enum { TESTS = sizeof tests / sizeof tests[0], MOST = 8 * TESTS };

int main(int argc, char **argv)
{
    static struct way way[MOST];
    static struct CMUnitTest test[MOST];
    size_t count = 0;
    (void)argc;
    threads_startup(argv);
    for (int t = 0; t < TESTS; t++)
        for (int i = 0; impls[i] && (i == 0 || tests[t].each); i++)
            for (int fused = 0; fused <= tests[t].each; fused++) {
                CHECK(count < MOST);
                struct way *w = &way[count];
                *w = (struct way){.impl = impls[i], .fused = fused};
                snprintf(w->name, sizeof w->name, "%s%s%s%s", tests[t].name,
                         tests[t].each ? "/" : "", tests[t].each ? impls[i]->name : "",
                         fused ? "/fused" : "");
                test[count++] = (struct CMUnitTest){w->name, tests[t].function, NULL, NULL, w};
            }
    return _cmocka_run_group_tests("attention, every form", test, count, NULL, NULL) != 0;
}
