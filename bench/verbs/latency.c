/* `cbam-bench latency`: every network asked for on every implementation asked for, checked against
 * each other, then timed in turns, round by round, in one process. */
#include "bench/verbs/latency_work.h"

#include "bench/study/store.h"
#include "bench/verbs/options.h"
#include "bench/verbs/verbs.h"
#include "impls/base/threads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VERB "latency"

struct settings {
    const char *model, *attention, *impl, *store, *study;
    struct option_list models, attentions;
    const struct impl *impls[OPTION_IMPLS];
    int impl_count;
    struct latency_shape shape;
    struct sample_settings sample;
    bool samples_given, seconds_given, probe;
    enum table_format format;
};

/* One entry while it is prepared and timed. */
struct slot {
    struct latency_program program;
    struct latency_answer answer;
    struct latency_entry entry;
    struct impl_ctx *ctx;
};

/* All attentions of one model on all implementations: slot attention * impl_count + impl. */
struct group {
    const char *model;
    struct latency_network *networks;
    struct slot *slots;
};

struct work {
    const struct settings *settings;
    struct latency_tables tables;
    struct record record;
    struct impl_ctx *ctx[OPTION_IMPLS];
    int opened;
    json_t *left_out; /* what is not in the tables, and why */
};

enum { KEY_INPUT = 1000, KEY_CLASSES, KEY_TRAIN, KEY_NO_FUSE, KEY_SAMPLES, KEY_SECONDS, KEY_FORMAT,
       KEY_SEED, KEY_STORE, KEY_STUDY, KEY_PROBE };

static const struct argp_option options[] = {
    {"model", 'm', "MODEL,...", 0, "networks and their options (resnet50)", 0},
    {"attention", 'a', "SPEC,...", 0, "attentions (none,cbam); others are compared with none, else "
     "with the first", 0},
    {"impl", 'i', "NAMES", 0, "implementations: all (default), or names", 0},
    {"batch", 'b', "N", 0, "images at a time (1)", 0},
    {"threads", 't', "N", 0, "threads (all there are)", 0},
    {"input", KEY_INPUT, "N|HxW", 0, "input pixels (the network's own size)", 0},
    {"classes", KEY_CLASSES, "N", 0, "outputs of the classifier (1000)", 0},
    {"train", KEY_TRAIN, NULL, 0, "time a training step: forward, backward, update", 0},
    {"no-fuse", KEY_NO_FUSE, NULL, 0, "primitive operations only", 0},
    {"samples", KEY_SAMPLES, "N", 0, "samples of each row (64; without limit when only --seconds "
     "is given). p90 needs 64, p95 130, p99 662", 0},
    {"seconds", KEY_SECONDS, "S", 0, "time on one row after which it gets no more samples, but at "
     "least 3 (5; without limit when only --samples is given)", 0},
    {"format", KEY_FORMAT, "text|json|csv|md", 0, "how to print", 0},
    {"seed", KEY_SEED, "N", 0, "of weights, inputs, order and resampling (1)", 0},
    {"store", KEY_STORE, "FILE", 0, "add the rows to this results store, with --study", 0},
    {"study", KEY_STUDY, "NAME", 0, "the study they belong to", 0},
    {"probe", KEY_PROBE, NULL, OPTION_HIDDEN, NULL, 0},
    {0}};

static enum status parse_option(struct settings *s, int key, char *value)
{
    struct latency_shape *shape = &s->shape;
    switch (key) {
    case 'm':
        s->model = value;
        return OK;
    case 'a':
        s->attention = value;
        return OK;
    case 'i':
        return option_impls("--impl", value, s->impls, &s->impl_count);
    case 'b':
        return option_int("--batch", value, 1, 65536, &shape->batch);
    case 't':
        return option_int("--threads", value, 1, threads_available(), &shape->threads);
    case KEY_INPUT:
        return option_size("--input", value, 1, 4096, &shape->input_h, &shape->input_w);
    case KEY_CLASSES:
        return option_int("--classes", value, 1, 1000000, &shape->classes);
    case KEY_TRAIN:
        shape->train = true;
        return OK;
    case KEY_NO_FUSE:
        shape->compose = true;
        return OK;
    case KEY_SAMPLES:
        s->samples_given = true;
        return option_int("--samples", value, 1, 1000000, &s->sample.samples);
    case KEY_SECONDS:
        s->seconds_given = true;
        return option_double("--seconds", value, 0, 1e6, &s->sample.seconds);
    case KEY_FORMAT:
        return table_format_parse(value, &s->format);
    case KEY_SEED:
        return option_seed("--seed", value, &shape->seed);
    case KEY_STORE:
        s->store = value;
        return OK;
    case KEY_STUDY:
        s->study = value;
        return OK;
    default:
        s->probe = true;
        return OK;
    }
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    for (const struct argp_option *option = options; option->name; option++)
        if (option->key == key)
            return option_error(parse_option(state->input, key, value));
    return option_unknown(key, value);
}

