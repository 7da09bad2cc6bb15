/* The part of `doctor` that knows the libraries: versions, the kernels they chose for this
 * processor, and what in the environment holds them back. */
#include "bench/verbs/doctor_report.h"

#include "impls/layer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#ifdef HAVE_OPENBLAS
#include "impls/openblas/openblas.h"
#endif
#ifdef HAVE_ONEDNN
#include "impls/onednn/onednn.h"
#endif

#if defined(HAVE_OPENBLAS) || defined(HAVE_ONEDNN)
/* How far an instruction set reaches. */
enum reach { REACH_UNKNOWN, REACH_SSE, REACH_AVX, REACH_AVX2, REACH_AVX512 };

static const char *const reach_names[] = {"unknown", "SSE", "AVX", "AVX2", "AVX-512"};

static enum reach processor_reach(const struct machine *m)
{
    if (machine_has_flag(m, "avx512f") && machine_has_flag(m, "avx512bw") &&
        machine_has_flag(m, "avx512dq") && machine_has_flag(m, "avx512vl"))
        return REACH_AVX512;
    if (machine_has_flag(m, "avx2") && machine_has_flag(m, "fma"))
        return REACH_AVX2;
    if (machine_has_flag(m, "avx"))
        return REACH_AVX;
    return machine_has_flag(m, "sse2") ? REACH_SSE : REACH_UNKNOWN;
}

/* A variable that is set and not empty, else NULL. */
static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}
#endif

static void add_implementation(struct doctor *d, const struct impl *impl)
{
    char version[160] = "";
    struct impl_ctx *ctx;
    impl->version(version, sizeof version);
    doctor_section(d, impl->name);
    doctor_text(d, "version", version);
    enum status status = impl->open(&ctx);
    doctor_bool(d, "usable", status == OK);
    if (status == OK)
        impl->close(ctx);
    else
        doctor_warn(d, "%s cannot be used: %s", impl->name, fail_text());
}

#ifdef HAVE_OPENBLAS
static enum reach core_reach(const char *core)
{
    static const struct {
        const char *core;
        enum reach reach;
    } cores[] = {
        {"Prescott", REACH_SSE},     {"Core2", REACH_SSE},       {"Penryn", REACH_SSE},
        {"Dunnington", REACH_SSE},   {"Nehalem", REACH_SSE},     {"Athlon", REACH_SSE},
        {"Opteron", REACH_SSE},      {"Opteron_SSE3", REACH_SSE}, {"Barcelona", REACH_SSE},
        {"Nano", REACH_SSE},         {"Atom", REACH_SSE},        {"Bobcat", REACH_SSE},
        {"Sandybridge", REACH_AVX},  {"Bulldozer", REACH_AVX},   {"Piledriver", REACH_AVX},
        {"Steamroller", REACH_AVX},  {"Haswell", REACH_AVX2},    {"Excavator", REACH_AVX2},
        {"Zen", REACH_AVX2},         {"SkylakeX", REACH_AVX512}, {"Cooperlake", REACH_AVX512},
        {"SapphireRapids", REACH_AVX512},
    };
    for (size_t i = 0; i < sizeof cores / sizeof cores[0]; i++)
        if (strcasecmp(core, cores[i].core) == 0)
            return cores[i].reach;
    return REACH_UNKNOWN;
}

static void check_core(struct doctor *d, const char *core)
{
    enum reach has = processor_reach(&d->machine), uses = core_reach(core);
    const char *forced = variable("OPENBLAS_CORETYPE");
    doctor_text(d, "forced_core", forced);
    if (forced && strcasecmp(forced, core) != 0)
        doctor_warn(d, "OPENBLAS_CORETYPE=%s is not what OpenBLAS uses (%s): it does not know that "
                       "name, or not on this processor", forced, core);
    if (uses == REACH_UNKNOWN || has <= uses)
        return;
    if (forced)
        doctor_warn(d, "OPENBLAS_CORETYPE=%s holds OpenBLAS back: %s kernels on a processor with "
                       "%s; unset it before OpenBLAS is compared with anything", forced,
                    reach_names[uses], reach_names[has]);
    else
        doctor_warn(d, "OpenBLAS chose %s (%s kernels) on a processor with %s: it may be too old "
                       "to know it; try OPENBLAS_CORETYPE=%s", core, reach_names[uses],
                    reach_names[has], has == REACH_AVX512 ? "SkylakeX" : "Haswell");
}

