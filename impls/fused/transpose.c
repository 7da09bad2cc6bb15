/* The choice among the compiled forms: see transpose.h. */
#include "impls/fused/transpose.h"

const struct transpose *transpose_for(enum fused_isa isa)
{
    return isa == FUSED_AVX512 ? &transpose_avx512
                               : isa == FUSED_AVX2 ? &transpose_avx2 : &transpose_baseline;
}
