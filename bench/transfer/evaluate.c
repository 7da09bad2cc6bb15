/* Evaluation of a network on images: see evaluate.h. */
#include "bench/transfer/evaluate.h"

#include "impls/base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double evaluation_top1(const struct evaluation *e)
{
    return e->n ? (double)e->correct1 / e->n : NAN;
}

double evaluation_top5(const struct evaluation *e)
{
    return e->n ? (double)e->correct5 / e->n : NAN;
}

double evaluation_loss(const struct evaluation *e)
{
    return e->n ? e->loss_sum / e->n : NAN;
}

static double log_sum_exp(const float *x, int n)
{
    double most = (double)x[0], sum = 0;
    for (int i = 1; i < n; i++)
        most = (double)x[i] > most ? (double)x[i] : most;
    for (int i = 0; i < n; i++)
        sum += exp((double)x[i] - most);
    return most + log(sum);
}

int evaluation_add(struct evaluation *e, const float *logits, int classes, int label)
{
    int best = 0, above = 0;
    for (int i = 1; i < classes; i++)
        if (logits[i] > logits[best])
            best = i;
    /* Rank of the label: those above it, and those equal to it that come first. */
    for (int i = 0; i < classes; i++)
        above += logits[i] > logits[label] || (logits[i] == logits[label] && i < label);
    e->n++;
    e->correct1 += best == label;
    e->correct5 += above < 5;
    e->loss_sum += log_sum_exp(logits, classes) - (double)logits[label];
    return best;
}

enum status evaluator_open(struct evaluator *e, struct session *session,
                           const struct image_list *list, int batch)
{
    *e = (struct evaluator){.session = session};
    if (list->n == 0)
        return OK;
    batch = batch < list->n ? batch : list->n;
    struct loader_config config = {.batch = batch, .order = ORDER_SEQUENTIAL,
                                   .h = session->model.input_h, .w = session->model.input_w,
                                   .channels = session->model.input_c, .norm = &session->norm};
    struct program_request request = {.impl = session->impl, .ctx = session->ctx,
                                      .net = session->inference, .batch = batch,
                                      .drop_weights = session->drop_weights,
                                      .dtype = session->dtype,
                                      .algorithms = &session->algorithms};
    enum status status = loader_init(&e->loader, &session->data, list, &config);
    if (status == OK)
        status = program_compile(&e->program, &request);
    if (status != OK)
        evaluator_close(e);
    return status;
}

void evaluator_close(struct evaluator *e)
{
    program_free(e->program);
    loader_free(&e->loader);
    memset(e, 0, sizeof *e);
}

/* The last batch may be short: what stands behind its images in the input is computed too, and
 * ignored. */
enum status evaluator_run(struct evaluator *e, struct evaluation *result, int32_t *predictions,
                          float *logits)
{
    *result = (struct evaluation){0};
    if (!e->program)
        return OK;
    struct tensor input = program_input(e->program, 0), output = program_output(e->program, 0);
    int32_t *labels = program_labels(e->program);
    const float *out = output.data;
    size_t classes = (size_t)e->session->model.classes;
    int done = 0;
    for (int b = 0; b < loader_batches(&e->loader); b++) {
        int n = loader_fill(&e->loader, b, input.data, labels);
        TRY(program_forward(e->program));
        if (logits)
            memcpy(logits + (size_t)done * classes, out, (size_t)n * classes * sizeof *out);
        for (int i = 0; i < n; i++, done++) {
            int class = evaluation_add(result, out + (size_t)i * classes, (int)classes, labels[i]);
            if (predictions)
                predictions[done] = class;
        }
    }
    return OK;
}

enum status evaluate(struct session *session, const struct image_list *list, int batch,
                     struct evaluation *result, int32_t *predictions, float *logits)
{
    struct evaluator evaluator;
    TRY(evaluator_open(&evaluator, session, list, batch));
    enum status status = evaluator_run(&evaluator, result, predictions, logits);
    evaluator_close(&evaluator);
    return status;
}

/* Logits of the first `limit` test images of a session's data on one implementation; out: n x
 * classes, owned by the caller. */
static enum status logits_on(struct session *session, const struct train_settings *settings,
                             const char *weights, const char *impl, int limit, float **out)
{
    struct weights_request request = {.model = settings->model, .attention = settings->attention,
                                      .weights = weights, .size = settings->size};
    struct image_list list = session->split.list[PART_TEST];
    struct evaluation ignored;
    TRY(session_open_impl(session, impl, settings->threads));
    session->compose = !settings->fuse;
    TRY(session_open_algorithms(session, settings));
    TRY(session_open_weights(session, &request));
    list.n = list.n < limit ? list.n : limit;
    *out = memory_alloc((size_t)list.n * (size_t)session->model.classes * sizeof **out);
    return *out ? evaluate(session, &list, 64, &ignored, NULL, *out) : ERR_MEMORY;
}

static int argmax(const float *x, int n)
{
    int best = 0;
    for (int i = 1; i < n; i++)
        best = x[i] > x[best] ? i : best;
    return best;
}

static int count_disagreements(const float *a, const float *b, int n, int classes, double *most)
{
    int count = 0;
    for (int i = 0; i < n; i++)
        count += argmax(a + (size_t)i * (size_t)classes, classes) !=
                 argmax(b + (size_t)i * (size_t)classes, classes);
    for (size_t i = 0; i < (size_t)n * (size_t)classes; i++)
        *most = fmax(*most, fabs((double)a[i] - (double)b[i]));
    return count;
}

enum status evaluate_agreement(const struct train_settings *settings, const char *weights,
                               int limit, int impl_count, const char *const *impl_names,
                               int *disagree, double *max_logit_diff)
{
    struct session session = {0};
    float *first = NULL;
    enum status status = session_open_data(&session, settings->data, settings->seed);
    for (int i = 0; i < impl_count && status == OK; i++) {
        float *logits = NULL;
        int n = session.split.list[PART_TEST].n < limit ? session.split.list[PART_TEST].n : limit;
        disagree[i] = 0;
        max_logit_diff[i] = 0;
        status = logits_on(&session, settings, weights, impl_names[i], limit, &logits);
        if (status == OK && first)
            disagree[i] = count_disagreements(first, logits, n, session.model.classes,
                                              &max_logit_diff[i]);
        session_close_network(&session);
        if (i == 0)
            first = logits;
        else
            memory_free(logits);
    }
    memory_free(first);
    session_close(&session);
    return status;
}
