/* The settings of a training run by name: see settings.h. Runs nothing. */
#include "bench/transfer/settings.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLACE(member) \
    .offset = offsetof(struct train_settings, member), \
    .size = sizeof((struct train_settings *)0)->member

static const struct setting_field fields[] = {
    {"model", "MODEL", "network: resnet50, resnet50:stem=small:width=0.25, ...", SETTING_TEXT,
     PLACE(model)},
    {"attention", "SPEC", "attention in it: none, cbam, cbam:r=8, se, ...", SETTING_TEXT,
     PLACE(attention)},
    {"init", "FILE", "weights to start from: random, or a weights file (here or under $CBAM_DATA)",
     SETTING_TEXT, PLACE(init)},
    {"scheme", "NAME", "initialisation of a random network; the model's own by default",
     SETTING_TEXT, PLACE(scheme), .optional = true},
    {"transfer", "ARM", "what trains: scratch, frozen, frozen+attention, head+bn, top:K, finetune, "
     "lp-ft, gradual, frozen-random",
     SETTING_ARM, PLACE(transfer)},
    {"keep-head", "on|off", "keep the head of the weights file when the classes agree",
     SETTING_SWITCH, PLACE(keep_head), .words = {"on", "off"}},
    {"data", "DATA", "data set: fashion-mnist:classes=0-4:per-class=50, cifar10:DIR, folder:DIR, "
     "...",
     SETTING_TEXT, PLACE(data)},
    {"size", "N", "input pixels a side; the data set's own by default", SETTING_INT, PLACE(size),
     0, 4096, .optional = true},
    {"order", "WORD", "order of the images: shuffled or sequential", SETTING_SWITCH,
     PLACE(shuffled), .words = {"shuffled", "sequential"}},
    {"augment", "on|off", "random crop and flip of each image, anew in every epoch", SETTING_SWITCH,
     PLACE(augment), .words = {"on", "off"}},
    {"epochs", "N", "passes over the training images", SETTING_INT, PLACE(epochs), 0, 1000},
    {"steps", "N", "updates, instead of --epochs", SETTING_INT, PLACE(steps), 0, 100000000,
     .optional = true},
    {"batch", "N", "images an update", SETTING_INT, PLACE(batch), 1, 65536},
    {"lr", "X", "learning rate", SETTING_REAL, PLACE(lr), 0, 1e6},
    {"backbone-rate", "X", "learning rate of the backbone, as a share of --lr (1)", SETTING_REAL,
     PLACE(backbone_rate), 0, 1e3, .optional = true, .added = true},
    {"probe-epochs", "N", "lp-ft: of the epochs, those in which the head alone trains (half)",
     SETTING_INT, PLACE(probe_epochs), 0, 1000, .optional = true, .added = true},
    {"probe-lr", "X", "lp-ft: learning rate of these (as --lr)", SETTING_REAL, PLACE(probe_lr), 0,
     1e6, .optional = true, .added = true},
    {"unfreeze-epochs", "N", "gradual: epochs after which one stage more trains (all alike)",
     SETTING_INT, PLACE(unfreeze_epochs), 0, 1000, .optional = true, .added = true},
    {"momentum", "X", "momentum of the updates", SETTING_REAL, PLACE(momentum), 0, 1},
    {"nesterov", "on|off", "Nesterov's form of the momentum", SETTING_SWITCH, PLACE(nesterov),
     .words = {"on", "off"}},
    {"weight-decay", "X", "share of a weight added to its gradient", SETTING_REAL,
     PLACE(weight_decay), 0, 1e6},
    {"label-smoothing", "X", "share of the target spread over all classes", SETTING_REAL,
     PLACE(label_smoothing), 0, 1},
    {"schedule", "NAME", "course of the learning rate: constant, cosine, step, onecycle",
     SETTING_TEXT, PLACE(schedule)},
    {"warmup", "N", "epochs in which the rate rises from 0", SETTING_INT, PLACE(warmup_epochs), 0,
     1000},
    {"pct-start", "X", "onecycle: share of the updates in which the rate rises", SETTING_REAL,
     PLACE(pct_start), 0, 1},
    {"cycle-momentum", "on|off", "onecycle: momentum 0.95 to 0.85 against the rate",
     SETTING_SWITCH, PLACE(cycle_momentum), .words = {"on", "off"}},
    {"step-epochs", "N", "step: epochs between two drops of the rate", SETTING_INT,
     PLACE(step_epochs), 0, 1000},
    {"step-factor", "X", "step: factor of a drop", SETTING_REAL, PLACE(step_factor), 0, 1},
    {"seed", "N", "decides the split, the order, the augmentation and the initial weights",
     SETTING_SEED, PLACE(seed)},
    {"salt", "N", "other random order, augmentation and initial weights on the same split",
     SETTING_SEED, PLACE(salt), .optional = true, .added = true},
    {"shifted", "DATA", "other data whose test images are looked at too, once, at the end",
     SETTING_TEXT, PLACE(shifted), .optional = true, .added = true},
    {"impl", "NAME", "implementation: naive, openblas or onednn", SETTING_TEXT, PLACE(impl)},
    {"algorithm", "WORD", "of convolutions: direct, winograd (3x3 windows of stride 1), auto:FILE "
     "(what the file decided; train decides what it lacks by timing and adds it, a study does not)",
     SETTING_TEXT, PLACE(algorithm), .optional = true, .added = true, .words = {"direct"}},
    {"dtypes", "LIST", "in which the trained network is evaluated on the test images: f32, or "
     "f32,bf16 (needs onednn and AVX512_BF16); training is f32",
     SETTING_TEXT, PLACE(dtypes), .optional = true, .added = true, .words = {"f32"}},
    {"fuse", "on|off", "fused operations where the implementation offers them", SETTING_SWITCH,
     PLACE(fuse), .words = {"on", "off"}},
    {"threads", "N", "threads; 0: all that this process may use", SETTING_INT, PLACE(threads), 0,
     1024},
};

