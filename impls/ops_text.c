/* The text form of an operation ("conv2d n1 h8 w8 c16 oc32 k3 s2 p1"): printing and parsing share
 * one table of words. See ops.h. */
#include "impls/ops.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A word is a key and a number: an int or float field of the description at `offset`, left out
 * when it has its default. `both`: the key of one axis; a run like k3 sets this word and the
 * next. */
struct word {
    const char *key, *both; /* both: shared key of this axis and the next, "" when second */
    size_t offset;
    bool real;
    double plain; /* default */
    unsigned kinds;
};

#define FIELD(member) offsetof(struct op_desc, member)
#define KIND(k) (1u << (k))
#define ANY (~0u)
#define POOLS (KIND(OP_MAXPOOL) | KIND(OP_AVGPOOL))
#define CONVS (KIND(OP_CONV2D) | KIND(OP_CONV_ACT) | KIND(OP_CONV_SUM_ACT))
#define FUSED_CONVS (KIND(OP_CONV_ACT) | KIND(OP_CONV_SUM_ACT))
#define NORMS (KIND(OP_BATCHNORM) | KIND(OP_BN_ACT) | KIND(OP_BN_SUM_ACT))
#define ATTENTIONS (KIND(OP_ATTENTION) | KIND(OP_ATTENTION_SUM))

static const struct word words[] = {
    {"n", NULL, FIELD(src[0].n), false, 1, ANY},
    {"h", NULL, FIELD(src[0].h), false, 1, ANY},
    {"w", NULL, FIELD(src[0].w), false, 1, ANY},
    {"c", NULL, FIELD(src[0].c), false, 1, ANY},
    {"c2_", NULL, FIELD(src[1].c), false, 0, KIND(OP_CONCAT)},
    {"oc", NULL, FIELD(conv.oc), false, 0, CONVS},
    {"kh", "k", FIELD(conv.kh), false, 1, CONVS},
    {"kw", "", FIELD(conv.kw), false, 1, CONVS},
    {"sh", "s", FIELD(conv.sh), false, 1, CONVS},
    {"sw", "", FIELD(conv.sw), false, 1, CONVS},
    {"ph", "p", FIELD(conv.ph), false, 0, CONVS},
    {"pw", "", FIELD(conv.pw), false, 0, CONVS},
    {"dh", "d", FIELD(conv.dh), false, 1, CONVS},
    {"dw", "", FIELD(conv.dw), false, 1, CONVS},
    {"g", NULL, FIELD(conv.groups), false, 1, CONVS},
    {"oc", NULL, FIELD(linear.oc), false, 0, KIND(OP_LINEAR)},
    {"kh", "k", FIELD(pool.kh), false, 1, POOLS},
    {"kw", "", FIELD(pool.kw), false, 1, POOLS},
    {"sh", "s", FIELD(pool.sh), false, 1, POOLS},
    {"sw", "", FIELD(pool.sw), false, 1, POOLS},
    {"ph", "p", FIELD(pool.ph), false, 0, POOLS},
    {"pw", "", FIELD(pool.pw), false, 0, POOLS},
    {"oh", NULL, FIELD(adaptive.oh), false, 1, KIND(OP_ADAPTIVE_AVGPOOL)},
    {"ow", NULL, FIELD(adaptive.ow), false, 1, KIND(OP_ADAPTIVE_AVGPOOL)},
    {"s", NULL, FIELD(subsample.stride), false, 1, KIND(OP_SUBSAMPLE)},
    {"before", NULL, FIELD(subsample.before), false, 0, KIND(OP_SUBSAMPLE)},
    {"after", NULL, FIELD(subsample.after), false, 0, KIND(OP_SUBSAMPLE)},
    {"eps", NULL, FIELD(bn.eps), true, 1e-5, NORMS},
    {"momentum", NULL, FIELD(bn.momentum), true, 0.1, NORMS},
    {"factor", NULL, FIELD(scale.factor), true, 1, KIND(OP_SCALE)},
    {"a", NULL, FIELD(add.a), true, 1, KIND(OP_ADD)},
    {"b", NULL, FIELD(add.b), true, 1, KIND(OP_ADD)},
    {"rate", NULL, FIELD(dropout.rate), true, 0, KIND(OP_DROPOUT)},
    {"smoothing", NULL, FIELD(xent.smoothing), true, 0, KIND(OP_SOFTMAX_XENT)},
    {"eps", NULL, FIELD(conv.eps), true, 1e-5, FUSED_CONVS},
    {"hidden", NULL, FIELD(attention.hidden), false, 1, ATTENTIONS},
    {"k", NULL, FIELD(attention.k), false, 7, ATTENTIONS},
    {"eps", NULL, FIELD(attention.eps), true, 1e-5, ATTENTIONS},
    {"momentum", NULL, FIELD(attention.momentum), true, 0.01, ATTENTIONS},
};
enum { WORDS = sizeof words / sizeof words[0] };

