/* The check that comes before every timing: see layer_check.h. */
#include "bench/measure/layer_check.h"

#include "bench/measure/layer_fused.h"
#include "bench/measure/layer_weighted.h"
#include "impls/base/bf16.h"
#include "impls/base/random.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SPOTS = 64, LEAST_SPOTS = 8, TERMS_MOST = 1 << 24 };

/* Half a unit in the last of bf16's 8 bits: what one rounding to it loses at most, relatively. */
static const double half_unit = 0x1p-8;

/* One round of checking: which operands, and how strictly results are judged. */
struct round {
    const struct layer_operands *operands;
    bool exact;
    uint64_t seed;
};

/* An output as it is judged. */
struct judged {
    const char *name;
    const float *data;
    bool rounded, folded; /* to bf16: it; the products of the weights before, too */
};

static void reject(struct layer_verdict *verdict, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Keeps the first reason. */
static void reject(struct layer_verdict *verdict, const char *format, ...)
{
    if (!verdict->ok)
        return;
    verdict->ok = false;
    va_list args;
    va_start(args, format);
    vsnprintf(verdict->message, sizeof verdict->message, format, args);
    va_end(args);
}

static void note_error(struct layer_verdict *verdict, double error)
{
    if (error > verdict->error)
        verdict->error = error;
}

/* Element to look at in spot `i`: both ends, then drawn ones. */
static size_t spot(const struct round *round, int i, size_t count)
{
    if (i < 2)
        return i == 0 ? 0 : count - 1;
    struct random_stream stream = {round->seed, random_name("layer/spots")};
    return random_below(stream, (uint64_t)i, (uint32_t)count);
}

static struct judged judged_dst(const struct layer_run *run)
{
    const struct op_desc *d = &run->operands->desc;
    const bool rounded = run->args.dst.dtype == DTYPE_BF16;
    const bool folded = rounded && op_is_conv(d->kind) && d->kind != OP_CONV2D && d->conv.with_bn;
    return (struct judged){"dst", layer_run_dst(run), rounded, folded};
}

/* How far a number may be from what is due on reals. */
static double bound_of(const struct judged *output, struct layer_sum due)
{
    double bound = (1e-5 + (output->folded ? half_unit : 0)) * due.size;
    return output->rounded ? bound + half_unit * (fabs(due.value) + bound) : bound;
}

static void check_element(const struct round *round, const struct judged *output, size_t at,
                          struct layer_sum due, struct layer_verdict *verdict)
{
    const double value = (double)output->data[at];
    if (round->exact && output->rounded)
        due.value = (double)bf16_to_float(bf16_of_float((float)due.value));
    double error = fabs(value - due.value);
    if (!(error <= (round->exact ? 0 : bound_of(output, due))))
        reject(verdict, "%s element %zu is %.9g where %.9g is due", output->name, at, value,
               due.value);
    if (!round->exact && due.size > 0)
        note_error(verdict, error / due.size);
    verdict->elements++;
}

typedef bool truth(const struct layer_operands *operands, size_t index, struct layer_sum *sum);

static void check_spots(const struct round *round, const struct judged *output, size_t count,
                        truth *tell, struct layer_verdict *verdict)
{
    for (int i = 0; i < SPOTS; i++) {
        size_t at = spot(round, i, count);
        struct layer_sum due;
        if (!tell(round->operands, at, &due))
            return;
        check_element(round, output, at, due, verdict);
    }
}

/* Elements of the gradients of weights: fewer where each is a sum over millions of pixels. */
static void check_param_spots(const struct round *round, const struct layer_run *run,
                              struct layer_verdict *verdict)
{
    const struct layer_operands *o = round->operands;
    size_t terms = layer_weighted_terms(&o->desc);
    int spots = terms * SPOTS <= TERMS_MOST ? SPOTS : (int)(TERMS_MOST / terms);
    spots = spots < LEAST_SPOTS ? LEAST_SPOTS : spots;
    for (int p = 0; p < o->params; p++) {
        struct layer_sum due[SPOTS];
        char name[40];
        if (!run->param[p].grad || !layer_weighted_diff_param(o, p, 0, &due[0]))
            continue;
        snprintf(name, sizeof name, "diff_%s", o->info[p].name);
#pragma omp parallel for schedule(static)
        for (int i = 0; i < spots; i++)
            layer_weighted_diff_param(o, p, spot(round, i, run->param[p].count), &due[i]);
        const struct judged gradient = {.name = name, .data = run->param[p].grad};
        for (int i = 0; i < spots; i++)
            check_element(round, &gradient, spot(round, i, run->param[p].count), due[i], verdict);
    }
}

static void check_identity(const struct round *round, const struct layer_identity *identity,
                           struct layer_verdict *verdict)
{
    double error = fabs(identity->left.value - identity->right.value);
    verdict->identities++;
    double bound = round->exact ? 0 : 1e-5 * (identity->left.size + identity->right.size);
    if (!(error <= bound))
        reject(verdict, "%s does not hold: %.9g and %.9g", identity->name, identity->left.value,
               identity->right.value);
}

static void check_identities(const struct round *round, const struct layer_run *run,
                             struct layer_verdict *verdict)
{
    struct layer_identity list[LAYER_IDENTITIES];
    int count = layer_identities(run, list);
    for (int i = 0; i < count; i++)
        check_identity(round, &list[i], verdict);
}

/* Relative 2-norm of the difference between dst and its definition. */
static enum status whole_error(const struct layer_run *run, double *error)
{
    size_t count = tensor_count(&run->operands->desc.dst);
    const float *dst = layer_run_dst(run);
    double *due = malloc(count * sizeof *due), difference = 0, norm = 0;
    enum status status = due ? layer_fused_dst(run->operands, due)
                             : fail(ERR_MEMORY, "no memory for the definition");
    for (size_t i = 0; status == OK && i < count; i++) {
        difference += ((double)dst[i] - due[i]) * ((double)dst[i] - due[i]);
        norm += due[i] * due[i];
    }
    free(due);
    *error = difference == 0 ? 0 : sqrt(difference / norm);
    return status;
}

/* Fused operations: dst as a whole, and the derivative in one direction. */
static void check_fused(const struct round *round, const struct layer_run *run,
                        struct layer_verdict *verdict)
{
    struct layer_identity identity = {0};
    double error;
    enum status status = whole_error(run, &error);
    if (status == OK && round->operands->pass == PASS_BWD)
        status = layer_fused_identity(run, round->seed, &identity);
    if (status != OK) {
        reject(verdict, "%s", fail_text());
        return;
    }
    if (!(error <= 1e-5 + (run->args.dst.dtype == DTYPE_BF16 ? half_unit : 0)))
        reject(verdict, "dst differs from its definition by %.3g (relative 2-norm)", error);
    note_error(verdict, error);
    check_identity(round, &identity, verdict);
}

/* Nothing but batch statistics writes into parameters. */
static void check_params(const struct layer_run *run, struct layer_verdict *verdict)
{
    const struct layer_operands *o = run->operands;
    if (layer_takes_statistics(&o->desc))
        return;
    for (int i = 0; i < o->params; i++)
        if (o->param_count[i] > 0 &&
            memcmp(run->param[i].data, o->param[i], o->param_count[i] * sizeof(float)) != 0)
            reject(verdict, "%s was written into", o->info[i].name);
}

static void check_alone(const struct round *round, struct layer_run *run,
                        struct layer_verdict *verdict)
{
    const struct layer_operands *o = round->operands;
    verdict->elements = verdict->identities = 0;
    enum status status = layer_run_forward(run);
    if (status == OK && o->pass == PASS_BWD)
        status = layer_run_backward(run);
    if (status != OK) {
        reject(verdict, "%s", fail_text());
        return;
    }
    if (layer_fused_knows(o->desc.kind))
        check_fused(round, run, verdict);
    const struct judged dst = judged_dst(run);
    check_spots(round, &dst, tensor_count(&o->desc.dst), layer_truth_dst, verdict);
    if (o->pass == PASS_BWD) {
        const struct judged gradient = {.name = "diff_src0", .data = run->args.diff_src[0].data};
        check_spots(round, &gradient, tensor_count(&o->desc.src[0]), layer_truth_diff_src,
                    verdict);
        check_param_spots(round, run, verdict);
        check_identities(round, run, verdict);
    }
    check_params(run, verdict);
}

static float in_bf16(float x)
{
    return bf16_to_float(bf16_of_float(x));
}

/* `rounded`: one of them, or both, was rounded to bf16. */
static void compare_exactly(const struct layer_output *a, const struct layer_output *b,
                            bool rounded, const char *other, struct layer_verdict *verdict)
{
    for (size_t i = 0; i < a->count; i++) {
        const float x = a->data[i], y = b->data[i];
        if (!(rounded ? in_bf16(x) == in_bf16(y) : x == y)) {
            reject(verdict, "%s element %zu is %.9g where %s has %.9g", a->name, i, (double)x,
                   other, (double)y);
            return;
        }
    }
}

static void compare_norms(const struct layer_output *a, const struct layer_output *b,
                          double bound, const char *other, struct layer_verdict *verdict)
{
    double difference = 0, norm = 0;
    for (size_t i = 0; i < a->count; i++) {
        double x = (double)a->data[i], y = (double)b->data[i];
        difference += (x - y) * (x - y);
        norm += y * y;
    }
    double error = difference == 0 ? 0 : sqrt(difference / norm);
    if (!(error <= bound))
        reject(verdict, "%s differs from that of %s by %.3g (relative 2-norm)", a->name, other,
               error);
    note_error(verdict, error);
}

/* In the relative 2-norm, on reals. */
static double norm_bound(const struct round *round, const struct layer_run *run,
                         const struct layer_run *reference)
{
    const struct judged a = judged_dst(run), b = judged_dst(reference);
    return (round->operands->pass == PASS_FWD ? 1e-5 : 1e-4) +
           half_unit * (a.rounded + a.folded + b.rounded + b.folded);
}

static void compare(const struct round *round, const struct layer_run *run,
                    const struct layer_run *reference, struct layer_verdict *verdict)
{
    const double bound = norm_bound(round, run, reference);
    const bool rounded = run->dtype == DTYPE_BF16 || reference->dtype == DTYPE_BF16;
    struct layer_output a, b;
    verdict->like = reference->impl->name;
    for (int i = 0; layer_run_output(run, i, &a) && layer_run_output(reference, i, &b); i++) {
        if (round->exact)
            compare_exactly(&a, &b, rounded, reference->impl->name, verdict);
        else
            compare_norms(&a, &b, bound, reference->impl->name, verdict);
    }
}

static void check_round(const struct round *round, struct layer_run *runs, int count,
                        struct layer_verdict *verdicts)
{
    const struct layer_run *reference = NULL;
    for (int i = 0; i < count; i++) {
        layer_run_reset(&runs[i]);
        check_alone(round, &runs[i], &verdicts[i]);
        if (!verdicts[i].ok)
            continue;
        if (reference)
            compare(round, &runs[i], reference, &verdicts[i]);
        else
            reference = &runs[i];
    }
}

/* Starts the verdicts, and the first round of an operation that is exact on integers. */
static struct round start(const struct layer_operands *operands, int count, uint64_t seed,
                          struct layer_verdict *verdicts)
{
    struct round round = {.operands = operands, .exact = layer_is_exact(operands), .seed = seed};
    for (int i = 0; i < count; i++)
        verdicts[i] = (struct layer_verdict){.ok = true, .exact = round.exact};
    return round;
}

void layer_check(struct layer_operands *operands, struct layer_run *runs, int count,
                 uint64_t seed, struct layer_verdict *verdicts)
{
    struct round round = start(operands, count, seed, verdicts);
    if (round.exact) {
        layer_operands_fill(operands, FILL_INTEGERS, seed);
        check_round(&round, runs, count, verdicts);
    }
    round.exact = false;
    layer_operands_fill(operands, FILL_REALS, seed);
    check_round(&round, runs, count, verdicts);
}

/* Makes a run and checks it alone; false, with the reason in the verdict, when it is not right. */
static bool check_candidate(const struct round *round, struct layer_candidate *candidate,
                            struct layer_run *run, struct layer_verdict *verdict)
{
    if (layer_run_make_in(run, candidate->impl, candidate->ctx, round->operands,
                          candidate->dtype) != OK) {
        reject(verdict, "%s", fail_text());
        return false;
    }
    snprintf(candidate->how, sizeof candidate->how, "%s", run->plan.how);
    layer_run_reset(run);
    check_alone(round, run, verdict);
    return verdict->ok;
}

/* The first run that is right stays, with its outputs alone, for the others to be compared with. */
static void check_round_in_turn(const struct round *round, struct layer_candidate *candidates,
                                int count, struct layer_verdict *verdicts)
{
    struct layer_run reference = {.impl = NULL}, run;
    for (int i = 0; i < count; i++) {
        bool first = !reference.impl;
        struct layer_run *mine = first ? &reference : &run;
        bool right = check_candidate(round, &candidates[i], mine, &verdicts[i]);
        if (right && first) {
            layer_run_rest(&reference);
            continue;
        }
        if (right)
            compare(round, &run, &reference, &verdicts[i]);
        layer_run_free(mine);
    }
    layer_run_free(&reference);
}

void layer_check_in_turn(struct layer_operands *operands, struct layer_candidate *candidates,
                         int count, uint64_t seed, struct layer_verdict *verdicts)
{
    struct round round = start(operands, count, seed, verdicts);
    if (round.exact) {
        layer_operands_fill(operands, FILL_INTEGERS, seed);
        check_round_in_turn(&round, candidates, count, verdicts);
    }
    round.exact = false;
    layer_operands_fill(operands, FILL_REALS, seed);
    check_round_in_turn(&round, candidates, count, verdicts);
}

void layer_verdict_print(const struct layer_verdict *verdict, char *text, size_t size)
{
    char identities[32] = "", like[48] = "";
    if (verdict->identities > 0)
        snprintf(identities, sizeof identities, ", %d identit%s", verdict->identities,
                 verdict->identities > 1 ? "ies" : "y");
    if (verdict->like)
        snprintf(like, sizeof like, ", all outputs as %s", verdict->like);
    snprintf(text, size, "%d elements by definition%s%s", verdict->elements, identities, like);
}