enum { FIELDS = sizeof fields / sizeof fields[0] };

const struct setting_field *train_settings_fields(int *count)
{
    *count = FIELDS;
    return fields;
}

const struct setting_field *train_settings_find(const char *option)
{
    for (int i = 0; i < FIELDS; i++)
        if (strcmp(fields[i].option, option) == 0)
            return &fields[i];
    return NULL;
}

/* ---- one field ---- */

static void *field_place(struct train_settings *settings, const struct setting_field *field)
{
    return (char *)settings + field->offset;
}

static const void *field_value(const struct train_settings *settings,
                               const struct setting_field *field)
{
    return (const char *)settings + field->offset;
}

static enum status put_text(struct train_settings *settings, const struct setting_field *field,
                            const char *text)
{
    if (!*text && !field->optional)
        return fail(ERR_USAGE, "%s is empty", field->option);
    if (strlen(text) >= field->size)
        return fail(ERR_USAGE, "%s is longer than %zu characters", field->option,
                    field->size - 1);
    char *place = field_place(settings, field);
    memset(place, 0, field->size);
    if (field->words[0] && strcmp(text, field->words[0]) == 0)
        return OK;
    memcpy(place, text, strlen(text));
    return OK;
}

static enum status put_number(struct train_settings *settings, const struct setting_field *field,
                              double number)
{
    bool whole = field->kind == SETTING_INT;
    if (!(number >= field->min && number <= field->max) || (whole && number != floor(number)))
        return fail(ERR_USAGE, "%s is %.17g: a%s number from %g to %g was expected", field->option,
                    number, whole ? " whole" : "", field->min, field->max);
    if (whole)
        *(int *)field_place(settings, field) = (int)number;
    else
        *(double *)field_place(settings, field) = number;
    return OK;
}

