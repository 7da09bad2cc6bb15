/* The loops that peak.c times, compiled once for each instruction set. Private to
 * bench/measure/peak*. */
#ifndef BENCH_MEASURE_PEAK_KERNELS_H
#define BENCH_MEASURE_PEAK_KERNELS_H

#include <stddef.h>

struct peak_kernels {
    double flops; /* of one iteration of multiply() */
    /* Independent chains of multiply-adds in registers; the result is there to be used. */
    float (*multiply)(long iterations);
    /* The sum of `count` floats, 64-byte aligned, a multiple of 256. */
    float (*read)(const float *data, size_t count);
};

extern const struct peak_kernels peak_baseline, peak_avx2, peak_avx512;
extern const struct peak_kernels peak_bf16; /* without read() */

#endif
