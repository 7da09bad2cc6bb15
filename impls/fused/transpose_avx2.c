/* Transposition for processors with AVX2 and FMA, to be called only there. */
#pragma GCC target("avx2,fma")
#define LANES 8
#define TABLE transpose_avx2
#include "impls/fused/transpose.inc"
