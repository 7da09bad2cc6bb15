/* How a mutant takes the place of the entry it was made from: see mutants.h. */
#include "tests/mutants.h"

const struct op_entry *mutant_base(const struct op_plan *plan)
{
    return impls[0]->ops[plan->desc.kind];
}

struct impl mutant_impl(const struct mutant *mutant, enum op_kind kind, struct op_entry *entry)
{
    struct impl impl = *impls[0];
    *entry = *impls[0]->ops[kind];
    if (mutant->entry.plan)
        entry->plan = mutant->entry.plan;
    if (mutant->entry.forward)
        entry->forward = mutant->entry.forward;
    if (mutant->entry.backward)
        entry->backward = mutant->entry.backward;
    impl.name = "mutant";
    impl.ops[kind] = entry;
    return impl;
}

float *mutant_at(const struct tensor *t, int n, int y, int x, int c)
{
    size_t pixel = ((size_t)n * (size_t)t->h + (size_t)y) * (size_t)t->w + (size_t)x;
    return (float *)t->data + pixel * (size_t)t->stride + (size_t)c;
}

float *mutant_element(const struct tensor *t, size_t i)
{
    size_t channels = (size_t)t->c;
    return (float *)t->data + i / channels * (size_t)t->stride + i % channels;
}
