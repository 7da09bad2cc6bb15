/* The kernels of Winograd's convolution for every processor. */
#define LANES 4
#define TABLE wino_baseline
#include "impls/fused/winograd_kernels.inc"
