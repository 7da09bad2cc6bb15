/* The loops of peak_kernels.h for processors with AVX2 and FMA, to be called only there. */
#pragma GCC target("avx2,fma")
#define LANES 8
#define TABLE peak_avx2
#include "bench/measure/peak_kernels.inc"
