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
    {"transfer", KEY_TRANSFER, "ARM", 0,
     "also say what this arm trains: scratch, frozen, head+bn, top:K, ...", 0},
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

static const struct table_column stage_columns[] = {
    {.name = "stage"},
    {.name = "layers"},
    {.name = "blocks"},
    {.name = "params", .title = "parameters"},
    {.name = "trains_from", .title = "trains from"},
    {.name = "trainable"},
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

/* A row of the stage table: what stands in one stage of one part (head, or not). */
static void add_stage(struct table *table, const struct net *net, int stage, bool head,
                      bool with_arm)
{
    double params = 0, trainable = 0;
    for (int i = 0; i < net->params->count; i++) {
        const struct net_param *param = net->params->list[i];
        if (param->buffer || (param->part == PART_HEAD) != head || (!head && param->stage != stage))
            continue;
        params += (double)param->p.count;
        trainable += param->trainable ? (double)param->p.count : 0;
    }
    table_row(table);
    table_number(table, "params", params);
    if (with_arm)
        table_number(table, "trainable", trainable);
}

/* The stages that top:K counts, from the stem to the head, and from which arm on each trains. */
static struct table *stage_table(const struct net *net, bool with_arm)
{
    struct table *table = table_new("stages", "Stages", stage_columns, with_arm ? 6 : 5);
    add_stage(table, net, 0, false, with_arm);
    table_text(table, "stage", "stem");
    table_text(table, "trains_from", "finetune");
    for (int i = 0; i < net->stage_count; i++) {
        add_stage(table, net, i + 1, false, with_arm);
        table_printf(table, "stage", "%d", i + 1);
        table_text(table, "layers", net->stages[i].name);
        table_number(table, "blocks", net->stages[i].blocks);
        table_printf(table, "trains_from", "top:%d", net->stage_count - i);
    }
    add_stage(table, net, 0, true, with_arm);
    table_text(table, "stage", "head");
    table_text(table, "layers", net->nodes[net->output].name);
    table_text(table, "trains_from", "frozen");
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

/* Everything that is printed. */
struct view {
    const struct options *options;
    struct model_spec spec; /* the network points into it */
    struct net *net;
    struct table *sites, *layers, *stages;
    char title[128];
    double trainable; /* with options->transfer */
};

static enum status print_json(const struct view *v)
{
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:i, s:i, s:i, s:I, s:I, s:f, s:s, s:o, s:o}", "model", v->spec.text,
        "title", v->title, "attention", v->spec.attention.text, "classes", v->spec.classes,
        "input_h", v->spec.input_h, "input_w", v->spec.input_w, "params",
        (json_int_t)params_count(v->net->params), "macs", (json_int_t)net_macs(v->net), "gmacs",
        net_macs(v->net) / 1e9, "macs_rule",
        "multiply-accumulates of convolutions and linear layers, both MLP passes included; one "
        "image", "sites", table_rows_json(v->sites), "stages", table_rows_json(v->stages));
    if (json && v->options->layers)
        json_object_set_new(json, "layers", table_rows_json(v->layers));
    if (json && v->options->transfer)
        json_object_set_new(json, "trainable", json_integer((json_int_t)v->trainable));
    char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
    json_decref(json);
    if (!text)
        return fail(ERR_MEMORY, "out of memory for the description");
    printf("%s\n", text);
    free(text);
    return OK;
}

static void print_totals(const struct view *v)
{
    double macs = net_macs(v->net);
    printf("%s, attention %s, %d classes, input %dx%dx%d\n"
           "parameters %.0f\n"
           "MACs       %.0f (%.3f G: convolutions and linear layers of one image, both passes "
           "of the MLP; nothing else counts)\n",
           v->title, v->spec.attention.text, v->spec.classes, v->spec.input_h, v->spec.input_w,
           v->spec.input_c, params_count(v->net->params), macs, macs / 1e9);
    if (v->options->transfer)
        printf("trainable  %.0f with --transfer %s\n", v->trainable, v->options->transfer);
}

/* The map that the network pools at its end: the source of its last global or adaptive pool. */
static struct tensor last_map(const struct net *net)
{
    int last = net->output;
    for (int i = 0; i < net->count; i++) {
        const struct net_node *node = &net->nodes[i];
        if (node->type == NODE_OP && (node->desc.kind == OP_POOL_HW ||
                                      node->desc.kind == OP_ADAPTIVE_AVGPOOL))
            last = node->src[0];
    }
    return net_shape(net, last);
}

/* Text, Markdown, CSV. CSV is for programs: the sites, after the layers where asked for. */
static enum status print_people(const struct view *v)
{
    enum table_format format = v->options->format;
    struct tensor last = last_map(v->net);
    if (format != TABLE_CSV)
        print_totals(v);
    if (last.h * last.w == 1 && v->spec.input_h > 1 && !v->spec.small_stem && format == TABLE_TEXT)
        printf("warning: the last map is 1x1: the input is small for this network "
               "(see stem=small)\n");
    if (v->options->layers)
        TRY(table_write(v->layers, format, stdout));
    if (format == TABLE_CSV)
        return table_write(v->sites, format, stdout);
    printf("\n");
    TRY(table_write(v->stages, format, stdout));
    if (v->net->site_count == 0)
        return OK;
    printf("\n");
    return table_write(v->sites, format, stdout);
}

static enum status apply_arm(struct view *v)
{
    enum transfer_arm arm;
    TRY(transfer_parse(v->options->transfer, &arm));
    TRY(arm_apply(v->net->params, arm));
    v->trainable = params_count_trainable(v->net->params);
    return OK;
}

static enum status show(struct view *v)
{
    const struct options *o = v->options;
    if (o->transfer)
        TRY(apply_arm(v));
    model_title(&v->spec, v->title, sizeof v->title);
    v->sites = site_table(v->net);
    v->layers = layer_table(v->net);
    v->stages = stage_table(v->net, o->transfer != NULL);
    return o->format == TABLE_JSON ? print_json(v) : print_people(v);
}

static enum status run(const struct options *o)
{
    struct view v = {.options = o};
    TRY(model_parse(o->model, o->attention, &v.spec));
    v.spec.classes = o->classes;
    if (o->h > 0) {
        v.spec.input_h = o->h;
        v.spec.input_w = o->w;
    }
    TRY(model_build(&v.spec, &v.net));
    enum status status = show(&v);
    table_free(v.sites);
    table_free(v.layers);
    table_free(v.stages);
    net_free(v.net);
    return status;
}

int verb_describe(int argc, char **argv)
{
    static const struct argp argp = {keys, parse, NULL,
                                     "Layers, stages, attention sites, parameters and MACs of a "
                                     "network. The stages are those that --transfer top:K counts.",
                                     NULL, NULL, NULL};
    struct options o = {.model = "resnet50", .attention = "none", .classes = 1000};
    enum status status = option_parse(&argp, "describe", argc, argv, &o);
    if (status == OK)
        status = run(&o);
    return verb_fail("describe", status);
}
