/* A steady training step and a steady inference pass allocate nothing. The allocator of the whole
 * process is replaced, libraries included; what a library takes for itself is told by the caller's
 * shared object, listed by name and allowed for the one implementation that uses it. */
#include "bench/net/optimizer.h"
#include "bench/transfer/arm.h"
#include "bench/transfer/source.h"
#include "impls/base/threads.h"
#include "tests/support.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <omp.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#ifndef SANITIZED /* the sanitizer has replaced the allocator already */

enum { MOST_CALLS = 1 << 15, DEPTH = 16, MOST_OWNERS = 8 };

struct call {
    void *frames[DEPTH]; /* from the caller of the allocator outwards */
    int depth;
};

/* The hooks have no argument that could carry this. */
static struct {
    atomic_bool counting;
    atomic_int count;
    struct call calls[MOST_CALLS];
} watch;

static _Thread_local bool in_hook;

#define HOOK __attribute__((noinline)) /* else its return address would be its caller's */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t align, size_t size);

/* Notes a call of the allocator whose return address is `caller`. */
static void note(void *caller)
{
    if (!atomic_load(&watch.counting) || in_hook)
        return;
    in_hook = true;
    int number = atomic_fetch_add(&watch.count, 1);
    if (number < MOST_CALLS) {
        struct call *call = &watch.calls[number];
        void *frames[DEPTH];
        int depth = backtrace(frames, DEPTH), first = 0;
        while (first < depth && frames[first] != caller)
            first++;
        call->depth = depth - first;
        memcpy(call->frames, frames + first, (size_t)call->depth * sizeof *frames);
    }
    in_hook = false;
}

HOOK void *malloc(size_t size)
{
    note(__builtin_return_address(0));
    return __libc_malloc(size);
}

HOOK void *calloc(size_t count, size_t size)
{
    note(__builtin_return_address(0));
    return __libc_calloc(count, size);
}

HOOK void *realloc(void *block, size_t size)
{
    note(__builtin_return_address(0));
    return __libc_realloc(block, size);
}

void *memalign(size_t align, size_t size);
HOOK void *memalign(size_t align, size_t size)
{
    note(__builtin_return_address(0));
    return __libc_memalign(align, size);
}

HOOK void *aligned_alloc(size_t align, size_t size)
{
    note(__builtin_return_address(0));
    return __libc_memalign(align, size);
}

HOOK int posix_memalign(void **block, size_t align, size_t size)
{
    note(__builtin_return_address(0));
    void *found = __libc_memalign(align, size);
    if (!found)
        return ENOMEM;
    *block = found;
    return 0;
}

HOOK void *mmap(void *at, size_t size, int protection, int flags, int file, off_t offset)
{
    note(__builtin_return_address(0));
    return (void *)syscall(SYS_mmap, at, size, protection, flags, file, offset);
}

/* ---- who called ---- */

/* Allowed: what a library allocates for itself at every execution. */
static const struct {
    const char *impl, *library; /* impl "": all */
} allowed[] = {
    {"", "libgomp"},             /* one thread: the team of each parallel region */
    {"openblas", "libopenblas"}, /* its kernels for small matrices: a packing buffer */
    {"onednn", "libdnnl"},       /* the argument map of each primitive that is executed */
};

static bool is_passage(const char *object)
{
    return strstr(object, "/libc.so") || strstr(object, "/libstdc++") ||
           strstr(object, "/ld-linux");
}

/* The shared object on whose behalf a call was made: the first outside the C and C++ runtimes. */
static const char *owner(const struct call *call)
{
    Dl_info info;
    for (int i = 0; i < call->depth; i++)
        if (dladdr(call->frames[i], &info) && info.dli_fname && !is_passage(info.dli_fname))
            return info.dli_fname;
    return "an unknown object";
}

static bool is_allowed(const char *impl, const char *object)
{
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++)
        if (strstr(object, allowed[i].library) &&
            (!allowed[i].impl[0] || strcmp(allowed[i].impl, impl) == 0))
            return true;
    return false;
}

/* Prints the stack of a call by symbol, as far as there are names. */
static void print_call(const struct call *call)
{
    char **lines = backtrace_symbols(call->frames, call->depth);
    for (int i = 0; lines && i < call->depth; i++)
        print_message("  %s\n", lines[i]);
    free(lines);
}

