/* Options and descriptors of benchdnn in the order in which they stand: see benchdnn_reader.h. */
#include "bench/measure/benchdnn_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { FORWARD = 1, BACKWARD = 2 };
enum bias { PLAIN, BIAS, EITHER };

/* ---- the values of an option, which ',' separates ---- */

typedef enum status take_item(struct benchdnn_reader *r, const char *item);

static enum status each_item(struct benchdnn_reader *r, const char *value, take_item *take)
{
    char copy[BENCHDNN_WORD], *rest = copy;
    snprintf(copy, sizeof copy, "%s", value);
    while (rest)
        TRY(take(r, strsep(&rest, ",")));
    return OK;
}

static enum status take_mb(struct benchdnn_reader *r, const char *item)
{
    char *end;
    long mb = strtol(item, &end, 10);
    if (!*item || *end || mb < 0 || mb > 1000000)
        return fail(ERR_FORMAT, "--mb=%s: a number from 0 to 1000000 was expected", item);
    if (r->mb_count == BENCHDNN_CHOICES)
        return fail(ERR_FORMAT, "--mb: more than %d numbers", BENCHDNN_CHOICES);
    r->mb[r->mb_count++] = (int)mb;
    return OK;
}

static enum status take_dir(struct benchdnn_reader *r, const char *item)
{
    static const struct {
        const char *word;
        enum bias bias;
        unsigned pass;
    } dirs[] = {{"FWD_B", BIAS, FORWARD},    {"FWD_D", PLAIN, FORWARD},
                {"FWD_I", PLAIN, FORWARD},   {"BWD_WB", BIAS, BACKWARD},
                {"BWD_W", PLAIN, BACKWARD},  {"BWD_DW", PLAIN, BACKWARD},
                {"BWD_D", EITHER, BACKWARD}};
    unsigned *masks[] = {&r->passes_plain, &r->passes_bias, &r->passes_either};
    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++)
        if (strcasecmp(item, dirs[i].word) == 0) {
            *masks[dirs[i].bias] |= dirs[i].pass;
            r->dir_given = true;
            return OK;
        }
    return fail(ERR_FORMAT, "--dir=%s: FWD_B, FWD_D, FWD_I, BWD_D, BWD_W, BWD_WB or BWD_DW was "
                "expected", item);
}

/* A convolution's algorithms are the library's own business. */
static enum status take_alg(struct benchdnn_reader *r, const char *item)
{
    static const struct {
        const char *word;
        enum benchdnn_alg alg;
    } algs[] = {{"max", BENCHDNN_MAX},       {"pooling_max", BENCHDNN_MAX},
                {"avg_p", BENCHDNN_AVG_P},   {"pooling_avg_include_padding", BENCHDNN_AVG_P},
                {"avg_np", BENCHDNN_AVG_NP}, {"pooling_avg_exclude_padding", BENCHDNN_AVG_NP}};
    for (size_t i = 0; i < sizeof algs / sizeof algs[0]; i++)
        if (strcasecmp(item, algs[i].word) == 0)
            r->algs |= 1u << algs[i].alg;
    return OK;
}

static enum status take_flags(struct benchdnn_reader *r, const char *item)
{
    size_t used = 0;
    for (int i = 0; i < r->flag_count; i++)
        used += strlen(r->flags[i]) + 1;
    if (r->flag_count == BENCHDNN_CHOICES || used + strlen(item) >= sizeof r->flag_text)
        return fail(ERR_FORMAT, "--flags: more than %d choices", BENCHDNN_CHOICES);
    strcpy(r->flag_text + used, item);
    r->flags[r->flag_count++] = r->flag_text + used;
    return OK;
}

/* "f32", or "f32:f32:f32". */
static bool is_f32(const char *item)
{
    while (strncmp(item, "f32", 3) == 0 && item[3] == ':')
        item += 4;
    return strcmp(item, "f32") == 0;
}

