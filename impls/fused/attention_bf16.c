/* The kernels of attention on maps of bf16, for processors with AVX512_BF16, to be called only
 * there. Sums, maxima and gates are floats; only the map, the shortcut and the result are bf16. */
#pragma GCC target("avx512f,avx512vl,avx512dq,avx512bw,avx512bf16,avx2,fma")
#define LANES 16
#define TABLE fused_bf16
#define MAPS_OF_BF16
#include "impls/fused/attention_kernels.inc"
