/* Aligned memory: see memory.h. */
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

void *memory_alloc(size_t bytes)
{
    if (bytes > (size_t)1 << 46) {
        fail(ERR_MEMORY, "refusing to allocate %zu bytes: a size computation overflowed", bytes);
        return NULL;
    }
    size_t rounded = memory_round(bytes ? bytes : 1);
    void *block = aligned_alloc(MEMORY_ALIGN, rounded);
    if (!block) {
        fail(ERR_MEMORY, "out of memory: %zu bytes were needed", rounded);
        return NULL;
    }
    return memset(block, 0, rounded);
}

void memory_free(void *block)
{
    free(block);
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
