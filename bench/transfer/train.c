/* One training run from settings to result: see train.h. */
#include "bench/transfer/train.h"

#include "bench/measure/clock.h"
#include "bench/net/input_file.h"
#include "bench/net/optimizer.h"
#include "bench/transfer/arm.h"
#include "bench/transfer/checkpoint.h"
#include "bench/transfer/evaluate.h"
#include "bench/transfer/outcome.h"
#include "bench/transfer/phase.h"
#include "bench/transfer/progress.h"
#include "bench/transfer/schedule.h"
#include "bench/transfer/shifted.h"
#include "bench/transfer/source.h"
#include "impls/base/threads.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EVALUATION_BATCH = 100 };

struct run {
    const struct train_settings *settings;
    const struct train_io *io;
    struct train_result *result;
    struct session session;
    struct batch_source source;
    struct evaluator validation;
    struct program *program;
    struct checkpoint_state state;
    struct progress progress;
    struct phases phases;
    int phase; /* the one that program and source are open for */
    int batch, per_epoch, epochs, steps;
};

void train_defaults(struct train_settings *settings)
{
    *settings = (struct train_settings){
        .model = "resnet50:stem=small:width=0.25", .attention = "none", .data = "fashion-mnist",
        .init = "random", .schedule = "cosine", .transfer = ARM_SCRATCH, .impl = "onednn",
        .epochs = 10, .batch = 64, .lr = 0.05, .momentum = 0.9, .weight_decay = 5e-4,
        .pct_start = 0.3, .step_epochs = 30, .step_factor = 0.1, .seed = 1, .shuffled = true,
        .fuse = true,
        .threads = threads_available(),
        .augment = true,
    };
}

/* What the random streams of a run start from. The split does not follow the salt: a run with
 * another salt learns from the same images. */
static uint64_t stream_seed(const struct train_settings *s)
{
    return s->salt ? hash_bytes(s->seed ^ HASH_START, &s->salt, sizeof s->salt) : s->seed;
}

static void talk(const struct run *run, const char *text)
{
    if (run->io->talk && text[0])
        fputs(text, run->io->talk);
}

/* ---- opening ---- */

static enum status check_settings(const struct train_settings *s)
{
    bool random = strcmp(s->init, "random") == 0;
    TRY(schedule_check(s));
    if (arm_needs_source(s->transfer) && random)
        return fail(ERR_USAGE, "--transfer %s needs trained weights: --init FILE",
                    transfer_name(s->transfer));
    if (!arm_needs_source(s->transfer) && !random)
        return fail(ERR_USAGE, "--transfer %s starts from random weights: --init random, or "
                    "choose --transfer finetune for --init %s", transfer_name(s->transfer),
                    s->init);
    if (s->batch < 1 || s->epochs < 0 || s->steps < 0 || (s->epochs == 0 && s->steps == 0))
        return fail(ERR_USAGE, "--batch %d, --epochs %d, --steps %d: nothing to train with",
                    s->batch, s->epochs, s->steps);
    if (s->dtypes[0] && strcmp(s->dtypes, "f32,bf16") != 0)
        return fail(ERR_USAGE, "--dtypes %s: f32 or f32,bf16 was expected", s->dtypes);
    return OK;
}

/* Said before training, not after it. */
static enum status check_dtypes(const struct run *run)
{
    if (!run->settings->dtypes[0])
        return OK;
    const enum status status = impl_offers_bf16(run->session.impl);
    return status == OK ? OK : fail_prefix(status, "--dtypes %s", run->settings->dtypes);
}

static enum status open_network(struct run *run)
{
    const struct train_settings *s = run->settings;
    struct session *session = &run->session;
    int size = session_input_size(&session->data, s->size);
    if (strcmp(s->init, "random") == 0) {
        TRY(session_open_net(session, s->model, s->attention, session->data.classes, size));
        return session_init_weights(session, s->scheme, stream_seed(s));
    }
    struct weights_request request = {
        .model = s->model, .attention = s->attention, .weights = s->init,
        .rules = {run->io->allow_missing, run->io->allow_unexpected, !s->keep_head},
        .classes = session->data.classes, .size = size, .scheme = s->scheme,
        .seed = stream_seed(s)};
    TRY(session_open_weights(session, &request));
    if (session->model.classes != session->data.classes) /* its own head was kept */
        return fail(ERR_USAGE, "--keep-head on: %s has %d classes, the data set %d", s->init,
                    session->model.classes, session->data.classes);
    return OK;
}

