/* Study files: YAML by way of libcyaml's schema tables, whose training settings are made from the
 * one table of settings.h. Knows what may be said, not what it means (study.c). */
#include "bench/study/study_file.h"
#include "bench/net/input_file.h"
#include "bench/study/search.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- schema ---- */

enum { TEXT = CYAML_FLAG_POINTER, MAYBE = CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL };

static const cyaml_schema_value_t text_entry = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, STUDY_TEXT_MAX - 1)};
static const cyaml_schema_value_t int_entry = {CYAML_VALUE_INT(CYAML_FLAG_DEFAULT, int64_t)};

#define TEXT_FIELD(key, flags, type, member) \
    CYAML_FIELD_STRING_PTR(key, flags, type, member, 1, STUDY_TEXT_MAX - 1)
#define LIST_FIELD(key, flags, type, member) \
    CYAML_FIELD_SEQUENCE(key, flags, type, member, &text_entry, 1, STUDY_LIST_MAX)

static const cyaml_schema_field_t latency_fields[] = {
    LIST_FIELD("models", TEXT, struct yaml_latency, models),
    LIST_FIELD("attention", MAYBE, struct yaml_latency, attention),
    LIST_FIELD("impls", MAYBE, struct yaml_latency, impls),
    CYAML_FIELD_INT("input", CYAML_FLAG_OPTIONAL, struct yaml_latency, input),
    CYAML_FIELD_INT("batch", CYAML_FLAG_OPTIONAL, struct yaml_latency, batch),
    CYAML_FIELD_INT("threads", CYAML_FLAG_OPTIONAL, struct yaml_latency, threads),
    CYAML_FIELD_INT("samples", CYAML_FLAG_OPTIONAL, struct yaml_latency, samples),
    CYAML_FIELD_INT("seconds", CYAML_FLAG_OPTIONAL, struct yaml_latency, seconds),
    CYAML_FIELD_END};

static const cyaml_schema_field_t source_fields[] = {
    TEXT_FIELD("data", MAYBE, struct yaml_source, data),
    TEXT_FIELD("weights", MAYBE, struct yaml_source, weights),
    TEXT_FIELD("attention", MAYBE, struct yaml_source, attention),
    TEXT_FIELD("shifted", MAYBE, struct yaml_source, shifted), CYAML_FIELD_END};

static const cyaml_schema_field_t target_fields[] = {
    LIST_FIELD("data", TEXT, struct yaml_target, data),
    CYAML_FIELD_SEQUENCE("labels", MAYBE, struct yaml_target, labels, &int_entry, 1,
                         STUDY_LIST_MAX),
    LIST_FIELD("shifted", MAYBE, struct yaml_target, shifted),
    CYAML_FIELD_END};

static const cyaml_schema_field_t arm_fields[] = {
    TEXT_FIELD("arm", TEXT, struct yaml_arm, arm),
    TEXT_FIELD("name", MAYBE, struct yaml_arm, name), CYAML_FIELD_END};

static const cyaml_schema_field_t family_fields[] = {
    TEXT_FIELD("name", TEXT, struct yaml_family, name),
    LIST_FIELD("models", MAYBE, struct yaml_family, models),
    LIST_FIELD("attention", MAYBE, struct yaml_family, attention),
    LIST_FIELD("transfer", MAYBE, struct yaml_family, transfer),
    LIST_FIELD("data", MAYBE, struct yaml_family, data), CYAML_FIELD_END};

static const cyaml_schema_value_t family_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_family, family_fields)};

/* The mappings below hold training settings too: a copy of the table with those added. */
enum { MAPPING_FIELDS = 8 + YAML_OPTIONS_MAX };

struct schema {
    cyaml_schema_field_t source[MAPPING_FIELDS], target[MAPPING_FIELDS], arm[MAPPING_FIELDS];
    cyaml_schema_field_t search[MAPPING_FIELDS];
    cyaml_schema_value_t arm_entry, root;
    cyaml_schema_field_t top[24];
};