/* Refuses what cannot be before anything is built. */
static enum status check_networks(const struct settings *s)
{
    struct model_spec spec;
    for (int m = 0; m < s->models.count; m++)
        for (int a = 0; a < s->attentions.count; a++)
            TRY(model_parse(s->models.items[m], s->attentions.items[a], &spec));
    for (int a = 0; a < s->attentions.count; a++)
        for (int b = 0; b < a; b++)
            if (strcmp(s->attentions.items[a], s->attentions.items[b]) == 0)
                return fail(ERR_USAGE, "--attention: %s is named twice", s->attentions.items[a]);
    return OK;
}

static enum status complete(struct settings *s)
{
    if (!s->store != !s->study)
        return fail(ERR_USAGE, "--store FILE and --study NAME belong together");
    if (s->impl_count == 0)
        TRY(option_impls("--impl", "all", s->impls, &s->impl_count));
    if (s->shape.threads == 0)
        s->shape.threads = threads_available();
    if (!s->samples_given)
        s->sample.samples = s->seconds_given && s->sample.seconds > 0 ? 1000000 : 64;
    if (!s->seconds_given)
        s->sample.seconds = s->samples_given ? 0 : 5;
    s->sample.sample_ms = 0; /* one call a sample: a percentile is one of calls */
    s->sample.seed = s->shape.seed;
    TRY(option_split("--model", s->model, &s->models));
    TRY(option_split("--attention", s->attention, &s->attentions));
    return check_networks(s);
}

static struct slot *slot_of(const struct work *work, const struct group *group, int attention,
                            int impl)
{
    return &group->slots[attention * work->settings->impl_count + impl];
}

static void say(const char *what, const struct slot *slot, const char *model,
                const char *attention)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "%s: %s, %s, %s\n", what, model, attention, slot->program.impl->name);
}

static void leave_out(struct work *work, const char *model, const char *attention,
                      const char *impl, const char *reason)
{
    fprintf(stderr, "cbam-bench " VERB ": %s, %s, %s is left out: %s\n", model, attention, impl,
            reason);
    table_note(work->tables.rows, "left out: %s, %s, %s: %s", model, attention, impl, reason);
    json_array_append_new(work->left_out, json_pack("{s:s,s:s,s:s,s:s}", "model", model,
                                                    "attention", attention, "impl", impl, "error",
                                                    reason));
}

static void fail_slot(struct slot *slot)
{
    slot->answer.ok = false;
    snprintf(slot->answer.reason, sizeof slot->answer.reason, "%.250s", fail_text());
}

/* A fresh process for what only that can tell; then the program that is timed here. */
static enum status prepare_slot(struct work *work, const struct group *group,
                                struct latency_network *network, int i, struct slot *slot)
{
    const struct settings *s = work->settings;
    slot->program.impl = s->impls[i];
    slot->entry = (struct latency_entry){.model = group->model, .program = &slot->program};
    say("loading", slot, group->model, network->attention);
    enum status status = latency_probe_child(group->model, network->attention, s->impls[i],
                                             &s->shape, &slot->entry.probe);
    if (status == OK)
        status = latency_program_make(&slot->program, network, s->impls[i], work->ctx[i],
                                      &s->shape);
    if (status == OK)
        return latency_ask(&slot->program, work->ctx[i], &slot->answer);
    fail_slot(slot);
    return status == ERR_MEMORY ? status : OK;
}

