/* The worked example: see attention_example.h. */
#include "tests/attention_example.h"

#include "tests/attention_reference.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { ELEMENTS = EXAMPLE_H * EXAMPLE_W * EXAMPLE_C, PIXELS = EXAMPLE_H * EXAMPLE_W };

/* The map, C,H,W. */
static const double map[ELEMENTS] = {1, 2, -1, 3, 4, 0.5, -1, 0, 2.5, 1, 2, -3};

/* Results, maps in C,H,W order, 9 decimals; a zero y: none was worked out. */
static const struct row {
    const char *name, *spec;
    struct reference_form form;
    double gamma, channel[EXAMPLE_C], spatial[PIXELS], y[ELEMENTS];
} rows[EXAMPLE_ROWS] = {
    [EXAMPLE_NORMALISED] =
        {"authors, BN weight 1", "cbam", {.channel = true, .spatial = true, .bn = true}, 1,
         {0.937272062, 0.008095381},
         {0.616938530, 0.595659557, 0.574014722, 0.593380614, 0.571701503, 0.549743602}, {0}},
    [EXAMPLE_FRESH] =
        {"authors, BN weight 0", "cbam", {.channel = true, .spatial = true, .bn = true}, 0,
         {0.937272062, 0.008095381},
         {0.5, 0.5, 0.5, 0.5, 0.5, 0.5},
         {0.468636031, 0.937272062, -0.468636031, 1.405908093, 1.874544124, 0.234318016,
          -0.004047690, 0, 0.010119226, 0.004047690, 0.008095381, -0.012143071}},
    [EXAMPLE_BARE] =
        {"authors, no BN", "cbam:bn=off", {.channel = true, .spatial = true}, 1,
         {0.937272062, 0.008095381},
         {0.616939093, 0.595660024, 0.574015087, 0.593381070, 0.571701856, 0.549743850},
         {0.578239776, 1.116590998, -0.538008304, 1.668478498, 2.143360711, 0.257629776,
          -0.004994357, 0, 0.011617177, 0.004803646, 0.009256288, -0.013351157}},
    [EXAMPLE_ARTICLE] =
        {"article", "cbam-article",
         {.channel = true, .spatial = true, .article = true, .mean_first = true,
          .conv_bias = true}, 1,
         {1.578995618, 0.192216674},
         {0.694865291, 0.661520360, 0.626490222, 0.657543143, 0.622336384, 0.585790183},
         {1.097189249, 2.089075499, -0.989225316, 3.114773226, 3.930665692, 0.462480066,
          -0.133564695, 0, 0.301054668, 0.126390756, 0.239246860, -0.337795923}},
    [EXAMPLE_LIGHT] =
        {"light", "cbam-light:bias=on:bn=off",
         {.channel = true, .spatial = true, .cpool = 'h', .spool = 'h'}, 1,
         {0.794470019, 0.082855519},
         {0.587662992, 0.587662992, 0.587662992, 0.572580630, 0.572580630, 0.572580630},
         {0.466880628, 0.933761256, -0.466880628, 1.364694433, 1.819592577, 0.227449072,
          -0.048691122, 0, 0.121727805, 0.047441465, 0.094882930, -0.142324395}},
};

/* For the authors' form without BN: gradient of the map for L = sum of 0.1 n y_n, n = 1..12 in
 * C,H,W order, and L itself. */
static const double bare_loss = 2.0193128894;
static const double bare_gradient[ELEMENTS] = {
    0.0838218,  0.1455851,  0.1711053,  0.2563898,  0.3751266,  0.3589381,
    -0.0020972, -0.0016671, -0.0336726, -0.0007896, -0.0004338, -0.0001158};

