/* The composition of primitive operations that defines each form of attention. See attention.h;
 * formulas: Woo et al. 2018 and, for the other forms, the README of this folder. */
#include "bench/net/attention.h"

#include <stdio.h>
#include <string.h>

static int pool_hw(struct net *net, int x, enum pool_hw_mode mode)
{
    struct op_desc desc = {.kind = OP_POOL_HW, .pool_hw = {mode}};
    return net_op(net, mode == POOL_MEAN ? "avg_pool" : "max_pool", &desc, x, NO_NODE);
}

static int add(struct net *net, int a, int b, float fa, float fb)
{
    struct op_desc desc = {.kind = OP_ADD, .add = {fa, fb}};
    return net_op(net, "add", &desc, a, b);
}

static int sigmoid(struct net *net, const char *name, int x, bool twice)
{
    int gate = net_op(net, name, &(struct op_desc){.kind = OP_SIGMOID}, x, NO_NODE);
    struct op_desc two = {.kind = OP_SCALE, .scale = {2, false}};
    return twice && gate != NO_NODE ? net_op(net, "twice", &two, gate, NO_NODE) : gate;
}

/* Names of the two linear layers of the channel gate's MLP. */
static const char *mlp_name(const struct attention_spec *spec, int layer)
{
    if (spec->squeeze_names)
        return layer == 0 ? "se.fc.0" : "se.fc.2";
    if (spec->article_names)
        return layer == 0 ? "ca.fc.0" : "ca.fc.2";
    return layer == 0 ? "ChannelGate.mlp.1" : "ChannelGate.mlp.3";
}

/* Linear(C, h) -> ReLU -> Linear(h, C), on pooled vectors; shared by all its calls. */
static int mlp(struct net *net, const struct attention_spec *spec, int pooled)
{
    if (net->error != OK)
        return NO_NODE;
    int channels = net_shape(net, pooled).c;
    struct op_desc squeeze = {.kind = OP_LINEAR,
                              .linear = {attention_hidden(spec, channels), spec->mlp_bias}};
    struct op_desc excite = {.kind = OP_LINEAR, .linear = {channels, spec->mlp_bias}};
    int hidden = net_op_shared(net, mlp_name(spec, 0), &squeeze, pooled, NO_NODE);
    int active = net->error == OK ? net_relu(net, hidden) : NO_NODE;
    return net_op_shared(net, mlp_name(spec, 1), &excite, active, NO_NODE);
}

/* The channel gate (n,1,1,c) of map x. */
static int channel_gate(struct net *net, const struct attention_spec *spec, int x)
{
    int avg = spec->cpool == CPOOL_MAX ? NO_NODE : pool_hw(net, x, POOL_MEAN);
    int max = spec->cpool == CPOOL_AVG ? NO_NODE : pool_hw(net, x, POOL_MAX);
    if (spec->cpool == CPOOL_HALF)
        return sigmoid(net, "channel_gate", mlp(net, spec, add(net, avg, max, 0.5f, 0.5f)),
                       spec->twice);
    if (spec->cpool != CPOOL_BOTH)
        return sigmoid(net, "channel_gate", mlp(net, spec, avg == NO_NODE ? max : avg),
                       spec->twice);
    int a = mlp(net, spec, avg), b = mlp(net, spec, max);
    if (spec->gate == GATE_ARTICLE)
        return add(net, sigmoid(net, "gate_avg", a, false), sigmoid(net, "gate_max", b, false), 1,
                   1);
    return sigmoid(net, "channel_gate", add(net, a, b, 1, 1), spec->twice);
}

static enum planes planes_of(const struct attention_spec *spec)
{
    if (spec->spool == SPOOL_HALF)
        return PLANES_HALF;
    return spec->mean_first ? PLANES_MEAN_MAX : PLANES_MAX_MEAN;
}