/* Settings that are axes of the study, or its own: not to be said in a mapping. */
static bool is_axis(const char *option)
{
    static const char *const axes[] = {"model", "attention", "init", "transfer", "data", "seed",
                                       "impl", "threads", "shifted", "dtypes"};
    for (size_t i = 0; i < sizeof axes / sizeof axes[0]; i++)
        if (strcmp(axes[i], option) == 0)
            return true;
    return false;
}

static void add_options(cyaml_schema_field_t out[MAPPING_FIELDS],
                        const cyaml_schema_field_t *own, size_t options_offset)
{
    int n = 0, count;
    for (; own[n].key; n++)
        out[n] = own[n];
    const struct setting_field *fields = train_settings_fields(&count);
    CHECK(n + count < MAPPING_FIELDS && count <= YAML_OPTIONS_MAX);
    for (int i = 0; i < count; i++) {
        if (is_axis(fields[i].option))
            continue;
        out[n] = (cyaml_schema_field_t){
            .key = fields[i].option,
            .data_offset = (uint32_t)(options_offset + (size_t)i * sizeof(char *)),
            .value = {CYAML_VALUE_STRING(MAYBE, char, 1, STUDY_TEXT_MAX - 1)}};
        n++;
    }
    out[n] = (cyaml_schema_field_t){.key = NULL};
}

/* `seeds`, and a list for every setting that may be searched. */
static void add_search(cyaml_schema_field_t out[MAPPING_FIELDS])
{
    int n = 0, count;
    const struct setting_field *fields = train_settings_fields(&count);
    CHECK(count <= YAML_OPTIONS_MAX);
    out[n++] = (cyaml_schema_field_t)CYAML_FIELD_INT("seeds", CYAML_FLAG_DEFAULT,
                                                     struct yaml_search, seeds);
    for (int i = 0; i < count; i++) {
        if (!search_allows(fields[i].option))
            continue;
        size_t place = (size_t)i * sizeof((struct yaml_search *)0)->values[0];
        out[n++] = (cyaml_schema_field_t){
            .key = fields[i].option,
            .data_offset = (uint32_t)(offsetof(struct yaml_search, values[0].text) + place),
            .count_offset = (uint32_t)(offsetof(struct yaml_search, values[0].count) + place),
            .count_size = sizeof(uint32_t),
            .value = {CYAML_VALUE_SEQUENCE(MAYBE, char *, &text_entry, 1, STUDY_LIST_MAX)}};
    }
    out[n] = (cyaml_schema_field_t){.key = NULL};
}

static void make_schema(struct schema *s)
{
    add_search(s->search);
    add_options(s->source, source_fields, offsetof(struct yaml_source, options));
    add_options(s->target, target_fields, offsetof(struct yaml_target, options));
    add_options(s->arm, arm_fields, offsetof(struct yaml_arm, options));
    s->arm_entry = (cyaml_schema_value_t){
        CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_arm, s->arm)};
    const cyaml_schema_field_t top[] = {
        TEXT_FIELD("name", TEXT, struct yaml_study, name),
        LIST_FIELD("models", TEXT, struct yaml_study, models),
        LIST_FIELD("attention", TEXT, struct yaml_study, attention),
        CYAML_FIELD_MAPPING_PTR("source", MAYBE, struct yaml_study, source, s->source),
        CYAML_FIELD_MAPPING_PTR("target", TEXT, struct yaml_study, target, s->target),
        CYAML_FIELD_SEQUENCE("transfer", TEXT, struct yaml_study, transfer, &s->arm_entry, 1,
                             STUDY_LIST_MAX),
        CYAML_FIELD_INT("seeds", CYAML_FLAG_OPTIONAL, struct yaml_study, seeds),
        CYAML_FIELD_SEQUENCE("seed-list", MAYBE, struct yaml_study, seed_list, &int_entry, 1,
                             STUDY_SEEDS_MAX),
        LIST_FIELD("impls", MAYBE, struct yaml_study, impls),
        LIST_FIELD("dtypes", MAYBE, struct yaml_study, dtypes),
        CYAML_FIELD_INT("threads", CYAML_FLAG_OPTIONAL, struct yaml_study, threads),
        CYAML_FIELD_INT("jobs", CYAML_FLAG_OPTIONAL, struct yaml_study, jobs),
        CYAML_FIELD_INT_PTR("agreement-images", MAYBE, struct yaml_study, agreement_images),
        TEXT_FIELD("compare", MAYBE, struct yaml_study, compare),
        CYAML_FIELD_SEQUENCE("families", MAYBE, struct yaml_study, families, &family_entry, 1,
                             STUDY_FAMILIES_MAX),
        CYAML_FIELD_INT("reach", CYAML_FLAG_OPTIONAL, struct yaml_study, reach),
        CYAML_FIELD_MAPPING_PTR("search", MAYBE, struct yaml_study, search, s->search),
        CYAML_FIELD_MAPPING_PTR("latency", MAYBE, struct yaml_study, latency, latency_fields),
        CYAML_FIELD_END};
    CHECK(sizeof top <= sizeof s->top);
    memcpy(s->top, top, sizeof top);
    s->root = (cyaml_schema_value_t){
        CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct yaml_study, s->top)};
}

