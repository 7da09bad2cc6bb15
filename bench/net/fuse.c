/* Fusing sequences of primitives: see fuse.h. Two steps: attention first (net_lower with a choice),
 * then patterns that end in a relu or a batch normalisation, matched backwards from there. */
#include "bench/net/fuse.h"

#include "bench/net/attention.h"

#include <stdlib.h>
#include <string.h>

/* What becomes of a node: NULL pattern: copied as it is. */
struct fate {
    bool absorbed;      /* part of the pattern of a later node */
    bool replaced;      /* the last node of a pattern: `with` takes its place */
    struct net_node with;
};

struct fusion {
    const struct net *net;
    const struct impl *impl;
    struct impl_ctx *ctx;
    bool train;
    int *readers;       /* how many nodes read a value; outputs count as read once more */
    struct fate *fates;
};

static const struct net_node *node_at(const struct fusion *f, int id)
{
    return &f->net->nodes[id];
}

static bool is_op(const struct fusion *f, int id, enum op_kind kind)
{
    const struct net_node *node = node_at(f, id);
    return node->type == NODE_OP && node->desc.kind == kind;
}

/* A value of that kind which only the pattern reads. */
static bool inner(const struct fusion *f, int id, enum op_kind kind)
{
    return is_op(f, id, kind) && f->readers[id] == 1 && !f->fates[id].absorbed;
}

static bool offers(const struct fusion *f, enum op_kind kind)
{
    return f->impl->ops[kind] != NULL;
}

static void absorb(struct fusion *f, int id)
{
    f->fates[id].absorbed = true;
}

static void replace(struct fusion *f, int id, const struct net_node *with)
{
    f->fates[id].replaced = true;
    f->fates[id].with = *with;
}

/* ---- patterns ---- */

/* conv (+ bn) (+ src1) (+ relu) ending at node `last`; bn and shortcut may be NO_NODE. */
static void fuse_conv(struct fusion *f, int last, int conv, int bn, int shortcut, bool relu)
{
    struct net_node with = *node_at(f, conv);
    memset(with.param + 2, 0, (OP_MAX_PARAM - 2) * sizeof with.param[0]);
    with.desc.kind = shortcut == NO_NODE ? OP_CONV_ACT : OP_CONV_SUM_ACT;
    with.desc.conv.with_relu = relu;
    with.desc.conv.with_bn = bn != NO_NODE;
    with.src[1] = shortcut;
    if (shortcut != NO_NODE)
        with.desc.src[1] = net_shape(f->net, shortcut);
    if (bn != NO_NODE) {
        with.desc.conv.eps = node_at(f, bn)->desc.bn.eps;
        memcpy(with.param + 2, node_at(f, bn)->param, 4 * sizeof with.param[0]);
    }
    replace(f, last, &with);
    absorb(f, conv);
    if (bn != NO_NODE && bn != last)
        absorb(f, bn);
}

/* bn or attention, perhaps + src1, relu: the node keeps its attributes under another kind. */
static void fuse_onto(struct fusion *f, int last, int base, enum op_kind kind, int shortcut)
{
    struct net_node with = *node_at(f, base);
    with.desc.kind = kind;
    with.src[1] = shortcut;
    if (shortcut != NO_NODE)
        with.desc.src[1] = net_shape(f->net, shortcut);
    replace(f, last, &with);
    absorb(f, base);
}

static bool conv_before(const struct fusion *f, int bn, enum op_kind kind)
{
    return !f->train && offers(f, kind) && inner(f, node_at(f, bn)->src[0], OP_CONV2D);
}

/* relu(add(branch, shortcut)); branch is one of add's sources. */
static bool match_sum(struct fusion *f, int relu, int add, int branch, int shortcut)
{
    if (inner(f, branch, OP_BATCHNORM) && conv_before(f, branch, OP_CONV_SUM_ACT))
        fuse_conv(f, relu, node_at(f, branch)->src[0], branch, shortcut, true);
    else if (inner(f, branch, OP_BATCHNORM) && offers(f, OP_BN_SUM_ACT))
        fuse_onto(f, relu, branch, OP_BN_SUM_ACT, shortcut);
    else if (inner(f, branch, OP_ATTENTION) && offers(f, OP_ATTENTION_SUM))
        fuse_onto(f, relu, branch, OP_ATTENTION_SUM, shortcut);
    else
        return false;
    absorb(f, add);
    if (is_op(f, branch, OP_BATCHNORM))
        absorb(f, branch);
    return true;
}

