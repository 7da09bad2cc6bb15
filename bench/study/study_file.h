/* A study file as libcyaml fills it: texts and numbers as written, nothing checked but their
 * types. Private to study_file.c (reading) and study.c (meaning). */
#ifndef BENCH_STUDY_STUDY_FILE_H
#define BENCH_STUDY_STUDY_FILE_H

#include "bench/study/study.h"
#include "bench/transfer/settings.h"

#include <cyaml/cyaml.h>

enum { YAML_OPTIONS_MAX = 40 };

/* Training settings as written; place i belongs to field i of train_settings_fields(). */
struct yaml_options {
    char *text[YAML_OPTIONS_MAX];
};

struct yaml_source {
    char *data, *weights, *attention; /* one of data and weights is NULL */
    char *shifted;
    struct yaml_options options;
};

struct yaml_target {
    char **data;
    uint32_t data_count;
    int64_t *labels; /* per class; each with each of data */
    uint32_t labels_count;
    char **shifted;
    uint32_t shifted_count;
    struct yaml_options options;
};

struct yaml_family {
    char *name;
    char **models, **attention, **transfer, **data;
    uint32_t models_count, attention_count, transfer_count, data_count;
};

struct yaml_arm {
    char *arm, *name;
    struct yaml_options options;
};

struct yaml_latency {
    char **models, **attention, **impls;
    uint32_t models_count, attention_count, impls_count;
    int64_t input, batch, threads, samples, seconds; /* 0: not said */
};

struct yaml_search {
    int64_t seeds;
    struct {
        char **text;
        uint32_t count;
    } values[YAML_OPTIONS_MAX]; /* place i belongs to field i of train_settings_fields() */
};

struct yaml_study {
    char *name;
    char **models, **attention, **impls, **dtypes;
    uint32_t models_count, attention_count, impls_count, dtypes_count;
    struct yaml_source *source;
    struct yaml_target *target;
    struct yaml_arm *transfer;
    uint32_t transfer_count;
    int64_t seeds; /* 0: not said */
    int64_t *seed_list;
    uint32_t seed_list_count;
    int64_t threads, jobs;
    int64_t *agreement_images; /* NULL: not said */
    struct yaml_latency *latency;
    char *compare;
    struct yaml_family *families;
    uint32_t families_count;
    int64_t reach; /* percent; 0: not said */
    struct yaml_search *search;
};

/* Reads a file; *yaml is then to be freed with study_file_free(). Errors as study_load(). */
enum status study_file_read(const char *path, struct yaml_study **yaml);
void study_file_free(struct yaml_study *yaml); /* NULL is allowed */

#endif