/* The planes (n,h,w,1 or 2) that the spatial gate convolves. */
static int spatial_planes(struct net *net, const struct attention_spec *spec, int z)
{
    struct op_desc pool = {.kind = OP_POOL_C};
    struct op_desc reduce = {.kind = OP_CONV2D,
                             .conv = {.oc = 1, .kh = 1, .kw = 1, .sh = 1, .sw = 1, .dh = 1,
                                      .dw = 1, .groups = 1}};
    if (spec->spool == SPOOL_CONV1X1)
        return net_op_shared(net, "SpatialGate.reduce", &reduce, z, NO_NODE);
    pool.pool_c.planes = planes_of(spec);
    return net_op(net, "channel_pool", &pool, z, NO_NODE);
}

static const char *conv_name(const struct attention_spec *spec)
{
    return spec->article_names ? "sa.conv" : "SpatialGate.spatial.conv";
}

static const char *bn_name(const struct attention_spec *spec)
{
    return spec->article_names ? "sa.bn" : "SpatialGate.spatial.bn";
}

/* The spatial gate (n,h,w,1) of map z. */
static int spatial_gate(struct net *net, const struct attention_spec *spec, int z)
{
    int k = spec->k, pad = (k - 1) / 2;
    struct op_desc conv = {.kind = OP_CONV2D,
                           .conv = {.oc = 1, .kh = k, .kw = k, .sh = 1, .sw = 1, .ph = pad,
                                    .pw = pad, .dh = 1, .dw = 1, .groups = 1,
                                    .bias = spec->conv_bias}};
    struct op_desc bn = {.kind = OP_BATCHNORM, .bn = {.eps = 1e-5f, .momentum = 0.01f}};
    int planes = spatial_planes(net, spec, z);
    int logits = net->error == OK ? net_op_shared(net, conv_name(spec), &conv, planes, NO_NODE)
                                  : NO_NODE;
    if (spec->bn && net->error == OK)
        logits = net_op_shared(net, bn_name(spec), &bn, logits, NO_NODE);
    return sigmoid(net, "spatial_gate", logits, spec->twice);
}

static int multiply(struct net *net, enum op_kind kind, int x, int gate)
{
    return net_op(net, op_name(kind), &(struct op_desc){.kind = kind}, x, gate);
}

/* x times its gates, in the order asked for; the gates' ids go into the site. */
static int gated(struct net *net, struct net_site *site, int x)
{
    const struct attention_spec *spec = site->spec;
    int y = x;
    for (int turn = 0; turn < 2 && net->error == OK; turn++) {
        bool channel = (turn == 0) == (spec->order != ORDER_SPATIAL_FIRST);
        if (channel ? !spec->channel : !spec->spatial)
            continue;
        int seen = spec->order == ORDER_PARALLEL ? x : y;
        int gate = channel ? channel_gate(net, spec, seen) : spatial_gate(net, spec, seen);
        *(channel ? &site->channel_gate : &site->spatial_gate) = gate;
        if (net->error == OK)
            y = multiply(net, channel ? OP_MUL_CHANNEL : OP_MUL_SPATIAL, y, gate);
    }
    return y;
}

/* The control: two 1x1 convolutions beside x, at every pixel alike; nothing is pooled or gated. */
static int control(struct net *net, const struct attention_spec *spec, int x)
{
    if (net->error != OK)
        return NO_NODE;
    int channels = net_shape(net, x).c;
    struct op_desc conv = {.kind = OP_CONV2D,
                           .conv = {.oc = attention_hidden(spec, channels), .kh = 1, .kw = 1,
                                    .sh = 1, .sw = 1, .dh = 1, .dw = 1, .groups = 1,
                                    .bias = true}};
    int hidden = net_op_shared(net, "conv1", &conv, x, NO_NODE);
    int active = net->error == OK ? net_relu(net, hidden) : NO_NODE;
    conv.conv.oc = channels;
    return add(net, x, net_op_shared(net, "conv2", &conv, active, NO_NODE), 1, 1);
}

