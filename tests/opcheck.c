/* Judgement of one operation against the oracle: see opcheck.h. Knows buffers only through the
 * rig, and the meaning of operations only through the oracle. */
#include "tests/opcheck.h"

#include "tests/oracle.h"
#include "tests/rig.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bounds of rounding errors: |x - oracle| <= factor * FLT_EPSILON * size, size being the sum of
 * the absolute terms (oracle.h). A sum of n floats in any order stays below n/2 * FLT_EPSILON *
 * size; terms of both signs stay in practice below 2. The factors are two to ten times the worst
 * seen on all cases and implementations (test_ops --slack prints the part used), and far below
 * what a wrong formula or a 16-bit format would need (2^16). `root` adds root * sqrt(pixels): the
 * variance of a batch normalisation is a sum of squares, which a library may add up one by one in
 * float, with errors that all point the same way. */
static const struct {
    double forward, backward, root;
} factor[OP_PRIMITIVES] = {
    [OP_CONV2D] = {4, 4},           /* one sum of products */
    [OP_LINEAR] = {4, 4},
    [OP_BATCHNORM] = {4, 4, 2},     /* two sums, a root, a product; backward: four sums */
    [OP_RELU] = {0, 0},             /* copies */
    [OP_SIGMOID] = {4, 4},          /* an exponential of the library at hand: some ulps */
    [OP_SCALE] = {2, 4},
    [OP_ADD] = {2, 2},
    [OP_MUL_CHANNEL] = {1, 4},      /* a product; backward: a sum over the map */
    [OP_MUL_SPATIAL] = {1, 4},
    [OP_MAXPOOL] = {0, 2},          /* copies; backward: sums of overlapping windows */
    [OP_AVGPOOL] = {4, 4},
    [OP_ADAPTIVE_AVGPOOL] = {4, 4},
    [OP_POOL_HW] = {4, 2},
    [OP_POOL_C] = {4, 2},
    [OP_CONCAT] = {0, 1},           /* copies; backward: one addition when it is asked to add */
    [OP_SUBSAMPLE] = {0, 1},
    [OP_DROPOUT] = {2, 2},          /* a product with 1/(1-rate) */
    [OP_SOFTMAX_XENT] = {4, 4},     /* exponentials and a logarithm */
};

/* One result to compare: where it is, what it should be, and what was added to. */
struct output {
    char name[48];
    struct guarded *at;
    const struct oracle_num *expected;
    size_t count;
    bool backward, add;
    enum operand old;
    float *first; /* owned: its content in round 0 */
};

enum { OUTPUTS = 1 + OP_MAX_SRC + 2 * OP_MAX_PARAM, PLACE = 96 };

struct check {
    struct rig rig;
    struct oracle oracle;
    struct output output[OUTPUTS];
    int outputs;
    bool exact;
    struct opcheck_result *result;
};

static void add_output(struct check *k, struct output output)
{
    k->output[k->outputs++] = output;
}

static void list_forward(struct check *k, const struct op_param_info *info)
{
    struct rig *r = &k->rig;
    const struct oracle *o = &k->oracle;
    add_output(k, (struct output){.name = "dst", .at = rig_result(r), .expected = o->dst,
                                  .count = o->count_dst});
    for (int i = 0; i < r->params; i++) {
        struct output out = {.at = &r->data[i], .expected = o->next[i],
                             .count = o->count_param[i]};
        snprintf(out.name, sizeof out.name, "%s", info[i].name);
        if (info[i].buffer)
            add_output(k, out);
    }
}

static void list_backward(struct check *k, const struct op_param_info *info)
{
    struct rig *r = &k->rig;
    const struct oracle *o = &k->oracle;
    const struct opcheck_variant *v = &r->variant;
    for (int i = 0; i < OP_MAX_SRC; i++) {
        struct output out = {.at = &r->diff_src[i], .expected = o->diff_src[i],
                             .count = o->count_src[i], .backward = true,
                             .add = v->add_src >> i & 1,
                             .old = (enum operand)(OPERAND_OLD_SRC + i)};
        snprintf(out.name, sizeof out.name, "diff_src[%d]", i);
        if (v->want_src >> i & 1)
            add_output(k, out);
    }
    for (int i = 0; i < r->params; i++) {
        struct output out = {.at = &r->grad[i], .expected = o->diff_param[i],
                             .count = o->count_param[i], .backward = true,
                             .add = v->add_param >> i & 1,
                             .old = (enum operand)(OPERAND_OLD_PARAM + i)};
        snprintf(out.name, sizeof out.name, "%s gradient", info[i].name);
        if (v->want_param >> i & 1)
            add_output(k, out);
    }
}

static struct oracle_num expected(const struct check *k, const struct output *out, size_t i)
{
    struct oracle_num e = out->expected[i];
    if (out->add) {
        const struct rig *r = &k->rig;
        double old = operand_value(&r->desc, r->variant.data, r->variant.seed, out->old, i);
        e.value += old;
        e.size += fabs(old);
    }
    return e;
}

/* Where element i lies, as text: "n0 y1 x2 c3". */
static void place(const struct output *out, size_t i, char text[PLACE])
{
    const struct tensor *t = &out->at->map;
    size_t c = (size_t)t->c, w = (size_t)t->w, h = (size_t)t->h;
    snprintf(text, PLACE, "n%zu y%zu x%zu c%zu", i / c / w / h, i / c / w % h, i / c % w, i % c);
}

