/* The loops of fused batch normalisation for processors with AVX-512. */
#pragma GCC target("avx2,avx512f,avx512vl,avx512bw,avx512dq")
#define BN_LOOPS bn_loops_avx512
#include "impls/fused/bn_act_loops.h"