static enum status take_type(struct benchdnn_reader *r, const char *item)
{
    r->other_type &= !is_f32(item);
    return OK;
}

/* Attributes that make another operation of a problem; an empty choice, or one of these words, does
 * not. */
static const struct {
    const char *option, *harmless;
} attributes[] = {
    {"--attr-post-ops", ""},   {"--attr-scales", ""}, {"--attr-oscale", ""},
    {"--attr-zero-points", ""}, {"--attr-dropout", ""}, {"--attr-fpmath", "strict"},
    {"--attr-acc-mode", "strict"}, {"--attr", "\"\""},
};
enum { ATTRIBUTES = sizeof attributes / sizeof attributes[0] };

static bool has_harmless_choice(const char *value, const char *harmless)
{
    char copy[BENCHDNN_WORD], *rest = copy;
    snprintf(copy, sizeof copy, "%s", value);
    while (rest) {
        const char *item = strsep(&rest, ",");
        if (!*item || strcmp(item, harmless) == 0)
            return true;
    }
    return false;
}

/* ---- options ---- */

static void reset(struct benchdnn_reader *r)
{
    r->mb_count = r->flag_count = 0;
    r->dir_given = r->other_type = false;
    r->passes_bias = r->passes_plain = r->passes_either = r->algs = r->attributes = 0;
}

static bool is_option(const char *word, size_t length, const char *name)
{
    return strlen(name) == length && strncmp(word, name, length) == 0;
}

/* True when the option is an attribute. */
static bool take_attribute(struct benchdnn_reader *r, const char *word, size_t length,
                           const char *value)
{
    for (int i = 0; i < ATTRIBUTES; i++)
        if (is_option(word, length, attributes[i].option)) {
            r->attributes &= ~(1u << i);
            if (!has_harmless_choice(value, attributes[i].harmless))
                r->attributes |= 1u << i;
            return true;
        }
    return false;
}

static enum status take_option(struct benchdnn_reader *r, const char *word)
{
    size_t length = strcspn(word, "=");
    const char *value = word[length] ? word + length + 1 : "";
    enum benchdnn_driver driver = benchdnn_driver_find(word + 2, length - 2);
    if (strncmp(word, "--", 2) == 0 && driver != BENCHDNN_ANY) {
        r->driver = driver;
        return OK;
    }
    if (is_option(word, length, "--reset")) {
        reset(r);
        return OK;
    }
    if (is_option(word, length, "--batch"))
        return r->sink->batch(r->sink->data, value);
    if (is_option(word, length, "--mb")) {
        r->mb_count = 0;
        return each_item(r, value, take_mb);
    }
    if (is_option(word, length, "--dir")) {
        r->passes_bias = r->passes_plain = r->passes_either = 0;
        return each_item(r, value, take_dir);
    }
    if (is_option(word, length, "--alg")) {
        r->algs = 0;
        return each_item(r, value, take_alg);
    }
    if (is_option(word, length, "--flags")) {
        r->flag_count = 0;
        return each_item(r, value, take_flags);
    }
    if (is_option(word, length, "--dt") || is_option(word, length, "--cfg")) {
        r->other_type = true;
        return each_item(r, value, take_type);
    }
    if (!take_attribute(r, word, length, value)) {
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)length, word);
        r->sink->ignore(r->sink->data, name);
    }
    return OK;
}

/* ---- descriptors ---- */

static enum status add_form(struct benchdnn_reader *r, const char *text,
                            const struct benchdnn_form *form, unsigned passes)
{
    struct op_desc desc;
    char name[BENCHDNN_NAME];
    const char *out_of_scope;
    TRY(benchdnn_parse(text, form, &desc, name, &out_of_scope));
    if (!out_of_scope)
        return r->sink->add(r->sink->data, &desc, name, passes);
    r->sink->skip(r->sink->data, out_of_scope);
    return OK;
}

