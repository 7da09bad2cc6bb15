/* Transposition for every processor. */
#define LANES 4
#define TABLE transpose_baseline
#include "impls/fused/transpose.inc"
