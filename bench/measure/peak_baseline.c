/* The loops of peak_kernels.h for any processor. */
#define LANES 4
#define TABLE peak_baseline
#include "bench/measure/peak_kernels.inc"
