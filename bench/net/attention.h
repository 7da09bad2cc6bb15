/* Attention: what exactly (DESIGN: specifications and options). Parsing, parameters, and the
 * composition of primitive operations that *defines* each form. */
#ifndef BENCH_NET_ATTENTION_H
#define BENCH_NET_ATTENTION_H

#include "bench/net/net.h"

enum attention_init { INIT_AUTHORS, INIT_PYTORCH };
enum attention_place { PLACE_BLOCK, PLACE_STAGE, PLACE_HEAD };

struct attention_spec {
    char text[128];            /* as given: "cbam:r=8" */
    bool channel, spatial;
    enum attention_order order;
    enum attention_gate gate;
    enum attention_cpool cpool;
    enum attention_spool spool;
    int r, k;
    bool mlp_bias, conv_bias, bn;
    bool round_hidden;         /* timm: round(C/r) instead of floor */
    bool mean_first;           /* planes [mean, max] instead of [max, mean] */
    bool article_names;        /* ca.fc.{0,2}, sa.conv instead of the authors' names */
    bool squeeze_names;        /* se.fc.{0,2} */
    bool inner;                /* x + x g */
    bool twice;                /* scale=2: x (2 gc) (2 gs), zero logits at the start */
    bool alpha;                /* x + a (x g - x), a learned from 0 */
    bool control;              /* no attention: x + conv1x1(relu(conv1x1(x))) in its place, with as
                                  many parameters as cbam:r=R:k=K to the nearest hidden width */
    enum attention_init init;
    enum attention_place place;
};

/* "none", "cbam", "cbam-article", "se", "cbam-channel", "cbam-spatial", "cbam-parallel",
 * "cbam-spatial-first", "cbam-light", "control", with options ":key=value". ERR_USAGE names what is
 * not understood and lists what is. */
enum status attention_parse(const char *text, struct attention_spec *spec);

/* True for "none". */
bool attention_is_none(const struct attention_spec *spec);

/* Hidden width of the channel MLP at `channels`: floor(C/r) (or rounded), at least 1. Of the
 * control: that, and as much more as makes up for the spatial gate's 2 k k + 2 parameters. */
int attention_hidden(const struct attention_spec *spec, int channels);

/* Adds one attention node on `src`, with its parameters, and returns its id; returns src when spec
 * is "none". Names: within the scope, the authors' forms stand under "cbam", the others under
 * nothing ("ca", "sa", "se" are their own); `slot` ("cbam1"; "" for none) replaces that, where a
 * scope has several sites. spec must outlive the network. */
int attention_add(struct net *net, int src, const struct attention_spec *spec, const char *slot);

/* Appends the composition of site number `site` on value `src` to a lowered network; returns the
 * result's id and records the gates' node ids in the site. */
int attention_compose(struct net *net, int src, int site);

/* Description of the site as one fused operation, for a batch of one; dst is not inferred. */
void attention_describe(const struct net_site *site, struct op_desc *desc);

/* As attention_compose, as one OP_ATTENTION node: gates are inside, their node ids NO_NODE. */
int attention_whole(struct net *net, int src, int site);

#endif