static void describe_lists(struct run *run)
{
    const struct image_list *list = run->session.split.list;
    run->result->train_n = list[PART_TRAIN].n;
    run->result->val_n = list[PART_VAL].n;
    run->result->test_n = list[PART_TEST].n;
    run->result->dropped = list[PART_TRAIN].n - run->per_epoch * run->batch;
    if (run->result->dropped)
        session_note(&run->session, "the last %d of %d images of each epoch do not fill a batch of "
                     "%d and are left out (others in each epoch, when shuffled)",
                     run->result->dropped, list[PART_TRAIN].n, run->batch);
}

static const struct phase *phase_now(const struct run *run)
{
    return &run->phases.list[run->phase];
}

static enum status open_source(struct run *run)
{
    const struct train_settings *s = run->settings;
    struct session *session = &run->session;
    int cut[SOURCE_INPUTS], cuts = 0;
    if (phase_now(run)->cached)
        cuts = arm_boundary(session->lowered, cut, SOURCE_INPUTS);
    run->result->cached_features |= cuts > 0;
    if (cuts > 0 && s->augment)
        session_note(session, "features of the fixed part take the place of images: no "
                     "augmentation");
    struct loader_config config = {
        .batch = run->batch, .order = s->shuffled ? ORDER_SHUFFLED : ORDER_SEQUENTIAL,
        .augment = s->augment && cuts == 0, .seed = stream_seed(s),
        .h = session->model.input_h, .w = session->model.input_w,
        .channels = session->model.input_c, .norm = &session->norm};
    TRY(source_open(&run->source, session, &session->split.list[PART_TRAIN], &config, cut, cuts,
                    run->io->feature_bytes ? run->io->feature_bytes : TRAIN_FEATURE_BYTES));
    return run->io->prefetch ? source_prefetch(&run->source) : OK;
}

static enum status open_program(struct run *run)
{
    const struct train_settings *s = run->settings;
    struct program_request request = {
        .impl = run->session.impl, .ctx = run->session.ctx, .net = run->session.lowered,
        .batch = run->batch, .train = true, .inputs = run->source.ids,
        .input_count = run->source.count, .loss = true, .smoothing = (float)s->label_smoothing,
        .algorithms = &run->session.algorithms};
    return program_compile(&run->program, &request);
}

/* Begins a phase: what trains, from which inputs. What trained before and goes on keeps its
 * momentum, unless all starts anew. */
static enum status enter_phase(struct run *run, int index)
{
    struct params *params = run->session.net->params;
    program_free(run->program);
    source_close(&run->source);
    run->program = NULL;
    run->phase = index;
    TRY(arm_apply(params, phase_now(run)->arm));
    TRY(params_prepare_training(params));
    if (phase_now(run)->anew)
        params_clear_velocity(params);
    TRY(open_source(run));
    return open_program(run);
}

/* Batches, epochs and phases. */
static enum status plan_course(struct run *run)
{
    const struct train_settings *s = run->settings;
    int images = run->session.split.list[PART_TRAIN].n;
    if (images < 1)
        return fail(ERR_USAGE, "--data %s: no training images", s->data);
    run->batch = s->batch < images ? s->batch : images;
    run->per_epoch = images / run->batch;
    run->steps = s->steps > 0 ? s->steps : s->epochs * run->per_epoch;
    run->epochs = (run->steps + run->per_epoch - 1) / run->per_epoch;
    if (run->epochs > TRAIN_CURVE_MAX)
        return fail(ERR_USAGE, "%d epochs: at most %d", run->epochs, TRAIN_CURVE_MAX);
    return phases_make(&run->phases, s, run->epochs, arm_stages(run->session.net->params));
}

static bool resumes(const struct run *run)
{
    return run->io->resume && run->io->checkpoint && access(run->io->checkpoint, F_OK) == 0;
}

/* A checkpoint belongs to the phase of the epoch after which it was written. */
static enum status open_course(struct run *run)
{
    const struct train_io *io = run->io;
    int done = 0;
    TRY(plan_course(run));
    if (resumes(run))
        TRY(checkpoint_epochs(io->checkpoint, run->settings, &done));
    TRY(enter_phase(run, phases_at(&run->phases, done > 0 ? done - 1 : 0)));
    describe_lists(run);
    if (!resumes(run))
        return OK;
    TRY(checkpoint_read(io->checkpoint, run->settings, run->session.net->params, &run->state,
                        run->result));
    session_note(&run->session, "resumed from %s after %d epochs", io->checkpoint,
                 run->state.epochs_done);
    return OK;
}