static void add_openblas(struct doctor *d)
{
    doctor_section(d, "openblas");
    doctor_text(d, "flavour", openblas_flavour());
    doctor_text(d, "core", openblas_corename());
    check_core(d, openblas_corename());
    const char *l2 = variable("OPENBLAS_L2_SIZE");
    if (l2)
        doctor_warn(d, "OPENBLAS_L2_SIZE=%s replaces the cache size that OpenBLAS found (the "
                       "system says %d kB): its block sizes follow it", l2, d->machine.l2_kb);
    enum status status = openblas_selftest();
    doctor_text(d, "self_test", status == OK ? "ok" : fail_text());
    if (status != OK)
        doctor_warn(d, "OpenBLAS computes wrong results here: %s", fail_text());
}
#endif

#ifdef HAVE_ONEDNN
static enum reach isa_reach(const char *isa)
{
    if (strncmp(isa, "avx512", 6) == 0 || strncmp(isa, "avx10", 5) == 0)
        return REACH_AVX512;
    if (strncmp(isa, "avx2", 4) == 0)
        return REACH_AVX2;
    if (strcmp(isa, "avx") == 0)
        return REACH_AVX;
    return strcmp(isa, "sse41") == 0 ? REACH_SSE : REACH_UNKNOWN;
}

/* The library reads each of its variables under two names. */
static const char *onednn_variable(const char *name, char *full, size_t size)
{
    snprintf(full, size, "ONEDNN_%s", name);
    if (variable(full))
        return variable(full);
    snprintf(full, size, "DNNL_%s", name);
    return variable(full);
}

static void add_onednn(struct doctor *d)
{
    char name[64];
    const char *isa = onednn_isa(), *value;
    enum reach has = processor_reach(&d->machine), uses = isa_reach(isa);
    doctor_section(d, "onednn");
    doctor_text(d, "instructions", isa);
    value = onednn_variable("MAX_CPU_ISA", name, sizeof name);
    if (value && strcasecmp(value, "ALL") != 0 && strcasecmp(value, "DEFAULT") != 0)
        doctor_warn(d, "%s=%s limits oneDNN to %s on a processor with %s; unset it before oneDNN "
                       "is compared with anything", name, value, isa, reach_names[has]);
    else if (uses != REACH_UNKNOWN && uses < has)
        doctor_warn(d, "oneDNN uses %s on a processor with %s", isa, reach_names[has]);
    value = onednn_variable("VERBOSE", name, sizeof name);
    if (value && strcmp(value, "0") != 0)
        doctor_warn(d, "%s=%s: oneDNN writes into standard output and is slower", name, value);
    value = onednn_variable("DEFAULT_FPMATH_MODE", name, sizeof name);
    if (value && strcasecmp(value, "STRICT") != 0)
        doctor_warn(d, "%s=%s: oneDNN may compute float in a shorter format", name, value);
    value = onednn_variable("JIT_DUMP", name, sizeof name);
    if (value && strcmp(value, "0") != 0)
        doctor_warn(d, "%s=%s: oneDNN writes its kernels to files", name, value);
}
#endif

static void warn_absent(struct doctor *d)
{
#ifndef HAVE_OPENBLAS
    doctor_warn(d, "built without openblas: install libopenblas-openmp-dev, then make");
#endif
#ifndef HAVE_ONEDNN
    doctor_warn(d, "built without onednn: install libdnnl-dev, then make");
#endif
#ifndef HAVE_NAIVE
    doctor_warn(d, "built without naive: leave IMPLS unset, then make");
#endif
    (void)d;
}

void doctor_libraries(struct doctor *doctor)
{
    for (int i = 0; impls[i]; i++)
        add_implementation(doctor, impls[i]);
#ifdef HAVE_OPENBLAS
    add_openblas(doctor);
#endif
#ifdef HAVE_ONEDNN
    add_onednn(doctor);
#endif
    warn_absent(doctor);
}