static enum status parse_number(struct train_settings *settings, const struct setting_field *field,
                                const char *text)
{
    char *end;
    bool whole = field->kind == SETTING_INT;
    /* strtod also reads hexadecimal numbers, "inf" and "nan": no one writes these on purpose. */
    bool plain = strspn(text, whole ? "0123456789+-" : "0123456789+-.eE") == strlen(text);
    double number = strtod(text, &end);
    if (!plain || end == text || *end)
        return fail(ERR_USAGE, "%s is '%s': a%s number was expected", field->option, text,
                    whole ? " whole" : "");
    return put_number(settings, field, number);
}

static enum status parse_switch(struct train_settings *settings, const struct setting_field *field,
                                const char *text)
{
    for (int i = 0; i < 2; i++) {
        if (strcmp(text, field->words[i]) == 0) {
            *(bool *)field_place(settings, field) = i == 0;
            return OK;
        }
    }
    return fail(ERR_USAGE, "%s is '%s': %s or %s was expected", field->option, text,
                field->words[0], field->words[1]);
}

static enum status parse_seed(struct train_settings *settings, const struct setting_field *field,
                              const char *text)
{
    char *end;
    errno = 0;
    unsigned long long seed = strtoull(text, &end, 10);
    if (!*text || strspn(text, "0123456789") != strlen(text) || errno || seed > INT64_MAX)
        return fail(ERR_USAGE, "%s is '%s': a whole number from 0 to %" PRId64 " was expected",
                    field->option, text, INT64_MAX);
    *(uint64_t *)field_place(settings, field) = seed;
    return OK;
}

enum status train_settings_set(struct train_settings *settings, const char *option,
                               const char *value)
{
    const struct setting_field *field = train_settings_find(option);
    if (!field)
        return fail(ERR_USAGE, "'%s' is not a setting of a training run", option);
    switch (field->kind) {
    case SETTING_TEXT:
        return put_text(settings, field, value);
    case SETTING_SWITCH:
        return parse_switch(settings, field, value);
    case SETTING_SEED:
        return parse_seed(settings, field, value);
    case SETTING_ARM:
        return transfer_parse(value, field_place(settings, field));
    default:
        return parse_number(settings, field, value);
    }
}

void train_settings_arm(const struct train_settings *settings, char label[ARM_LABEL_MAX])
{
    const char *name = transfer_name(settings->transfer);
    if (settings->backbone_rate == 0)
        snprintf(label, ARM_LABEL_MAX, "%s", name);
    else
        snprintf(label, ARM_LABEL_MAX, "%s, backbone rate x%g", name, settings->backbone_rate);
}

/* The shortest decimal text that reads back as the same number. */
static void print_real(double number, char *text, size_t size)
{
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, size, "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
}

void train_settings_get(const struct train_settings *settings, const struct setting_field *field,
                        char *text, size_t size)
{
    const void *value = field_value(settings, field);
    switch (field->kind) {
    case SETTING_TEXT:
        snprintf(text, size, "%s", (const char *)value);
        break;
    case SETTING_INT:
        snprintf(text, size, "%d", *(const int *)value);
        break;
    case SETTING_REAL:
        print_real(*(const double *)value, text, size);
        break;
    case SETTING_SWITCH:
        snprintf(text, size, "%s", field->words[*(const bool *)value ? 0 : 1]);
        break;
    case SETTING_SEED:
        snprintf(text, size, "%" PRIu64, *(const uint64_t *)value);
        break;
    case SETTING_ARM:
        snprintf(text, size, "%s", transfer_name(*(const enum transfer_arm *)value));
        break;
    }
}

/* ---- JSON ---- */

static void json_key(const struct setting_field *field, char key[32])
{
    snprintf(key, 32, "%s", field->option);
    for (; *key; key++)
        *key = *key == '-' ? '_' : *key;
}

static json_t *field_json(const struct train_settings *settings, const struct setting_field *field)
{
    const void *value = field_value(settings, field);
    switch (field->kind) {
    case SETTING_INT:
        return json_integer(*(const int *)value);
    case SETTING_REAL:
        return json_real(*(const double *)value);
    case SETTING_SWITCH:
        return json_boolean(*(const bool *)value);
    case SETTING_SEED:
        return json_integer((json_int_t)*(const uint64_t *)value);
    case SETTING_ARM:
        return json_string(transfer_name(*(const enum transfer_arm *)value));
    default:
        return json_string(value);
    }
}

