/* `predict`: logits for inputs given as .npy, float32 N,C,H,W as PyTorch has it, used as given. */
#include "bench/net/npy.h"
#include "bench/transfer/session.h"
#include "bench/verbs/options.h"
#include "bench/verbs/verbs.h"
#include "impls/base/memory.h"
#include "impls/base/threads.h"

#include <stdlib.h>
#include <string.h>

struct options {
    const char *input, *output, *impl;
    const char *missing[2];
    struct weights_request request;
    int threads, batch;
    bool compose;
};

enum { KEY_IMPL = 1000, KEY_THREADS, KEY_BATCH, KEY_MISSING, KEY_NO_FUSE };

static const struct argp_option keys[] = {
    {"model", 'm', "MODEL", 0, "network and its options", 0},
    {"attention", 'a', "SPEC", 0, "attention in it", 0},
    {"weights", 'w', "FILE", 0, "trained weights (safetensors)", 0},
    {"input", 'i', "FILE.npy", 0, "float32 images, shape N,C,H,W, used as they are", 0},
    {"output", 'o', "FILE.npy", 0, "where to write the logits, shape N,classes", 0},
    {"impl", KEY_IMPL, "NAME", 0, "implementation (onednn)", 0},
    {"threads", KEY_THREADS, "N", 0, "threads (all)", 0},
    {"batch", KEY_BATCH, "N", 0, "images at a time (up to 32); changes no result", 0},
    {"allow-missing", KEY_MISSING, "GLOB", 0, "tensors that the file may lack", 0},
    {"no-fuse", KEY_NO_FUSE, NULL, 0, "primitive operations only", 0},
    {0}};

static enum status parse_key(struct options *o, int key, char *arg)
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
    case 'i':
        o->input = arg;
        return OK;
    case 'o':
        o->output = arg;
        return OK;
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
    case KEY_MISSING:
        o->missing[0] = arg;
        return OK;
    default:
        return ERR_UNSUPPORTED;
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    enum status status = parse_key(state->input, key, arg);
    return status == ERR_UNSUPPORTED ? option_unknown(key, arg) : option_error(status);
}

/* One image from C,H,W planes to H,W,C pixels. */
static void to_nhwc(const float *planes, int c, int pixels, float *out)
{
    for (int p = 0; p < pixels; p++)
        for (int k = 0; k < c; k++)
            out[(size_t)p * (size_t)c + (size_t)k] =
                planes[(size_t)k * (size_t)pixels + (size_t)p];
}

static enum status run_batches(struct program *program, const struct npy_array *input, int batch,
                               int classes, float *logits)
{
    int n = input->dim[0], c = input->dim[1], pixels = input->dim[2] * input->dim[3];
    size_t image = (size_t)c * (size_t)pixels;
    struct tensor in = program_input(program, 0), out = program_output(program, 0);
    for (int first = 0; first < n; first += batch) {
        int count = n - first < batch ? n - first : batch;
        for (int i = 0; i < count; i++)
            to_nhwc(input->data + (size_t)(first + i) * image, c, pixels,
                    (float *)in.data + (size_t)i * image);
        TRY(program_forward(program));
        memcpy(logits + (size_t)first * (size_t)classes, out.data,
               (size_t)count * (size_t)classes * sizeof *logits);
    }
    return OK;
}

static enum status check_input(const struct options *o, const struct npy_array *input)
{
    if (input->ndim != 4)
        return fail(ERR_FORMAT, "%s: 4 dimensions N,C,H,W are needed, it has %d", o->input,
                    input->ndim);
    if (input->count == 0)
        return fail(ERR_FORMAT, "%s: it holds no image", o->input);
    if (input->dim[1] != 3)
        return fail(ERR_FORMAT, "%s: the network takes 3 channels, it has %d", o->input,
                    input->dim[1]);
    return OK;
}

static enum status predict(const struct options *o, struct session *session,
                           const struct npy_array *input)
{
    struct program *program = NULL;
    int batch = o->batch < input->dim[0] ? o->batch : input->dim[0];
    struct program_request request = {.impl = session->impl, .ctx = session->ctx,
                                      .net = session->inference, .batch = batch};
    int shape[2] = {input->dim[0], session->model.classes};
    TRY(program_compile(&program, &request));
    float *logits = memory_alloc((size_t)shape[0] * (size_t)shape[1] * sizeof *logits);
    enum status status = logits ? run_batches(program, input, batch, shape[1], logits)
                                : ERR_MEMORY;
    program_free(program);
    if (status == OK)
        status = npy_write(o->output, 2, shape, logits);
    memory_free(logits);
    return status;
}

static enum status run_session(struct options *o, struct session *session,
                               const struct npy_array *input)
{
    TRY(check_input(o, input));
    TRY(session_open_impl(session, o->impl, o->threads));
    session->compose = o->compose;
    o->request.height = input->dim[2];
    o->request.size = input->dim[3];
    TRY(session_open_weights(session, &o->request));
    TRY(predict(o, session, input));
    char report[640];
    weights_report_print(&session->loaded, report, sizeof report);
    fprintf(stderr, "%s: %s\n%d images, %d classes, %s -> %s\n", o->request.weights, report,
            input->dim[0], session->model.classes, session->impl->name, o->output);
    return OK;
}

static enum status run(struct options *o)
{
    struct session session = {0};
    struct npy_array input = {0};
    if (!o->request.weights || !o->input || !o->output)
        return fail(ERR_USAGE, "--weights, --input and --output are needed");
    if (o->missing[0])
        o->request.rules.allow_missing = o->missing;
    TRY(npy_read(&input, o->input));
    enum status status = run_session(o, &session, &input);
    session_close(&session);
    npy_release(&input);
    return status;
}

int verb_predict(int argc, char **argv)
{
    static const struct argp argp = {keys, parse, NULL,
                                     "Logits of a trained network for images given as .npy.", NULL,
                                     NULL, NULL};
    struct options o = {.request = {.model = "resnet50", .attention = "none", .seed = 1},
                        .impl = "onednn", .threads = threads_available(), .batch = 32};
    enum status status = option_parse(&argp, "predict", argc, argv, &o);
    if (status == OK)
        status = run(&o);
    return verb_fail("predict", status);
}
