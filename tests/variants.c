/* The variants of a checked case, and their text form: see opcheck.h. Knows no implementation. */
#include "tests/opcheck.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const data_names[OPCHECK_DATA] = {
    [OPCHECK_INTEGER] = "integer", [OPCHECK_FLOAT] = "float", [OPCHECK_EQUAL] = "equal",
    [OPCHECK_ZERO] = "zero", [OPCHECK_NEGATIVE] = "negative", [OPCHECK_OFFSET] = "offset",
};

/* Wants of everything the operation can give a gradient of. */
static struct opcheck_variant everything(const struct op_desc *desc, enum opcheck_data data)
{
    struct op_param_info info[OP_MAX_PARAM];
    struct opcheck_variant v = {.data = data, .train = true, .seed = 1};
    v.want_src = (1u << op_sources(desc->kind)) - 1;
    int params = op_params(desc, info);
    for (int i = 0; i < params; i++)
        v.want_param |= info[i].buffer ? 0 : 1u << i;
    return v;
}

struct list {
    struct opcheck_variant *at;
    int count;
};

static struct opcheck_variant *push(struct list *list, struct opcheck_variant v)
{
    CHECK(list->count < OPCHECK_VARIANTS);
    list->at[list->count] = v;
    return &list->at[list->count++];
}

static void push_inference(struct list *list, enum opcheck_data data, unsigned strided,
                           bool in_place)
{
    push(list, (struct opcheck_variant){.data = data, .strided = strided, .in_place = in_place,
                                        .seed = 1});
}

/* Each gradient wanted alone, and sums into some buffers but not into others. */
static void push_wants(struct list *list, const struct op_desc *desc)
{
    struct opcheck_variant all = everything(desc, OPCHECK_FLOAT);
    unsigned gradients = all.want_src | all.want_param << OP_MAX_SRC;
    for (int i = 0; gradients & (gradients - 1) && i < OP_MAX_SRC + OP_MAX_PARAM; i++)
        if (gradients >> i & 1) {
            struct opcheck_variant *v = push(list, all);
            v->want_src = i < OP_MAX_SRC ? 1u << i : 0;
            v->want_param = i < OP_MAX_SRC ? 0 : 1u << (i - OP_MAX_SRC);
        }
    struct opcheck_variant *v = push(list, all);
    v->add_src = all.want_src;
    v->add_param = all.want_param;
    v = push(list, everything(desc, OPCHECK_INTEGER));
    v->add_src = 1;
    if (all.want_param) {
        v = push(list, everything(desc, OPCHECK_INTEGER));
        v->add_param = all.want_param > 1 ? 2 : 1; /* the bias, where there is one */
    }
}

static void push_strided(struct list *list, const struct op_desc *desc)
{
    unsigned sources = (1u << op_sources(desc->kind)) - 1;
    push_inference(list, OPCHECK_FLOAT, sources, false);
    push_inference(list, OPCHECK_INTEGER, OPCHECK_STRIDED_DST, false);
    struct opcheck_variant *v = push(list, everything(desc, OPCHECK_INTEGER));
    v->strided = sources | OPCHECK_STRIDED_DST;
    v = push(list, everything(desc, OPCHECK_FLOAT));
    v->strided = 1;
    v = push(list, everything(desc, OPCHECK_FLOAT));
    v->strided = sources | OPCHECK_STRIDED_DST;
    v->add_src = sources;
}

static void push_in_place(struct list *list, const struct op_desc *desc, bool strided)
{
    push_inference(list, OPCHECK_FLOAT, 0, true);
    struct opcheck_variant *v = push(list, everything(desc, OPCHECK_INTEGER));
    v->in_place = true;
    if (strided) {
        v = push(list, everything(desc, OPCHECK_FLOAT));
        v->in_place = true;
        v->strided = 1 | OPCHECK_STRIDED_DST;
    }
}

