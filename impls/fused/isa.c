/* The choice of a compiled form: see isa.h. */
#include "impls/fused/isa.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[FUSED_ISAS] = {"baseline", "avx2", "avx512"};

int fused_isa_runs(enum fused_isa isa)
{
    __builtin_cpu_init();
    switch (isa) {
    case FUSED_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case FUSED_AVX512:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
    default:
        return 1;
    }
}

enum status fused_isa_choose(enum fused_isa *isa)
{
    const char *asked = getenv("CBAM_BENCH_ISA");
    for (int i = FUSED_ISAS - 1; i >= 0; i--) {
        *isa = (enum fused_isa)i;
        bool wanted = !asked || strcmp(asked, names[i]) == 0;
        if (wanted && fused_isa_runs(*isa))
            return OK;
        if (wanted && asked)
            return fail(ERR_USAGE, "CBAM_BENCH_ISA=%s: this processor does not run it", asked);
    }
    return fail(ERR_USAGE, "CBAM_BENCH_ISA=%s: one of baseline, avx2, avx512 was expected", asked);
}

int fused_isa_has_bf16(void)
{
    const char *asked = getenv("CBAM_BENCH_ISA");
    const bool capped = asked && strcmp(asked, names[FUSED_AVX512]) != 0;
    return !capped && fused_isa_runs(FUSED_AVX512) && __builtin_cpu_supports("avx512bf16");
}

const char *fused_isa_name(enum fused_isa isa)
{
    return names[isa];
}
