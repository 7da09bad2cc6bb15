/* Where the areas of a program lie in one slab: two areas may share memory when they are never
 * needed at the same time. Knows only sizes and times. */
#ifndef BENCH_NET_ARENA_H
#define BENCH_NET_ARENA_H

#include <stddef.h>

struct arena_area {
    size_t bytes;
    int first, last; /* inclusive times between which the area must stay untouched by others */
    size_t offset;   /* out */
};

/* Places `count` areas (largest first, each at the lowest offset that is free for its whole life)
 * and returns the bytes of the slab. Deterministic. (size_t)-1: out of memory. */
size_t arena_place(struct arena_area *areas, int count);

#endif