/* With and without a bias, as --dir has it; a bias is benchdnn's default. */
static enum status add_weighted(struct benchdnn_reader *r, const char *text,
                                struct benchdnn_form form)
{
    unsigned with = r->passes_bias, without = r->passes_plain;
    if (with && !without)
        with |= r->passes_either;
    else
        without |= r->passes_either;
    form.bias = true;
    if (!r->dir_given || with)
        TRY(add_form(r, text, &form, with));
    form.bias = false;
    return without ? add_form(r, text, &form, without) : OK;
}

static unsigned all_passes(const struct benchdnn_reader *r)
{
    return r->passes_bias | r->passes_plain | r->passes_either;
}

static enum status add_pools(struct benchdnn_reader *r, const char *text,
                             struct benchdnn_form form)
{
    unsigned algs = r->algs ? r->algs : 1u << BENCHDNN_MAX;
    for (form.alg = 0; form.alg < BENCHDNN_ALGS; form.alg++)
        if (algs & 1u << form.alg)
            TRY(add_form(r, text, &form, all_passes(r)));
    return OK;
}

static enum status add_norms(struct benchdnn_reader *r, const char *text,
                             struct benchdnn_form form)
{
    unsigned passes = all_passes(r);
    for (int i = 0; i < r->flag_count; i++) {
        form.global_stats = strchr(r->flags[i], 'G') != NULL;
        form.fused = strpbrk(r->flags[i], "RA") != NULL;
        TRY(add_form(r, text, &form, passes));
    }
    return r->flag_count > 0 ? OK : add_form(r, text, &form, passes);
}

static enum status add_problem(struct benchdnn_reader *r, const char *text,
                               struct benchdnn_form form)
{
    if (form.driver == BENCHDNN_POOL)
        return add_pools(r, text, form);
    if (form.driver == BENCHDNN_BNORM)
        return add_norms(r, text, form);
    return add_weighted(r, text, form);
}

static const char *barrier(const struct benchdnn_reader *r)
{
    if (r->driver == BENCHDNN_OTHER)
        return "another driver";
    if (r->other_type)
        return "a data type other than f32";
    return r->attributes ? "attributes (post-operations, scales)" : NULL;
}

static enum status take_descriptor(struct benchdnn_reader *r, const char *text)
{
    struct benchdnn_form form = {.driver = r->driver};
    if (barrier(r)) {
        r->sink->skip(r->sink->data, barrier(r));
        return OK;
    }
    if (!benchdnn_starts(text))
        return fail(ERR_FORMAT, "'%s' is neither an option of benchdnn nor a problem descriptor "
                    "(such as mb2ic64ih56oc64oh56kh3ph1)", text);
    TRY(benchdnn_tell(text, r->driver, &form.driver));
    for (int i = 0; i < r->mb_count; i++) {
        form.mb = r->mb[i];
        TRY(add_problem(r, text, form));
    }
    return r->mb_count > 0 ? OK : add_problem(r, text, form);
}

/* ---- words ---- */

enum status benchdnn_end(struct benchdnn_reader *reader)
{
    char word[BENCHDNN_WORD];
    strcpy(word, reader->word); /* a batch file brings words of its own */
    reader->word[0] = '\0';
    reader->continued = false;
    if (!word[0])
        return OK;
    return word[0] == '-' ? take_option(reader, word) : take_descriptor(reader, word);
}

enum status benchdnn_word(struct benchdnn_reader *reader, const char *word)
{
    size_t length = strlen(word);
    bool goes_on = length > 0 && word[length - 1] == '\\';
    /* A lone '\' continues what stands before it. */
    if (!reader->continued && !(goes_on && length == 1))
        TRY(benchdnn_end(reader));
    size_t used = strlen(reader->word);
    length -= goes_on;
    if (used + length >= sizeof reader->word)
        return fail(ERR_FORMAT, "a word has more than %zu characters", sizeof reader->word - 1);
    memcpy(reader->word + used, word, length);
    reader->word[used + length] = '\0';
    reader->continued = goes_on;
    return OK;
}
