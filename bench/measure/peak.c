/* The machine's peaks: see peak.h. */
#include "bench/measure/peak.h"

#include "bench/measure/clock.h"
#include "bench/measure/machine.h"
#include "bench/measure/peak_kernels.h"
#include "impls/base/memory.h"
#include "impls/base/threads.h"
#include "impls/fused/isa.h"

#include <stdio.h>

enum { TRIES = 8, ITERATIONS = 50000, GRAIN = 256, CACHE_PASSES = 2, SLICES = 16 };
enum { LEAST_MEMORY = 128 << 20, MOST_MEMORY = 1 << 30, LEAST_CACHE = 256 << 10 };
enum { TRY_NS = 200000000 };

/* One thing to try again and again. */
struct attempt {
    const struct peak_kernels *kernels;
    int threads, passes;
    const float *data;   /* NULL: multiply instead of reading */
    size_t count, slices; /* floats to read in one try; such parts of the data, taken in turns */
    float sum;           /* of all results, so that none is left out */
};

static const struct peak_kernels *const kernels[FUSED_ISAS] = {
    [FUSED_BASELINE] = &peak_baseline, [FUSED_AVX2] = &peak_avx2, [FUSED_AVX512] = &peak_avx512};

static float run_thread(const struct attempt *a, int thread, int number)
{
    const size_t part = a->count / (size_t)a->threads / GRAIN * GRAIN;
    float sum = 0;
    if (!a->data)
        return a->kernels->multiply(ITERATIONS);
    const float *slice = a->data + (size_t)number % a->slices * a->count;
    for (int pass = 0; pass < a->passes; pass++)
        sum += a->kernels->read(slice + (size_t)thread * part, part);
    return sum;
}

/* Seconds of the fastest try: of its slowest thread, in that thread's own processor time, so that
 * a try counts as well in which other work took a core away. */
static double best_of(struct attempt *a)
{
    double best = 0;
    const int64_t first = clock_now_ns();
    for (int t = 0; t < TRIES || clock_now_ns() - first < TRY_NS; t++) {
        float total = 0;
        double seconds = 0;
#pragma omp parallel for num_threads(a->threads) schedule(static) reduction(+ : total) \
    reduction(max : seconds)
        for (int i = 0; i < a->threads; i++) {
            int64_t start = clock_thread_ns();
            total += run_thread(a, i, t);
            seconds = (double)(clock_thread_ns() - start) * 1e-9;
        }
        best = t == 0 || seconds < best ? seconds : best;
        a->sum += total;
    }
    return best;
}

static size_t clamp(size_t bytes, size_t low, size_t high)
{
    return bytes < low ? low : bytes > high ? high : bytes;
}

/* A quarter of the last cache, which others may share; whole grains for every thread. */
static void choose_sizes(struct peak *peak)
{
    struct machine machine;
    machine_read(&machine);
    size_t last = (size_t)(machine.l3_kb > 0 ? machine.l3_kb : machine.l2_kb) << 10;
    size_t grain = (size_t)peak->threads * GRAIN * SLICES * sizeof(float);
    peak->memory_bytes = clamp(4 * last, LEAST_MEMORY, MOST_MEMORY) / grain * grain;
    peak->cache_bytes = clamp(last / 4, LEAST_CACHE, LEAST_MEMORY / 8) / grain * grain;
}

/* Every thread writes what it will read: pages are zeros shared by all until then. */
static void touch(float *data, size_t count, int threads)
{
#pragma omp parallel for num_threads(threads) schedule(static)
    for (size_t i = 0; i < count; i++)
        data[i] = 1.0f;
}

enum status peak_measure(struct peak *peak)
{
    enum fused_isa isa;
    TRY(fused_isa_choose(&isa));
    *peak = (struct peak){.threads = threads_get(), .isa = fused_isa_name(isa)};
    choose_sizes(peak);
    float *data = memory_alloc(peak->memory_bytes);
    if (!data)
        return ERR_MEMORY;
    touch(data, peak->memory_bytes / sizeof *data, peak->threads);
    struct attempt work = {.kernels = kernels[isa], .threads = peak->threads};
    peak->gflops = work.kernels->flops * ITERATIONS * peak->threads * 1e-9 / best_of(&work);
    work.data = data;
    work.passes = 1;
    work.slices = SLICES;
    work.count = peak->memory_bytes / SLICES / sizeof *data;
    peak->memory_gbs = (double)work.count * sizeof *data * 1e-9 / best_of(&work);
    work.passes = CACHE_PASSES;
    work.slices = 1;
    work.count = peak->cache_bytes / sizeof *data;
    peak->cache_gbs = (double)peak->cache_bytes * CACHE_PASSES * 1e-9 / best_of(&work);
    memory_free(data);
    return work.sum > 0 ? OK
                        : fail(ERR_NUMERIC, "the loops that find the machine's peak gave nothing");
}

enum status peak_measure_bf16(struct peak *peak)
{
    if (!fused_isa_has_bf16())
        return fail(ERR_UNSUPPORTED, "the peak of bf16 needs AVX512_BF16");
    struct attempt work = {.kernels = &peak_bf16, .threads = peak->threads};
    peak->bf16_gflops = peak_bf16.flops * ITERATIONS * peak->threads * 1e-9 / best_of(&work);
    return work.sum > 0 ? OK : fail(ERR_NUMERIC, "the loop that finds the peak of bf16 gave "
                                                 "nothing");
}

void peak_print(const struct peak *peak, char *text, size_t size)
{
    char bf16[40] = "";
    if (peak->bf16_gflops > 0)
        snprintf(bf16, sizeof bf16, ", %.0f in bf16", peak->bf16_gflops);
    snprintf(text, size, "this machine at most, measured with %d threads: %.0f GFLOP/s (%s)%s, "
             "%.1f GB/s from memory, %.0f GB/s from the last cache", peak->threads, peak->gflops,
             peak->isa, bf16, peak->memory_gbs, peak->cache_gbs);
}

double peak_bound_ms(const struct peak *peak, enum dtype dtype, double flops, double bytes)
{
    double gflops = dtype == DTYPE_BF16 ? peak->bf16_gflops : peak->gflops;
    double work = flops * 1e-6 / gflops, traffic = bytes * 1e-6 / peak->memory_gbs;
    return work > traffic ? work : traffic;
}
