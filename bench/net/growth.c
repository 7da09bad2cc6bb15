/* DenseNet's growing map: a chain of concatenations, each appending to the one before, lives in one
 * area as wide as the last of them; every member but the last is a strided view of it. Found here,
 * before planning; the areas themselves are given out in program_compile.c. */
#include "bench/net/program_private.h"

/* The step that appends to value `id`, or -1: a concatenation with it as first source. */
static int appending_step(const struct program *p, int id)
{
    for (int s = 0; s <= p->values[id].last_consumer; s++)
        if (p->steps[s].src[0] == id && p->steps[s].src[1] != id &&
            p->steps[s].node->desc.kind == OP_CONCAT)
            return s;
    return -1;
}

static bool reads(const struct step *step, int id)
{
    return step->src[0] == id || step->src[1] == id;
}

/* Whether a concatenation's value may be a strided view: everybody who reads it accepts one. */
static bool may_be_view(const struct program *p, const struct impl *impl, int id)
{
    const struct value *value = &p->values[id];
    if (value->is_output || value->is_input)
        return false;
    for (int s = 0; s <= value->last_consumer; s++)
        if (reads(&p->steps[s], id) && !impl->ops[p->steps[s].node->desc.kind]->strided)
            return false;
    return true;
}

void program_mark_growth(struct program *p, const struct impl *impl)
{
    if (!impl->ops[OP_CONCAT]->strided)
        return;
    /* Backwards: a member's width is that of the one appended to it. */
    for (int s = p->step_count - 1; s >= 0; s--) {
        struct value *value = &p->values[p->steps[s].value];
        if (p->steps[s].node->desc.kind != OP_CONCAT)
            continue;
        int next = appending_step(p, p->steps[s].value);
        if (next < 0 || !may_be_view(p, impl, p->steps[s].value))
            continue;
        struct value *longer = &p->values[p->steps[next].value];
        if (p->dtype != DTYPE_F32 && longer->is_output) /* that one is f32 */
            continue;
        value->width = longer->width ? longer->width : longer->shape.c;
        longer->grows_from = p->steps[s].value;
    }
}
