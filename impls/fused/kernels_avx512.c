/* The kernels for processors with AVX-512 (F, VL, DQ, BW). To be called only where the processor
 * has them. */
#if defined(__x86_64__)
#pragma GCC target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")
#define LANES 16
#define ISA "avx512"
#define TABLE fused_avx512
#include "impls/fused/kernels.inc"
#else
typedef int fused_no_avx512; /* ISO C forbids an empty file */
#endif
