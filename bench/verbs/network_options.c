/* Options of verbs that run a trained network: see network_options.h. */
#include "bench/verbs/network_options.h"

#include "bench/measure/decide.h"
#include "bench/verbs/algorithm_option.h"
#include "bench/verbs/options.h"
#include "impls/base/threads.h"
#include "impls/ops.h"

#include <stdio.h>

enum { KEY_IMPL = 1500, KEY_THREADS, KEY_BATCH, KEY_SIZE, KEY_MISSING, KEY_UNEXPECTED,
       KEY_NO_FUSE, KEY_ALGORITHM, KEY_DTYPE };

static const struct argp_option keys[] = {
    {"model", 'm', "MODEL", 0, "network and its options (resnet50)", 1},
    {"attention", 'a', "SPEC", 0, "attention in it (none)", 1},
    {"weights", 'w', "FILE", 0, "trained weights (safetensors)", 1},
    {"size", KEY_SIZE, "N", 0, "input pixels a side, instead of what the weights file says", 1},
    {"allow-missing", KEY_MISSING, "GLOB", 0,
     "tensors that the file may lack: they keep their fresh values (inserted attention)", 1},
    {"allow-unexpected", KEY_UNEXPECTED, "GLOB", 0, "tensors of the file that may be ignored", 1},
    {"impl", KEY_IMPL, "NAME", 0, "implementation (onednn)", 1},
    {"threads", KEY_THREADS, "N", 0, "threads (all)", 1},
    {"batch", KEY_BATCH, "N", 0, "images at a time; changes no result", 1},
    {"no-fuse", KEY_NO_FUSE, NULL, 0, "primitive operations only", 1},
    {"algorithm", KEY_ALGORITHM, ALGORITHM_VALUES, 0, ALGORITHM_HELP, 1},
    {"dtype", KEY_DTYPE, "f32|bf16", 0, "of the maps between layers and of packed weights (f32). "
     "bf16: onednn with AVX512_BF16; gates and statistics stay f32", 1},
    {0}};

static enum status add_glob(const char *option, const char **list, const char *glob)
{
    int count = 0;
    while (list[count])
        count++;
    if (count == NETWORK_GLOBS)
        return fail(ERR_USAGE, "%s: at most %d patterns", option, NETWORK_GLOBS);
    list[count] = glob;
    return OK;
}

static enum status parse_key(struct network_options *o, int key, const char *arg)
{
    switch (key) {
    case 'm':
        o->request.model = arg;
        return OK;
    case 'a':
        o->request.attention = arg;
        return OK;
    case 'w':
        o->request.weights = arg;
        return OK;
    case KEY_SIZE:
        return option_int("--size", arg, 1, 4096, &o->request.size);
    case KEY_MISSING:
        return add_glob("--allow-missing", o->missing, arg);
    case KEY_UNEXPECTED:
        return add_glob("--allow-unexpected", o->unexpected, arg);
    case KEY_IMPL:
        o->impl = arg;
        return OK;
    case KEY_THREADS:
        return option_int("--threads", arg, 1, 1024, &o->threads);
    case KEY_BATCH:
        return option_int("--batch", arg, 1, 65536, &o->batch);
    case KEY_NO_FUSE:
        o->compose = true;
        return OK;
    case KEY_ALGORITHM:
        o->algorithm = arg;
        return OK;
    case KEY_DTYPE:
        return dtype_parse("--dtype", arg, &o->dtype);
    default:
        return ERR_UNSUPPORTED;
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    enum status status = parse_key(state->input, key, arg);
    return status == ERR_UNSUPPORTED ? ARGP_ERR_UNKNOWN : option_error(status);
}

const struct argp network_argp = {keys, parse, NULL, NULL, NULL, NULL, NULL};

void network_options_default(struct network_options *options, int batch)
{
    *options = (struct network_options){
        .impl = "onednn", .algorithm = "direct", .threads = threads_available(), .batch = batch,
        .request = {.model = "resnet50", .attention = "none", .seed = 1}};
}

enum status network_options_open(struct network_options *options, struct session *session)
{
    if (!options->request.weights)
        return fail(ERR_USAGE, "--weights FILE is needed");
    options->request.rules = (struct weights_rules){.allow_missing = options->missing,
                                                   .allow_unexpected = options->unexpected};
    TRY(session_open_impl(session, options->impl, options->threads));
    session->compose = options->compose;
    session->dtype = options->dtype;
    session->drop_weights = true;
    TRY(algorithms_parse("--algorithm", options->algorithm, &session->algorithms));
    session->algorithms.decide = decide_algorithm;
    return session_open_weights(session, &options->request);
}

void network_options_say(const struct network_options *options, const struct session *session)
{
    char report[640];
    weights_report_print(&session->loaded, report, sizeof report);
    fprintf(stderr, "%s: %s\n%s", options->request.weights, report, session->notes);
}