int attention_compose(struct net *net, int src, int number)
{
    struct net_site *site = &net->sites[number];
    const struct attention_spec *spec = site->spec;
    enum param_part part = net->part;
    struct op_desc learned = {.kind = OP_SCALE, .scale = {1, true}};
    net->part = PART_ATTENTION;
    net->site = number;
    net_push(net, site->name);
    int y = spec->control ? control(net, spec, src) : gated(net, site, src);
    if (spec->inner && net->error == OK)
        y = add(net, src, y, 1, 1);
    if (spec->alpha && net->error == OK) {
        int moved = add(net, y, src, 1, -1);
        y = add(net, src, net_op_shared(net, "alpha", &learned, moved, NO_NODE), 1, 1);
    }
    net_pop(net);
    net->site = -1;
    net->part = part;
    return y;
}

void attention_describe(const struct net_site *site, struct op_desc *desc)
{
    const struct attention_spec *s = site->spec;
    *desc = (struct op_desc){.kind = OP_ATTENTION, .src = {site->map}};
    desc->attention.channel = s->channel;
    desc->attention.spatial = s->spatial;
    desc->attention.order = s->order;
    desc->attention.gate = s->gate;
    desc->attention.cpool = s->cpool;
    desc->attention.spool = s->spool;
    desc->attention.planes = planes_of(s);
    desc->attention.hidden = site->hidden;
    desc->attention.k = s->k;
    desc->attention.mlp_bias = s->mlp_bias;
    desc->attention.conv_bias = s->conv_bias;
    desc->attention.with_bn = s->bn && s->spatial;
    desc->attention.eps = 1e-5f;
    desc->attention.momentum = 0.01f;
    desc->attention.inner = s->inner;
    desc->attention.twice = s->twice;
    desc->attention.alpha = s->alpha;
}

/* Parameter of a site by its name behind the site's; NULL where there is none. */
static struct net_param *site_param(const struct net *net, const struct net_site *site,
                                    const char *layer, const char *leaf)
{
    char name[2 * PARAM_NAME];
    snprintf(name, sizeof name, "%s%s%s.%s", site->name, site->name[0] ? "." : "", layer, leaf);
    return params_find(net->params, name);
}

int attention_whole(struct net *net, int src, int number)
{
    static const char *const bn_leaves[] = {"weight", "bias", "running_mean", "running_var"};
    struct net_site *site = &net->sites[number];
    const struct attention_spec *spec = site->spec;
    struct net_node node = {.type = NODE_OP, .src = {src, NO_NODE}, .part = PART_ATTENTION,
                            .stage = net->stage, .site = number};
    if (net->error != OK)
        return NO_NODE;
    attention_describe(site, &node.desc);
    snprintf(node.name, sizeof node.name, "%s", site->name);
    for (int layer = 0; layer < 2 && spec->channel; layer++) {
        node.param[2 * layer] = site_param(net, site, mlp_name(spec, layer), "weight");
        node.param[2 * layer + 1] = site_param(net, site, mlp_name(spec, layer), "bias");
    }
    if (spec->spatial) {
        node.param[4] = site_param(net, site, conv_name(spec), "weight");
        node.param[5] = site_param(net, site, conv_name(spec), "bias");
        node.param[11] = site_param(net, site, "SpatialGate.reduce", "weight");
    }
    for (int i = 0; i < 4 && spec->spatial && spec->bn; i++)
        node.param[6 + i] = site_param(net, site, bn_name(spec), bn_leaves[i]);
    node.param[10] = spec->alpha ? site_param(net, site, "alpha", "weight") : NULL;
    enum status status = op_infer(&node.desc);
    if (status != OK) {
        net->error = fail_prefix(status, "%s", site->name);
        return NO_NODE;
    }
    return net_append(net, &node);
}

