/* From a study file's texts to a checked study: see study.h. Opens no other file. */
#include "bench/study/study.h"
#include "bench/study/claims.h"
#include "bench/study/search.h"
#include "bench/study/study_file.h"
#include "bench/transfer/arm.h"
#include "datasets/spec.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A key's number; `otherwise` where the key was not said (0). */
static enum status take_int(const char *key, int64_t value, int min, int max, int otherwise,
                            int *out)
{
    if (value == 0) {
        *out = otherwise;
        return OK;
    }
    if (value < min || value > max)
        return fail(ERR_FORMAT, "%s is %" PRId64 ": a whole number from %d to %d was expected", key,
                    value, min, max);
    *out = (int)value;
    return OK;
}

/* Copies an axis; an entry that stands there twice would run twice under one key. */
static enum status take_list(const char *key, char *const *texts, uint32_t count,
                             struct study_list *list)
{
    list->count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (strchr(texts[i], ','))
            return fail(ERR_FORMAT, "%s: '%s' has a ',': entries of a list stand in one [...], "
                        "options of an entry follow with ':'", key, texts[i]);
        for (int j = 0; j < list->count; j++)
            if (strcmp(list->text[j], texts[i]) == 0)
                return fail(ERR_FORMAT, "%s: '%s' stands there twice", key, texts[i]);
        snprintf(list->text[list->count++], STUDY_TEXT_MAX, "%s", texts[i]);
    }
    return OK;
}

static enum status take_name(const char *name, char out[64])
{
    size_t length = strlen(name);
    if (length > 63 || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != length ||
        name[0] == '-')
        return fail(ERR_FORMAT, "name '%s': up to 63 lower case letters, digits, '-' and '_' were "
                    "expected", name);
    memcpy(out, name, length + 1);
    return OK;
}

static enum status take_options(const char *place, const struct yaml_options *options,
                                struct train_settings *settings)
{
    int count;
    const struct setting_field *fields = train_settings_fields(&count);
    for (int i = 0; i < count; i++)
        if (options->text[i] &&
            train_settings_set(settings, fields[i].option, options->text[i]) != OK)
            return fail_prefix(ERR_FORMAT, "%s", place);
    return OK;
}

/* ---- axes ---- */

static enum status take_seeds(const struct yaml_study *yaml, struct study *study)
{
    bool counted = yaml->seeds != 0, listed = yaml->seed_list != NULL;
    if (counted == listed)
        return fail(ERR_FORMAT, "one of 'seeds' (how many, from 0 on) and 'seed-list' was "
                    "expected");
    if (counted)
        TRY(take_int("seeds", yaml->seeds, 1, STUDY_SEEDS_MAX, 0, &study->seed_count));
    else
        study->seed_count = (int)yaml->seed_list_count;
    for (int i = 0; i < study->seed_count; i++) {
        int64_t seed = counted ? i : yaml->seed_list[i];
        if (seed < 0)
            return fail(ERR_FORMAT, "seed-list: %" PRId64 " is negative", seed);
        for (int j = 0; j < i; j++)
            if (study->seeds[j] == (uint64_t)seed)
                return fail(ERR_FORMAT, "seed-list: %" PRId64 " stands there twice", seed);
        study->seeds[i] = (uint64_t)seed;
    }
    return OK;
}

static enum status add_data(struct study *study, const char *data, int64_t labels)
{
    if (study->data.count == STUDY_LIST_MAX)
        return fail(ERR_FORMAT, "target: data and labels give more than %d combinations",
                    STUDY_LIST_MAX);
    char *text = study->data.text[study->data.count++];
    int length = labels ? snprintf(text, STUDY_TEXT_MAX, "%s:per-class=%" PRId64, data, labels)
                        : snprintf(text, STUDY_TEXT_MAX, "%s", data);
    if (length >= STUDY_TEXT_MAX)
        return fail(ERR_FORMAT, "target: data is longer than %d characters", STUDY_TEXT_MAX - 1);
    return OK;
}

static enum status take_data(const struct yaml_target *target, struct study *study)
{
    struct study_list plain;
    TRY(take_list("target: data", target->data, target->data_count, &plain));
    for (int i = 0; i < plain.count; i++) {
        if (target->labels_count == 0)
            TRY(add_data(study, plain.text[i], 0));
        for (uint32_t j = 0; j < target->labels_count; j++) {
            if (target->labels[j] < 1)
                return fail(ERR_FORMAT, "target: labels: %" PRId64 " is not above 0",
                            target->labels[j]);
            TRY(add_data(study, plain.text[i], target->labels[j]));
        }
    }
    return OK;
}

