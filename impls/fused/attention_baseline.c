/* The kernels of attention for any processor: vectors of four floats. */
#define LANES 4
#define TABLE fused_baseline
#include "impls/fused/attention_kernels.inc"
