/* What this machine can do at most, measured: multiply-adds and memory bandwidth, for the number of
 * threads of the moment. The roofs of a roofline (Williams, Waterman and Patterson, Comm. ACM 52,
 * 2009). Knows no operation. */
#ifndef BENCH_MEASURE_PEAK_H
#define BENCH_MEASURE_PEAK_H

#include "impls/layer.h"

#include <stddef.h>

/* Best of several tries: a peak is what was reached once. Everything by all threads together. */
struct peak {
    int threads;
    const char *isa;             /* of the loops: "baseline", "avx2", "avx512" */
    double gflops;               /* 10^9 operations a second, a multiply-add counts as two */
    double bf16_gflops;          /* the same of bf16, summed in f32; 0: peak_measure_bf16() was not
                                    called */
    double memory_gbs;           /* 10^9 bytes a second, reading far more than the caches hold */
    double cache_gbs;            /* the same, reading what fits the last cache together */
    size_t memory_bytes, cache_bytes; /* that were read each time */
};

/* Takes about half a second; uses threads_get() threads, and memory_bytes of memory for the while:
 * four times the last cache, at least 128 MiB. ERR_MEMORY. */
enum status peak_measure(struct peak *peak);

/* Adds bf16_gflops; takes a fifth of a second. ERR_UNSUPPORTED without AVX512_BF16. */
enum status peak_measure_bf16(struct peak *peak);

/* "this machine at most, measured with 2 threads: 236 GFLOP/s (avx512), 471 in bf16, ..." */
void peak_print(const struct peak *peak, char *text, size_t size);

/* The least milliseconds in which `flops` operations on numbers of that dtype and `bytes` from
 * memory could be done. */
double peak_bound_ms(const struct peak *peak, enum dtype dtype, double flops, double bytes);

#endif
