/* The kernels for processors with AVX2 and FMA. To be called only where the processor has both. */
#if defined(__x86_64__)
#pragma GCC target("avx2,fma")
#define LANES 8
#define ISA "avx2"
#define TABLE fused_avx2
#include "impls/fused/kernels.inc"
#else
typedef int fused_no_avx2; /* ISO C forbids an empty file */
#endif
