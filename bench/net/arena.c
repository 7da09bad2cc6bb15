/* Placement of areas in one slab: see arena.h. */
#include "bench/net/arena.h"

#include "impls/base/memory.h"
#include "impls/base/status.h"

#include <stdlib.h>

static int by_size(const void *a, const void *b)
{
    const struct arena_area *x = *(struct arena_area *const *)a;
    const struct arena_area *y = *(struct arena_area *const *)b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x < y ? -1 : x > y; /* all from one array: a total, repeatable order */
}

/* Inserts `area` into the list of placed areas, which is ordered by offset. */
static void insert(struct arena_area **placed, int count, struct arena_area *area)
{
    int i = count;
    for (; i > 0 && placed[i - 1]->offset > area->offset; i--)
        placed[i] = placed[i - 1];
    placed[i] = area;
}

/* The lowest offset at which `area` meets none of the placed areas that live when it does. */
static size_t lowest_offset(struct arena_area *const *placed, int count,
                            const struct arena_area *area)
{
    size_t offset = 0;
    for (int i = 0; i < count; i++) {
        const struct arena_area *other = placed[i];
        if (other->last < area->first || other->first > area->last)
            continue;
        if (offset + area->bytes <= other->offset)
            break;
        size_t end = other->offset + memory_round(other->bytes);
        offset = end > offset ? end : offset;
    }
    return offset;
}

size_t arena_place(struct arena_area *areas, int count)
{
    struct arena_area **order = malloc((size_t)(2 * count + 1) * sizeof *order);
    if (!order) {
        fail(ERR_MEMORY, "out of memory for planning %d areas", count);
        return (size_t)-1;
    }
    struct arena_area **placed = order + count;
    for (int i = 0; i < count; i++)
        order[i] = &areas[i];
    qsort(order, (size_t)count, sizeof *order, by_size);
    size_t total = 0;
    for (int i = 0; i < count; i++) {
        struct arena_area *area = order[i];
        area->offset = lowest_offset(placed, i, area);
        insert(placed, i, area);
        size_t end = area->offset + memory_round(area->bytes);
        total = end > total ? end : total;
    }
    free(order);
    return total;
}
