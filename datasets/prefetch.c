/* One thread, one batch ahead: see prefetch.h. */
#include "datasets/prefetch.h"

#include "impls/base/memory.h"

#include <omp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* Caller: IDLE or READY -> BEGUN, READY -> IDLE, IDLE -> ENDED. Thread: BEGUN -> READY. Whoever is
 * not to move next waits. */
enum stage { STAGE_IDLE, STAGE_BEGUN, STAGE_READY, STAGE_ENDED };

struct prefetch {
    const struct loader *loader;
    pthread_t thread;
    pthread_mutex_t lock; /* of stage and batch; the buffers belong to the thread while BEGUN */
    pthread_cond_t moved;
    enum stage stage;
    int batch; /* that is begun or ready */
    float *pixels;
    int32_t *labels;
};

static void move_on(struct prefetch *p, enum stage stage)
{
    p->stage = stage;
    pthread_cond_broadcast(&p->moved);
}

static void *prepare_batches(void *data)
{
    struct prefetch *p = data;
    omp_set_num_threads(1); /* of this thread: the others are busy with the network */
    pthread_mutex_lock(&p->lock);
    while (p->stage != STAGE_ENDED) {
        if (p->stage != STAGE_BEGUN) {
            pthread_cond_wait(&p->moved, &p->lock);
            continue;
        }
        pthread_mutex_unlock(&p->lock);
        loader_fill(p->loader, p->batch, p->pixels, p->labels);
        pthread_mutex_lock(&p->lock);
        move_on(p, STAGE_READY);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* Signals are for the threads that were there before. */
static int start_thread(struct prefetch *p)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&p->thread, NULL, prepare_batches, p);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

static void release(struct prefetch *p)
{
    pthread_cond_destroy(&p->moved);
    pthread_mutex_destroy(&p->lock);
    memory_free(p->pixels);
    memory_free(p->labels);
    free(p);
}

enum status prefetch_open(struct prefetch **prefetch, const struct loader *loader)
{
    struct prefetch *p = calloc(1, sizeof *p);
    *prefetch = NULL;
    if (!p)
        return fail(ERR_MEMORY, "out of memory for the next batch");
    p->loader = loader;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->moved, NULL);
    p->pixels = memory_alloc(loader_batch_floats(loader) * sizeof *p->pixels);
    p->labels = memory_alloc((size_t)loader->config.batch * sizeof *p->labels);
    if (!p->pixels || !p->labels) {
        release(p);
        return ERR_MEMORY;
    }
    int failed = start_thread(p);
    if (failed) {
        release(p);
        return fail(ERR_MEMORY, "no thread to prepare batches ahead: %s", strerror(failed));
    }
    *prefetch = p;
    return OK;
}

void prefetch_close(struct prefetch *p)
{
    if (!p)
        return;
    prefetch_discard(p);
    pthread_mutex_lock(&p->lock);
    move_on(p, STAGE_ENDED);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    release(p);
}

void prefetch_begin(struct prefetch *p, int batch)
{
    prefetch_discard(p);
    pthread_mutex_lock(&p->lock);
    p->batch = batch;
    move_on(p, STAGE_BEGUN);
    pthread_mutex_unlock(&p->lock);
}

/* Waits until the thread waits; whether `batch` lies ready. Afterwards the buffers are the
 * caller's. */
static bool settle(struct prefetch *p, int batch)
{
    pthread_mutex_lock(&p->lock);
    while (p->stage == STAGE_BEGUN)
        pthread_cond_wait(&p->moved, &p->lock);
    bool ready = p->stage == STAGE_READY && p->batch == batch;
    p->stage = STAGE_IDLE;
    pthread_mutex_unlock(&p->lock);
    return ready;
}

int prefetch_take(struct prefetch *p, int batch, float *pixels, int32_t *labels)
{
    if (!settle(p, batch))
        return loader_fill(p->loader, batch, pixels, labels);
    const int n = loader_batch_size(p->loader, batch);
    const size_t floats = loader_batch_floats(p->loader) / (size_t)p->loader->config.batch;
    memcpy(pixels, p->pixels, (size_t)n * floats * sizeof *pixels);
    memcpy(labels, p->labels, (size_t)n * sizeof *labels);
    return n;
}

void prefetch_discard(struct prefetch *p)
{
    settle(p, -1);
}