/* One entry of `shifted` for all of the data, or one for each. */
static enum status take_shifted(const struct yaml_target *target, struct study *study)
{
    struct study_list plain = {0};
    int labels = target->labels_count > 0 ? (int)target->labels_count : 1;
    for (uint32_t i = 0; i < target->shifted_count; i++)
        snprintf(plain.text[plain.count++], STUDY_TEXT_MAX, "%s", target->shifted[i]);
    if (plain.count > 1 && (uint32_t)plain.count != target->data_count)
        return fail(ERR_FORMAT, "target: shifted has %d entries: one, or one for each of the %u of "
                    "data, was expected", plain.count, target->data_count);
    for (int i = 0; plain.count > 0 && i < study->data.count; i++)
        memcpy(study->shifted.text[study->shifted.count++],
               plain.text[plain.count > 1 ? i / labels : 0], STUDY_TEXT_MAX);
    return OK;
}

/* ---- source and arms ---- */

/* A file takes the place of source trainings: nothing is left to be said of how to train. */
static enum status take_weights(const struct yaml_source *source, struct study *study)
{
    int count;
    const struct setting_field *fields = train_settings_fields(&count);
    for (int i = 0; i < count; i++)
        if (source->options.text[i])
            return fail(ERR_FORMAT, "source: '%s' has no meaning beside 'weights', which are "
                        "trained already", fields[i].option);
    if (source->shifted)
        return fail(ERR_FORMAT, "source: 'shifted' has no meaning beside 'weights'");
    if (source->attention)
        return fail(ERR_FORMAT, "source: 'attention' has no meaning beside 'weights': what the "
                    "file lacks is inserted");
    snprintf(study->source_weights, STUDY_TEXT_MAX, "%s", source->weights);
    snprintf(study->source_attention, STUDY_TEXT_MAX, "same");
    return OK;
}

static enum status take_source(const struct yaml_study *yaml, struct study *study)
{
    const struct yaml_source *source = yaml->source;
    study->has_source = source != NULL;
    if (!source)
        return OK;
    if (!source->data == !source->weights)
        return fail(ERR_FORMAT, "source: one of 'data' (to train on) and 'weights' (a file) was "
                    "expected");
    if (source->weights)
        return take_weights(source, study);
    train_defaults(&study->source);
    study->source.transfer = ARM_SCRATCH;
    if (train_settings_set(&study->source, "data", source->data) != OK ||
        (source->shifted &&
         train_settings_set(&study->source, "shifted", source->shifted) != OK))
        return fail_prefix(ERR_FORMAT, "source");
    snprintf(study->source_attention, STUDY_TEXT_MAX, "%s",
             source->attention ? source->attention : "same");
    return take_options("source", &source->options, &study->source);
}

/* What an arm is called: its name, or what train_settings_arm() says. */
static enum status name_arm(const struct yaml_arm *arm, const struct train_settings *settings,
                            struct study *study)
{
    char label[ARM_LABEL_MAX];
    train_settings_arm(settings, label);
    char *name = study->arm_names[study->arm_count];
    const char *text = arm->name ? arm->name : label;
    if (strlen(text) >= sizeof study->arm_names[0])
        return fail(ERR_FORMAT, "transfer: name '%s' is longer than %zu characters", text,
                    sizeof study->arm_names[0] - 1);
    for (int j = 0; j < study->arm_count; j++)
        if (strcmp(study->arm_names[j], text) == 0)
            return fail(ERR_FORMAT, "transfer: %s stands there twice: 'name' tells arms apart",
                        text);
    snprintf(name, sizeof study->arm_names[0], "%s", text);
    return OK;
}

static enum status take_arm(const struct yaml_study *yaml, int i, struct study *study)
{
    const struct yaml_arm *arm = &yaml->transfer[i];
    struct train_settings *settings = &study->arms[study->arm_count];
    train_defaults(settings);
    TRY(take_options("target", &yaml->target->options, settings));
    if (train_settings_set(settings, "transfer", arm->arm) != OK)
        return fail_prefix(ERR_FORMAT, "transfer: arm");
    char place[80];
    snprintf(place, sizeof place, "transfer: %s", transfer_name(settings->transfer));
    TRY(take_options(place, &arm->options, settings));
    TRY(name_arm(arm, settings, study));
    if (arm_needs_source(settings->transfer) && !study->has_source)
        return fail(ERR_FORMAT, "%s starts from trained weights: 'source' is missing", place);
    study->arm_count++;
    return OK;
}