/* One attention: prepares all implementations, and lets them judge each other. */
static enum status prepare_network(struct work *work, const struct group *group, int attention)
{
    const struct settings *s = work->settings;
    struct latency_answer *answers[OPTION_IMPLS];
    const char *names[OPTION_IMPLS];
    for (int i = 0; i < s->impl_count; i++) {
        struct slot *slot = slot_of(work, group, attention, i);
        TRY(prepare_slot(work, group, &group->networks[attention], i, slot));
        answers[i] = &slot->answer;
        names[i] = s->impls[i]->name;
    }
    for (int i = 0; s->shape.train && i < s->impl_count; i++)
        TRY(latency_ask_training(&slot_of(work, group, attention, i)->program, work->ctx[i],
                                 answers[i]));
    latency_compare(answers, names, s->impl_count);
    for (int i = 0; i < s->impl_count; i++)
        if (!answers[i]->ok)
            leave_out(work, group->model, s->attentions.items[attention], names[i],
                      answers[i]->reason);
    return OK;
}

/* The slots that may be timed, in one array of targets. */
static enum status time_slots(const struct work *work, const struct group *group)
{
    const struct settings *s = work->settings;
    int count = 0, all = s->attentions.count * s->impl_count;
    struct sample_target *targets = calloc((size_t)all, sizeof *targets);
    struct sample_series *series = calloc((size_t)all, sizeof *series);
    enum status status = targets && series ? OK : fail(ERR_MEMORY, "no memory for the timings");
    for (int k = 0; status == OK && k < all; k++)
        if (group->slots[k].answer.ok)
            targets[count++] =
                (struct sample_target){latency_program_run, &group->slots[k].program};
    if (status == OK && count > 0) {
        if (isatty(STDERR_FILENO))
            fprintf(stderr, "timing %d programs of %s in turns\n", count, group->model);
        status = sample_rounds(targets, count, &s->sample, series);
    }
    for (int k = 0, next = 0; series && k < all && next < count; k++)
        if (group->slots[k].answer.ok)
            group->slots[k].entry.series = series[next++];
    free(targets);
    free(series);
    return status;
}

/* What the others are compared with: "none", else the first. */
static int base_attention(const struct settings *s)
{
    for (int a = 0; a < s->attentions.count; a++)
        if (strcmp(s->attentions.items[a], "none") == 0)
            return a;
    return 0;
}

static enum status add_rows(struct work *work, const struct group *group)
{
    const struct settings *s = work->settings;
    int base = base_attention(s);
    bool people = s->format == TABLE_TEXT || s->format == TABLE_MD;
    for (int a = 0; a < s->attentions.count; a++)
        for (int i = 0; i < s->impl_count; i++) {
            struct slot *slot = slot_of(work, group, a, i), *plain = slot_of(work, group, base, i);
            if (!slot->answer.ok)
                continue;
            slot->entry.base = a != base && plain->answer.ok ? &plain->entry : NULL;
            TRY(latency_tables_add(&work->tables, &slot->entry, &work->record, people));
        }
    return OK;
}

static enum status run_slots(struct work *work, const struct group *group)
{
    const struct settings *s = work->settings;
    for (int a = 0; a < s->attentions.count; a++)
        TRY(latency_network_make(&group->networks[a], group->model, s->attentions.items[a],
                                 &s->shape));
    for (int a = 0; a < s->attentions.count; a++)
        TRY(prepare_network(work, group, a));
    TRY(time_slots(work, group));
    return add_rows(work, group);
}

static enum status run_model(struct work *work, const char *model)
{
    const struct settings *s = work->settings;
    int all = s->attentions.count * s->impl_count;
    struct group group = {.model = model};
    group.networks = calloc((size_t)s->attentions.count, sizeof *group.networks);
    group.slots = calloc((size_t)all, sizeof *group.slots);
    enum status status = group.networks && group.slots
                             ? run_slots(work, &group)
                             : fail(ERR_MEMORY, "no memory for the networks");
    for (int k = 0; group.slots && k < all; k++) {
        latency_program_free(&group.slots[k].program);
        latency_answer_free(&group.slots[k].answer);
        sample_free(&group.slots[k].entry.series);
    }
    for (int a = 0; group.networks && a < s->attentions.count; a++)
        latency_network_free(&group.networks[a]);
    free(group.networks);
    free(group.slots);
    return status;
}

