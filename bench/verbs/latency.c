/* `cbam-bench latency`: every network asked for on every implementation asked for, checked against
 * each other, then timed in turns, round by round, in one process. Here: the command line. What is
 * done for one network in one shape is in latency_group.c. */
#include "bench/verbs/latency_work.h"

#include "bench/report/latency_plots.h"
#include "bench/study/store.h"
#include "bench/verbs/algorithm_option.h"
#include "bench/verbs/verbs.h"
#include "impls/base/threads.h"
#include "impls/ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VERB "latency"

enum { KEY_INPUT = 1000, KEY_CLASSES, KEY_TRAIN, KEY_NO_FUSE, KEY_SAMPLES, KEY_SECONDS, KEY_FORMAT,
       KEY_SEED, KEY_STORE, KEY_STUDY, KEY_PROBE, KEY_LAYERS, KEY_KINDS, KEY_PLOTS,
       KEY_ALONG, KEY_ALGORITHM, KEY_DTYPE };

static const struct argp_option options[] = {
    {"model", 'm', "MODEL,...", 0, "networks and their options (resnet50); width=F is one", 0},
    {"attention", 'a', "SPEC,...", 0, "attentions (none,cbam); others are compared with none, else "
     "with the first", 0},
    {"impl", 'i', "NAMES", 0, "implementations: all (default), or names", 0},
    {"batch", 'b', "N,...", 0, "images at a time (1)", 0},
    {"threads", 't', "N,...", 0, "threads (all there are)", 0},
    {"input", KEY_INPUT, "N|HxW,...", 0, "input pixels (the network's own size)", 0},
    {"classes", KEY_CLASSES, "N", 0, "outputs of the classifier (1000)", 0},
    {"train", KEY_TRAIN, NULL, 0, "time a training step: forward, backward, update", 0},
    {"no-fuse", KEY_NO_FUSE, NULL, 0, "primitive operations only", 0},
    {"algorithm", KEY_ALGORITHM, ALGORITHM_VALUES, 0, ALGORITHM_HELP, 0},
    {"dtype", KEY_DTYPE, "f32|bf16,...", 0, "of the maps between layers and of packed weights "
     "(f32). bf16: inference on onednn with AVX512_BF16; gates and statistics stay f32", 0},
    {"samples", KEY_SAMPLES, "N", 0, "samples of each row (64; without limit when only --seconds "
     "is given). p90 needs 64, p95 130, p99 662", 0},
    {"seconds", KEY_SECONDS, "S", 0, "time on one row after which it gets no more samples, but at "
     "least 3 (5; without limit when only --samples is given)", 0},
    {"per-layer", KEY_LAYERS, NULL, 0, "time every layer inside the network as well, beside the "
     "machine's peak; csv then has the layers alone", 0},
    {"per-kind", KEY_KINDS, NULL, 0, "the same, but only summed by kind of layer", 0},
    {"plots", KEY_PLOTS, "FOLDER", 0, "draw there how time grows with the lists given for batch, "
     "input, threads and width, and with --per-layer the layers under the machine's roofs", 0},
    {"along", KEY_ALONG, NULL, 0, "vary one of the lists for model, batch, input and threads at a "
     "time, the others at their first entry: what --plots draws, not the whole grid", 0},
    {"format", KEY_FORMAT, "text|json|csv|md", 0, "how to print", 0},
    {"seed", KEY_SEED, "N", 0, "of weights, inputs, order and resampling (1)", 0},
    {"store", KEY_STORE, "FILE", 0, "add the rows to this results store, with --study", 0},
    {"study", KEY_STUDY, "NAME", 0, "the study they belong to", 0},
    {"probe", KEY_PROBE, NULL, OPTION_HIDDEN, NULL, 0},
    {0}};

static enum status parse_sizes(struct latency_settings *s, const char *text)
{
    struct option_list items;
    TRY(option_split("--input", text, &items));
    enum status status = items.count <= OPTION_NUMBERS
                             ? OK
                             : fail(ERR_USAGE, "--input: at most %d sizes", OPTION_NUMBERS);
    s->size_count = 0;
    for (int i = 0; status == OK && i < items.count; i++) {
        struct latency_size *size = &s->sizes[s->size_count++];
        status = option_size("--input", items.items[i], 1, 4096, &size->h, &size->w);
    }
    option_list_free(&items);
    return status;
}

static enum status check_dtypes(const struct latency_settings *s)
{
    const bool bf16 = option_has_bf16(s->dtypes, s->dtype_count);
    if (bf16 && s->shape.train)
        return fail(ERR_USAGE, "--dtype bf16 is for inference: training stays in f32");
    if (bf16 && strcmp(s->shape.algorithm, "winograd") == 0)
        return fail(ERR_USAGE, "--dtype bf16: --algorithm winograd is for f32; direct or auto "
                    "(which then is direct) was expected");
    return option_check_bf16("--dtype", s->dtypes, s->dtype_count, s->impls, s->impl_count);
}

