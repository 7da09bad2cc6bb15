/* The next batch of a loader, prepared on a thread of its own while the caller computes on the one
 * before. Which numbers a batch has is the loader's business alone, so they are the same with and
 * without. Knows no network and no file: what can be damaged is read before, by loader_init(). */
#ifndef DATASETS_PREFETCH_H
#define DATASETS_PREFETCH_H

#include "datasets/loader.h"

struct prefetch;

/* Starts the thread, which waits. Borrows the loader, which must not move. Takes memory for one
 * full batch (pixels and labels) beyond what the caller has, and nothing more later on. ERR_MEMORY,
 * also when the system refuses a thread. */
enum status prefetch_open(struct prefetch **prefetch, const struct loader *loader);

/* Waits for the batch under way and ends the thread. NULL is allowed. */
void prefetch_close(struct prefetch *prefetch);

/* Begins to prepare a batch of the loader's epoch, and returns at once. One that was begun before
 * and not taken is lost. Until prefetch_take() or prefetch_discard() the loader must be left
 * alone. */
void prefetch_begin(struct prefetch *prefetch, int batch);

/* As loader_fill(): copies the batch when it is the one begun, waiting for it if it must, and
 * prepares it now, on the caller's threads, when it is another. */
int prefetch_take(struct prefetch *prefetch, int batch, float *pixels, int32_t *labels);

/* Waits for what is under way and forgets it; to be called before loader_start(). */
void prefetch_discard(struct prefetch *prefetch);

#endif