static enum status write_tables(const struct work *work)
{
    const struct settings *s = work->settings;
    struct table *rows = work->tables.rows, *costs = work->tables.costs;
    table_note(rows, "load (building, drawing weights, compiling), first call and peak memory are "
                     "those of a fresh process that runs only this row.");
    table_note(costs, "ratios are formed within a round; interval: bootstrap over rounds.");
    record_finish(&work->record, rows);
    table_meta(rows, "left_out", json_incref(work->left_out));
    table_meta(rows, "ratios", table_rows_json(costs));
    bool people = s->format == TABLE_TEXT || s->format == TABLE_MD;
    if (people && table_rows(costs) > 0) {
        TRY(table_write(costs, s->format, stdout));
        putchar('\n');
    }
    return table_write(rows, s->format, stdout);
}

static enum status store_rows_of(const struct work *work, struct store *store)
{
    json_t *rows = table_rows_json(work->tables.rows), *row;
    size_t i;
    enum status status = rows ? OK : fail(ERR_MEMORY, "no memory for the rows");
    json_array_foreach(rows, i, row) {
        char *text = json_dumps(row, JSON_COMPACT | JSON_REAL_PRECISION(17));
        if (status == OK)
            status = text ? store_add_latency(store, work->settings->study, text)
                          : fail(ERR_MEMORY, "no memory for a row");
        free(text);
    }
    json_decref(rows);
    return status;
}

static enum status run_models(struct work *work)
{
    const struct settings *s = work->settings;
    for (; work->opened < s->impl_count; work->opened++)
        TRY(s->impls[work->opened]->open(&work->ctx[work->opened]));
    for (int m = 0; m < s->models.count; m++)
        TRY(run_model(work, s->models.items[m]));
    return write_tables(work);
}

/* The store is opened before the work: a wrong path is found at once. */
static enum status run(struct work *work)
{
    const struct settings *s = work->settings;
    struct store *store = NULL;
    if (s->store)
        TRY(store_open(&store, s->store, true));
    enum status status = run_models(work);
    while (work->opened > 0) {
        work->opened--;
        s->impls[work->opened]->close(work->ctx[work->opened]);
    }
    if (status == OK && store)
        status = store_rows_of(work, store);
    store_close(store);
    size_t left = json_array_size(work->left_out);
    if (status == OK && left > 0)
        return fail(ERR_NUMERIC, "%zu of the rows asked for are left out", left);
    return status;
}

static enum status probe(const struct settings *s)
{
    if (s->models.count != 1 || s->attentions.count != 1 || s->impl_count != 1)
        return fail(ERR_USAGE, "--probe is for one model, one attention and one implementation");
    return latency_probe_here(s->models.items[0], s->attentions.items[0], s->impls[0], &s->shape);
}

static enum status start(const struct settings *s, const struct record *record)
{
    TRY(threads_set(s->shape.threads));
    if (s->probe)
        return probe(s);
    struct work work = {.settings = s, .record = *record, .left_out = json_array()};
    latency_tables_new(&work.tables, &s->shape);
    enum status status = run(&work);
    latency_tables_free(&work.tables);
    json_decref(work.left_out);
    return status;
}

int verb_latency(int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .doc = "Time whole networks, and what attention costs.\vAll programs are built in one "
               "process; the implementations' results for the same input have to agree (logits "
               "within 1e-4 in the relative 2-norm), what does not is left out with the reason. "
               "Then every program takes its turn in every round, and ratios are formed within a "
               "round."};
    struct settings settings = {.model = "resnet50", .attention = "none,cbam",
                                .shape = {.batch = 1, .classes = 1000, .seed = 1},
                                .sample = sample_defaults()};
    struct record record;
    record_start(&record, VERB, argc, argv);
    enum status status = option_parse(&argp, VERB, argc, argv, &settings);
    if (status == OK)
        status = complete(&settings);
    if (status == OK)
        status = start(&settings, &record);
    option_list_free(&settings.models);
    option_list_free(&settings.attentions);
    return verb_fail(VERB, status);
}
