/* `describe`: layers, attention sites, parameters and MACs of a network. */
#include "bench/models/model.h"
#include "bench/report/table.h"
#include "bench/transfer/arm.h"
#include "bench/verbs/options.h"
#include "bench/verbs/verbs.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct options {
    const char *model, *attention, *transfer;
    int classes, h, w;
    bool layers;
    enum table_format format;
};

enum { KEY_CLASSES = 1000, KEY_INPUT, KEY_FORMAT, KEY_LAYERS, KEY_TRANSFER };

static const struct argp_option keys[] = {
    {"model", 'm', "MODEL", 0, "network and its options (resnet50:strides=v1)", 0},
    {"attention", 'a', "SPEC", 0, "attention (none, cbam, cbam:r=8, ...)", 0},
    {"classes", KEY_CLASSES, "N", 0, "outputs of the classifier (1000)", 0},
    {"input", KEY_INPUT, "N|HxW", 0, "input pixels (the network's own size)", 0},
    {"transfer", KEY_TRANSFER, "ARM", 0, "also say what this arm trains", 0},
    {"layers", KEY_LAYERS, NULL, 0, "list every layer", 0},
    {"format", KEY_FORMAT, "text|json|csv|md", 0, "how to print", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;
    switch (key) {
    case 'm':
        o->model = arg;
        return 0;
    case 'a':
        o->attention = arg;
        return 0;
    case KEY_CLASSES:
        return option_error(option_int("--classes", arg, 1, 1000000, &o->classes));
    case KEY_INPUT:
        return option_error(option_size("--input", arg, 1, 4096, &o->h, &o->w));
    case KEY_TRANSFER:
        o->transfer = arg;
        return 0;
    case KEY_LAYERS:
        o->layers = true;
        return 0;
    case KEY_FORMAT:
        return option_error(table_format_parse(arg, &o->format));
    default:
        return option_unknown(key, arg);
    }
}

static const struct table_column site_columns[] = {
    {.name = "name", .title = "site"}, {.name = "channels"},
    {.name = "h"},                     {.name = "w"},
    {.name = "hidden", .title = "hidden width"},
    {.name = "params", .title = "parameters"},
    {.name = "macs", .title = "MACs"},
};

static const struct table_column layer_columns[] = {
    {.name = "name", .title = "layer"}, {.name = "operation"}, {.name = "output"},
    {.name = "params", .title = "parameters"}, {.name = "macs", .title = "MACs"},
};

static struct table *site_table(const struct net *net)
{
    struct table *table = table_new("sites", "Attention sites", site_columns, 7);
    for (int i = 0; i < net->site_count; i++) {
        const struct net_site *site = &net->sites[i];
        table_row(table);
        table_text(table, "name", site->name);
        table_number(table, "channels", site->map.c);
        table_number(table, "h", site->map.h);
        table_number(table, "w", site->map.w);
        table_number(table, "hidden", site->hidden);
        table_number(table, "params", site->params);
        table_number(table, "macs", site->macs);
    }
    return table;
}

static double node_params(const struct net_node *node)
{
    double sum = 0;
    for (int i = 0; i < OP_MAX_PARAM; i++)
        if (node->param[i] && !node->param[i]->buffer)
            sum += (double)node->param[i]->p.count;
    return sum;
}

static struct table *layer_table(const struct net *net)
{
    struct table *table = table_new("layers", "Layers", layer_columns, 5);
    for (int i = 0; i < net->count; i++) {
        const struct net_node *node = &net->nodes[i];
        const struct net_site *site = node->type == NODE_ATTENTION ? &net->sites[node->site] : NULL;
        char text[256] = "input";
        if (node->type == NODE_OP)
            op_print(&node->desc, text, sizeof text);
        table_row(table);
        table_text(table, "name", node->name);
        table_text(table, "operation", site ? site->spec->text : text);
        table_printf(table, "output", "%dx%dx%d", node->desc.dst.h, node->desc.dst.w,
                     node->desc.dst.c);
        table_number(table, "params", site ? site->params : node_params(node));
        table_number(table, "macs", site ? site->macs
                                         : node->type == NODE_OP ? op_macs(&node->desc) : 0);
    }
    return table;
}

static double trainable(const struct net *net, const char *arm_text, enum status *status)
{
    enum transfer_arm arm;
    *status = transfer_parse(arm_text, &arm);
    if (*status == OK)
        *status = arm_apply(net->params, arm);
    return *status == OK ? params_count_trainable(net->params) : 0;
}

static enum status print_json(const struct options *o, const struct model_spec *spec,
                              const struct net *net, const struct table *sites,
                              const struct table *layers, double train_count)
{
    char title[128];
    model_title(spec, title, sizeof title);
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:i, s:i, s:i, s:I, s:I, s:f, s:s, s:o}", "model", spec->text, "title",
        title, "attention", spec->attention.text, "classes", spec->classes, "input_h",
        spec->input_h, "input_w", spec->input_w, "params",
        (json_int_t)params_count(net->params), "macs", (json_int_t)net_macs(net), "gmacs",
        net_macs(net) / 1e9, "macs_rule",
        "multiply-accumulates of convolutions and linear layers, both MLP passes included; one "
        "image", "sites", table_rows_json(sites));
    if (json && o->layers)
        json_object_set_new(json, "layers", table_rows_json(layers));
    if (json && o->transfer)
        json_object_set_new(json, "trainable", json_integer((json_int_t)train_count));
    char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
    json_decref(json);
    if (!text)
        return fail(ERR_MEMORY, "out of memory for the description");
    printf("%s\n", text);
    free(text);
    return OK;
}

