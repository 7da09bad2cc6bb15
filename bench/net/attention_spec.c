/* Attention specifications: names, options and their refusal. See attention.h. */
#include "bench/net/attention.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AUTHORS                                                                        \
    .channel = true, .spatial = true, .r = 16, .k = 7, .mlp_bias = true, .bn = true,   \
    .init = INIT_AUTHORS

/* The named forms; every option starts from one of these. */
static const struct {
    const char *name;
    struct attention_spec spec;
} forms[] = {
    {"none", {.r = 16, .k = 7}},
    {"cbam", {AUTHORS}},
    {"cbam-article",
     {.channel = true, .spatial = true, .r = 16, .k = 7, .mlp_bias = true, .conv_bias = true,
      .gate = GATE_ARTICLE, .mean_first = true, .article_names = true, .init = INIT_PYTORCH}},
    {"se", {.channel = true, .r = 16, .k = 7, .mlp_bias = true, .cpool = CPOOL_AVG,
            .squeeze_names = true, .init = INIT_AUTHORS}},
    {"cbam-channel", {.channel = true, .r = 16, .k = 7, .mlp_bias = true, .init = INIT_AUTHORS}},
    {"cbam-spatial", {.spatial = true, .r = 16, .k = 7, .bn = true, .init = INIT_AUTHORS}},
    {"cbam-parallel", {AUTHORS, .order = ORDER_PARALLEL}},
    {"cbam-spatial-first", {AUTHORS, .order = ORDER_SPATIAL_FIRST}},
    {"cbam-light",
     {.channel = true, .spatial = true, .r = 16, .k = 7, .bn = true, .cpool = CPOOL_HALF,
      .spool = SPOOL_HALF, .round_hidden = true, .init = INIT_PYTORCH}},
    {"control", {.control = true, .r = 16, .k = 7}},
};
enum { FORMS = sizeof forms / sizeof forms[0] };

/* Which gates an option is about: accepted only where one of them is there. */
enum { ABOUT_CHANNEL = 1, ABOUT_SPATIAL = 2, ABOUT_BOTH = 4, ABOUT_ANY = 8 };

/* Options whose value is one of a few words: the word sets a field to its number. */
static const struct choice {
    const char *key, *value;
    int about;
    size_t offset;
    bool is_bool;
    int number;
} choices[] = {
#define FIELD(member) offsetof(struct attention_spec, member)
    {"cpool", "avg", ABOUT_CHANNEL, FIELD(cpool), false, CPOOL_AVG},
    {"cpool", "max", ABOUT_CHANNEL, FIELD(cpool), false, CPOOL_MAX},
    {"cpool", "both", ABOUT_CHANNEL, FIELD(cpool), false, CPOOL_BOTH},
    {"spool", "both", ABOUT_SPATIAL, FIELD(spool), false, SPOOL_BOTH},
    {"spool", "conv1x1", ABOUT_SPATIAL, FIELD(spool), false, SPOOL_CONV1X1},
    {"order", "channel-first", ABOUT_BOTH, FIELD(order), false, ORDER_CHANNEL_FIRST},
    {"order", "spatial-first", ABOUT_BOTH, FIELD(order), false, ORDER_SPATIAL_FIRST},
    {"order", "parallel", ABOUT_BOTH, FIELD(order), false, ORDER_PARALLEL},
    {"gate", "sum", ABOUT_CHANNEL, FIELD(gate), false, GATE_SUM},
    {"gate", "article", ABOUT_CHANNEL, FIELD(gate), false, GATE_ARTICLE},
    {"bn", "on", ABOUT_SPATIAL, FIELD(bn), true, 1},
    {"bn", "off", ABOUT_SPATIAL, FIELD(bn), true, 0},
    {"planes", "max-mean", ABOUT_SPATIAL, FIELD(mean_first), true, 0},
    {"planes", "mean-max", ABOUT_SPATIAL, FIELD(mean_first), true, 1},
    {"init", "authors", ABOUT_CHANNEL | ABOUT_SPATIAL, FIELD(init), false, INIT_AUTHORS},
    {"init", "pytorch", ABOUT_CHANNEL | ABOUT_SPATIAL, FIELD(init), false, INIT_PYTORCH},
    {"place", "block", ABOUT_ANY, FIELD(place), false, PLACE_BLOCK},
    {"place", "stage", ABOUT_ANY, FIELD(place), false, PLACE_STAGE},
    {"place", "head", ABOUT_ANY, FIELD(place), false, PLACE_HEAD},
#undef FIELD
};
enum { CHOICES = sizeof choices / sizeof choices[0] };

bool attention_is_none(const struct attention_spec *spec)
{
    return !spec->channel && !spec->spatial && !spec->control;
}

int attention_hidden(const struct attention_spec *spec, int channels)
{
    int hidden = spec->round_hidden ? (int)rint((double)channels / spec->r) : channels / spec->r;
    hidden = hidden < 1 ? 1 : hidden;
    if (spec->control)
        hidden += (int)rint((2.0 * spec->k * spec->k + 2) / (2.0 * channels + 1));
    return hidden;
}

static enum status refuse(const struct attention_spec *spec, const char *option, const char *why)
{
    return fail(ERR_USAGE, "--attention %s: option '%s' %s", spec->text, option, why);
}

static bool concerns(const struct attention_spec *spec, int about)
{
    return (about & ABOUT_ANY) || ((about & ABOUT_CHANNEL) && spec->channel) ||
           ((about & ABOUT_SPATIAL) && spec->spatial) ||
           ((about & ABOUT_BOTH) && spec->channel && spec->spatial);
}

