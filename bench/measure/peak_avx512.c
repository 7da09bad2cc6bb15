/* The loops of peak_kernels.h for processors with AVX-512, to be called only there. */
#pragma GCC target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")
#define LANES 16
#define TABLE peak_avx512
#include "bench/measure/peak_kernels.inc"
