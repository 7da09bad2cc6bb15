/* Deciding by time: see decide.h. */
#include "bench/measure/decide.h"

#include "bench/measure/clock.h"
#include "bench/measure/layer_run.h"
#include "bench/measure/machine.h"
#include "bench/measure/percentile.h"
#include "impls/base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Where caches are unknown or small, this still is more than they hold. */
enum { LEAST_FLUSH = 64 << 20, CANDIDATES = CONV_ALGORITHMS, SEED = 1 };

struct candidate {
    struct layer_operands operands; /* those of the direct one, under another algorithm */
    struct layer_run run;
    bool there;
    double ms[DECIDE_ROUNDS];
};

struct contest {
    struct layer_operands operands;
    struct candidate candidate[CANDIDATES];
    char *flush;
    size_t flush_bytes;
    volatile float sink; /* so that reading is not left out */
};

static enum status call(struct candidate *c)
{
    const struct op_desc *d = &c->operands.desc;
    TRY(layer_run_forward(&c->run));
    return d->train && c->run.plan.entry->backward ? layer_run_backward(&c->run) : OK;
}

/* ---- candidates ---- */

static enum status make_candidate(struct contest *k, const struct impl *impl, struct impl_ctx *ctx,
                                  enum conv_algorithm algorithm)
{
    struct candidate *c = &k->candidate[algorithm];
    c->operands = k->operands;
    c->operands.desc.conv.algorithm = algorithm;
    enum status status = layer_run_make(&c->run, impl, ctx, &c->operands);
    if (status == ERR_UNSUPPORTED && algorithm != CONV_DIRECT)
        return OK;
    TRY(status);
    c->there = true;
    layer_run_reset(&c->run);
    return call(c);
}

static double distance(const struct layer_output *a, const struct layer_output *b)
{
    double difference = 0, size = 0;
    for (size_t i = 0; i < a->count; i++) {
        const double due = (double)b->data[i], d = (double)a->data[i] - due;
        difference += d * d;
        size += due * due;
    }
    return size > 0 ? sqrt(difference / size) : sqrt(difference);
}

/* The largest of all outputs' errors; NaN counts as infinite. */
static double error_of(const struct candidate *c, const struct candidate *direct)
{
    const struct tensor *dst = &c->operands.desc.dst;
    struct layer_output a = {.data = c->run.args.dst.data, .count = tensor_count(dst)};
    struct layer_output b = {.data = direct->run.args.dst.data, .count = a.count};
    double most = distance(&a, &b);
    for (int i = 0; c->operands.desc.train && layer_run_output(&c->run, i, &a); i++) {
        if (!a.data || !layer_run_output(&direct->run, i, &b))
            continue;
        const double error = distance(&a, &b);
        most = error <= most ? most : error;
    }
    return most >= 0 ? most : INFINITY;
}

/* ---- timing ---- */

/* Everything out of the caches, then the source in again. In training weights are new at every
 * step, so they are packed anew at every call. */
static void prepare(struct contest *k, struct candidate *c)
{
    float sum = 0;
    for (size_t i = 0; i < k->flush_bytes; i += MEMORY_ALIGN)
        sum += k->flush[i];
    for (int s = 0; s < op_sources(c->operands.desc.kind); s++)
        for (size_t i = 0; i < tensor_count(&c->operands.desc.src[s]); i += 16)
            sum += c->operands.src[s][i];
    k->sink = sum;
    if (c->operands.desc.train)
        c->run.param[0].version++;
}

static enum status time_all(struct contest *k)
{
    for (int round = 0; round < DECIDE_ROUNDS; round++)
        for (int i = 0; i < CANDIDATES; i++) {
            struct candidate *c = &k->candidate[round % 2 ? CANDIDATES - 1 - i : i];
            if (!c->there)
                continue;
            prepare(k, c);
            const int64_t start = clock_now_ns();
            TRY(call(c));
            c->ms[round] = (double)(clock_now_ns() - start) * 1e-6;
        }
    return OK;
}

/* ---- all of it ---- */

static void judge(struct contest *k, struct decision *decision)
{
    for (int i = 0; i < CANDIDATES; i++) {
        struct candidate *c = &k->candidate[i];
        if (!c->there)
            continue;
        percentile_sort(c->ms, DECIDE_ROUNDS);
        decision->ms[i] = percentile_median(c->ms, DECIDE_ROUNDS);
        if (decision->ms[i] < decision->ms[decision->algorithm])
            decision->algorithm = (enum conv_algorithm)i;
    }
}

static enum status compete(struct contest *k, const struct impl *impl, struct impl_ctx *ctx,
                           struct decision *decision)
{
    const struct candidate *direct = &k->candidate[CONV_DIRECT];
    for (int i = 0; i < CANDIDATES; i++) {
        struct candidate *c = &k->candidate[i];
        TRY(make_candidate(k, impl, ctx, (enum conv_algorithm)i));
        if (c->there && i != CONV_DIRECT) {
            decision->error[i] = error_of(c, direct);
            c->there = decision->error[i] <= DECIDE_BOUND;
        }
    }
    TRY(time_all(k));
    judge(k, decision);
    return OK;
}

static enum status open_contest(struct contest *k, const struct op_desc *desc)
{
    struct machine machine;
    machine_read(&machine);
    const size_t caches = (size_t)(machine.l2_kb + machine.l3_kb) * 2 * 1024;
    k->flush_bytes = caches > LEAST_FLUSH ? caches : LEAST_FLUSH;
    k->flush = memory_alloc(k->flush_bytes);
    if (!k->flush)
        return ERR_MEMORY;
    memset(k->flush, 1, k->flush_bytes);
    TRY(layer_operands_make(&k->operands, desc, desc->train ? PASS_BWD : PASS_FWD));
    layer_operands_fill(&k->operands, FILL_REALS, SEED);
    k->operands.desc = *desc;
    return OK;
}

enum status decide_algorithm(const struct impl *impl, struct impl_ctx *ctx,
                             const struct op_desc *desc, struct decision *decision)
{
    decision->algorithm = CONV_DIRECT;
    for (int i = 0; i < op_sources(desc->kind); i++)
        if (!tensor_is_dense(&desc->src[i]))
            return OK;
    struct contest *k = calloc(1, sizeof *k);
    if (!tensor_is_dense(&desc->dst) || !k) {
        free(k);
        return k ? OK : fail(ERR_MEMORY, "out of memory for deciding on an algorithm");
    }
    enum status status = open_contest(k, desc);
    if (status == OK)
        status = compete(k, impl, ctx, decision);
    for (int i = 0; i < CANDIDATES; i++)
        layer_run_free(&k->candidate[i].run);
    layer_operands_free(&k->operands);
    memory_free(k->flush);
    free(k);
    return status;
}
