/* The loops of fused batch normalisation for processors with AVX2. */
#pragma GCC target("avx2")
#define BN_LOOPS bn_loops_avx2
#include "impls/fused/bn_act_loops.h"