static void set_field(struct attention_spec *spec, const struct choice *c)
{
    char *at = (char *)spec + c->offset;
    bool yes = c->number != 0;
    if (c->is_bool)
        memcpy(at, &yes, sizeof yes);
    else
        memcpy(at, &c->number, sizeof c->number);
}

/* Options with a number or with more than one effect. OK when it was one of them, else
 * ERR_UNSUPPORTED. */
static enum status set_special(struct attention_spec *spec, const char *option, const char *key,
                               const char *value)
{
    char *end;
    long number = strtol(value, &end, 10);
    bool whole = *value && !*end;
    if (strcmp(key, "r") == 0) {
        if (!spec->channel && !spec->control)
            return refuse(spec, option, "needs a channel gate");
        if (!whole || number < 1 || number > 65536)
            return refuse(spec, option, "wants a whole number from 1 to 65536");
        spec->r = (int)number;
        return OK;
    }
    if (strcmp(key, "k") == 0) {
        if (!spec->spatial && !spec->control)
            return refuse(spec, option, "needs a spatial gate");
        if (!whole || number < 1 || number > 63 || number % 2 == 0)
            return refuse(spec, option, "wants an odd kernel size from 1 to 63");
        spec->k = (int)number;
        return OK;
    }
    if (strcmp(key, "bias") == 0) {
        bool on = strcmp(value, "on") == 0;
        if (!on && strcmp(value, "off") != 0)
            return refuse(spec, option, "wants on or off");
        if (!spec->channel && !spec->conv_bias)
            return refuse(spec, option, "is about the channel gate's MLP, which is not there");
        spec->mlp_bias = on;
        spec->conv_bias = spec->conv_bias && on;
        return OK;
    }
    if (strcmp(key, "scale") == 0) {
        if (!whole || number != 2)
            return refuse(spec, option, "wants 2");
        spec->twice = true;
        return OK;
    }
    return ERR_UNSUPPORTED;
}

static enum status set_choice(struct attention_spec *spec, const char *option, const char *key,
                              const char *value)
{
    char known[128] = "";
    for (int i = 0; i < CHOICES; i++) {
        const struct choice *c = &choices[i];
        if (strcmp(c->key, key) != 0)
            continue;
        if (!concerns(spec, c->about))
            return refuse(spec, option, "is about a gate that is not there");
        if (strcmp(c->value, value) == 0) {
            set_field(spec, c);
            return OK;
        }
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s %s",
                 known[0] ? "," : "", c->value);
    }
    if (known[0])
        return fail(ERR_USAGE, "--attention %s: option '%s' wants one of%s", spec->text, option,
                    known);
    return refuse(spec, option, "is not known; known are r, k, cpool, spool, order, gate, bias, "
                  "bn, planes, init, place, inner, scale, alpha");
}

static enum status set_option(struct attention_spec *spec, char *option)
{
    char whole[64];
    snprintf(whole, sizeof whole, "%s", option);
    if (attention_is_none(spec))
        return refuse(spec, whole, "makes no sense without attention");
    if (strcmp(option, "inner") == 0) {
        spec->inner = true;
        return OK;
    }
    if (strcmp(option, "alpha") == 0) {
        spec->alpha = true;
        return OK;
    }
    char *equals = strchr(option, '=');
    if (!equals)
        return set_choice(spec, whole, option, "");
    *equals = '\0';
    enum status status = set_special(spec, whole, option, equals + 1);
    return status == ERR_UNSUPPORTED ? set_choice(spec, whole, option, equals + 1) : status;
}

/* Combinations that would not mean what they say. */
static enum status check_spec(const struct attention_spec *spec)
{
    if (spec->control && (spec->twice || spec->alpha || spec->inner))
        return refuse(spec, "scale, alpha, inner", "are about gates, and the control has none");
    if (spec->twice && spec->gate == GATE_ARTICLE)
        return refuse(spec, "scale=2", "needs gate=sum: the article's gate is 1 at zero logits");
    if (spec->gate == GATE_ARTICLE && spec->channel && spec->cpool != CPOOL_BOTH)
        return refuse(spec, "gate=article", "squashes two branches: it needs cpool=both");
    if (spec->mean_first && spec->spool != SPOOL_BOTH)
        return refuse(spec, "planes", "needs two planes (spool=both)");
    if (spec->inner && spec->alpha)
        return refuse(spec, "inner", "and alpha exclude each other");
    return OK;
}

enum status attention_parse(const char *text, struct attention_spec *spec)
{
    char copy[sizeof spec->text], *rest;
    if (strlen(text) >= sizeof copy)
        return fail(ERR_USAGE, "--attention: more than %zu characters", sizeof copy - 1);
    strcpy(copy, text);
    char *name = strtok_r(copy, ":", &rest);
    int form = -1;
    for (int i = 0; name && i < FORMS; i++)
        if (strcmp(forms[i].name, name) == 0)
            form = i;
    if (form < 0)
        return fail(ERR_USAGE, "--attention '%s': known are none, cbam, cbam-article, se, "
                    "cbam-channel, cbam-spatial, cbam-parallel, cbam-spatial-first, cbam-light, "
                    "control", text);
    *spec = forms[form].spec;
    strcpy(spec->text, text);
    for (char *option; (option = strtok_r(NULL, ":", &rest));)
        TRY(set_option(spec, option));
    return check_spec(spec);
}