/* ---- what libcyaml reports, as one line ---- */

struct complaint {
    char what[240];  /* the first line it logged: the fault */
    char where[240]; /* its backtrace, innermost first */
};

static void trim(char *text)
{
    text[strcspn(text, "\n")] = '\0';
}

static void take_log(cyaml_log_t level, void *context, const char *format, va_list args)
{
    struct complaint *complaint = context;
    char line[240];
    (void)level;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    vsnprintf(line, sizeof line, format, args);
#pragma GCC diagnostic pop
    trim(line);
    const char *text = strncmp(line, "Load: ", 6) == 0 ? line + 6 : line;
    if (strncmp(text, "  in ", 5) == 0) {
        size_t used = strlen(complaint->where);
        snprintf(complaint->where + used, sizeof complaint->where - used, "%s%s",
                 used ? ", " : "", text + 2);
    } else if (!complaint->what[0] && strcmp(text, "Backtrace:") != 0) {
        snprintf(complaint->what, sizeof complaint->what, "%s", text);
    }
}

static cyaml_config_t make_config(struct complaint *complaint)
{
    return (cyaml_config_t){.log_fn = take_log, .log_ctx = complaint, .mem_fn = cyaml_mem,
                            .log_level = CYAML_LOG_WARNING, .flags = CYAML_CFG_NO_ALIAS};
}

void study_file_free(struct yaml_study *yaml)
{
    struct schema schema;
    struct complaint complaint = {"", ""};
    cyaml_config_t config = make_config(&complaint);
    make_schema(&schema);
    if (yaml)
        cyaml_free(&config, &schema.root, yaml, 0);
}

static enum status parse(const struct input_map *map, const char *path, struct yaml_study **yaml)
{
    struct schema schema;
    struct complaint complaint = {"", ""};
    cyaml_config_t config = make_config(&complaint);
    make_schema(&schema);
    cyaml_err_t error = cyaml_load_data(map->data, map->bytes, &config, &schema.root,
                                        (cyaml_data_t **)yaml, NULL);
    /* A warning is a fault too: it says that a second document would be left out. */
    if (error == CYAML_OK && *yaml && !complaint.what[0])
        return OK;
    if (error == CYAML_OK && !*yaml)
        return fail(ERR_FORMAT, "%s: is empty: a study was expected", path);
    study_file_free(*yaml);
    *yaml = NULL;
    return fail(ERR_FORMAT, "%s: %s%s%s", path,
                complaint.what[0] ? complaint.what : cyaml_strerror(error),
                complaint.where[0] ? "; found " : "", complaint.where);
}

enum status study_file_read(const char *path, struct yaml_study **yaml)
{
    struct input_map map = {0};
    *yaml = NULL;
    TRY(input_map_open(&map, path));
    enum status status = map.bytes > STUDY_FILE_MAX
                             ? fail(ERR_FORMAT, "%s: is larger than a study file may be (%d bytes)",
                                    path, STUDY_FILE_MAX)
                             : parse(&map, path, yaml);
    input_map_close(&map);
    return status;
}