/* A flag is a bare word that sets an enum or bool field. */
static const struct flag {
    const char *word;
    size_t offset;
    bool is_bool;
    int value;
    unsigned kinds;
} flags[] = {
    {"bias", FIELD(conv.bias), true, 1, CONVS},
    {"winograd2", FIELD(conv.algorithm), false, CONV_WINOGRAD2, CONVS},
    {"winograd4", FIELD(conv.algorithm), false, CONV_WINOGRAD4, CONVS},
    {"bias", FIELD(linear.bias), true, 1, KIND(OP_LINEAR)},
    {"batch_stats", FIELD(bn.batch_stats), true, 1, NORMS},
    {"learned", FIELD(scale.learned), true, 1, KIND(OP_SCALE)},
    {"mean", FIELD(pool_hw.mode), false, POOL_MEAN, KIND(OP_POOL_HW)},
    {"max", FIELD(pool_hw.mode), false, POOL_MAX, KIND(OP_POOL_HW)},
    {"max-mean", FIELD(pool_c.planes), false, PLANES_MAX_MEAN, KIND(OP_POOL_C)},
    {"mean-max", FIELD(pool_c.planes), false, PLANES_MEAN_MAX, KIND(OP_POOL_C)},
    {"max", FIELD(pool_c.planes), false, PLANES_MAX, KIND(OP_POOL_C)},
    {"mean", FIELD(pool_c.planes), false, PLANES_MEAN, KIND(OP_POOL_C)},
    {"half", FIELD(pool_c.planes), false, PLANES_HALF, KIND(OP_POOL_C)},
    {"bn", FIELD(conv.with_bn), true, 1, FUSED_CONVS},
    {"relu", FIELD(conv.with_relu), true, 1, FUSED_CONVS},
    {"channel", FIELD(attention.channel), true, 1, ATTENTIONS},
    {"spatial", FIELD(attention.spatial), true, 1, ATTENTIONS},
    {"channel-first", FIELD(attention.order), false, ORDER_CHANNEL_FIRST, ATTENTIONS},
    {"spatial-first", FIELD(attention.order), false, ORDER_SPATIAL_FIRST, ATTENTIONS},
    {"parallel", FIELD(attention.order), false, ORDER_PARALLEL, ATTENTIONS},
    {"gate-sum", FIELD(attention.gate), false, GATE_SUM, ATTENTIONS},
    {"gate-article", FIELD(attention.gate), false, GATE_ARTICLE, ATTENTIONS},
    {"cpool-both", FIELD(attention.cpool), false, CPOOL_BOTH, ATTENTIONS},
    {"cpool-avg", FIELD(attention.cpool), false, CPOOL_AVG, ATTENTIONS},
    {"cpool-max", FIELD(attention.cpool), false, CPOOL_MAX, ATTENTIONS},
    {"cpool-half", FIELD(attention.cpool), false, CPOOL_HALF, ATTENTIONS},
    {"spool-both", FIELD(attention.spool), false, SPOOL_BOTH, ATTENTIONS},
    {"spool-conv1x1", FIELD(attention.spool), false, SPOOL_CONV1X1, ATTENTIONS},
    {"spool-half", FIELD(attention.spool), false, SPOOL_HALF, ATTENTIONS},
    {"max-mean", FIELD(attention.planes), false, PLANES_MAX_MEAN, ATTENTIONS},
    {"mean-max", FIELD(attention.planes), false, PLANES_MEAN_MAX, ATTENTIONS},
    {"half", FIELD(attention.planes), false, PLANES_HALF, ATTENTIONS},
    {"mlp-bias", FIELD(attention.mlp_bias), true, 1, ATTENTIONS},
    {"conv-bias", FIELD(attention.conv_bias), true, 1, ATTENTIONS},
    {"bn", FIELD(attention.with_bn), true, 1, ATTENTIONS},
    {"batch_stats", FIELD(attention.batch_stats), true, 1, ATTENTIONS},
    {"inner", FIELD(attention.inner), true, 1, ATTENTIONS},
    {"twice", FIELD(attention.twice), true, 1, ATTENTIONS},
    {"alpha", FIELD(attention.alpha), true, 1, ATTENTIONS},
};
enum { FLAGS = sizeof flags / sizeof flags[0] };