static enum status evaluate_before(struct run *run)
{
    struct evaluation e;
    run->state.before_accuracy = NAN;
    if (!run->settings->keep_head || run->io->resume)
        return OK;
    TRY(evaluate(&run->session, &run->session.split.list[PART_TEST], EVALUATION_BATCH, &e, NULL,
                 NULL));
    run->state.before_accuracy = evaluation_top1(&e);
    return OK;
}

/* A run that is resumed has to find the decisions that it began with: they are always in a file. */
static enum status open_algorithms(struct run *run)
{
    struct algorithms *algorithms = &run->session.algorithms;
    TRY(session_open_algorithms(&run->session, run->settings));
    if (algorithms->rule == ALGORITHM_AUTO && !algorithms->path)
        return fail(ERR_USAGE, "--algorithm auto: for training auto:FILE was expected, so that a "
                    "run that is resumed decides as before");
    if (algorithms->rule == ALGORITHM_AUTO && !run->io->decide &&
        access(algorithms->path, F_OK) != 0)
        return fail(ERR_IO, "%s: no such file of decisions (train --algorithm auto:FILE makes one)",
                    algorithms->path);
    algorithms->decide = run->io->decide;
    return OK;
}

static enum status open_run(struct run *run)
{
    const struct train_settings *s = run->settings;
    TRY(check_settings(s));
    TRY(session_open_impl(&run->session, s->impl, s->threads));
    TRY(check_dtypes(run));
    run->session.compose = !s->fuse;
    TRY(open_algorithms(run));
    run->session.features = run->io->features;
    TRY(session_open_data(&run->session, s->data, s->seed));
    TRY(open_network(run));
    TRY(arm_apply(run->session.net->params, s->transfer));
    outcome_network(run->result, &run->session);
    TRY(evaluate_before(run));
    TRY(open_course(run));
    return evaluator_open(&run->validation, &run->session, &run->session.split.list[PART_VAL],
                          EVALUATION_BATCH);
}

static void close_run(struct run *run)
{
    evaluator_close(&run->validation);
    program_free(run->program);
    source_close(&run->source);
    session_close(&run->session);
}

/* ---- training ---- */

static void diverged(struct run *run, const char *what)
{
    const char *where = program_first_nonfinite(run->program);
    run->result->diverged = true;
    snprintf(run->result->diverged_at, sizeof run->result->diverged_at,
             "step %d: %s is not finite%s%s", run->state.steps_done + 1, what,
             where ? "; first non-finite value in " : "", where ? where : "");
}

/* Loss and accuracy of the batch that just went forward. */
static void batch_result(const struct run *run, double *loss, double *accuracy)
{
    const float *losses = program_losses(run->program);
    struct tensor output = program_output(run->program, 0);
    const int32_t *labels = program_labels(run->program);
    struct evaluation e = {0};
    *loss = 0;
    for (int i = 0; i < run->batch; i++) {
        *loss += (double)losses[i] / run->batch;
        evaluation_add(&e, (const float *)output.data + (size_t)i * (size_t)output.c, output.c,
                       labels[i]);
    }
    *accuracy = evaluation_top1(&e);
}

static enum status train_step(struct run *run, int batch, struct train_epoch *epoch)
{
    const struct train_settings *s = run->settings;
    double loss, accuracy;
    struct rate rate = phases_rate(&run->phases, run->phase, s, run->state.steps_done, run->steps,
                                   run->per_epoch);
    struct sgd sgd = {rate.lr, rate.momentum, s->weight_decay, s->nesterov, s->backbone_rate};
    TRY(source_fill(&run->source, batch, run->program));
    program_set_step(run->program, stream_seed(s), (uint64_t)run->state.steps_done);
    TRY(program_forward(run->program));
    batch_result(run, &loss, &accuracy);
    if (run->io->on_step)
        run->io->on_step(run->io->on_step_data, run->state.steps_done + 1, loss, accuracy);
    if (!isfinite(loss)) {
        diverged(run, "the loss of the batch");
        return OK;
    }
    TRY(program_backward(run->program));
    const struct net_param *broken = sgd_step(run->session.net->params, &sgd);
    if (broken) {
        diverged(run, broken->name);
        return OK;
    }
    run->state.steps_done++;
    epoch->lr = rate.lr;
    epoch->train_loss += loss;
    epoch->train_accuracy += accuracy;
    return OK;
}

