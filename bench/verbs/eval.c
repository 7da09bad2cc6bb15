/* `eval`: accuracy and loss of a trained network on the test images of a data set. */
#include "bench/transfer/evaluate.h"
#include "bench/verbs/options.h"
#include "bench/verbs/verbs.h"
#include "impls/base/threads.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

struct options {
    const char *weights, *data, *impl, *part, *logits;
    const char *missing[2];
    struct weights_request request;
    int threads, batch;
    uint64_t seed;
    bool json, compose;
};

enum { KEY_DATA = 1000, KEY_IMPL, KEY_THREADS, KEY_BATCH, KEY_FORMAT, KEY_PART, KEY_SEED, KEY_SIZE,
       KEY_MISSING, KEY_NO_FUSE };

static const struct argp_option keys[] = {
    {"model", 'm', "MODEL", 0, "network and its options", 0},
    {"attention", 'a', "SPEC", 0, "attention in it", 0},
    {"weights", 'w', "FILE", 0, "trained weights (safetensors)", 0},
    {"data", KEY_DATA, "DATA", 0, "data set (cifar10:DIR, fashion-mnist:classes=0-4, ...)", 0},
    {"part", KEY_PART, "test|val|train", 0, "which images (test)", 0},
    {"impl", KEY_IMPL, "NAME", 0, "implementation (onednn)", 0},
    {"threads", KEY_THREADS, "N", 0, "threads (all)", 0},
    {"batch", KEY_BATCH, "N", 0, "images at a time (100); changes no result", 0},
    {"seed", KEY_SEED, "N", 0, "of the split, for val and train", 0},
    {"size", KEY_SIZE, "N", 0, "input pixels a side", 0},
    {"allow-missing", KEY_MISSING, "GLOB", 0,
     "tensors that the file may lack: they keep their fresh values (inserted attention)", 0},
    {"no-fuse", KEY_NO_FUSE, NULL, 0, "primitive operations only", 0},
    {"format", KEY_FORMAT, "text|json", 0, "how to print", 0},
    {0}};

static enum status parse_key(struct options *o, int key, char *arg)
{
    static const char *const formats[] = {"text", "json"};
    int format;
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
    case KEY_DATA:
        o->data = arg;
        return OK;
    case KEY_PART:
        o->part = arg;
        return OK;
    case KEY_IMPL:
        o->impl = arg;
        return OK;
    case KEY_THREADS:
        return option_int("--threads", arg, 1, 1024, &o->threads);
    case KEY_BATCH:
        return option_int("--batch", arg, 1, 65536, &o->batch);
    case KEY_SEED:
        return option_seed("--seed", arg, &o->seed);
    case KEY_SIZE:
        return option_int("--size", arg, 1, 4096, &o->request.size);
    case KEY_NO_FUSE:
        o->compose = true;
        return OK;
    case KEY_MISSING:
        o->missing[0] = arg;
        return OK;
    case KEY_FORMAT:
        TRY(option_word("--format", arg, formats, 2, &format));
        o->json = format == 1;
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

static void print_result(const struct options *o, const struct session *session,
                         const struct evaluation *e)
{
    double top5 = session->model.classes > 5 ? evaluation_top5(e) : NAN;
    double loss = evaluation_loss(e);
    if (!o->json) {
        printf("%s, attention %s, %s, %s images of %s\n", session->model.text,
               session->model.attention.text, o->impl, o->part, o->data);
        printf("top-1 %.2f %% (%d of %d)", 100 * evaluation_top1(e), e->correct1, e->n);
        if (isfinite(top5))
            printf(", top-5 %.2f %%", 100 * top5);
        printf(", loss %.6f\n", loss);
        return;
    }
    json_t *json = json_pack("{s:i, s:i, s:f, s:o, s:o, s:s, s:s, s:s, s:s, s:s}", "n", e->n,
                             "correct", e->correct1, "top1", evaluation_top1(e), "top5",
                             isfinite(top5) ? json_real(top5) : json_null(), "loss",
                             isfinite(loss) ? json_real(loss) : json_null(), "model",
                             session->model.text, "attention", session->model.attention.text,
                             "impl", o->impl, "data", o->data, "part", o->part);
    char *text = json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    puts(text ? text : "{}");
    free(text);
    json_decref(json);
}

static enum status evaluate_part(const struct options *o, struct session *session)
{
    static const char *const parts[] = {"train", "val", "test"};
    struct evaluation e;
    int part;
    TRY(option_word("--part", o->part, parts, 3, &part));
    TRY(session_open_impl(session, o->impl, o->threads));
    session->compose = o->compose;
    TRY(session_open_data(session, o->data, o->seed));
    struct weights_request request = o->request;
    if (request.size == 0)
        request.size = session_input_size(&session->data, 0);
    TRY(session_open_weights(session, &request));
    const struct image_list *list = &session->split.list[part];
    if (session->model.classes != session->data.classes)
        return fail(ERR_USAGE, "%s has %d classes, the data set %d", request.weights,
                    session->model.classes, session->data.classes);
    if (list->n == 0)
        return fail(ERR_USAGE, "--part %s: the data set has no such images", o->part);
    fputs(session->notes, stderr);
    TRY(evaluate(session, list, o->batch, &e, NULL, NULL));
    print_result(o, session, &e);
    return OK;
}

static enum status run(struct options *o)
{
    struct session session = {0};
    if (!o->request.weights)
        return fail(ERR_USAGE, "--weights FILE is needed");
    if (o->missing[0])
        o->request.rules.allow_missing = o->missing;
    enum status status = evaluate_part(o, &session);
    session_close(&session);
    return status;
}

int verb_eval(int argc, char **argv)
{
    static const struct argp argp = {keys, parse, NULL,
                                     "Accuracy and loss of a trained network on a data set.", NULL,
                                     NULL, NULL};
    struct options o = {.request = {.model = "resnet50", .attention = "none", .seed = 1},
                        .data = "fashion-mnist", .impl = "onednn", .part = "test", .batch = 100,
                        .threads = threads_available(), .seed = 1};
    enum status status = option_parse(&argp, "eval", argc, argv, &o);
    if (status == OK)
        status = run(&o);
    return verb_fail("eval", status);
}