struct share {
    const char *object;
    int calls;
};

/* Counts the calls by owner; returns how many owners there are. */
static int count_shares(struct share *shares)
{
    int owners = 0, count = atomic_load(&watch.count);
    assert_true(count < MOST_CALLS);
    for (int i = 0; i < count; i++) {
        const char *object = owner(&watch.calls[i]);
        int k = 0;
        while (k < owners && strcmp(shares[k].object, object) != 0)
            k++;
        assert_true(k < MOST_OWNERS);
        if (k == owners)
            shares[owners++] = (struct share){object, 0};
        shares[k].calls++;
    }
    return owners;
}

static void start_watch(void)
{
    atomic_store(&watch.count, 0);
    atomic_store(&watch.counting, true);
}

/* Fails the test when an owner that is not allowed has called. */
static void end_watch(const char *what, const char *impl)
{
    struct share shares[MOST_OWNERS];
    atomic_store(&watch.counting, false);
    int owners = count_shares(shares);
    for (int i = 0; i < owners; i++) {
        if (is_allowed(impl, shares[i].object)) {
            print_message("%s, %s: %d calls by %s\n", impl, what, shares[i].calls,
                          shares[i].object);
            continue;
        }
        for (int k = 0; k < atomic_load(&watch.count); k++)
            if (strcmp(owner(&watch.calls[k]), shares[i].object) == 0) {
                print_call(&watch.calls[k]);
                break;
            }
        fail_msg("%s, %s: %d allocations by %s, the first as above", impl, what, shares[i].calls,
                 shares[i].object);
    }
}

/* ---- the steps ---- */

/* The hooks see what they are to see: our own, a library's, and those of another thread. */
static void test_the_watch_works(void **state)
{
    struct share shares[MOST_OWNERS];
    void *block[5] = {NULL};
    void *warm[2];
    (void)state;
    backtrace(warm, 2); /* loads its library */
    start_watch();
    block[0] = strdup(__FILE__); /* within libc, on our behalf */
    assert_int_equal(posix_memalign(&block[1], 64, 100), 0);
    block[2] = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
#pragma omp parallel num_threads(2)
    block[3 + omp_get_thread_num()] = calloc(10, 1);
    atomic_store(&watch.counting, false);
    int owners = count_shares(shares), ours = 0;
    Dl_info self;
    assert_int_not_equal(dladdr((void *)(uintptr_t)count_shares, &self), 0);
    for (int i = 0; i < owners; i++)
        ours += strcmp(shares[i].object, self.dli_fname) == 0 ? shares[i].calls : 0;
    assert_int_equal(ours, 5);
    munmap(block[2], 4096);
    block[2] = NULL;
    for (int i = 0; i < 5; i++)
        free(block[i]);
}

struct runs {
    struct session session;
    struct batch_source source;
    struct program *train;
    struct evaluator evaluator;
};

static void open_runs(struct runs *r, const struct train_settings *s, const char *weights,
                      bool prefetch)
{
    const struct image_list *list = NULL;
    support_open(&r->session, s, weights, NULL);
    list = &r->session.split.list[PART_TRAIN];
    const struct loader_config config = {.batch = s->batch, .order = ORDER_SHUFFLED,
                                         .augment = true, .seed = 1, .h = TINY_SIDE,
                                         .w = TINY_SIDE, .channels = 3, .norm = &r->session.norm};
    const struct program_request request = {.impl = r->session.impl, .ctx = r->session.ctx,
                                            .net = r->session.lowered, .batch = s->batch,
                                            .train = true, .loss = true,
                                            .algorithms = &r->session.algorithms};
    support_ok(session_open_algorithms(&r->session, s));
    support_ok(arm_apply(r->session.net->params, ARM_SCRATCH));
    support_ok(params_prepare_training(r->session.net->params));
    support_ok(source_open(&r->source, &r->session, list, &config, NULL, 0, 0));
    if (prefetch)
        support_ok(source_prefetch(&r->source));
    support_ok(program_compile(&r->train, &request));
    support_ok(evaluator_open(&r->evaluator, &r->session, &r->session.split.list[PART_TEST], 8));
    source_start(&r->source, 0);
}