/* Ties, and values far from zero. */
static void push_special(struct list *list, const struct op_desc *desc)
{
    switch (desc->kind) {
    case OP_MAXPOOL:
    case OP_POOL_HW:
    case OP_POOL_C:
        push(list, everything(desc, OPCHECK_NEGATIVE));
        push(list, everything(desc, OPCHECK_EQUAL));
        push(list, everything(desc, OPCHECK_ZERO));
        break;
    case OP_BATCHNORM:
        push(list, everything(desc, OPCHECK_EQUAL));
        push(list, everything(desc, OPCHECK_ZERO));
        push(list, everything(desc, OPCHECK_OFFSET));
        break;
    case OP_RELU:
        push(list, everything(desc, OPCHECK_NEGATIVE));
        push(list, everything(desc, OPCHECK_ZERO));
        break;
    case OP_SIGMOID:
    case OP_SOFTMAX_XENT:
        push(list, everything(desc, OPCHECK_EQUAL));
        push(list, everything(desc, OPCHECK_OFFSET));
        break;
    default:
        break;
    }
}

int opcheck_variants(const struct op_entry *entry, const struct op_desc *desc,
                     struct opcheck_variant variant[OPCHECK_VARIANTS])
{
    struct list list = {variant, 0};
    push_inference(&list, OPCHECK_INTEGER, 0, false);
    push_inference(&list, OPCHECK_FLOAT, 0, false);
    push(&list, everything(desc, OPCHECK_INTEGER));
    push(&list, everything(desc, OPCHECK_FLOAT));
    push_wants(&list, desc);
    if (entry->strided)
        push_strided(&list, desc);
    if (op_in_place(desc->kind))
        push_in_place(&list, desc, entry->strided);
    push_special(&list, desc);
    return list.count;
}

/* The numeric fields of a variant by name; seed apart. */
static const struct {
    const char *name;
    size_t offset;
} fields[] = {
    {"want_src", offsetof(struct opcheck_variant, want_src)},
    {"want_param", offsetof(struct opcheck_variant, want_param)},
    {"add_src", offsetof(struct opcheck_variant, add_src)},
    {"add_param", offsetof(struct opcheck_variant, add_param)},
    {"strided", offsetof(struct opcheck_variant, strided)},
};
enum { FIELDS = sizeof fields / sizeof fields[0] };

void opcheck_variant_print(const struct opcheck_variant *v, char *text, size_t size)
{
    snprintf(text, size, "%s%s%s", data_names[v->data], v->train ? " train" : "",
             v->in_place ? " in_place" : "");
    for (int i = 0; i < FIELDS; i++) {
        unsigned value;
        memcpy(&value, (const char *)v + fields[i].offset, sizeof value);
        size_t used = strlen(text);
        if (value)
            snprintf(text + used, size - used, " %s=%u", fields[i].name, value);
    }
    size_t used = strlen(text);
    snprintf(text + used, size - used, " seed=%" PRIu64, v->seed);
}

static bool parse_name(const char *word, struct opcheck_variant *v)
{
    for (int i = 0; i < OPCHECK_DATA; i++)
        if (strcmp(word, data_names[i]) == 0) {
            v->data = (enum opcheck_data)i;
            return true;
        }
    v->train |= strcmp(word, "train") == 0;
    v->in_place |= strcmp(word, "in_place") == 0;
    return strcmp(word, "train") == 0 || strcmp(word, "in_place") == 0;
}

static bool parse_number(const char *word, struct opcheck_variant *v)
{
    const char *equals = strchr(word, '=');
    if (!equals)
        return false;
    char *end;
    unsigned long long number = strtoull(equals + 1, &end, 10);
    if (end == equals + 1 || *end)
        return false;
    size_t letters = (size_t)(equals - word);
    if (letters == 4 && strncmp(word, "seed", 4) == 0) {
        v->seed = number;
        return true;
    }
    for (int i = 0; i < FIELDS; i++)
        if (strlen(fields[i].name) == letters && strncmp(word, fields[i].name, letters) == 0) {
            unsigned value = (unsigned)number;
            memcpy((char *)v + fields[i].offset, &value, sizeof value);
            return true;
        }
    return false;
}

enum status opcheck_variant_parse(const char *text, struct opcheck_variant *variant)
{
    char copy[256], *rest;
    struct opcheck_variant v = {.seed = 1};
    if (strlen(text) >= sizeof copy)
        return fail(ERR_USAGE, "variant text is longer than %zu characters", sizeof copy - 1);
    strcpy(copy, text);
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        if (!parse_name(word, &v) && !parse_number(word, &v))
            return fail(ERR_USAGE, "variant: '%s' is not understood", word);
    *variant = v;
    return OK;
}