/* ---- search ---- */

/* What is searched is chosen, and not said. */
static enum status refuse_said(const struct study *study, const char *place,
                               const struct yaml_options *options)
{
    int count;
    const struct setting_field *fields = train_settings_fields(&count);
    for (int i = 0; i < count; i++)
        if (options->text[i] && search_has(&study->search, fields[i].option))
            return fail(ERR_FORMAT, "%s: '%s' has no meaning beside 'search', which chooses it",
                        place, fields[i].option);
    return OK;
}

/* Choosing on the test images would spoil them. What is no specification at all is found when the
 * data are opened. */
static enum status check_validation(const struct study *study)
{
    struct data_spec spec;
    for (int i = 0; i < study->data.count; i++)
        if (data_spec_parse(study->data.text[i], &spec) == OK && spec.val == 0)
            return fail(ERR_FORMAT, "target: data: '%s' has no validation images, which 'search' "
                        "chooses on: val=N, or per-class=N (with N/5 of them), was expected",
                        study->data.text[i]);
    return OK;
}

static enum status check_seeds(const struct study *study)
{
    for (int i = 0; i < study->seed_count; i++)
        for (int j = 0; j < study->search.seeds; j++)
            if (study->seeds[i] == search_seed(j))
                return fail(ERR_FORMAT, "seed-list: %" PRIu64 " is a seed of the search (from %d "
                            "on), which must not count", study->seeds[i], SEARCH_SEED_FIRST);
    return OK;
}

static enum status take_values(const struct yaml_search *yaml, struct study_search *search)
{
    int count;
    const struct setting_field *fields = train_settings_fields(&count);
    for (int i = 0; i < count; i++)
        if (yaml->values[i].text)
            TRY(search_add(search, fields[i].option, yaml->values[i].text,
                           (int)yaml->values[i].count));
    int points = search_points(search);
    if (points < 2 || points > SEARCH_POINTS_MAX)
        return fail(ERR_FORMAT, "search: %d combination%s of values: 2 to %d were expected",
                    points, points == 1 ? "" : "s", SEARCH_POINTS_MAX);
    return OK;
}

static enum status take_search(const struct yaml_study *yaml, struct study *study)
{
    if (!yaml->search)
        return OK;
    int64_t seeds = yaml->search->seeds;
    if (seeds < 1 || seeds > SEARCH_SEEDS_MAX)
        return fail(ERR_FORMAT, "search: seeds is %" PRId64 ": a whole number from 1 to %d was "
                    "expected", seeds, SEARCH_SEEDS_MAX);
    study->search.seeds = (int)seeds;
    TRY(take_values(yaml->search, &study->search));
    TRY(check_seeds(study));
    TRY(check_validation(study));
    TRY(refuse_said(study, "target", &yaml->target->options));
    for (uint32_t i = 0; i < yaml->transfer_count; i++)
        TRY(refuse_said(study, "transfer", &yaml->transfer[i].options));
    return OK;
}

/* ---- claims ---- */

static enum status take_family(const struct yaml_family *yaml, struct study_claims *claims)
{
    struct study_family *family = &claims->families[claims->family_count];
    if (strlen(yaml->name) >= sizeof family->name)
        return fail(ERR_FORMAT, "families: name '%s' is longer than %zu characters", yaml->name,
                    sizeof family->name - 1);
    for (int i = 0; i < claims->family_count; i++)
        if (strcmp(claims->families[i].name, yaml->name) == 0)
            return fail(ERR_FORMAT, "families: '%s' stands there twice", yaml->name);
    snprintf(family->name, sizeof family->name, "%s", yaml->name);
    claims->family_count++;
    TRY(take_list("families: models", yaml->models, yaml->models_count, &family->models));
    TRY(take_list("families: attention", yaml->attention, yaml->attention_count,
                  &family->attention));
    TRY(take_list("families: transfer", yaml->transfer, yaml->transfer_count, &family->transfer));
    return take_list("families: data", yaml->data, yaml->data_count, &family->data);
}