static double word_get(const struct op_desc *d, const struct word *w)
{
    const char *at = (const char *)d + w->offset;
    if (w->real) {
        float value;
        memcpy(&value, at, sizeof value);
        return (double)value;
    }
    int value;
    memcpy(&value, at, sizeof value);
    return value;
}

static void word_set(struct op_desc *d, const struct word *w, double number)
{
    char *at = (char *)d + w->offset;
    float real = (float)number;
    int integer = (int)number;
    if (w->real)
        memcpy(at, &real, sizeof real);
    else
        memcpy(at, &integer, sizeof integer);
}

static bool flag_is_set(const struct op_desc *d, const struct flag *f)
{
    const char *at = (const char *)d + f->offset;
    if (f->is_bool)
        return *(const bool *)at == (f->value != 0);
    int value;
    memcpy(&value, at, sizeof value);
    return value == f->value;
}

static void flag_set(struct op_desc *d, const struct flag *f)
{
    char *at = (char *)d + f->offset;
    bool yes = f->value != 0;
    if (f->is_bool)
        memcpy(at, &yes, sizeof yes);
    else
        memcpy(at, &f->value, sizeof f->value);
}

static size_t append(char *text, size_t size, size_t used, const char *key, const char *value)
{
    if (used < size)
        snprintf(text + used, size - used, " %s%s", key, value);
    return used + 1 + strlen(key) + strlen(value);
}

void op_print(const struct op_desc *d, char *text, size_t size)
{
    snprintf(text, size, "%s", op_name(d->kind));
    size_t used = strlen(text);
    for (int i = 0; i < WORDS; i++) {
        const struct word *w = &words[i];
        if (!(w->kinds & KIND(d->kind)))
            continue;
        double value = word_get(d, w);
        bool pair = w->both && w->both[0] && value == word_get(d, w + 1);
        char number[32];
        snprintf(number, sizeof number, "%.9g", value);
        bool plain = w->real ? (float)value == (float)w->plain : value == w->plain;
        if (!plain)
            used = append(text, size, used, pair ? w->both : w->key, number);
        i += pair; /* the second axis was said with the first */
    }
    for (int i = 0; i < FLAGS; i++) {
        const struct flag *f = &flags[i];
        if ((f->kinds & KIND(d->kind)) && flag_is_set(d, f))
            used = append(text, size, used, f->word, "");
    }
}

