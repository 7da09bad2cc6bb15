/* `predict`: the classes of pictures, or the logits of tensors given as .npy, float32 N,C,H,W as
 * PyTorch has it, used as given; and what the attention gates did. */
#include "bench/measure/machine.h"
#include "bench/net/atomic_file.h"
#include "bench/verbs/gate_dump.h"
#include "bench/verbs/network_options.h"
#include "bench/verbs/options.h"
#include "bench/verbs/predict_inputs.h"
#include "bench/verbs/predict_table.h"
#include "bench/verbs/verbs.h"
#include "impls/base/memory.h"
#include "impls/ops.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_DUMP = 1000, KEY_FORMAT, RULE_TEXT = 512, NAME_TEXT = 1100 };

struct options {
    struct network_options network;
    const char **paths; /* room for all arguments */
    int path_count;
    const char *output, *dump;
    enum table_format format;
};

/* A prediction under way. */
struct work {
    const struct options *o;
    struct session session;
    struct predict_inputs inputs;
    struct program *program;
    struct gate_dump dump;
    struct table *table;
    int batch;
    int *numbers;    /* of the images of a batch */
    int *done;       /* numbers of the images predicted so far */
    int done_count;
    float *logits;   /* of these */
    double rss_mb, peak_rss_mb; /* after the last batch, and at most so far */
};

static const struct argp_option keys[] = {
    {"input", 'i', "FILE", 0, "a picture (PNG, JPEG), or one .npy file of float32 images, shape "
     "N,C,H,W, used as they are; --input itself may be left out", 0},
    {"output", 'o', "FILE.npy", 0, "where to write the logits, shape N,classes", 0},
    {"dump-gates", KEY_DUMP, "DIR", 0,
     "write every channel and spatial gate as .npy, the spatial ones as PNG too", 0},
    {"format", KEY_FORMAT, "text|json|csv|md", 0, "how to print the classes", 0},
    {0}};