static enum status validate(struct run *run, struct train_epoch *epoch)
{
    struct evaluation e;
    TRY(evaluator_run(&run->validation, &e, NULL, NULL));
    epoch->val_loss = evaluation_loss(&e);
    epoch->val_accuracy = evaluation_top1(&e);
    return OK;
}

static enum status train_epoch(struct run *run, int number)
{
    struct train_epoch epoch = {.epoch = number + 1};
    int64_t start = clock_now_ns();
    int done = 0, phase = phases_at(&run->phases, number);
    if (phase != run->phase)
        TRY(enter_phase(run, phase));
    source_start(&run->source, number);
    for (int b = 0; b < run->per_epoch && run->state.steps_done < run->steps; b++, done++) {
        TRY(train_step(run, b, &epoch));
        if (run->result->diverged)
            return OK;
        progress_step(&run->progress, run->state.steps_done, epoch.train_loss / (done + 1));
    }
    epoch.train_loss /= done;
    epoch.train_accuracy /= done;
    TRY(validate(run, &epoch));
    epoch.seconds = (double)(clock_now_ns() - start) * 1e-9;
    run->result->curve[run->result->epochs++] = epoch;
    run->state.epochs_done = number + 1;
    progress_epoch(&run->progress, &epoch, run->epochs);
    if (run->io->checkpoint)
        TRY(checkpoint_write(run->io->checkpoint, run->settings, run->session.net->params,
                             &run->state, run->result));
    return OK;
}

static enum status train_all(struct run *run)
{
    int64_t start = clock_now_ns();
    int before = run->state.steps_done;
    progress_start(&run->progress, run->io->talk, run->io->terminal, run->batch, run->steps,
                   before);
    while (run->state.steps_done < run->steps && !run->result->diverged) {
        TRY(train_epoch(run, run->state.epochs_done));
        if (run->io->stop_after_epochs && run->state.epochs_done >= run->io->stop_after_epochs)
            break;
    }
    progress_end(&run->progress);
    run->result->seconds = (double)(clock_now_ns() - start) * 1e-9;
    if (run->result->seconds > 0)
        run->result->images_per_s =
            (double)(run->state.steps_done - before) * run->batch / run->result->seconds;
    return OK;
}

/* ---- the end ---- */

static enum status evaluate_shifted(struct run *run)
{
    struct evaluation e = {0};
    if (run->settings->shifted[0])
        TRY(shifted_evaluate(&run->session, run->settings->shifted, run->settings->seed,
                             EVALUATION_BATCH, &e));
    run->result->shifted_accuracy = evaluation_top1(&e);
    run->result->shifted_loss = evaluation_loss(&e);
    run->result->shifted_n = e.n;
    return OK;
}

static enum status final_evaluation(struct run *run)
{
    bool finite = true;
    TRY(outcome_accuracies(run->result, &run->session, &run->validation, EVALUATION_BATCH,
                           &finite));
    TRY(evaluate_shifted(run));
    TRY(outcome_bf16(run->result, &run->session, run->settings->dtypes[0], EVALUATION_BATCH));
    if (!finite)
        diverged(run, "the loss of the trained network");
    return OK;
}

static enum status run_all(struct run *run)
{
    TRY(open_run(run));
    if (run->io->talk)
        TRY(session_note_shared(&run->session));
    talk(run, run->session.notes);
    TRY(train_all(run));
    program_kernels(run->program, run->result->how, sizeof run->result->how);
    run->result->before_accuracy = run->state.before_accuracy;
    if (run->result->diverged ||
        (run->io->stop_after_epochs && run->state.steps_done < run->steps))
        return OK;
    TRY(final_evaluation(run));
    if (run->io->save && !run->result->diverged)
        TRY(session_save(&run->session, run->io->save));
    return OK;
}

enum status train_run(const struct train_settings *settings, const struct train_io *io,
                      struct train_result *result)
{
    struct run *run = calloc(1, sizeof *run);
    if (!run)
        return fail(ERR_MEMORY, "out of memory for a training run");
    memset(result, 0, sizeof *result);
    run->settings = settings;
    run->io = io;
    run->result = result;
    enum status status = run_all(run);
    close_run(run);
    free(run);
    if (status != OK) {
        free(result->predictions);
        result->predictions = NULL;
    }
    return status;
}
