/* Aligned memory. Every tensor, packed weight and scratch area comes from here: 64-byte
 * alignment removes a real difference between runs and between implementations. */
#ifndef IMPLS_BASE_MEMORY_H
#define IMPLS_BASE_MEMORY_H

#include <stddef.h>

enum { MEMORY_ALIGN = 64 };

/* Zeroed memory of at least `bytes` (0 is allowed), 64-byte aligned; the caller owns it and
 * frees it with memory_free(). Returns NULL and records a message when there is none, or when
 * `bytes` is absurd (over 2^46: an overflowed product). */
void *memory_alloc(size_t bytes);
void memory_free(void *block); /* NULL is allowed */

/* Gives the pages of a block of `bytes` back to the system before the block is freed: what it held
 * is lost, and no memory is resident for it until it is written again. */
void memory_discard(void *block, size_t bytes);

/* `bytes` rounded up to a multiple of MEMORY_ALIGN. */
size_t memory_round(size_t bytes);

#endif