static enum status parse_option(struct latency_settings *s, int key, char *value)
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
        return option_ints("--batch", value, 1, 65536, s->batches, &s->batch_count);
    case 't':
        return option_ints("--threads", value, 1, threads_available(), s->threads,
                           &s->thread_count);
    case KEY_INPUT:
        return parse_sizes(s, value);
    case KEY_CLASSES:
        return option_int("--classes", value, 1, 1000000, &shape->classes);
    case KEY_TRAIN:
        shape->train = true;
        return OK;
    case KEY_NO_FUSE:
        shape->compose = true;
        return OK;
    case KEY_ALGORITHM:
        shape->algorithm = value;
        return OK;
    case KEY_DTYPE:
        return option_dtypes("--dtype", value, s->dtypes, &s->dtype_count);
    case KEY_SAMPLES:
        s->samples_given = true;
        return option_int("--samples", value, 1, 1000000, &s->sample.samples);
    case KEY_SECONDS:
        s->seconds_given = true;
        return option_double("--seconds", value, 0, 1e6, &s->sample.seconds);
    case KEY_LAYERS:
        s->per_layer = s->per_kind = true;
        return OK;
    case KEY_KINDS:
        s->per_kind = true;
        return OK;
    case KEY_PLOTS:
        s->plots = value;
        return OK;
    case KEY_ALONG:
        s->along = true;
        return OK;
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
static enum status check_networks(const struct latency_settings *s)
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

static enum status complete(struct latency_settings *s)
{
    if (!s->store != !s->study)
        return fail(ERR_USAGE, "--store FILE and --study NAME belong together");
    if (s->impl_count == 0)
        TRY(option_impls("--impl", "all", s->impls, &s->impl_count));
    if (s->thread_count == 0)
        s->threads[s->thread_count++] = threads_available();
    if (!s->samples_given)
        s->sample.samples = s->seconds_given && s->sample.seconds > 0 ? 1000000 : 64;
    if (!s->seconds_given)
        s->sample.seconds = s->samples_given ? 0 : 5;
    s->sample.sample_ms = 0; /* one call a sample: a percentile is one of calls */
    s->sample.seed = s->shape.seed;
    TRY(option_split("--model", s->model, &s->models));
    TRY(option_split("--attention", s->attention, &s->attentions));
    TRY(check_dtypes(s));
    return check_networks(s);
}

/* The tables of people, the most important last; csv is one table: the most detailed. */
static enum status write_tables(const struct latency_work *work)
{
    const struct latency_settings *s = work->settings;
    const struct latency_tables *t = &work->tables;
    const bool people = s->format == TABLE_TEXT || s->format == TABLE_MD;
    const bool layers = people || s->format == TABLE_CSV;
    const struct {
        const struct table *table;
        bool wanted;
    } first[] = {{t->layers, layers && s->per_layer},
                 {t->kinds, layers && s->per_kind && (people || !s->per_layer)},
                 {t->costs, people}};
    for (size_t i = 0; i < sizeof first / sizeof first[0]; i++)
        if (first[i].wanted && table_rows(first[i].table) > 0) {
            TRY(table_write(first[i].table, s->format, stdout));
            if (people)
                putchar('\n');
        }
    return people || !s->per_kind || s->format == TABLE_JSON
               ? table_write(t->rows, s->format, stdout)
               : OK;
}

/* Notes, and what the JSON document has beside the rows. */
static void finish_tables(struct latency_work *work)
{
    const struct latency_settings *s = work->settings;
    struct latency_tables *t = &work->tables;
    table_note(t->rows, "load (building, drawing weights, compiling), first call and memory are "
                        "those of a fresh process that runs only this row.");
    table_note(t->costs, "ratios are formed within a round; interval: bootstrap over rounds.");
    latency_layers_notes(t);
    record_finish(&work->record, t->rows);
    table_meta(t->rows, "left_out", json_incref(work->left_out));
    table_meta(t->rows, "ratios", table_rows_json(t->costs));
    if (s->per_kind) {
        table_meta(t->rows, "peaks", json_incref(t->peaks));
        table_meta(t->rows, "kinds", table_rows_json(t->kinds));
    }
    if (s->per_layer)
        table_meta(t->rows, "layers", table_rows_json(t->layers));
}

static enum status store_rows_of(const struct latency_work *work, struct store *store)
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

static enum status draw_plots(const struct latency_work *work)
{
    const struct latency_tables *t = &work->tables;
    bool drawn;
    char note[1200];
    json_t *rows = table_rows_json(t->rows), *layers = table_rows_json(t->layers);
    const struct latency_plots_data data = {rows, layers, t->peaks};
    enum status status = rows && layers
                             ? latency_plots(&data, work->settings->plots, &drawn, note,
                                             sizeof note)
                             : fail(ERR_MEMORY, "no memory for the plots");
    json_decref(rows);
    json_decref(layers);
    if (status == OK && !drawn)
        fprintf(stderr, "cbam-bench " VERB ": %s\n", note);
    return status;
}

