/* Guarded buffers: see guarded.h. Knows no operation. */
#include "tests/guarded.h"

#include "impls/base/memory.h"

#include <string.h>

enum { GUARD = 1024, NAN_BYTE = 0xff };

static enum status make(struct guarded *g, size_t bytes)
{
    memset(g, 0, sizeof *g);
    g->start = GUARD;
    g->bytes = bytes;
    g->total = GUARD + bytes + GUARD;
    g->block = memory_alloc(g->total);
    g->copy = memory_alloc(g->total);
    if (!g->block || !g->copy) {
        guarded_free(g);
        return ERR_MEMORY;
    }
    memset(g->block, NAN_BYTE, g->total);
    return OK;
}

enum status guarded_make_bytes(struct guarded *g, size_t bytes)
{
    return make(g, bytes);
}

enum status guarded_make_map(struct guarded *g, const struct tensor *shape, int first)
{
    size_t pixels = (size_t)shape->n * (size_t)shape->h * (size_t)shape->w;
    TRY(make(g, pixels * (size_t)shape->stride * sizeof(float)));
    g->map = *shape;
    g->map.data = g->block + g->start + (size_t)first * sizeof(float);
    return OK;
}

void guarded_free(struct guarded *g)
{
    memory_free(g->block);
    memory_free(g->copy);
    memset(g, 0, sizeof *g);
}

/* Where run i of contiguous payload bytes begins in the block; false when there are no more. The
 * payload of a strided map is a run per pixel. */
static bool payload_run(const struct guarded *g, size_t i, size_t *begin, size_t *bytes)
{
    const struct tensor *t = &g->map;
    if (!t->data || tensor_is_dense(t)) {
        *begin = g->start;
        *bytes = g->bytes;
        return i == 0;
    }
    size_t first = (size_t)((const unsigned char *)t->data - g->block);
    *begin = first + i * (size_t)t->stride * sizeof(float);
    *bytes = (size_t)t->c * sizeof(float);
    return i < (size_t)t->n * (size_t)t->h * (size_t)t->w;
}

void guarded_poison(struct guarded *g, int byte)
{
    size_t begin, bytes;
    for (size_t i = 0; payload_run(g, i, &begin, &bytes); i++)
        memset(g->block + begin, byte, bytes);
}

float *guarded_at(const struct guarded *g, size_t i)
{
    size_t channels = (size_t)g->map.c;
    return (float *)g->map.data + i / channels * (size_t)g->map.stride + i % channels;
}

void guarded_snapshot(struct guarded *g)
{
    if (g->total)
        memcpy(g->copy, g->block, g->total);
}

static bool differs(const struct guarded *g, size_t begin, size_t end, long *offset)
{
    if (begin >= end || memcmp(g->block + begin, g->copy + begin, end - begin) == 0)
        return false;
    while (g->block[begin] == g->copy[begin])
        begin++;
    if (offset)
        *offset = (long)begin - (long)g->start;
    return true;
}

bool guarded_touched(const struct guarded *g, bool payload_may_change, long *offset)
{
    size_t checked = 0, begin, bytes;
    for (size_t i = 0; payload_may_change && payload_run(g, i, &begin, &bytes); i++) {
        if (differs(g, checked, begin, offset))
            return true;
        checked = begin + bytes;
    }
    return differs(g, checked, g->total, offset);
}
