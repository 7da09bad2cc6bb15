/* A study: what its YAML file says, checked. Lists are axes; a cell of the study is one choice of
 * each. Knows neither data nor networks nor the store: whether a model exists is found by building
 * the grid. The keys of the file are explained in bench/studies/README.md. */
#ifndef BENCH_STUDY_STUDY_H
#define BENCH_STUDY_STUDY_H

#include "bench/transfer/train.h"

enum {
    STUDY_LIST_MAX = 16,  /* entries of an axis */
    STUDY_SEEDS_MAX = 64,
    STUDY_FAMILIES_MAX = 8,
    STUDY_TEXT_MAX = 256, /* of an entry, with its final NUL */
    STUDY_FILE_MAX = 1 << 20 /* bytes of a study file */
};

struct study_list {
    int count;
    char text[STUDY_LIST_MAX][STUDY_TEXT_MAX];
};

/* A family: comparisons that are corrected together. It holds those that stand, on every axis, at
 * an entry of the list; an empty list holds all. */
struct study_family {
    char name[64];
    struct study_list models, attention, transfer, data;
};

/* What a study claims, said before it runs: which axis is compared (each entry with the first), and
 * in which families. A comparison belongs to the first family that holds it; outside of all it is
 * exploratory and gets no verdict. */
enum study_axis { AXIS_ATTENTION, AXIS_TRANSFER, AXIS_MODELS, AXIS_COUNT };
struct study_claims {
    enum study_axis compare;
    int family_count; /* at least 1: "all" when the file names none */
    struct study_family families[STUDY_FAMILIES_MAX];
    double reach; /* validation accuracy, a share, whose time is reported; 0: none */
};

/* An equal search budget: every arm tries every combination of the values, on seeds apart from
 * those that count; the best by validation accuracy is what its counting runs get. search.h. */
enum { SEARCH_AXES_MAX = 6, SEARCH_POINTS_MAX = 256, SEARCH_SEEDS_MAX = 16 };
struct study_search_axis {
    char option[24];
    struct study_list values;
};
struct study_search {
    int seeds;      /* 0: no search */
    int axis_count; /* settings that are searched */
    struct study_search_axis axes[SEARCH_AXES_MAX];
};

/* What the latency part of a study times: whole networks, after all training. */
struct study_latency {
    bool wanted;
    struct study_list models, attention, impls; /* impls may be the one word "all" */
    int input, batch, threads, samples, seconds; /* 0: what the latency verb takes by itself */
};

struct study {
    char name[64]; /* lower case letters, digits, '-', '_': also the name of its folder */
    struct study_list models, attention; /* attention 0 is what the others are compared with */
    struct study_list data;              /* of the target, labels per class included */
    struct study_list shifted; /* of the target, an entry ("": none) for each of data; or empty */
    struct study_list impls;
    bool bf16; /* the trained networks are evaluated in bf16 as well */
    int seed_count;
    uint64_t seeds[STUDY_SEEDS_MAX];

    /* Settings of the source training and of each arm that takes part, complete but for model,
     * attention, seed, implementation and (arms) init and data: those are the axes. */
    bool has_source; /* false when all arms are `scratch` and the file has no source */
    struct train_settings source;
    char source_weights[STUDY_TEXT_MAX]; /* a weights file instead of source trainings; or "" */
    char source_attention[STUDY_TEXT_MAX]; /* "same": as the target; else what every source has */
    int arm_count;
    struct train_settings arms[STUDY_LIST_MAX]; /* .transfer says which */
    char arm_names[STUDY_LIST_MAX][64]; /* as the study calls them: else train_settings_arm() */

    int threads; /* of a cell */
    int jobs;    /* cells at once; 0: processors / threads */
    int agreement_images; /* test images on which implementations are compared; 0: not at all */
    struct study_latency latency;
    struct study_claims claims;
    struct study_search search;
};

/* Reads and checks a study file. ERR_IO, or ERR_FORMAT with one line that names the file, the place
 * in it, what is wrong and what was expected: unknown, missing, repeated and wrongly typed keys,
 * values out of range, a second document. */
enum status study_load(struct study *study, const char *path);

#endif
