/* Transposition for processors with AVX-512 (F, VL, DQ, BW), to be called only there. */
#pragma GCC target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")
#define LANES 16
#define TABLE transpose_avx512
#include "impls/fused/transpose.inc"
