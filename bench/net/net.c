/* Network descriptions: see net.h. */
#include "bench/net/net.h"

#include "bench/net/attention.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct net *net_new(void)
{
    struct net *net = calloc(1, sizeof *net);
    if (!net) {
        fail(ERR_MEMORY, "out of memory for a network description");
        return NULL;
    }
    net->params = params_new();
    if (!net->params) {
        free(net);
        return NULL;
    }
    net->owns_params = true;
    net->site = -1;
    net->input = net->output = net->features = NO_NODE;
    return net;
}

void net_free(struct net *net)
{
    if (!net)
        return;
    if (net->owns_params)
        params_free(net->params);
    free(net->nodes);
    free(net->sites);
    free(net);
}

void net_push(struct net *net, const char *scope)
{
    CHECK(net->depth < NET_SCOPES);
    snprintf(net->scope[net->depth++], sizeof net->scope[0], "%s", scope);
}

void net_pop(struct net *net)
{
    CHECK(net->depth > 0);
    net->depth--;
}

void net_stage(struct net *net, int blocks, const char *name, ...)
{
    va_list args;
    CHECK(net->stage_count < NET_STAGES);
    struct net_stage *stage = &net->stages[net->stage_count++];
    stage->blocks = blocks;
    va_start(args, name);
    vsnprintf(stage->name, sizeof stage->name, name, args);
    va_end(args);
    net->stage = net->stage_count;
}

/* "scope.scope.name" into text; an empty name leaves the scope alone. */
static void full_name(const struct net *net, const char *name, char *text, size_t size)
{
    text[0] = '\0';
    for (int i = 0; i <= net->depth; i++) {
        const char *part = i < net->depth ? net->scope[i] : name;
        size_t used = strlen(text);
        if (part && part[0])
            snprintf(text + used, size - used, "%s%s", used ? "." : "", part);
    }
}

static int failed(struct net *net, enum status status)
{
    if (net->error == OK)
        net->error = status;
    return NO_NODE;
}

int net_append(struct net *net, const struct net_node *node)
{
    if (net->count == net->capacity) {
        int capacity = net->capacity ? 2 * net->capacity : 128;
        struct net_node *nodes = realloc(net->nodes, (size_t)capacity * sizeof *nodes);
        if (!nodes)
            return failed(net, fail(ERR_MEMORY, "out of memory for %d nodes", capacity));
        net->nodes = nodes;
        net->capacity = capacity;
    }
    net->nodes[net->count] = *node;
    return net->count++;
}

int net_input(struct net *net, int h, int w, int c)
{
    struct net_node node = {.type = NODE_INPUT, .name = "input", .src = {NO_NODE, NO_NODE},
                            .part = PART_BACKBONE, .site = -1};
    node.desc.dst = tensor_dense(NULL, 1, h, w, c);
    if (net->error != OK)
        return NO_NODE;
    if (h < 1 || w < 1 || c < 1)
        return failed(net, fail(ERR_USAGE, "an input of %dx%d with %d channels", h, w, c));
    return net->input = net_append(net, &node);
}

struct tensor net_shape(const struct net *net, int node)
{
    return net->nodes[node].desc.dst;
}

/* Parameter `like` of a node: an existing one of that name when it may be shared, else a new
 * one. */
static struct net_param *obtain_param(struct net *net, const struct net_param *like, bool shared)
{
    struct net_param *found = shared ? params_find(net->params, like->name) : NULL;
    if (!found)
        return params_add(net->params, like);
    CHECK(found->ndim == like->ndim && memcmp(found->dim, like->dim, sizeof like->dim) == 0);
    return found;
}

/* Gives a node its parameters: names, fans, part. */
static enum status attach_params(struct net *net, struct net_node *node, const char *name,
                                 bool shared)
{
    struct op_param_info info[OP_MAX_PARAM];
    int count = op_params(&node->desc, info);
    char prefix[NET_NAME];
    full_name(net, name, prefix, sizeof prefix);
    for (int i = 0; i < count; i++) {
        struct net_param like = {.ndim = info[i].ndim, .buffer = info[i].buffer,
                                 .part = node->part, .kind = node->desc.kind, .slot = i,
                                 .stage = node->stage};
        memcpy(like.dim, info[i].dim, sizeof like.dim);
        int area = info[0].ndim == 4 ? info[0].dim[2] * info[0].dim[3] : 1;
        like.fan_in = info[0].ndim >= 2 ? info[0].dim[1] * area : 1;
        like.fan_out = info[0].ndim >= 2 ? info[0].dim[0] * area : 1;
        int length = snprintf(like.name, sizeof like.name, "%s%s%s", prefix,
                              prefix[0] ? "." : "", info[i].name);
        CHECK(length < PARAM_NAME);
        node->param[i] = obtain_param(net, &like, shared);
        if (!node->param[i])
            return ERR_MEMORY;
    }
    return OK;
}

/* Shape inference of a new node on its sources. */
static enum status prepare_node(struct net *net, struct net_node *node, const char *name,
                                const struct op_desc *attributes, int src0, int src1)
{
    *node = (struct net_node){.type = NODE_OP, .desc = *attributes, .src = {src0, src1},
                              .part = net->part, .stage = net->stage, .site = net->site};
    full_name(net, name, node->name, sizeof node->name);
    for (int i = 0; i < op_sources(attributes->kind); i++) {
        CHECK(node->src[i] >= 0 && node->src[i] < net->count);
        node->desc.src[i] = net_shape(net, node->src[i]);
    }
    enum status status = op_infer(&node->desc);
    return status == OK ? OK : fail_prefix(status, "%s", node->name);
}