/* Every network in every batch and size, with entry t of the threads set. */
static enum status run_shapes(struct latency_work *work, struct latency_shape *shape, int t)
{
    const struct latency_settings *s = work->settings;
    for (int m = 0; m < s->models.count; m++)
        for (int b = 0; b < s->batch_count; b++)
            for (int i = 0; i < s->size_count; i++) {
                if (s->along && (t > 0) + (m > 0) + (b > 0) + (i > 0) > 1)
                    continue;
                shape->batch = s->batches[b];
                shape->input_h = s->sizes[i].h;
                shape->input_w = s->sizes[i].w;
                TRY(latency_group_run(work, s->models.items[m], shape));
            }
    return OK;
}

/* Contexts belong to one number of threads: layer.h asks for threads_set() before open(). */
static enum status run_threads(struct latency_work *work, int t)
{
    const struct latency_settings *s = work->settings;
    struct latency_shape shape = s->shape;
    shape.threads = s->threads[t];
    TRY(threads_set(shape.threads));
    int opened = 0;
    enum status status = OK;
    for (; status == OK && opened < s->impl_count; opened += status == OK)
        status = s->impls[opened]->open(&work->ctx[opened]);
    if (status == OK && s->per_kind)
        status = peak_measure(&work->peak);
    if (status == OK && s->per_kind && option_has_bf16(s->dtypes, s->dtype_count))
        status = peak_measure_bf16(&work->peak);
    if (status == OK && s->per_kind)
        latency_layers_peak(&work->tables, &work->peak);
    if (status == OK)
        status = run_shapes(work, &shape, t);
    while (opened > 0) {
        opened--;
        s->impls[opened]->close(work->ctx[opened]);
    }
    return status;
}

static enum status run_all(struct latency_work *work)
{
    const struct latency_settings *s = work->settings;
    for (int t = 0; t < s->thread_count; t++)
        TRY(run_threads(work, t));
    finish_tables(work);
    TRY(write_tables(work));
    return s->plots ? draw_plots(work) : OK;
}

/* The store is opened before the work: a wrong path is found at once. */
static enum status run(struct latency_work *work)
{
    const struct latency_settings *s = work->settings;
    struct store *store = NULL;
    if (s->store)
        TRY(store_open(&store, s->store, true));
    enum status status = run_all(work);
    if (status == OK && store)
        status = store_rows_of(work, store);
    store_close(store);
    size_t left = json_array_size(work->left_out);
    if (status == OK && left > 0)
        return fail(ERR_NUMERIC, "%zu of the rows asked for are left out", left);
    return status;
}

static enum status probe(const struct latency_settings *s)
{
    if (s->models.count != 1 || s->attentions.count != 1 || s->impl_count != 1 ||
        s->batch_count != 1 || s->thread_count != 1 || s->size_count != 1 ||
        s->dtype_count != 1)
        return fail(ERR_USAGE, "--probe is for one network on one implementation in one shape");
    struct latency_shape shape = s->shape;
    shape.batch = s->batches[0];
    shape.threads = s->threads[0];
    shape.input_h = s->sizes[0].h;
    shape.input_w = s->sizes[0].w;
    shape.dtype = s->dtypes[0];
    shape.drop_weights = true;
    TRY(threads_set(shape.threads));
    return latency_probe_here(s->models.items[0], s->attentions.items[0], s->impls[0], &shape);
}

static enum status start(const struct latency_settings *s, const struct record *record)
{
    if (s->probe)
        return probe(s);
    struct latency_work work = {.settings = s, .record = *record, .left_out = json_array()};
    latency_tables_new(&work.tables, s);
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
               "within 1e-4 in the relative 2-norm; those of bf16 within 2e-2 of f32), "
               "what does not is left out with the reason. "
               "Then every program takes its turn in every round, and ratios are formed within a "
               "round."};
    struct latency_settings settings = {.model = "resnet50", .attention = "none,cbam",
                                .batches = {1}, .batch_count = 1, .size_count = 1,
                                .dtype_count = 1,
                                .shape = {.classes = 1000, .seed = 1,
                                          .algorithm = "direct"},
                                .sample = sample_defaults()};
    struct record record;
    record_start(&record, VERB, argc, argv);
    enum status status = option_parse(&argp, VERB, argc, argv, &settings);
    struct algorithm_option algorithm = {.file = ""};
    if (status == OK)
        status = complete(&settings);
    if (status == OK)
        status = algorithm_option_open(&algorithm, settings.shape.algorithm);
    if (status == OK) {
        settings.shape.algorithm = algorithm.text;
        settings.shape.algorithms =
            algorithm.algorithms.rule == ALGORITHM_DIRECT ? NULL : &algorithm.algorithms;
        status = start(&settings, &record);
    }
    algorithm_option_close(&algorithm);
    option_list_free(&settings.models);
    option_list_free(&settings.attentions);
    return verb_fail(VERB, status);
}
