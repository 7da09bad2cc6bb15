/* Buffers that notice being written where they should not be: a guard zone on both sides and, for
 * a strided map, between the pixels. Everything outside the map is filled with NaN (0xff bytes),
 * so a value read from there shows in the results, and compared afterwards with a copy. */
#ifndef TESTS_GUARDED_H
#define TESTS_GUARDED_H

#include "impls/ops.h"

struct guarded {
    unsigned char *block, *copy; /* owned: the memory with its guards, and its last snapshot */
    size_t total, start, bytes;  /* of block; of the payload within it */
    struct tensor map;           /* view of the payload; data NULL for plain bytes */
};

/* Plain bytes, 64-byte aligned, the guard beginning right after the last one. ERR_MEMORY. */
enum status guarded_make_bytes(struct guarded *g, size_t bytes);

/* A map of the shape and stride of `shape`. A strided one lies `first` channels into its pixels
 * (first + c <= stride), hence aligned to no more than a float. ERR_MEMORY. */
enum status guarded_make_map(struct guarded *g, const struct tensor *shape, int first);

void guarded_free(struct guarded *g); /* a zeroed buffer is allowed */

/* Fills the payload (of a map: its elements alone) with one byte value. */
void guarded_poison(struct guarded *g, int byte);

/* Element i in NHWC order, whatever the stride. */
float *guarded_at(const struct guarded *g, size_t i);

/* Copies the whole block, guards included, for guarded_touched(). Both allow a zeroed buffer. */
void guarded_snapshot(struct guarded *g);

/* Whether a byte changed since the snapshot; with `payload_may_change`, one outside the payload.
 * `offset` (may be NULL) takes the distance of that byte from the start of the payload. */
bool guarded_touched(const struct guarded *g, bool payload_may_change, long *offset);

#endif
