/* The kernels for any processor: vectors of four floats, by the compiler's own target. */
#define LANES 4
#define ISA "baseline"
#define TABLE fused_baseline
#include "impls/fused/kernels.inc"
