/* Which cells of a study one of several machines runs. Knows neither store nor running. */
#ifndef BENCH_STUDY_SHARD_H
#define BENCH_STUDY_SHARD_H

#include "bench/study/grid.h"

enum { SHARD_MAX = 1024 };

/* "2/3": shard 2 of 3. ERR_USAGE unless 1 <= index <= count <= SHARD_MAX. */
enum status shard_parse(const char *text, int *index, int *count);

/* Sets mine[i] for the cells of the grid that shard `index` (from 1) of `count` runs. A source and
 * all that start from it are one group and stay together, and so do the trials of a search and all
 * cells whose settings it chooses (a network with its attention, at all seeds). Group by group, in
 * the grid's order, the shard with the fewest cells so far (with searches: the fewest trials) is
 * given the next. Every cell is in one shard, and seeds that are added to a study move none of the
 * cells before. `mine` has grid->count places. ERR_MEMORY. */
enum status shard_choose(const struct grid *grid, int index, int count, bool *mine);

#endif
