/* Every specification and option of attention: it parses, has exactly the parameters it should,
 * and gives on every implementation what the double-precision reference gives, forward and
 * backward, in training and in inference. */
#include "bench/net/attention.h"
#include "impls/base/random.h"
#include "tests/attention_reference.h"
#include "tests/net_case.h"
#include "tests/ways.h"

#include <math.h>
#include <string.h>

enum { BATCH = 2, SIDE_H = 4, SIDE_W = 5, CHANNELS = 6 };

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

/* No two forms of the table that should differ have equal results: an option that is accepted
 * changes the module, or says what was so already. */
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

int main(int argc, char **argv)
{
    static const struct way_test tests[] = {
        {"every form", test_every_form, EACH_WAY, NULL},
        {"forms differ", test_forms_differ, ONCE, NULL},
    };
    (void)argc;
    return ways_run(argv, "attention, every form", tests, sizeof tests / sizeof tests[0]);
}