static void match_relu(struct fusion *f, int relu)
{
    int x = node_at(f, relu)->src[0];
    const struct net_node *before = node_at(f, x);
    if (inner(f, x, OP_ADD) && before->desc.add.a == 1 && before->desc.add.b == 1 &&
        before->src[0] != before->src[1]) {
        if (!match_sum(f, relu, x, before->src[0], before->src[1]))
            match_sum(f, relu, x, before->src[1], before->src[0]);
    } else if (inner(f, x, OP_BATCHNORM) && conv_before(f, x, OP_CONV_ACT)) {
        fuse_conv(f, relu, before->src[0], x, NO_NODE, true);
    } else if (inner(f, x, OP_BATCHNORM) && offers(f, OP_BN_ACT)) {
        fuse_onto(f, relu, x, OP_BN_ACT, NO_NODE);
    } else if (!f->train && offers(f, OP_CONV_ACT) && inner(f, x, OP_CONV2D)) {
        fuse_conv(f, relu, x, NO_NODE, NO_NODE, true);
    }
}

/* Longer patterns end later, so they are tried first: from the last node to the first. */
static void match_all(struct fusion *f)
{
    for (int id = f->net->count - 1; id >= 0; id--) {
        if (f->fates[id].absorbed)
            continue;
        if (is_op(f, id, OP_RELU))
            match_relu(f, id);
        else if (is_op(f, id, OP_BATCHNORM) && conv_before(f, id, OP_CONV_ACT))
            fuse_conv(f, id, node_at(f, id)->src[0], id, NO_NODE, false);
    }
}

/* ---- the new network ---- */

static void count_readers(struct fusion *f)
{
    for (int id = 0; id < f->net->count; id++)
        for (int s = 0; s < OP_MAX_SRC; s++)
            if (node_at(f, id)->src[s] != NO_NODE)
                f->readers[node_at(f, id)->src[s]]++;
    f->readers[f->net->output]++;
    if (f->net->features != NO_NODE)
        f->readers[f->net->features]++;
}

/* Where the gates of composed sites are in the new network. */
static void map_gates(struct net *out, const int *map)
{
    for (int i = 0; i < out->site_count; i++) {
        int *gates[2] = {&out->sites[i].channel_gate, &out->sites[i].spatial_gate};
        for (int g = 0; g < 2; g++)
            *gates[g] = *gates[g] == NO_NODE ? NO_NODE : map[*gates[g]];
    }
}

static struct net *emit(const struct fusion *f, int *map)
{
    struct net *out = net_sharing_sites(f->net);
    for (int id = 0; out && out->error == OK && id < f->net->count; id++) {
        const struct fate *fate = &f->fates[id];
        struct net_node node = fate->replaced ? fate->with : *node_at(f, id);
        if (fate->absorbed) {
            map[id] = NO_NODE;
            continue;
        }
        for (int s = 0; s < OP_MAX_SRC; s++)
            node.src[s] = node.src[s] == NO_NODE ? NO_NODE : map[node.src[s]];
        map[id] = net_append(out, &node);
    }
    if (!out || out->error != OK) {
        net_free(out);
        return NULL;
    }
    map_gates(out, map);
    out->input = map[f->net->input];
    out->output = map[f->net->output];
    out->features = f->net->features == NO_NODE ? NO_NODE : map[f->net->features];
    return out;
}

static struct net *fuse_patterns(struct fusion *f)
{
    size_t count = (size_t)f->net->count + 1;
    int *map = malloc(count * sizeof *map);
    struct net *out = NULL;
    f->readers = calloc(count, sizeof *f->readers);
    f->fates = calloc(count, sizeof *f->fates);
    if (map && f->readers && f->fates) {
        count_readers(f);
        match_all(f);
        out = emit(f, map);
    } else {
        fail(ERR_MEMORY, "out of memory for fusing a network");
    }
    free(map);
    free(f->readers);
    free(f->fates);
    return out;
}

/* Whether the table has a kernel for this form of attention: a plan for one image is tried. */
static bool fusable(const struct impl *impl, struct impl_ctx *ctx, const struct op_desc *desc)
{
    struct op_plan plan;
    if (!impl->ops[OP_ATTENTION] || plan_make(&plan, impl, ctx, desc) != OK)
        return false;
    plan_release(&plan);
    return true;
}

struct net *net_fuse(const struct net *net, const struct impl *impl, struct impl_ctx *ctx,
                     bool train)
{
    bool *whole = calloc((size_t)net->site_count + 1, sizeof *whole);
    if (!whole) {
        fail(ERR_MEMORY, "out of memory for fusing a network");
        return NULL;
    }
    for (int i = 0; i < net->site_count; i++) {
        struct op_desc desc;
        attention_describe(&net->sites[i], &desc);
        whole[i] = !net->sites[i].spec->control && op_infer(&desc) == OK &&
                   fusable(impl, ctx, &desc);
    }
    struct net *lowered = net_lower_choosing(net, whole);
    free(whole);
    if (!lowered)
        return NULL;
    struct fusion fusion = {.net = lowered, .impl = impl, .ctx = ctx, .train = train};
    struct net *fused = fuse_patterns(&fusion);
    net_free(lowered);
    return fused;
}