/* Whether an optional field says nothing: "" or 0. */
static bool is_unsaid(const struct train_settings *settings, const struct setting_field *field)
{
    char value[sizeof(struct train_settings)];
    train_settings_get(settings, field, value, sizeof value);
    return !*value || strcmp(value, "0") == 0;
}

json_t *train_settings_json(const struct train_settings *settings)
{
    json_t *json = json_object();
    for (int i = 0; i < FIELDS; i++) {
        char key[32];
        if (fields[i].added && is_unsaid(settings, &fields[i]))
            continue;
        json_key(&fields[i], key);
        if (json_object_set_new(json, key, field_json(settings, &fields[i])) != 0) {
            json_decref(json);
            return NULL;
        }
    }
    return json;
}

static enum status field_from_json(const json_t *value, const struct setting_field *field,
                                   struct train_settings *settings)
{
    switch (field->kind) {
    case SETTING_TEXT:
        if (json_is_string(value))
            return put_text(settings, field, json_string_value(value));
        break;
    case SETTING_INT:
        if (json_is_integer(value))
            return put_number(settings, field, (double)json_integer_value(value));
        break;
    case SETTING_REAL:
        if (json_is_number(value))
            return put_number(settings, field, json_number_value(value));
        break;
    case SETTING_SWITCH:
        *(bool *)field_place(settings, field) = json_is_true(value);
        if (json_is_boolean(value))
            return OK;
        break;
    case SETTING_SEED:
        *(uint64_t *)field_place(settings, field) = (uint64_t)json_integer_value(value);
        if (json_is_integer(value) && json_integer_value(value) >= 0)
            return OK;
        break;
    case SETTING_ARM:
        if (json_is_string(value))
            return transfer_parse(json_string_value(value), field_place(settings, field));
        break;
    }
    return fail(ERR_FORMAT, "%s is missing or of the wrong type", field->option);
}

enum status train_settings_from_json(const json_t *json, struct train_settings *settings)
{
    size_t known = 0;
    *settings = (struct train_settings){0};
    for (int i = 0; i < FIELDS; i++) {
        char key[32];
        json_key(&fields[i], key);
        const json_t *value = json_object_get(json, key);
        if (!value && fields[i].added)
            continue;
        known++;
        if (field_from_json(value, &fields[i], settings) != OK)
            return fail_prefix(ERR_FORMAT, "stored settings");
    }
    if (json_object_size(json) != known)
        return fail(ERR_FORMAT, "stored settings: %zu members where %zu are known",
                    json_object_size(json), known);
    return OK;
}

/* ---- command line ---- */

/* Text as one word of a shell's command line. */
static void put_word(const char *text, FILE *out)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "+-._/:=@,%";
    if (*text && strspn(text, plain) == strlen(text)) {
        fputs(text, out);
        return;
    }
    fputc('\'', out);
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", out);
        else
            fputc(*text, out);
    }
    fputc('\'', out);
}

/* Whether a field has to be said to repeat the run. */
static bool is_said(const struct train_settings *settings, const struct setting_field *field)
{
    if (strcmp(field->option, "epochs") == 0)
        return settings->steps == 0;
    return !field->optional || !is_unsaid(settings, field);
}

char *train_settings_command(const struct train_settings *settings, const char *save)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    fputs("cbam-bench train", out);
    for (int i = 0; i < FIELDS; i++) {
        char value[sizeof(struct train_settings)];
        train_settings_get(settings, &fields[i], value, sizeof value);
        if (!is_said(settings, &fields[i]))
            continue;
        fprintf(out, " --%s ", fields[i].option);
        put_word(value, out);
    }
    if (save) {
        fputs(" --save ", out);
        put_word(save, out);
    }
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}