/* Ends of the names of every weight, in both ways of naming. */
static const struct {
    enum reference_value value;
    const char *ends[2];
} names[] = {
    {REFERENCE_W0, {"ChannelGate.mlp.1.weight", "ca.fc.0.weight"}},
    {REFERENCE_B0, {"ChannelGate.mlp.1.bias", "ca.fc.0.bias"}},
    {REFERENCE_W1, {"ChannelGate.mlp.3.weight", "ca.fc.2.weight"}},
    {REFERENCE_B1, {"ChannelGate.mlp.3.bias", "ca.fc.2.bias"}},
    {REFERENCE_CONV, {"SpatialGate.spatial.conv.weight", "sa.conv.weight"}},
    {REFERENCE_CONV_BIAS, {"sa.conv.bias", "sa.conv.bias"}},
    {REFERENCE_GAMMA, {"SpatialGate.spatial.bn.weight", "sa.bn.weight"}},
    {REFERENCE_BETA, {"SpatialGate.spatial.bn.bias", "sa.bn.bias"}},
    {REFERENCE_MEAN, {"SpatialGate.spatial.bn.running_mean", "sa.bn.running_mean"}},
    {REFERENCE_VAR, {"SpatialGate.spatial.bn.running_var", "sa.bn.running_var"}},
};
enum { NAMES = sizeof names / sizeof names[0] };

const char *example_name(enum example_row row)
{
    return rows[row].name;
}

const char *example_spec(enum example_row row)
{
    return rows[row].spec;
}

/* Place of element i of a C,H,W list in an N,H,W,C map. */
static int nhwc(int i)
{
    return i % PIXELS * EXAMPLE_C + i / PIXELS;
}

/* Weight of the 7x7 convolution for the plane of maxima and for that of means, row u, column v. */
static double conv_weight(bool max, int u, int v)
{
    return max ? 0.01 * (u - 3) + 0.05 : 0.02 * (v - 3) - 0.03;
}

static void fill_reference(struct reference *r, const struct row *row)
{
    *r = (struct reference){.form = row->form, .n = 1, .h = EXAMPLE_H, .w = EXAMPLE_W,
                            .c = EXAMPLE_C};
    r->form.hidden = 1;
    r->form.k = 7;
    r->form.mlp_bias = true;
    for (int i = 0; i < ELEMENTS; i++)
        r->value[REFERENCE_X][nhwc(i)] = map[i];
    memcpy(r->value[REFERENCE_W0], (double[]){0.5, -0.25}, 2 * sizeof(double));
    memcpy(r->value[REFERENCE_B0], (double[]){0.1}, sizeof(double));
    memcpy(r->value[REFERENCE_W1], (double[]){1, -2}, 2 * sizeof(double));
    memcpy(r->value[REFERENCE_B1], (double[]){0.2, -0.1}, 2 * sizeof(double));
    for (size_t i = 0; i < reference_count(r, REFERENCE_CONV); i++)
        r->value[REFERENCE_CONV][i] =
            conv_weight((i / 49 == 0) == !row->form.mean_first, (int)(i / 7 % 7), (int)(i % 7));
    r->value[REFERENCE_GAMMA][0] = row->gamma;
    r->value[REFERENCE_VAR][0] = 1;
}

/* The parameter of a value in the built network, whichever way it is named; NULL: none. */
static struct net_param *find(const struct net_case *c, int name)
{
    struct net_param *param = net_case_find(c, names[name].ends[0]);
    return param ? param : net_case_find(c, names[name].ends[1]);
}

static void set_weights(const struct net_case *c, const struct reference *r)
{
    for (int i = 0; i < NAMES; i++) {
        struct net_param *param = find(c, i);
        if (param)
            net_case_set(param, r->value[names[i].value], param->p.count);
    }
}

static bool differ(char *text, const struct row *row, const char *what, size_t i, double value,
                   double expected, double tolerance)
{
    if (fabs(value - expected) <= tolerance)
        return false;
    snprintf(text, EXAMPLE_TEXT, "%s: %s[%zu] is %.9g, not %.9g", row->name, what, i, value,
             expected);
    return true;
}

static void fill_input(const struct program *program)
{
    struct tensor input = program_input(program, 0);
    for (int i = 0; i < ELEMENTS; i++)
        ((float *)input.data)[nhwc(i)] = (float)map[i];
}

