/* Agreement of implementations on a network before it is timed: see latency_work.h. */
#include "bench/verbs/latency_work.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Relative 2-norms that may lie between two implementations. Logits: rounding alone. Losses and
 * gradients of training pass through batch statistics and through decisions (the sign of a
 * pre-activation, the place of a maximum) that rounding can turn: in ResNet-50 with CBAM, batch 2
 * at 224 pixels, moving every pixel by one part in 2^24 moves the gradients of one and the same
 * program by 4e-3; between composed and fused, and between composed on two libraries, lie 3e-3.
 * Winograd's algorithm rounds more, and bf16 keeps 8 bits of each number. */
static const struct {
    const char *name;
    double direct, winograd, bf16;
} parts[ANSWER_PARTS] = {{"logits", 1e-4, 5e-4, 2e-2},
                         {"losses in training", 1e-4, 5e-4, 0},
                         {"gradients", 1e-2, 2e-2, 0}};

enum { GRADIENT_SAMPLE = 1 << 20 };

static void reject(struct latency_answer *answer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void reject(struct latency_answer *answer, const char *format, ...)
{
    va_list args;
    answer->ok = false;
    va_start(args, format);
    vsnprintf(answer->reason, sizeof answer->reason, format, args);
    va_end(args);
}

static enum status keep(struct latency_answer *answer, int part, size_t count)
{
    answer->part[part] = malloc(count * sizeof(float));
    answer->count[part] = count;
    return answer->part[part] ? OK : fail(ERR_MEMORY, "no memory for an answer");
}

static enum status keep_logits(const struct program *program, struct latency_answer *answer)
{
    struct tensor output = program_output(program, 0);
    size_t count = tensor_count(&output);
    TRY(keep(answer, 0, count));
    memcpy(answer->part[0], output.data, count * sizeof(float));
    return OK;
}

/* Every k-th number of all gradients, about a million of them. */
static enum status keep_gradients(const struct params *params, struct latency_answer *answer)
{
    size_t total = 0, kept = 0, offset = 0;
    for (int i = 0; i < params->count; i++)
        total += params->list[i]->trainable ? params->list[i]->p.count : 0;
    size_t step = total / GRADIENT_SAMPLE + 1;
    TRY(keep(answer, 2, (total + step - 1) / step));
    for (int i = 0; i < params->count; i++) {
        const struct net_param *param = params->list[i];
        if (!param->trainable)
            continue;
        size_t k = (step - offset % step) % step;
        for (; k < param->p.count; k += step)
            answer->part[2][kept++] = param->p.grad[k];
        offset += param->p.count;
    }
    return OK;
}

/* |a - b| / |b| in the 2-norm; 0 for two vectors of zeros. */
static double distance(const float *a, const float *b, size_t count)
{
    double difference = 0, norm = 0;
    for (size_t i = 0; i < count; i++) {
        double d = (double)a[i] - (double)b[i];
        difference += d * d;
        norm += (double)b[i] * (double)b[i];
    }
    return difference == 0 ? 0 : sqrt(difference / norm);
}

static bool is_direct(const struct latency_shape *shape)
{
    return !shape->algorithms || shape->algorithms->rule == ALGORITHM_DIRECT;
}

static struct latency_answer no_answer(const struct latency_shape *shape)
{
    struct latency_answer answer = {.ok = true};
    for (int p = 0; p < ANSWER_PARTS; p++)
        answer.bound[p] = shape->dtype == DTYPE_BF16 ? parts[p].bf16
                          : is_direct(shape)         ? parts[p].direct
                                                     : parts[p].winograd;
    return answer;
}

/* The wider of two answers' bounds. */
static double bound_of(const struct latency_answer *a, const struct latency_answer *b, int part)
{
    return a->bound[part] > b->bound[part] ? a->bound[part] : b->bound[part];
}

/* The first part in which two answers differ by more than its bound; ANSWER_PARTS when none. */
static int first_difference(const struct latency_answer *a, const struct latency_answer *b,
                            double *by)
{
    for (int p = 0; p < ANSWER_PARTS; p++) {
        *by = distance(a->part[p], b->part[p], a->count[p]);
        if (!(*by <= bound_of(a, b, p)))
            return p;
    }
    return ANSWER_PARTS;
}

/* The shape of what a program is compared with: primitives in f32, their convolutions direct. */
static struct latency_shape plain_shape(const struct latency_program *program)
{
    struct latency_shape shape = *program->shape;
    shape.compose = true;
    shape.dtype = DTYPE_F32;
    shape.algorithms = NULL;
    return shape;
}

static bool is_plain(const struct latency_program *program)
{
    return program->shape->compose && program->shape->dtype == DTYPE_F32 &&
           is_direct(program->shape);
}

/* Logits of inference: by the program itself where it is of that kind. */
static enum status ask_logits(struct latency_program *program, struct impl_ctx *ctx, bool plain,
                              struct latency_answer *answer)
{
    struct latency_shape shape = plain ? plain_shape(program) : *program->shape;
    struct latency_program other;
    if (!shape.train && plain == is_plain(program)) {
        TRY(latency_program_run(program));
        return keep_logits(program->program, answer);
    }
    shape.train = false;
    enum status status =
        latency_program_make(&other, program->network, program->impl, ctx, &shape);
    if (status == OK)
        status = latency_program_run(&other);
    if (status == OK)
        status = keep_logits(other.program, answer);
    latency_program_free(&other);
    return status;
}

/* Losses and gradients of one training step. */
static enum status ask_step(const struct latency_program *program, struct latency_answer *answer)
{
    program_set_step(program->program, program->shape->seed, 0);
    TRY(program_forward(program->program));
    TRY(program_backward(program->program));
    size_t batch = (size_t)program->shape->batch;
    TRY(keep(answer, 1, batch));
    memcpy(answer->part[1], program_losses(program->program), batch * sizeof(float));
    return keep_gradients(program->network->net->params, answer);
}

static enum status ask_composed_step(const struct latency_program *program, struct impl_ctx *ctx,
                                     struct latency_answer *answer)
{
    struct latency_shape shape = plain_shape(program);
    struct latency_program composed;
    enum status status =
        latency_program_make(&composed, program->network, program->impl, ctx, &shape);
    if (status == OK)
        status = ask_step(&composed, answer);
    latency_program_free(&composed);
    return status;
}

/* A fault is the answer's; only a lack of memory is everybody's. */
static enum status note_fault(enum status status, struct latency_answer *answer)
{
    if (status != OK && status != ERR_MEMORY)
        reject(answer, "%s", fail_text());
    return status == ERR_MEMORY ? status : OK;
}

/* Rejects an answer of fused operations that is not that of their composition. */
static void compare_composed(struct latency_answer *answer, const struct latency_answer *composed)
{
    for (int p = 0; p < ANSWER_PARTS && answer->ok; p++) {
        if (!composed->part[p])
            continue;
        double by = distance(answer->part[p], composed->part[p], answer->count[p]);
        if (!(by <= answer->bound[p]))
            reject(answer, "fused operations or bf16: %s differ from those of the composition by "
                   "%.2g (relative 2-norm, bound %g)", parts[p].name, by, answer->bound[p]);
    }
}

enum status latency_ask(struct latency_program *program, struct impl_ctx *ctx,
                        struct latency_answer *answer)
{
    struct latency_answer composed = {.ok = true};
    *answer = no_answer(program->shape);
    enum status status = ask_logits(program, ctx, is_plain(program), answer);
    if (status == OK && !is_plain(program))
        status = ask_logits(program, ctx, true, &composed);
    if (status == OK)
        compare_composed(answer, &composed);
    latency_answer_free(&composed);
    return note_fault(status, answer);
}

enum status latency_ask_training(struct latency_program *program, struct impl_ctx *ctx,
                                 struct latency_answer *answer)
{
    struct latency_answer composed = {.ok = true};
    if (!answer->ok)
        return OK;
    enum status status = ask_step(program, answer);
    if (status == OK && !is_plain(program))
        status = ask_composed_step(program, ctx, &composed);
    if (status == OK)
        compare_composed(answer, &composed);
    latency_answer_free(&composed);
    return note_fault(status, answer);
}

static void check_finite(struct latency_answer *answer)
{
    for (int p = 0; p < ANSWER_PARTS && answer->ok; p++)
        for (size_t i = 0; i < answer->count[p]; i++)
            if (!isfinite(answer->part[p][i])) {
                reject(answer, "%s are not finite", parts[p].name);
                return;
            }
}

static int count_friends(struct latency_answer *const *answers, int count, int i)
{
    double by;
    int friends = 0;
    for (int k = 0; k < count; k++)
        friends += k != i && answers[k]->ok &&
                   first_difference(answers[i], answers[k], &by) == ANSWER_PARTS;
    return friends;
}

/* The answer that most others agree with, the first among equals; -1 when there is none at all. */
static int find_reference(struct latency_answer *const *answers, int count, int *friends)
{
    int best = -1;
    *friends = 0;
    for (int i = 0; i < count; i++) {
        int own = answers[i]->ok ? count_friends(answers, count, i) : -1;
        if (own >= 0 && (best < 0 || own > *friends)) {
            best = i;
            *friends = own;
        }
    }
    return best;
}

void latency_compare(struct latency_answer *const *answers, const char *const *names, int count)
{
    int alive = 0, friends;
    for (int i = 0; i < count; i++) {
        check_finite(answers[i]);
        alive += answers[i]->ok;
    }
    int reference = find_reference(answers, count, &friends);
    for (int i = 0; i < count; i++) {
        if (!answers[i]->ok || i == reference)
            continue;
        double by = 0;
        int part = first_difference(answers[i], answers[reference], &by);
        if (part == ANSWER_PARTS)
            continue;
        reject(answers[i], "%s differ from those of %s by %.2g (relative 2-norm, bound %g)",
               parts[part].name, names[reference], by,
               bound_of(answers[i], answers[reference], part));
    }
    if (reference >= 0 && alive > 1 && friends == 0)
        reject(answers[reference], "its results agree with those of no other implementation");
}

void latency_answer_free(struct latency_answer *answer)
{
    for (int p = 0; p < ANSWER_PARTS; p++)
        free(answer->part[p]);
    memset(answer, 0, sizeof *answer);
}
