/* The loops of fused batch normalisation for every x86-64 processor. */
#define BN_LOOPS bn_loops_baseline
#include "impls/fused/bn_act_loops.h"