static double bound(const struct check *k, const struct output *out, double size)
{
    enum op_kind kind = k->rig.desc.kind;
    double f = out->backward ? factor[kind].backward : factor[kind].forward;
    size_t pixels = k->oracle.count_dst / (size_t)k->oracle.desc.dst.c;
    f += factor[kind].root * sqrt((double)pixels);
    if (out->add && f < 1)
        f = 1; /* one more addition than a copy has */
    return k->exact ? 0 : f * (double)FLT_EPSILON * size + (double)FLT_MIN;
}

/* Compares one output with the oracle; the line tells the first wrong element and how many. */
static bool compare(struct check *k, const struct output *out)
{
    size_t wrong = 0, first = 0;
    for (size_t i = 0; i < out->count; i++) {
        struct oracle_num e = expected(k, out, i);
        double error = fabs((double)*guarded_at(out->at, i) - e.value);
        double limit = bound(k, out, e.size);
        if (!(error <= limit) && wrong++ == 0)
            first = i;
        if (limit > 0 && error / limit > k->result->slack_used[out->backward])
            k->result->slack_used[out->backward] = error / limit;
    }
    if (wrong == 0)
        return true;
    char where[PLACE];
    struct oracle_num e = expected(k, out, first);
    place(out, first, where);
    return rig_fault(&k->rig, "%s at %s: got %.9g, expected %.9g, bound %.2g; %zu of %zu wrong",
                     out->name, where, (double)*guarded_at(out->at, first), e.value,
                     bound(k, out, e.size), wrong, out->count);
}

/* Keeps the output of round 0; in round 1 it must be the same to the bit. */
static bool repeat(struct check *k, struct output *out, int round)
{
    if (round == 0 && !(out->first = calloc(out->count, sizeof(float))))
        return rig_fault(&k->rig, "no memory");
    for (size_t i = 0; i < out->count; i++) {
        float *at = guarded_at(out->at, i);
        if (round == 0)
            out->first[i] = *at;
        else if (memcmp(at, &out->first[i], sizeof *at) != 0) {
            char where[PLACE];
            place(out, i, where);
            return rig_fault(&k->rig, "%s at %s: %.9g in the first run, %.9g in the second",
                             out->name, where, (double)out->first[i], (double)*at);
        }
    }
    return true;
}

static bool judge(struct check *k, int round, bool backward)
{
    for (int i = 0; i < k->outputs; i++) {
        struct output *out = &k->output[i];
        if (out->backward != backward)
            continue;
        if (!compare(k, out) || (round < 2 && !repeat(k, out, round)))
            return false;
    }
    return true;
}

/* The mask of a dropout is the implementation's own: it is read from the output (operands are not
 * zero), must keep about the right share, and everything else must follow from it. */
static bool read_mask(struct check *k)
{
    struct oracle *o = &k->oracle;
    double rate = (double)k->rig.desc.dropout.rate, n = (double)o->count_dst, kept = 0;
    for (size_t i = 0; i < o->count_dst; i++) {
        o->kept[i] = *guarded_at(rig_result(&k->rig), i) != 0;
        kept += o->kept[i];
    }
    oracle_forward(o);
    oracle_backward(o);
    if (fabs(kept - n * (1 - rate)) > 5 * sqrt(n * rate * (1 - rate)))
        return rig_fault(&k->rig, "%g of %g elements are kept at rate %g", kept, n, rate);
    return true;
}

static bool run_round(struct check *k, int round)
{
    const struct opcheck_variant *v = &k->rig.variant;
    int poison = round == 0 ? 0xff : 0x4b; /* NaN, or 13,323,083 */
    if (round != 1) {
        operands_fill(&k->oracle, v->data, v->seed + (uint64_t)round);
        oracle_forward(&k->oracle);
        if (v->want_src | v->want_param)
            oracle_backward(&k->oracle);
    }
    rig_load(&k->rig, &k->oracle);
    if (!rig_forward(&k->rig, poison))
        return false;
    if (k->rig.desc.kind == OP_DROPOUT && v->train && !read_mask(k))
        return false;
    if (!judge(k, round, false))
        return false;
    if (!(v->want_src | v->want_param))
        return true;
    return rig_backward(&k->rig, poison, round == 1) && judge(k, round, true);
}

/* Makes the rig and the oracle of a check; check_free is due in both cases. */
static bool check_make(struct check *k, const struct impl *impl, struct impl_ctx *ctx,
                       const struct op_desc *desc, const struct opcheck_variant *v,
                       struct opcheck_result *result)
{
    struct op_param_info info[OP_MAX_PARAM];
    memset(k, 0, sizeof *k);
    memset(result, 0, sizeof *result);
    k->result = result;
    if (!rig_make(&k->rig, impl, ctx, desc, v, &result->text))
        return false;
    if (oracle_make(&k->oracle, &k->rig.desc) != OK)
        return rig_fault(&k->rig, "%s", fail_text());
    k->exact = operands_exact(&k->rig.desc, v->data);
    op_params(&k->rig.desc, info);
    list_forward(k, info);
    list_backward(k, info);
    return true;
}

static void check_free(struct check *k)
{
    for (int i = 0; i < k->outputs; i++)
        free(k->output[i].first);
    rig_free(&k->rig);
    oracle_free(&k->oracle);
}

bool opcheck_run(const struct impl *impl, struct impl_ctx *ctx, const struct op_desc *desc,
                 const struct opcheck_variant *variant, struct opcheck_result *result)
{
    struct check k;
    bool plain = variant->data == OPCHECK_FLOAT && !variant->add_src && !variant->strided;
    int rounds = plain ? 3 : 2;
    bool good = check_make(&k, impl, ctx, desc, variant, result);
    for (int round = 0; good && round < rounds; round++)
        good = run_round(&k, round);
    check_free(&k);
    return good;
}
