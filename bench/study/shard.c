/* Which cells of a study a machine runs: see shard.h. */
#include "bench/study/shard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum status shard_parse(const char *text, int *index, int *count)
{
    char rest;
    if (sscanf(text, "%4d/%4d%c", index, count, &rest) != 2 || *index < 1 || *count < *index ||
        *count > SHARD_MAX)
        return fail(ERR_USAGE, "--shard is '%s': I/N with 1 <= I <= N <= %d was expected", text,
                    SHARD_MAX);
    return OK;
}

/* ---- groups ----
 * leader[i] leads, cell by cell, to the first of the cells that have to stay with cell i. */

static int first_of(const int *leader, int i)
{
    while (leader[i] != i)
        i = leader[i];
    return i;
}

static void join(int *leader, int a, int b)
{
    a = first_of(leader, a);
    b = first_of(leader, b);
    leader[a > b ? a : b] = a > b ? b : a;
}

static void find_groups(const struct grid *grid, int *leader)
{
    for (int i = 0; i < grid->count; i++)
        leader[i] = i;
    for (int i = 0; i < grid->count; i++) {
        const struct cell *cell = &grid->cells[i];
        int source = cell->source[0] ? grid_find(grid, cell->source) : -1;
        int search = grid_find_search(grid, cell->search);
        if (source >= 0)
            join(leader, i, source);
        for (int t = 0; search >= 0 && t < grid->point_count * grid->search_seeds; t++)
            join(leader, i, grid->searches[search].trials[t]);
    }
}

/* What a group weighs. With searches its trials alone do: so that a further seed moves nothing. */
static int group_weight(const struct grid *grid, const int *leader, int first)
{
    int weight = 0;
    for (int i = first; i < grid->count; i++)
        weight += first_of(leader, i) == first &&
                  (grid->search_count == 0 || grid->cells[i].trial);
    return weight;
}

/* ---- shards ---- */

static int least(const int *loads, int count)
{
    int best = 0;
    for (int i = 1; i < count; i++)
        if (loads[i] < loads[best])
            best = i;
    return best;
}

enum status shard_choose(const struct grid *grid, int index, int count, bool *mine)
{
    int loads[SHARD_MAX] = {0}, *leader = calloc((size_t)grid->count + 1, sizeof *leader);
    CHECK(index >= 1 && index <= count && count <= SHARD_MAX);
    if (!leader)
        return fail(ERR_MEMORY, "no memory for a shard");
    find_groups(grid, leader);
    for (int i = 0; i < grid->count; i++) {
        int first = first_of(leader, i);
        if (first < i) {
            mine[i] = mine[first];
            continue;
        }
        int shard = least(loads, count);
        loads[shard] += group_weight(grid, leader, i);
        mine[i] = shard == index - 1;
    }
    free(leader);
    return OK;
}