/* Sets the field named by `word`; 1 when it was understood. */
static int parse_word(struct op_desc *d, const char *word)
{
    for (int i = 0; i < FLAGS; i++)
        if ((flags[i].kinds & KIND(d->kind)) && strcmp(word, flags[i].word) == 0) {
            flag_set(d, &flags[i]);
            return 1;
        }
    size_t letters = strcspn(word, "0123456789-.");
    if (word[0] == 'c' && word[1] == '2' && word[2] == '_')
        letters = 3;
    char *end;
    double number = strtod(word + letters, &end);
    if (end == word + letters || *end || !(number >= INT_MIN && number <= INT_MAX))
        return 0;
    for (int i = 0; i < WORDS; i++) {
        const struct word *w = &words[i];
        if (!(w->kinds & KIND(d->kind)) || (!w->real && number != (double)(int)number))
            continue;
        if (strlen(w->key) == letters && strncmp(w->key, word, letters) == 0) {
            word_set(d, w, number);
            return 1;
        }
        if (w->both && w->both[0] && strlen(w->both) == letters &&
            strncmp(w->both, word, letters) == 0) {
            word_set(d, w, number);
            word_set(d, w + 1, number);
            return 1;
        }
    }
    return 0;
}

static void complete_sources(struct op_desc *d)
{
    struct tensor *s = &d->src[0], *t = &d->src[1];
    s->stride = s->c;
    if (op_sources(d->kind) < 2)
        return;
    int c2 = t->c;
    struct op_desc conv = *d;
    conv.kind = OP_CONV_ACT;
    *t = *s;
    if (d->kind == OP_CONV_SUM_ACT && op_infer(&conv) == OK)
        *t = conv.dst;
    else if (d->kind == OP_MUL_CHANNEL)
        t->h = t->w = 1;
    else if (d->kind == OP_MUL_SPATIAL)
        t->c = 1;
    else if (d->kind == OP_CONCAT)
        t->c = c2 > 0 ? c2 : s->c;
    t->stride = t->c;
}

static enum status unknown_word(const struct op_desc *d, const char *word)
{
    char known[256] = "";
    for (int i = 0; i < WORDS; i++)
        if (words[i].kinds & KIND(d->kind))
            snprintf(known + strlen(known), sizeof known - strlen(known), " %s", words[i].key);
    for (int i = 0; i < FLAGS; i++)
        if (flags[i].kinds & KIND(d->kind))
            snprintf(known + strlen(known), sizeof known - strlen(known), " %s", flags[i].word);
    return fail(ERR_USAGE, "%s: '%s' is not understood; known:%s", op_name(d->kind), word, known);
}

enum status op_parse(const char *text, struct op_desc *desc)
{
    char copy[512], *rest;
    if (strlen(text) >= sizeof copy)
        return fail(ERR_USAGE, "case text is longer than %zu characters", sizeof copy - 1);
    strcpy(copy, text);
    char *word = strtok_r(copy, " \t\r\n", &rest);
    struct op_desc d = {.kind = OP_KINDS};
    for (int k = 0; word && k < OP_KINDS; k++)
        if (strcmp(word, op_name((enum op_kind)k)) == 0)
            d.kind = (enum op_kind)k;
    if (d.kind == OP_KINDS)
        return fail(ERR_USAGE, "'%s' is no operation; known: conv2d, linear, batchnorm, relu, "
                    "sigmoid, scale, add, mul_channel, mul_spatial, maxpool, avgpool, "
                    "adaptive_avgpool, pool_hw, pool_c, concat, subsample, dropout, softmax_xent",
                    word ? word : "");
    for (int i = 0; i < WORDS; i++)
        if (words[i].kinds & KIND(d.kind))
            word_set(&d, &words[i], words[i].plain);
    while ((word = strtok_r(NULL, " \t\r\n", &rest)))
        if (!parse_word(&d, word))
            return unknown_word(&d, word);
    complete_sources(&d);
    TRY(op_infer(&d));
    *desc = d;
    return OK;
}