/* Initialisation of one parameter of a site. */
static enum init_rule rule_of(const struct attention_spec *spec, const struct net_param *param,
                              bool last_layer)
{
    bool authors = spec->init == INIT_AUTHORS;
    if (spec->control) /* the last convolution starts at zero: the network is as without it */
        return last_layer ? INIT_ZERO : INIT_UNIFORM_FAN_IN;
    bool zero_logits = spec->twice && (last_layer || (param->kind == OP_CONV2D && !spec->bn));
    switch (param->kind) {
    case OP_BATCHNORM:
        if (param->slot == 3)
            return INIT_ONE;
        return param->slot == 0 && !authors && !spec->twice ? INIT_ONE : INIT_ZERO;
    case OP_CONV2D:
        if (zero_logits || (param->slot == 1 && authors))
            return INIT_ZERO;
        return authors && param->slot == 0 ? INIT_KAIMING_NORMAL_FAN_OUT : INIT_UNIFORM_FAN_IN;
    case OP_LINEAR:
        return zero_logits || (param->slot == 1 && authors) ? INIT_ZERO : INIT_UNIFORM_FAN_IN;
    default:
        return INIT_ZERO;
    }
}

/* Counts a site's parameters and MACs and sets their initialisation, from its composition. A
 * parameter that two nodes share is counted once: it is new only the first time. */
static void survey(struct net_site *site, const struct net *composed, const struct net *trial)
{
    for (int i = 0; i < trial->count; i++) {
        const struct net_node *node = &trial->nodes[i];
        struct op_param_info info[OP_MAX_PARAM];
        int count = node->type == NODE_OP ? op_params(&node->desc, info) : 0;
        if (node->type == NODE_OP)
            site->macs += op_macs(&node->desc);
        for (int p = 0; p < count; p++) {
            bool last = site->spec->control
                            ? strstr(node->name, "conv2") != NULL
                            : node->desc.kind == OP_LINEAR && node->desc.dst.c == site->map.c &&
                                  strstr(node->param[p]->name, mlp_name(site->spec, 1));
            node->param[p]->rule = rule_of(site->spec, node->param[p], last);
        }
    }
    for (int i = composed->params->count - 1; i >= 0; i--) {
        const struct net_param *param = composed->params->list[i];
        size_t length = strlen(site->name);
        bool mine = strncmp(param->name, site->name, length) == 0 && param->name[length] == '.' &&
                    param->part == PART_ATTENTION;
        if (mine && !param->buffer)
            site->params += (double)param->p.count;
    }
}

static void site_name(const struct net *net, const struct attention_spec *spec, const char *slot,
                      char *text, size_t size)
{
    bool bare = spec->article_names || spec->squeeze_names;
    const char *last = slot[0] ? slot : bare ? "" : spec->control ? "control" : "cbam";
    text[0] = '\0';
    for (int i = 0; i <= net->depth; i++) {
        const char *part = i < net->depth ? net->scope[i] : last;
        size_t used = strlen(text);
        if (part[0])
            snprintf(text + used, size - used, "%s%s", used ? "." : "", part);
    }
}

int attention_add(struct net *net, int src, const struct attention_spec *spec, const char *slot)
{
    if (net->error != OK || attention_is_none(spec))
        return src;
    struct net_site site = {.spec = spec, .map = net_shape(net, src), .channel_gate = NO_NODE,
                            .spatial_gate = NO_NODE};
    site.hidden = spec->channel || spec->control ? attention_hidden(spec, site.map.c) : 0;
    site_name(net, spec, slot, site.name, sizeof site.name);
    int node = net_attention(net, &site, src);
    struct net *trial = node == NO_NODE ? NULL : net_sharing(net);
    if (!trial) {
        net->error = net->error != OK ? net->error : ERR_MEMORY;
        return NO_NODE;
    }
    struct net_site trial_site = site;
    trial->sites = &trial_site;
    trial->stage = net->stage;
    int input = net_input(trial, site.map.h, site.map.w, site.map.c);
    attention_compose(trial, input, 0);
    trial->sites = NULL; /* it is on our stack */
    if (trial->error == OK)
        survey(&net->sites[net->site_count - 1], net, trial);
    net->error = trial->error;
    net_free(trial);
    return node;
}
