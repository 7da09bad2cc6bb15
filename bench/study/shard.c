/* Which cells of a study a machine runs: see shard.h. */
#include "bench/study/shard.h"

#include <stdio.h>
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

/* The cells of the group that cell i leads; 0 when it follows another. */
static int group_size(const struct grid *grid, int i)
{
    int size = 1;
    if (grid->cells[i].source[0] && grid_find(grid, grid->cells[i].source) >= 0)
        return 0;
    for (int j = i + 1; j < grid->count; j++)
        size += strcmp(grid->cells[j].source, grid->cells[i].key) == 0;
    return size;
}

static int least(const int *loads, int count)
{
    int best = 0;
    for (int i = 1; i < count; i++)
        if (loads[i] < loads[best])
            best = i;
    return best;
}

void shard_choose(const struct grid *grid, int index, int count, bool *mine)
{
    int loads[SHARD_MAX] = {0};
    CHECK(index >= 1 && index <= count && count <= SHARD_MAX);
    for (int i = 0; i < grid->count; i++) {
        int size = group_size(grid, i);
        if (size == 0) {
            mine[i] = mine[grid_find(grid, grid->cells[i].source)];
            continue;
        }
        int shard = least(loads, count);
        loads[shard] += size;
        mine[i] = shard == index - 1;
    }
}
