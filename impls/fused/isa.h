/* Which of its compiled forms a kernel of this folder runs: every kernel source is compiled three
 * times, and a plan picks one form when it is made. Knows no kernel. */
#ifndef IMPLS_FUSED_ISA_H
#define IMPLS_FUSED_ISA_H

#include "impls/base/status.h"

enum fused_isa {
    FUSED_BASELINE, /* what every x86-64 processor has */
    FUSED_AVX2,     /* AVX2 with FMA */
    FUSED_AVX512,   /* AVX-512 F, VL, BW and DQ */
    FUSED_ISAS
};

/* The best form that this processor runs or, when the environment has CBAM_BENCH_ISA, the one it
 * names ("baseline", "avx2" or "avx512"). ERR_USAGE when that is another word, or a form that this
 * processor does not run. */
enum status fused_isa_choose(enum fused_isa *isa);

/* Whether this processor runs the form. */
int fused_isa_runs(enum fused_isa isa);

/* Whether this processor has AVX512_BF16 beside that form, and CBAM_BENCH_ISA does not ask for a
 * lower one. */
int fused_isa_has_bf16(void);

/* "baseline", "avx2", "avx512": for `how` of a plan. */
const char *fused_isa_name(enum fused_isa isa);

#endif
