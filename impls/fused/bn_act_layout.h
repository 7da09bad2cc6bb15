/* How the maps of one fused batch normalisation are cut into parts for the threads. Private to
 * bn_act*.c. Depends on shapes alone, so sums join in the same order for any number of threads. */
#ifndef IMPLS_FUSED_BN_ACT_LAYOUT_H
#define IMPLS_FUSED_BN_ACT_LAYOUT_H

#include "impls/fused/bn_act_part.h"
#include "impls/layer.h"

struct bn_layout {
    size_t pixels, channels;
    size_t fold;           /* pixels of a row: more than 1 in dense maps of few channels */
    size_t columns, rows;  /* columns = fold * channels */
    size_t rest;           /* columns of the last, shorter row; 0: there is none */
    size_t chunks, slices; /* the parts: chunks of rows, times slices of columns */
    size_t slice;          /* columns of a slice */
};

/* `dense`: all maps of the operation are. */
struct bn_layout bn_layout_make(const struct tensor *map, bool dense);

/* A map as rows; a NULL one becomes the row of zeros, which has at least bn_layout_zeros floats. */
struct bn_map bn_layout_map(const struct bn_layout *l, const struct tensor *t, float *zeros);
size_t bn_layout_zeros(const struct bn_layout *l);

/* Partial sums: [chunks][2][columns]; whole->sum[0] points at them during bn_layout_run(). */
size_t bn_layout_sums(const struct bn_layout *l);

/* Threads that are worth waking. */
int bn_layout_threads(const struct bn_layout *l);

/* Whether a pass is to write the map past the caches: it is too large to be found there again, and
 * every row starts a cache line. */
bool bn_layout_streams(const struct bn_layout *l, const struct bn_map *to);

/* One thread of those that run an operation together. */
struct bn_share {
    int thread, threads;
};

/* Runs `loop` over the share of the calling thread of `whole`, which describes row 0, column 0.
 * With whole->sum[0], clears the partial sums it adds to first. `last_first`: in reverse order,
 * because what an earlier pass read last may still be in the cache. */
void bn_layout_run(const struct bn_layout *l, const struct bn_part *whole,
                   void (*loop)(const struct bn_part *part), struct bn_share share,
                   bool last_first);

/* Start of the share of `count` things; its end is the next thread's start. */
size_t bn_share_start(size_t count, struct bn_share share);
size_t bn_share_end(size_t count, struct bn_share share);

#endif