static enum status take_claims(const struct yaml_study *yaml, struct study *study)
{
    struct study_claims *claims = &study->claims;
    int reach = 0;
    claims_default(claims);
    if (yaml->compare)
        TRY(claims_parse_axis(yaml->compare, &claims->compare));
    if (yaml->families_count > 0)
        claims->family_count = 0;
    for (uint32_t i = 0; i < yaml->families_count; i++)
        TRY(take_family(&yaml->families[i], claims));
    TRY(take_int("reach", yaml->reach, 1, 100, 0, &reach));
    claims->reach = reach / 100.0;
    return claims_check(study);
}

/* ---- the rest ---- */

static enum status take_latency(const struct yaml_latency *yaml, struct study *study)
{
    struct study_latency *latency = &study->latency;
    if (!yaml)
        return OK;
    latency->wanted = true;
    latency->attention = study->attention;
    latency->impls = (struct study_list){1, {"all"}};
    TRY(take_list("latency: models", yaml->models, yaml->models_count, &latency->models));
    if (yaml->attention)
        TRY(take_list("latency: attention", yaml->attention, yaml->attention_count,
                      &latency->attention));
    if (yaml->impls)
        TRY(take_list("latency: impls", yaml->impls, yaml->impls_count, &latency->impls));
    TRY(take_int("latency: input", yaml->input, 1, 4096, 0, &latency->input));
    TRY(take_int("latency: batch", yaml->batch, 1, 4096, 0, &latency->batch));
    TRY(take_int("latency: threads", yaml->threads, 1, 1024, 0, &latency->threads));
    TRY(take_int("latency: samples", yaml->samples, 1, 1000000, 0, &latency->samples));
    return take_int("latency: seconds", yaml->seconds, 1, 86400, 0, &latency->seconds);
}

static enum status take_lists(const struct yaml_study *yaml, struct study *study)
{
    TRY(take_list("models", yaml->models, yaml->models_count, &study->models));
    TRY(take_list("attention", yaml->attention, yaml->attention_count, &study->attention));
    TRY(take_list("impls", yaml->impls, yaml->impls_count, &study->impls));
    if (study->impls.count == 0) {
        struct train_settings settings;
        train_defaults(&settings);
        study->impls.count = 1;
        snprintf(study->impls.text[0], STUDY_TEXT_MAX, "%s", settings.impl);
    }
    return OK;
}

/* Every cell trains in f32; what is listed is in what its network is evaluated at the end. */
static enum status take_dtypes(const struct yaml_study *yaml, struct study *study)
{
    struct study_list list = {0};
    TRY(take_list("dtypes", yaml->dtypes, yaml->dtypes_count, &list));
    const bool both = list.count == 2 && strcmp(list.text[1], "bf16") == 0;
    if (list.count > 0 && (strcmp(list.text[0], "f32") != 0 || (list.count > 1 && !both)))
        return fail(ERR_FORMAT, "dtypes: [f32] or [f32, bf16] was expected");
    study->bf16 = both;
    for (int i = 0; both && i < study->arm_count; i++)
        TRY(train_settings_set(&study->arms[i], "dtypes", "f32,bf16"));
    return OK;
}

static enum status take_study(const struct yaml_study *yaml, struct study *study)
{
    int64_t images = yaml->agreement_images ? *yaml->agreement_images : 500;
    TRY(take_name(yaml->name, study->name));
    TRY(take_lists(yaml, study));
    TRY(take_seeds(yaml, study));
    TRY(take_data(yaml->target, study));
    TRY(take_shifted(yaml->target, study));
    TRY(take_source(yaml, study));
    for (uint32_t i = 0; i < yaml->transfer_count; i++)
        TRY(take_arm(yaml, (int)i, study));
    TRY(take_dtypes(yaml, study));
    TRY(take_int("threads", yaml->threads, 1, 1024, 1, &study->threads));
    TRY(take_int("jobs", yaml->jobs, 1, 1024, 0, &study->jobs));
    TRY(take_int("agreement-images", images, 1, 1000000, 0, &study->agreement_images));
    TRY(take_claims(yaml, study));
    TRY(take_search(yaml, study));
    return take_latency(yaml->latency, study);
}

enum status study_load(struct study *study, const char *path)
{
    struct yaml_study *yaml;
    memset(study, 0, sizeof *study);
    TRY(study_file_read(path, &yaml));
    enum status status = take_study(yaml, study);
    study_file_free(yaml);
    return status == OK ? OK : fail_prefix(ERR_FORMAT, "%s", path);
}
