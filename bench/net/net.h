/* The description of a network: a static list of nodes in build order, each with its operation,
 * its sources and its parameters. A description has no batch size, no memory and no
 * implementation; program.h compiles it for one of them. */
#ifndef BENCH_NET_NET_H
#define BENCH_NET_NET_H

#include "bench/net/params.h"
#include "impls/ops.h"

enum { NET_NAME = 80, NET_SCOPES = 8, NET_STAGES = 8, NO_NODE = -1 };

enum node_type { NODE_INPUT, NODE_OP, NODE_ATTENTION };

struct attention_spec; /* attention.h */

struct net_node {
    enum node_type type;
    char name[NET_NAME];            /* "layer1.0.conv1" */
    struct op_desc desc;            /* shapes for a batch of one; desc.dst is the node's value */
    int src[OP_MAX_SRC];            /* node ids, NO_NODE where unused */
    struct net_param *param[OP_MAX_PARAM];
    enum param_part part;
    int stage;
    int site;                       /* of NODE_ATTENTION, and of nodes made from one; else -1 */
};

/* One place where attention sits. */
struct net_site {
    char name[NET_NAME];            /* "layer1.0.cbam" */
    const struct attention_spec *spec;
    struct tensor map;              /* the map it gates, for a batch of one */
    int hidden;                     /* width of the channel MLP, or of the control; 0: neither */
    double params, macs;            /* of this site, for one image; buffers are no parameters */
    int channel_gate, spatial_gate; /* node ids in a lowered network, NO_NODE where absent */
};

/* A stage of a network, numbered from 1: what top:K of transfer learning counts. Stage 0 is the
 * stem. */
struct net_stage {
    char name[NET_NAME]; /* its layers: "layer1" */
    int blocks;
};

struct net {
    struct params *params;          /* owned; shared with lowered copies */
    bool owns_params;
    struct net_node *nodes;
    int count, capacity;
    struct net_site *sites;
    int site_count;
    struct net_stage stages[NET_STAGES]; /* as the builder names them; lowered copies have none */
    int stage_count;
    int input, output;              /* node ids */
    int features;                   /* id of the value that enters the head's last linear layer */
    char scope[NET_SCOPES][NET_NAME / 2];
    int depth;
    enum param_part part;           /* of what is added next */
    int stage;
    int site;                       /* attention site that added nodes come from; -1: none */
    enum status error;              /* first failure while building; later calls do nothing */
};

struct net *net_new(void);
void net_free(struct net *net);

/* Name scopes: net_push(net, "layer1.0") ... net_pop(net). */
void net_push(struct net *net, const char *scope);
void net_pop(struct net *net);

/* Begins the next stage: what is added from now on belongs to it. `name`: its layers, for
 * people. */
void net_stage(struct net *net, int blocks, const char *name, ...)
    __attribute__((format(printf, 3, 4)));

/* Builders: append a node and return its id. After a failure (impossible shape, no memory) they
 * return NO_NODE, and net->error and fail_text() tell why; a caller checks once, at the end.
 * `name` is relative to the scope; parameters become scope.name.weight and so on. */
int net_input(struct net *net, int h, int w, int c);
int net_op(struct net *net, const char *name, const struct op_desc *attributes, int src0,
           int src1);
int net_conv(struct net *net, const char *name, int src, int oc, int k, int stride, int pad);
int net_batchnorm(struct net *net, const char *name, int src);
int net_relu(struct net *net, int src);
int net_add(struct net *net, int a, int b);
int net_linear(struct net *net, const char *name, int src, int oc);

/* As net_op, but parameters are taken by name where they exist already: the two passes of one
 * shared MLP, and the lowered copy of a network. */
int net_op_shared(struct net *net, const char *name, const struct op_desc *attributes, int src0,
                  int src1);

/* Appends an attention node for a site whose fields are complete (attention_add makes them). */
int net_attention(struct net *net, const struct net_site *site, int src);

/* A network without nodes that shares the parameters of another, which must outlive it; the
 * second form has copies of its attention sites as well. NULL: out of memory. */
struct net *net_sharing(const struct net *net);
struct net *net_sharing_sites(const struct net *net);

/* Appends a complete node (full name, inferred shapes, parameters) as it is; returns its id. */
int net_append(struct net *net, const struct net_node *node);

/* A copy of `net` in which every attention node is replaced by its composition of primitives
 * (attention_compose). Shares the parameters, which must outlive it. NULL on failure. */
struct net *net_lower(const struct net *net);

/* The same, but attention site i stays one node, OP_ATTENTION, where whole[i] (NULL: nowhere). */
struct net *net_lower_choosing(const struct net *net, const bool *whole);

/* Shape of a node's value, for a batch of one. */
struct tensor net_shape(const struct net *net, int node);

/* Multiply-accumulates of one image, conv and linear, attention included. */
double net_macs(const struct net *net);

#endif