/* Single precision keeps the gates and the output to about 1e-7. */
static bool values_differ(const struct net_case *c, const struct row *row, const int gates[2],
                          char *text)
{
    const double tolerance = 3e-7;
    const int y_id = c->infer->output;
    const int outputs[3] = {y_id, gates[0] == NO_NODE ? y_id : gates[0],
                            gates[1] == NO_NODE ? y_id : gates[1]};
    struct program *program = net_case_infer(c, 1, outputs, 3);
    const float *y = program_output(program, 0).data, *channel = program_output(program, 1).data;
    const float *spatial = program_output(program, 2).data;
    bool has_y = row->y[0] != 0, bad = false;
    fill_input(program);
    net_case_must(program_forward(program));
    for (int i = 0; i < EXAMPLE_C && gates[0] != NO_NODE && !bad; i++)
        bad = differ(text, row, "channel gate", (size_t)i, (double)channel[i], row->channel[i],
                     tolerance);
    for (int i = 0; i < PIXELS && gates[1] != NO_NODE && !bad; i++)
        bad = differ(text, row, "spatial gate", (size_t)i, (double)spatial[i], row->spatial[i],
                     tolerance);
    for (int i = 0; i < ELEMENTS && !bad; i++) {
        double expected =
            has_y ? row->y[i] : map[i] * row->channel[i / PIXELS] * row->spatial[i % PIXELS];
        bad = differ(text, row, "y", (size_t)i, (double)y[nhwc(i)], expected, 4 * tolerance);
    }
    program_free(program);
    return bad;
}

/* Loss and gradients after a backward pass against the reference, and for the form whose numbers
 * are known against these. */
static bool gradients_wrong(const struct net_case *c, const struct row *row, struct reference *r,
                            const struct program *program, const double *weight, char *text)
{
    const double tolerance = 2e-6;
    const float *y = program_output(program, 0).data;
    const float *dx = program_input_gradient(program, 0).data;
    bool known = row == &rows[EXAMPLE_BARE], bad = false;
    double loss = 0;
    for (int i = 0; i < ELEMENTS && !bad; i++) {
        size_t at = (size_t)nhwc(i);
        double expected = reference_gradient(r, weight, REFERENCE_X, at);
        loss += weight[at] * (double)y[at];
        bad = differ(text, row, "dL/dx", (size_t)i, (double)dx[at], expected, tolerance) ||
              (known && differ(text, row, "dL/dx as known", (size_t)i, (double)dx[at],
                               bare_gradient[i], 3e-7));
    }
    if (!bad && known)
        bad = differ(text, row, "loss", 0, loss, bare_loss, tolerance);
    for (int p = 0; p < NAMES && !bad; p++) {
        const struct net_param *param = find(c, p);
        for (size_t i = 0; param && param->p.grad && i < param->p.count && !bad; i++)
            bad = differ(text, row, param->name, i, (double)param->p.grad[i],
                         reference_gradient(r, weight, names[p].value, i), tolerance);
    }
    return bad;
}

static bool gradients_differ(const struct net_case *c, const struct row *row,
                             struct reference *r, char *text)
{
    double weight[ELEMENTS];
    struct program *program = net_case_train(c, 1, NET_CASE_FIXED_BN, false);
    float *dy = program_output_gradient(program).data;
    fill_input(program);
    for (int i = 0; i < ELEMENTS; i++)
        weight[nhwc(i)] = 0.1 * (i + 1);
    net_case_must(program_forward(program));
    for (int i = 0; i < ELEMENTS; i++)
        dy[i] = (float)weight[i];
    net_case_must(program_backward(program));
    bool bad = gradients_wrong(c, row, r, program, weight, text);
    program_free(program);
    return bad;
}

bool example_check(const struct impl *impl, bool fused, enum example_row which,
                   example_builder *build, const void *detail, char text[EXAMPLE_TEXT])
{
    const struct row *row = &rows[which];
    struct net_case c;
    struct reference r;
    int gates[2];
    text[0] = '\0';
    fill_reference(&r, row);
    net_case_open(&c, impl, fused);
    net_input(c.net, EXAMPLE_H, EXAMPLE_W, EXAMPLE_C);
    build(&c, detail, gates);
    set_weights(&c, &r);
    bool bad = values_differ(&c, row, gates, text) || gradients_differ(&c, row, &r, text);
    net_case_close(&c);
    return !bad;
}