static int add_op(struct net *net, const char *name, const struct op_desc *attributes, int src0,
                  int src1, bool shared)
{
    struct net_node node;
    if (net->error != OK)
        return NO_NODE;
    enum status status = prepare_node(net, &node, name, attributes, src0, src1);
    if (status == OK)
        status = attach_params(net, &node, name, shared);
    return status == OK ? net_append(net, &node) : failed(net, status);
}

int net_op(struct net *net, const char *name, const struct op_desc *attributes, int src0, int src1)
{
    return add_op(net, name, attributes, src0, src1, false);
}

int net_op_shared(struct net *net, const char *name, const struct op_desc *attributes, int src0,
                  int src1)
{
    return add_op(net, name, attributes, src0, src1, true);
}

int net_attention(struct net *net, const struct net_site *site, int src)
{
    struct net_node node = {.type = NODE_ATTENTION, .src = {src, NO_NODE},
                            .part = PART_ATTENTION, .stage = net->stage,
                            .site = net->site_count};
    if (net->error != OK)
        return NO_NODE;
    struct net_site *sites =
        realloc(net->sites, (size_t)(net->site_count + 1) * sizeof *sites);
    if (!sites)
        return failed(net, fail(ERR_MEMORY, "out of memory for an attention site"));
    net->sites = sites;
    net->sites[net->site_count++] = *site;
    snprintf(node.name, sizeof node.name, "%s", site->name);
    node.desc.dst = site->map;
    return net_append(net, &node);
}

int net_conv(struct net *net, const char *name, int src, int oc, int k, int stride, int pad)
{
    struct op_desc desc = {.kind = OP_CONV2D,
                           .conv = {.oc = oc, .kh = k, .kw = k, .sh = stride, .sw = stride,
                                    .ph = pad, .pw = pad, .dh = 1, .dw = 1, .groups = 1}};
    return net_op(net, name, &desc, src, NO_NODE);
}

int net_batchnorm(struct net *net, const char *name, int src)
{
    struct op_desc desc = {.kind = OP_BATCHNORM, .bn = {.eps = 1e-5f, .momentum = 0.1f}};
    return net_op(net, name, &desc, src, NO_NODE);
}

int net_relu(struct net *net, int src)
{
    return net_op(net, "relu", &(struct op_desc){.kind = OP_RELU}, src, NO_NODE);
}

int net_add(struct net *net, int a, int b)
{
    return net_op(net, "add", &(struct op_desc){.kind = OP_ADD, .add = {1, 1}}, a, b);
}

int net_linear(struct net *net, const char *name, int src, int oc)
{
    struct op_desc desc = {.kind = OP_LINEAR, .linear = {.oc = oc, .bias = true}};
    return net_op(net, name, &desc, src, NO_NODE);
}

double net_macs(const struct net *net)
{
    double sum = 0;
    for (int i = 0; i < net->count; i++)
        if (net->nodes[i].type == NODE_OP)
            sum += op_macs(&net->nodes[i].desc);
        else if (net->nodes[i].type == NODE_ATTENTION)
            sum += net->sites[net->nodes[i].site].macs;
    return sum;
}

/* Copies node i of `from` behind what `to` has; ids map through `map`. */
static int copy_node(struct net *to, const struct net *from, int i, const int *map,
                     const bool *whole)
{
    const struct net_node *node = &from->nodes[i];
    to->part = node->part;
    to->stage = node->stage;
    to->site = node->type == NODE_ATTENTION ? node->site : -1;
    if (node->type == NODE_ATTENTION)
        return whole && whole[node->site] ? attention_whole(to, map[node->src[0]], node->site)
                                          : attention_compose(to, map[node->src[0]], node->site);
    struct net_node copy = *node;
    for (int s = 0; s < OP_MAX_SRC; s++)
        copy.src[s] = node->src[s] == NO_NODE ? NO_NODE : map[node->src[s]];
    return net_append(to, &copy);
}

struct net *net_sharing(const struct net *net)
{
    struct net *copy = calloc(1, sizeof *copy);
    if (!copy) {
        fail(ERR_MEMORY, "out of memory for a network description");
        return NULL;
    }
    copy->params = net->params;
    copy->site = -1;
    copy->input = copy->output = copy->features = NO_NODE;
    return copy;
}

struct net *net_sharing_sites(const struct net *net)
{
    struct net *copy = net_sharing(net);
    if (!copy || !net->site_count)
        return copy;
    copy->sites = malloc((size_t)net->site_count * sizeof *copy->sites);
    if (!copy->sites) {
        fail(ERR_MEMORY, "out of memory for attention sites");
        net_free(copy);
        return NULL;
    }
    memcpy(copy->sites, net->sites, (size_t)net->site_count * sizeof *copy->sites);
    copy->site_count = net->site_count;
    return copy;
}

struct net *net_lower(const struct net *net)
{
    return net_lower_choosing(net, NULL);
}

struct net *net_lower_choosing(const struct net *net, const bool *whole)
{
    struct net *copy = net_sharing_sites(net);
    int *map = malloc((size_t)(net->count + 1) * sizeof *map);
    if (!copy || !map) {
        fail(ERR_MEMORY, "out of memory for lowering a network");
        net_free(copy);
        free(map);
        return NULL;
    }
    for (int i = 0; i < net->count && copy->error == OK; i++)
        map[i] = copy_node(copy, net, i, map, whole);
    if (copy->error == OK) {
        copy->input = map[net->input];
        copy->output = map[net->output];
        copy->features = net->features == NO_NODE ? NO_NODE : map[net->features];
    } else {
        net_free(copy);
        copy = NULL;
    }
    free(map);
    return copy;
}