static enum status print_people(const struct options *o, const struct model_spec *spec,
                                const struct net *net, const struct table *sites,
                                const struct table *layers, double train_count)
{
    char title[128];
    model_title(spec, title, sizeof title);
    if (o->format != TABLE_CSV)
        printf("%s, attention %s, %d classes, input %dx%dx%d\n"
               "parameters %.0f\n"
               "MACs       %.0f (%.3f G: convolutions and linear layers of one image, both passes "
               "of the MLP; nothing else counts)\n",
               title, spec->attention.text, spec->classes, spec->input_h, spec->input_w,
               spec->input_c, params_count(net->params), net_macs(net), net_macs(net) / 1e9);
    if (o->transfer && o->format != TABLE_CSV)
        printf("trainable  %.0f with --transfer %s\n", train_count, o->transfer);
    struct tensor last = net_shape(net, net->nodes[net->features].src[0]);
    if (last.h * last.w == 1 && spec->input_h > 1 && !spec->small_stem && o->format == TABLE_TEXT)
        printf("warning: the last map is 1x1: the input is small for this network "
               "(see stem=small)\n");
    if (o->layers)
        TRY(table_write(layers, o->format, stdout));
    return net->site_count || o->format == TABLE_CSV ? table_write(sites, o->format, stdout) : OK;
}

static enum status run(const struct options *o)
{
    struct model_spec spec;
    struct net *net = NULL;
    double train_count = 0;
    TRY(model_parse(o->model, o->attention, &spec));
    spec.classes = o->classes;
    if (o->h > 0) {
        spec.input_h = o->h;
        spec.input_w = o->w;
    }
    TRY(model_build(&spec, &net));
    struct table *sites = site_table(net), *layers = layer_table(net);
    enum status status = OK;
    if (o->transfer)
        train_count = trainable(net, o->transfer, &status);
    if (status == OK)
        status = o->format == TABLE_JSON ? print_json(o, &spec, net, sites, layers, train_count)
                                         : print_people(o, &spec, net, sites, layers, train_count);
    table_free(sites);
    table_free(layers);
    net_free(net);
    return status;
}

int verb_describe(int argc, char **argv)
{
    static const struct argp argp = {keys, parse, NULL,
                                     "Layers, attention sites, parameters and MACs of a network.",
                                     NULL, NULL, NULL};
    struct options o = {.model = "resnet50", .attention = "none", .classes = 1000};
    enum status status = option_parse(&argp, "describe", argc, argv, &o);
    if (status == OK)
        status = run(&o);
    return verb_fail("describe", status);
}
