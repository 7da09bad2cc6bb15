/* Aligned memory: see memory.h. Large blocks come from calloc() as pages that the system has zeroed
 * and that are resident only once they are written: an area that is planned early and filled late
 * costs nothing meanwhile. What was allocated stands before the block. */
#include "impls/base/memory.h"

#include "impls/base/status.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

size_t memory_round(size_t bytes)
{
    return (bytes + MEMORY_ALIGN - 1) / MEMORY_ALIGN * MEMORY_ALIGN;
}

#ifdef SANITIZED
/* Exactly so large, so that every byte beyond is a fault that is found. */
static void *allocate(size_t rounded)
{
    void *block = aligned_alloc(MEMORY_ALIGN, rounded);
    return block ? memset(block, 0, rounded) : NULL;
}

static void release(void *block)
{
    free(block);
}
#else
static void *allocate(size_t rounded)
{
    char *start = calloc(1, rounded + MEMORY_ALIGN + sizeof start);
    if (!start)
        return NULL;
    uintptr_t first = (uintptr_t)start + sizeof start;
    char *block = start + sizeof start + (MEMORY_ALIGN - first % MEMORY_ALIGN) % MEMORY_ALIGN;
    memcpy(block - sizeof start, &start, sizeof start);
    return block;
}

static void release(void *block)
{
    char *start;
    memcpy(&start, (char *)block - sizeof start, sizeof start);
    free(start);
}
#endif

void *memory_alloc(size_t bytes)
{
    if (bytes > (size_t)1 << 46) {
        fail(ERR_MEMORY, "refusing to allocate %zu bytes: a size computation overflowed", bytes);
        return NULL;
    }
    size_t rounded = memory_round(bytes ? bytes : 1);
    void *block = allocate(rounded);
    if (!block)
        fail(ERR_MEMORY, "out of memory: %zu bytes were needed", rounded);
    return block;
}

void memory_free(void *block)
{
    if (block)
        release(block);
}

/* Only whole pages: others may lie at both ends of a block. Where the system refuses, the memory
 * simply stays. */
void memory_discard(void *block, size_t bytes)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t start = ((uintptr_t)block + page - 1) / page * page;
    uintptr_t end = ((uintptr_t)block + bytes) / page * page;
    if (block && end > start)
        madvise((void *)start, end - start, MADV_DONTNEED);
}