static void close_runs(struct runs *r)
{
    evaluator_close(&r->evaluator);
    program_free(r->train);
    source_close(&r->source);
    session_close(&r->session);
}

static void step(struct runs *r, int number)
{
    const struct sgd sgd = {.lr = 0.01, .momentum = 0.9, .weight_decay = 5e-4};
    support_ok(source_fill(&r->source, number, r->train));
    program_set_step(r->train, 1, (uint64_t)number);
    support_ok(program_forward(r->train));
    support_ok(program_backward(r->train));
    sgd_step(r->session.net->params, &sgd);
}

/* The same network in bf16, where that is offered; its convolutions are direct. */
static void check_bf16(struct runs *r, const struct train_settings *s)
{
    struct evaluator evaluator;
    struct evaluation e;
    if (s->algorithm[0] || impl_offers_bf16(r->session.impl) != OK)
        return;
    r->session.dtype = DTYPE_BF16;
    support_ok(evaluator_open(&evaluator, &r->session, &r->session.split.list[PART_TEST], 8));
    for (int i = 0; i < 2; i++)
        support_ok(evaluator_run(&evaluator, &e, NULL, NULL));
    start_watch();
    support_ok(evaluator_run(&evaluator, &e, NULL, NULL));
    end_watch("3 inference passes in bf16", s->impl);
    evaluator_close(&evaluator);
}

static void check_runs(struct bed *bed, const struct train_settings *s, bool prefetch)
{
    struct runs r = {0};
    struct evaluation e;
    open_runs(&r, s, bed_path(bed, "weights"), prefetch);
    for (int i = 0; i < 2; i++)
        step(&r, i);
    start_watch();
    for (int i = 2; i < 5; i++)
        step(&r, i);
    end_watch("3 training steps", s->impl);
    for (int i = 0; i < 2; i++) /* the weights are new: they are packed once more */
        support_ok(evaluator_run(&r.evaluator, &e, NULL, NULL));
    start_watch();
    support_ok(evaluator_run(&r.evaluator, &e, NULL, NULL));
    end_watch("3 inference passes", s->impl);
    assert_int_equal(loader_batches(&r.evaluator.loader), 3);
    check_bf16(&r, s);
    close_runs(&r);
}

static bool has_winograd(const struct impl *impl)
{
    return impl->ops[OP_CONV2D]->winograd;
}

/* Each implementation, alone and with a second thread, of primitives and fused, batches prepared
 * when they are needed and ahead; Winograd's algorithm where it is offered. */
static void test_steady_steps_allocate_nothing(void **state)
{
    static const struct {
        const char *model;
        int threads;
        bool fuse, prefetch;
        const char *algorithm;
    } rows[] = {{"resnet20:width=0.5", 1, false, false, ""},
                {"resnet20:width=0.5", 2, true, true, ""},
                {"resnet50:stem=small:width=0.1", 1, true, true, ""},
                {"resnet20:width=0.5", 1, false, false, "winograd"},
                {"resnet20:width=0.5", 2, true, true, "winograd"}};
    struct bed *bed = *state;
    for (int i = 0; impls[i]; i++)
        for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
            struct train_settings s;
            support_settings(&s, bed, "cbam");
            snprintf(s.model, sizeof s.model, "%s", rows[k].model);
            snprintf(s.impl, sizeof s.impl, "%s", impls[i]->name);
            s.threads = rows[k].threads;
            s.fuse = rows[k].fuse;
            snprintf(s.algorithm, sizeof s.algorithm, "%s", rows[k].algorithm);
            if (s.threads > threads_available() || (s.algorithm[0] && !has_winograd(impls[i])))
                continue;
            support_save_fresh(&s, bed_path(bed, "weights"));
            check_runs(bed, &s, rows[k].prefetch);
        }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_watch_works),
        BED_TEST(test_steady_steps_allocate_nothing),
    };
    (void)argc;
    threads_startup(argv);
    return cmocka_run_group_tests_name("allocations", tests, NULL, NULL) != 0;
}

#else

int main(void)
{
    puts("skipped: the sanitizer has an allocator of its own");
    return 0;
}

#endif