static enum status parse_key(struct options *o, int key, char *arg)
{
    switch (key) {
    case 'i':
    case ARGP_KEY_ARG:
        o->paths[o->path_count++] = arg;
        return OK;
    case 'o':
        o->output = arg;
        return OK;
    case KEY_DUMP:
        o->dump = arg;
        return OK;
    case KEY_FORMAT:
        return table_format_parse(arg, &o->format);
    default:
        return ERR_UNSUPPORTED;
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;
    if (key == ARGP_KEY_INIT)
        state->child_inputs[0] = &o->network;
    enum status status = parse_key(o, key, arg);
    return status == ERR_UNSUPPORTED ? ARGP_ERR_UNKNOWN : option_error(status);
}

/* ---- opening ---- */

static enum status open_network(struct options *o, struct work *work)
{
    struct weights_request *request = &o->network.request;
    if (work->inputs.is_npy) {
        if (request->size)
            return fail(ERR_USAGE, "--size %d: a .npy file is used in its own size", request->size);
        request->height = work->inputs.array.dim[2];
        request->size = work->inputs.array.dim[3];
    }
    o->network.compose |= o->dump != NULL;
    TRY(network_options_open(&o->network, &work->session));
    if (!work->inputs.is_npy)
        TRY(picture_rule_make(&work->session.metadata, work->session.model.input_h,
                              &work->inputs.rule));
    return OK;
}

static enum status open_program(struct work *work)
{
    const struct net *net = work->session.inference;
    int count = 1 + (work->o->dump ? gate_dump_outputs(&work->dump, NULL) : 0);
    int *outputs = calloc((size_t)count, sizeof *outputs);
    if (!outputs)
        return fail(ERR_MEMORY, "out of memory for %d outputs", count);
    outputs[0] = net->output;
    if (work->o->dump)
        gate_dump_outputs(&work->dump, outputs + 1);
    struct program_request request = {.impl = work->session.impl, .ctx = work->session.ctx,
                                      .net = net, .batch = work->batch, .outputs = outputs,
                                      .output_count = count,
                                      .drop_weights = work->session.drop_weights,
                                      .dtype = work->session.dtype,
                                      .algorithms = &work->session.algorithms};
    enum status status = program_compile(&work->program, &request);
    free(outputs);
    return status;
}

static enum status open_work(struct options *o, struct work *work)
{
    TRY(predict_inputs_open(&work->inputs, o->paths, o->path_count));
    if (o->output)
        TRY(atomic_file_check(o->output));
    TRY(open_network(o, work));
    int count = work->inputs.count;
    work->batch = o->network.batch < count ? o->network.batch : count;
    if (o->dump)
        TRY(gate_dump_open(&work->dump, o->dump, work->session.inference, count));
    TRY(open_program(work));
    work->numbers = calloc((size_t)work->batch, sizeof *work->numbers);
    work->done = calloc((size_t)count, sizeof *work->done);
    work->logits = memory_alloc((size_t)count * (size_t)work->session.model.classes *
                                sizeof *work->logits);
    if (!work->numbers || !work->done || !work->logits)
        return fail(ERR_MEMORY, "out of memory for %d predictions", count);
    work->table = predict_table_new(&work->session);
    return OK;
}

static void close_work(struct work *work)
{
    table_free(work->table);
    memory_free(work->logits);
    free(work->done);
    free(work->numbers);
    program_free(work->program);
    gate_dump_close(&work->dump);
    predict_inputs_close(&work->inputs);
    session_close(&work->session);
}

/* ---- predicting ---- */

static enum status check_finite(const struct work *work, const float *logits, const char *name)
{
    for (int i = 0; i < work->session.model.classes; i++)
        if (!isfinite(logits[i]))
            return fail(ERR_NUMERIC, "%s: the logit of class %d is not finite (NaN or infinity in "
                        "the weights or the input?)", name, i);
    return OK;
}

/* Takes the results of the n images of a batch. */
static enum status take_results(struct work *work, int n)
{
    size_t classes = (size_t)work->session.model.classes;
    const float *out = program_output(work->program, 0).data;
    if (work->o->dump)
        gate_dump_take(&work->dump, work->program, 1, work->done_count, n);
    for (int i = 0; i < n; i++) {
        char name[NAME_TEXT];
        const float *logits = out + (size_t)i * classes;
        predict_inputs_name(&work->inputs, work->numbers[i], name, sizeof name);
        TRY(check_finite(work, logits, name));
        predict_table_add(work->table, &work->session, name, logits);
        memcpy(work->logits + (size_t)work->done_count * classes, logits,
               classes * sizeof *logits);
        work->done[work->done_count++] = work->numbers[i];
    }
    return OK;
}

static enum status predict_all(struct work *work)
{
    float *input = program_input(work->program, 0).data;
    for (int n; (n = predict_inputs_fill(&work->inputs, work->batch, input, work->numbers)) > 0;) {
        TRY(program_forward(work->program));
        TRY(take_results(work, n));
    }
    work->rss_mb = machine_rss_mb();
    work->peak_rss_mb = machine_peak_rss_mb();
    return OK;
}

/* ---- results ---- */

static enum status write_gates(const struct work *work)
{
    size_t count = (size_t)work->done_count + 1;
    char (*text)[NAME_TEXT] = calloc(count, sizeof *text);
    const char **names = calloc(count, sizeof *names);
    enum status status = text && names ? OK : fail(ERR_MEMORY, "out of memory for names");
    for (int i = 0; i < work->done_count && status == OK; i++) {
        predict_inputs_name(&work->inputs, work->done[i], text[i], sizeof text[i]);
        names[i] = text[i];
    }
    if (status == OK)
        status = gate_dump_write(&work->dump, names, work->done_count);
    free(names);
    free(text);
    return status;
}

static enum status print_table(const struct work *work)
{
    char rule[RULE_TEXT];
    if (!work->inputs.is_npy) {
        picture_rule_print(&work->inputs.rule, rule, sizeof rule);
        table_note(work->table, "pictures: %s (%s)", rule,
                   work->inputs.rule.from_file ? "as the weights file says"
                                               : "torchvision's rule: the weights file has none");
        table_meta(work->table, "preprocessing", picture_rule_json(&work->inputs.rule));
    }
    table_meta(work->table, "failed", json_integer(work->inputs.failed));
    table_meta(work->table, "model", json_string(work->session.model.text));
    table_meta(work->table, "attention", json_string(work->session.model.attention.text));
    table_meta(work->table, "impl", json_string(work->session.impl->name));
    table_meta(work->table, "dtype", json_string(dtype_name(work->session.dtype)));
    table_meta(work->table, "rss_mb", json_real(work->rss_mb));
    table_meta(work->table, "peak_rss_mb", json_real(work->peak_rss_mb));
    return table_write(work->table, work->o->format, stdout);
}

/* Files first: what is printed is then complete. */
static enum status report(const struct work *work)
{
    const int shape[2] = {work->done_count, work->session.model.classes};
    bool whole = work->inputs.failed == 0;
    if (work->done_count == 0)
        return OK; /* what was wrong with each picture has been said */
    if (work->o->output && whole)
        TRY(npy_write(work->o->output, 2, shape, work->logits));
    if (work->o->output && !whole)
        fprintf(stderr, "cbam-bench predict: %s is not written: its rows would not be those of "
                "the pictures given\n", work->o->output);
    if (work->o->dump)
        TRY(write_gates(work));
    network_options_say(&work->o->network, &work->session);
    if (work->inputs.is_npy && work->o->output) {
        fprintf(stderr, "%d images, %d classes, %s -> %s (memory: %.0f MiB, at most %.0f)\n",
                shape[0], shape[1], work->session.impl->name, work->o->output, work->rss_mb,
                work->peak_rss_mb);
        return OK;
    }
    return print_table(work);
}

static enum status run(struct options *o, bool *all)
{
    struct work work = {.o = o};
    if (o->path_count == 0)
        return fail(ERR_USAGE, "--input FILE is needed: pictures, or one .npy file");
    if (!o->network.request.weights)
        return fail(ERR_USAGE, "--weights FILE is needed (for '%s')", o->paths[0]);
    enum status status = open_work(o, &work);
    if (status == OK)
        status = predict_all(&work);
    if (status == OK)
        status = report(&work);
    *all = work.inputs.failed == 0;
    close_work(&work);
    return status;
}

int verb_predict(int argc, char **argv)
{
    static const struct argp_child children[] = {{&network_argp, 0, "Network:", 1}, {0}};
    static const struct argp argp = {keys, parse, "[PICTURE...|FILE.npy]",
                                     "Classes of pictures, or logits of tensors, by a trained "
                                     "network. A picture becomes the input as the weights file "
                                     "says, else as torchvision does it.", children, NULL, NULL};
    struct options o = {.format = TABLE_TEXT, .paths = calloc((size_t)argc + 1, sizeof *o.paths)};
    bool all = true;
    network_options_default(&o.network, 32);
    enum status status = o.paths ? option_parse(&argp, "predict", argc, argv, &o)
                                 : fail(ERR_MEMORY, "out of memory");
    if (status == OK)
        status = run(&o, &all);
    free(o.paths);
    int exit_status = verb_fail("predict", status);
    return exit_status ? exit_status : !all;
}
