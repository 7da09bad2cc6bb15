/* The kernels of Winograd's convolution for processors with AVX2 and FMA, to be called only
 * there. */
#pragma GCC target("avx2,fma")
#define LANES 8
#define TABLE wino_avx2
#include "impls/fused/winograd_kernels.inc"
