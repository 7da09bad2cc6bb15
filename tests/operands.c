/* Operands of checked operations: see operands.h. Knows no implementation. */
#include "tests/operands.h"

#include "impls/base/random.h"

#include <math.h>

static bool is_map(enum operand what)
{
    return what >= OPERAND_SRC && what < OPERAND_PARAM;
}

/* Nearly normal, deviation 1: four uniform numbers of 16 bits (Irwin-Hall), from one word because
 * most of the time of the checks goes into operands. */
static double bell(uint64_t word)
{
    double sum = 0;
    for (int i = 0; i < 4; i++)
        sum += (double)(word >> 16 * i & 0xffff) * 0x1p-16;
    return (double)(float)((sum - 2 + 0x1p-15) * sqrt(3));
}

static double integer_value(enum opcheck_data data, uint64_t word, enum operand what)
{
    uint32_t high = (uint32_t)(word >> 32);
    if (is_map(what) && data == OPCHECK_EQUAL)
        return 2;
    if (is_map(what) && data == OPCHECK_ZERO)
        return 0;
    if (is_map(what) && data == OPCHECK_NEGATIVE)
        return -1 - (double)(high % 4);
    return (double)(high % 9) - 4;
}

double operand_value(const struct op_desc *desc, enum opcheck_data data, uint64_t seed,
                     enum operand what, size_t i)
{
    uint64_t word = random_mix(random_mix(seed, what), i);
    bool real = data == OPCHECK_FLOAT || data == OPCHECK_OFFSET;
    double value = real ? bell(word) : integer_value(data, word, what);
    if (data == OPCHECK_OFFSET && is_map(what))
        return (double)(float)(1000 + value);
    if (desc->kind == OP_BATCHNORM && (enum operand)(OPERAND_PARAM + 3) == what)
        return (double)(float)(fabs(value) + 1); /* a variance */
    if (desc->kind == OP_DROPOUT && value == 0)
        return 1; /* so that the mask can be read from the output */
    if (desc->kind == OP_SCALE && (enum operand)OPERAND_PARAM == what && value == 0)
        return 3;
    return value;
}

void operands_fill(struct oracle *o, enum opcheck_data data, uint64_t seed)
{
    const struct op_desc *d = &o->desc;
    struct random_stream labels = {.seed = seed, .stream = random_name("labels")};
    for (int k = 0; k < op_sources(d->kind); k++)
        for (size_t i = 0; i < o->count_src[k]; i++)
            o->src[k][i] = operand_value(d, data, seed, (enum operand)(OPERAND_SRC + k), i);
    for (int k = 0; k < o->params; k++)
        for (size_t i = 0; i < o->count_param[k]; i++)
            o->param[k][i] = operand_value(d, data, seed, (enum operand)(OPERAND_PARAM + k), i);
    for (size_t i = 0; i < o->count_dst; i++)
        o->diff_dst[i] = operand_value(d, data, seed, OPERAND_DIFF_DST, i);
    for (int n = 0; n < d->src[0].n; n++)
        o->labels[n] = (int32_t)random_below(labels, (uint64_t)n, (uint32_t)d->src[0].c);
}

static bool power_of_two(int n)
{
    return (n & (n - 1)) == 0;
}

/* Few enough bits that a product with small integers, and sums of those, lose none. */
static bool few_bits(float factor)
{
    return factor * 64 == (float)(int)(factor * 64);
}

static bool exact_mean(const struct op_desc *d)
{
    const struct tensor *s = &d->src[0];
    int oh = d->adaptive.oh, ow = d->adaptive.ow;
    switch (d->kind) {
    case OP_AVGPOOL:
        return power_of_two(d->pool.kh * d->pool.kw);
    case OP_ADAPTIVE_AVGPOOL:
        return s->h % oh == 0 && s->w % ow == 0 && power_of_two(s->h / oh * (s->w / ow));
    case OP_POOL_HW:
        return d->pool_hw.mode == POOL_MAX || power_of_two(s->h * s->w);
    default:
        return d->pool_c.planes == PLANES_MAX || power_of_two(s->c);
    }
}

bool operands_exact(const struct op_desc *d, enum opcheck_data data)
{
    if (data == OPCHECK_FLOAT || data == OPCHECK_OFFSET)
        return false;
    switch (d->kind) {
    case OP_BATCHNORM:
    case OP_SIGMOID:
    case OP_SOFTMAX_XENT:
        return false;
    case OP_SCALE:
        return few_bits(d->scale.factor);
    case OP_ADD:
        return few_bits(d->add.a) && few_bits(d->add.b);
    case OP_DROPOUT:
        return !d->train || (few_bits(d->dropout.rate) && few_bits(1 / (1 - d->dropout.rate)));
    case OP_AVGPOOL:
    case OP_ADAPTIVE_AVGPOOL:
    case OP_POOL_HW:
    case OP_POOL_C:
        return exact_mean(d);
    default:
        return true;
    }
}
