/* This program's side of a comparison with others: one network, which takes a turn whenever a line
 * on standard input asks for one and sleeps in between. Not part of the program: `make peers`
 * builds it, peers.py runs it. Knows nothing of the other sides.
 *
 * On standard output, one line of JSON each: first what is ready to run, then for every line "N" of
 * the input the milliseconds of N calls. */
#include "bench/measure/clock.h"
#include "bench/measure/decide.h"
#include "bench/net/npy.h"
#include "bench/net/optimizer.h"
#include "bench/transfer/arm.h"
#include "bench/transfer/session.h"
#include "bench/transfer/train.h"
#include "bench/verbs/algorithm_option.h"
#include "build_info.h"
#include "impls/base/threads.h"
#include "impls/ops.h"

#include <argp.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_CALLS = 1000, SETTLED_MS = 500 };

struct options {
    struct weights_request weights;
    const char *impl, *algorithm, *pixels, *data, *logits, *after;
    int threads, batch;
    enum dtype dtype;
};

/* A network ready to run, and the rate of its updates when it trains. */
struct turns {
    struct session session;
    struct algorithms *algorithms; /* of convolutions */
    struct program *program;
    struct sgd sgd;
    bool train;
    double last_ms;
};

static const struct argp_option keys[] = {
    {"model", 'm', "MODEL", 0, "network and its options", 0},
    {"attention", 'a', "SPEC", 0, "its attention", 0},
    {"weights", 'w', "FILE", 0, "its weights (safetensors)", 0},
    {"impl", 'i', "NAME", 0, "implementation", 0},
    {"algorithm", 'c', ALGORITHM_VALUES, 0, ALGORITHM_HELP, 0},
    {"dtype", 'y', "f32|bf16", 0, "of maps and packed weights in inference", 0},
    {"threads", 't', "N", 0, "threads", 0},
    {"pixels", 'p', "FILE.npy", 0, "the batch, float32 N,C,H,W; labels are 37 i + 11 modulo "
     "classes", 0},
    {"logits", 'l', "FILE.npy", 0, "where to write the logits of that batch before anything "
     "else", 0},
    {"after", 'u', "FILE", 0, "train, and write the weights after the first update here", 0},
    {"data", 'd', "SPEC", 0, "train with the batches of this data set; a call is an epoch", 0},
    {"batch", 'b', "N", 0, "images of a batch of that", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;
    const char **text = key == 'm'   ? &o->weights.model
                        : key == 'a' ? &o->weights.attention
                        : key == 'w' ? &o->weights.weights
                        : key == 'i' ? &o->impl
                        : key == 'c' ? &o->algorithm
                        : key == 'p' ? &o->pixels
                        : key == 'l' ? &o->logits
                        : key == 'u' ? &o->after
                        : key == 'd' ? &o->data
                                     : NULL;
    if (text)
        *text = arg;
    else if (key == 't')
        o->threads = atoi(arg);
    else if (key == 'b')
        o->batch = atoi(arg);
    else if (key == 'y' && dtype_parse("--dtype", arg, &o->dtype) == OK)
        return 0;
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

/* ---- the wire ---- */

/* Waits for the next "N"; 0 at the end of the input. */
static int next_turn(void)
{
    char line[32];
    if (!fgets(line, sizeof line, stdin))
        return 0;
    int calls = atoi(line);
    return calls < 1 ? 0 : calls > MOST_CALLS ? MOST_CALLS : calls;
}

static void say_times(const double *ms, int count)
{
    printf("{\"ms\": [");
    for (int i = 0; i < count; i++)
        printf("%s%.6f", i ? ", " : "", ms[i]);
    printf("]}\n");
    fflush(stdout);
}

/* Implementation, library and the distinct kernels. */
static void say_ready(const struct session *session, const struct program *program, double loss)
{
    char version[160], how[1024] = "";
    session->impl->version(version, sizeof version);
    for (int i = 0; program && i < program_steps(program); i++) {
        const char *kernel = program_step(program, i).how;
        size_t used = strlen(how);
        if (kernel[0] && !strstr(how, kernel) && used + strlen(kernel) + 3 < sizeof how)
            snprintf(how + used, sizeof how - used, "%s%s", used ? "; " : "", kernel);
    }
    printf("{\"ready\": true, \"version\": \"cbam-bench %s, %s %s\", \"setting\": \"%s\", "
           "\"loss\": %.9g}\n", BUILD_COMMIT, session->impl->name, version, how, loss);
    fflush(stdout);
}

/* ---- one network, one batch ---- */

static void fill_batch(struct program *program, const struct npy_array *pixels, int classes)
{
    float *to = program_input(program, 0).data;
    int32_t *labels = program_labels(program);
    const int *dim = pixels->dim;
    for (int n = 0; n < dim[0]; n++) {
        for (int c = 0; c < dim[1]; c++)
            for (int i = 0; i < dim[2] * dim[3]; i++)
                to[(n * dim[2] * dim[3] + i) * dim[1] + c] =
                    pixels->data[(n * dim[1] + c) * dim[2] * dim[3] + i];
        if (labels)
            labels[n] = (37 * n + 11) % classes;
    }
}

static enum status compile(struct turns *t, bool train, const struct npy_array *pixels,
                           struct program **program)
{
    struct session *s = &t->session;
    struct program_request request = {.impl = s->impl, .ctx = s->ctx, .batch = pixels->dim[0],
                                      .net = train ? s->lowered : s->inference, .train = train,
                                      .loss = train, .algorithms = t->algorithms,
                                      .dtype = train ? DTYPE_F32 : s->dtype};
    TRY(program_compile(program, &request));
    fill_batch(*program, pixels, s->model.classes);
    return OK;
}

static enum status write_logits(struct turns *t, const struct npy_array *pixels, const char *path)
{
    struct program *program = NULL;
    const int shape[2] = {pixels->dim[0], t->session.model.classes};
    enum status status = compile(t, false, pixels, &program);
    if (status == OK)
        status = program_forward(program);
    if (status == OK)
        status = npy_write(path, 2, shape, program_output(program, 0).data);
    if (status == OK && !t->train) {
        t->program = program;
        return OK;
    }
    program_free(program);
    return status;
}

/* A call: a forward pass; in training forward, backward and an update. */
static enum status call(struct turns *t)
{
    int64_t start = clock_now_ns();
    TRY(program_forward(t->program));
    if (t->train) {
        TRY(program_backward(t->program));
        sgd_step(t->session.net->params, &t->sgd);
    }
    t->last_ms = (double)(clock_now_ns() - start) * 1e-6;
    return OK;
}

static double mean_loss(const struct program *program, int batch)
{
    const float *losses = program_losses(program);
    double sum = 0;
    for (int i = 0; i < batch; i++)
        sum += (double)losses[i] / batch;
    return sum;
}

/* The first update moves the weights far enough to be compared, later ones hardly at all. */
static enum status first_update(struct turns *t, const struct npy_array *pixels, const char *path,
                                double *loss)
{
    struct params *params = t->session.net->params;
    TRY(arm_apply(params, ARM_SCRATCH));
    TRY(params_prepare_training(params));
    TRY(compile(t, true, pixels, &t->program));
    t->sgd = (struct sgd){.lr = 0.01, .momentum = 0.9, .weight_decay = 1e-4};
    TRY(call(t));
    *loss = mean_loss(t->program, pixels->dim[0]);
    t->sgd.lr = 1e-7;
    return weights_save(path, params, NULL, 0);
}

static enum status take_turns(struct turns *t)
{
    double ms[MOST_CALLS];
    for (int calls; (calls = next_turn()) > 0;) {
        if (t->last_ms < SETTLED_MS)
            TRY(call(t)); /* caches are the others' until now */
        for (int i = 0; i < calls; i++) {
            TRY(call(t));
            ms[i] = t->last_ms;
        }
        say_times(ms, calls);
    }
    return OK;
}

static enum status run_batch(const struct options *o, struct turns *t,
                             const struct npy_array *pixels)
{
    double loss = 0;
    struct weights_request request = o->weights;
    if (pixels->ndim != 4)
        return fail(ERR_FORMAT, "%s: four dimensions were expected", o->pixels);
    request.size = pixels->dim[3];
    t->train = o->after != NULL;
    t->session.dtype = o->dtype;
    TRY(session_open_impl(&t->session, o->impl, o->threads));
    TRY(session_open_weights(&t->session, &request));
    TRY(write_logits(t, pixels, o->logits));
    if (t->train)
        TRY(first_update(t, pixels, o->after, &loss));
    say_ready(&t->session, t->program, loss);
    return take_turns(t);
}

/* ---- epochs of a training run ---- */

/* What is asked between two steps: how many epochs are still wanted, when the last began. */
struct epochs {
    struct train_io io;
    int per_epoch, wanted, done;
    int64_t start;
    double ms[MOST_CALLS];
};

/* Called in the middle of every step. From the first step of an epoch to that of the next, all that
 * a training run does passes once. */
static void on_step(void *data, int step, double loss, double accuracy)
{
    struct epochs *e = data;
    (void)loss;
    (void)accuracy;
    if ((step - 1) % e->per_epoch != 0 || step == 1)
        return; /* the first epoch warms up */
    if (e->wanted > 0)
        e->ms[e->done++] = (double)(clock_now_ns() - e->start) * 1e-6;
    if (e->done == e->wanted) {
        if (e->wanted > 0)
            say_times(e->ms, e->done);
        else
            printf("{\"ready\": true, \"version\": \"cbam-bench %s\", \"setting\": \"`train`\"}\n",
                   BUILD_COMMIT);
        fflush(stdout);
        e->done = 0;
        e->wanted = next_turn();
        if (e->wanted == 0)
            e->io.stop_after_epochs = 1; /* nobody asks any more: the run ends with this epoch */
    }
    e->start = clock_now_ns();
}

static enum status run_epochs(const struct options *o)
{
    struct epochs epochs = {.io = {.on_step = on_step, .on_step_data = &epochs,
                                   .decide = decide_algorithm}};
    struct train_settings s;
    struct train_result *result = calloc(1, sizeof *result);
    if (!result)
        return fail(ERR_MEMORY, "no memory for a result");
    struct dataset data;
    TRY(dataset_open(&data, o->data));
    epochs.per_epoch = data.train.n / o->batch;
    dataset_close(&data);
    train_defaults(&s);
    snprintf(s.model, sizeof s.model, "%s", o->weights.model);
    snprintf(s.attention, sizeof s.attention, "%s", o->weights.attention);
    snprintf(s.data, sizeof s.data, "%s", o->data);
    snprintf(s.impl, sizeof s.impl, "%s", o->impl);
    snprintf(s.algorithm, sizeof s.algorithm, "%s", o->algorithm);
    s.threads = o->threads;
    s.batch = o->batch;
    s.epochs = TRAIN_CURVE_MAX;
    s.lr = 1e-4;
    enum status status = train_run(&s, &epochs.io, result);
    free(result);
    return status;
}

int main(int argc, char **argv)
{
    static const struct argp argp = {.options = keys, .parser = parse,
                                     .doc = "One side of a comparison: see bench/peers/README.md."};
    struct options o = {.weights = {.model = "resnet50", .attention = "none"}, .impl = "onednn",
                        .algorithm = "direct", .threads = 1, .batch = 128};
    struct turns turns = {0};
    struct npy_array pixels = {0};
    threads_startup(argv);
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    struct algorithm_option algorithm;
    enum status status = algorithm_option_open(&algorithm, o.algorithm);
    turns.algorithms = &algorithm.algorithms;
    if (status == OK)
        status = o.data ? run_epochs(&o) : npy_read(&pixels, o.pixels ? o.pixels : "");
    if (status == OK && !o.data)
        status = run_batch(&o, &turns, &pixels);
    if (status != OK)
        fprintf(stderr, "turns: %s\n", fail_text());
    npy_release(&pixels);
    program_free(turns.program);
    session_close(&turns.session);
    algorithm_option_close(&algorithm);
    return status != OK;
}
