/* The parts of `doctor` that know no library: build, machine, threads, quiet, environment,
 * files. */
#include "bench/verbs/doctor_report.h"

#include "bench/measure/clock.h"
#include "bench/measure/percentile.h"
#include "build_info.h"
#include "datasets/dataset.h"
#include "impls/base/threads.h"

#include <math.h>
#include <strings.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

enum { LONG_SPIN = 100000 };

void doctor_build(struct doctor *d)
{
    doctor_section(d, "build");
    doctor_text(d, "commit", BUILD_COMMIT);
    doctor_text(d, "compiler", BUILD_COMPILER);
    doctor_text(d, "flags", BUILD_FLAGS);
    doctor_text(d, "implementations", BUILD_IMPLS);
#ifdef SANITIZED
    doctor_warn(d, "this build runs under sanitizers: its timings mean nothing (run make)");
#elif !defined(__OPTIMIZE__)
    doctor_warn(d, "this build is not optimised: its timings mean nothing (run make)");
#endif
    if (strstr(BUILD_FLAGS, "-O1") || strstr(BUILD_FLAGS, "-O0"))
        doctor_warn(d, "this is a debugging build (%s): do not take timings (run make)",
                    strstr(BUILD_FLAGS, "-O1") ? "-O1" : "-O0");
}

void doctor_machine(struct doctor *d)
{
    const struct machine *m = &d->machine;
    doctor_section(d, "machine");
    doctor_text(d, "processor", m->name);
    doctor_printf(d, "model", "%s family %d model %d stepping %d", m->vendor, m->family, m->model,
                  m->stepping);
    doctor_text(d, "microcode", m->microcode);
    doctor_text(d, "instructions", m->flags);
    doctor_number(d, "processors", m->processors);
    doctor_number(d, "cores", m->cores);
    doctor_number(d, "sockets", m->sockets);
    doctor_number(d, "l1d_kb", m->l1d_kb);
    doctor_number(d, "l2_kb", m->l2_kb);
    doctor_number(d, "l3_kb", m->l3_kb);
    doctor_number(d, "memory_mb", (double)(long)m->memory_mb);
    doctor_bool(d, "virtual", m->hypervisor);
    doctor_text(d, "kernel", m->kernel);
    doctor_text(d, "libc", m->libc);
    doctor_text(d, "clock_source", m->clock_source);
    doctor_number(d, "clock_resolution_ns", (double)clock_resolution_ns());
    doctor_text(d, "huge_pages", m->huge_pages);
    doctor_text(d, "governor", m->governor);
    if (m->governor[0] && strcmp(m->governor, "performance") != 0)
        doctor_warn(d, "the frequency governor is '%s': timings drift with the clock rate (as "
                       "root: cpupower frequency-set -g performance)", m->governor);
    if (m->clock_source[0] && strcmp(m->clock_source, "tsc") != 0 &&
        strcmp(m->clock_source, "arch_sys_counter") != 0 &&
        strcmp(m->clock_source, "kvm-clock") != 0)
        doctor_warn(d, "the clock source is '%s': reading the clock is slow", m->clock_source);
}

/* Threads that a parallel region really gets, and how many of them flush denormals to zero. */
static void try_region(int *team, int *flushing)
{
    int size = 0, flush = 0;
#pragma omp parallel reduction(+ : size, flush)
    {
        size = 1;
        flush = threads_flushes_denormals();
    }
    *team = size;
    *flushing = flush;
}

void doctor_threads(struct doctor *d)
{
    int available = threads_available(), team, flushing;
    const char *limit = getenv("OMP_THREAD_LIMIT");
    if (threads_set(available) != OK)
        doctor_warn(d, "%s", fail_text());
    try_region(&team, &flushing);
    doctor_section(d, "threads");
    doctor_number(d, "available", available);
    doctor_number(d, "in_a_region", team);
    doctor_text(d, "affinity", d->machine.affinity);
    doctor_number(d, "cgroup_quota", d->machine.quota > 0 ? d->machine.quota : (double)NAN);
    doctor_text(d, "runtime", threads_runtime());
    doctor_text(d, "waiting", threads_policy());
    doctor_bool(d, "flush_to_zero", flushing == team);
    if (strcmp(threads_runtime(), "libgomp") != 0)
        doctor_warn(d, "OpenMP runtimes in this process: %s; exactly one, libgomp, is needed, else "
                       "threads compete and timings cannot be trusted", threads_runtime());
    if (team != available)
        doctor_warn(d, "a parallel region gets %d threads where %d are available%s%s", team,
                    available, limit ? ": OMP_THREAD_LIMIT=" : "", limit ? limit : "");
    if (flushing != team)
        doctor_warn(d, "%d of %d threads do not flush denormals to zero: trained weights may run "
                       "many times slower than random ones", team - flushing, team);
    double quota = d->machine.quota;
    if (quota > 0 && quota < available)
        doctor_warn(d, "a cgroup allows %.2f processors of %d: threads are stopped for parts of "
                       "the time; use --threads %d or less", quota, available,
                    quota >= 2 ? (int)quota : 1);
}

/* One unit of fixed work, some tenths of a millisecond. */
static double work(double x)
{
    for (int i = 0; i < 100000; i++)
        x = x * 0.999999 + 1e-6;
    return x;
}

enum { QUIET_SAMPLES = 400 };

/* Times the same small work many times: on a quiet machine every time is alike. */
static void try_quiet(double *worst, double *slow_percent)
{
    volatile double x = 1; /* keeps the work between the two readings of the clock */
    double ms[QUIET_SAMPLES];
    int slow = 0;
    for (int i = 0; i < QUIET_SAMPLES; i++) {
        int64_t start = clock_now_ns();
        x = work(x);
        ms[i] = (double)(clock_now_ns() - start) * 1e-6;
    }
    percentile_sort(ms, QUIET_SAMPLES);
    double median = percentile_median(ms, QUIET_SAMPLES);
    for (int i = 0; i < QUIET_SAMPLES; i++)
        slow += ms[i] > 1.2 * median;
    *worst = ms[QUIET_SAMPLES - 1] / median;
    *slow_percent = 100.0 * slow / QUIET_SAMPLES;
}

void doctor_quiet(struct doctor *d)
{
    double load[3], worst, slow;
    struct machine_ticks start = {0, 0}, now;
    machine_load(load);
    try_quiet(&worst, &slow);
    machine_ticks_read(&now);
    double stolen = machine_stolen_percent(&start, &now);
    doctor_section(d, "quiet");
    doctor_number(d, "load_1min", load[0]);
    doctor_number(d, "stolen_percent", stolen);
    doctor_number(d, "slowest_to_median", worst);
    doctor_number(d, "slow_samples_percent", slow);
    if (load[0] > 0.5)
        doctor_warn(d, "the load average is %.2f: other work is running and takes part in every "
                       "timing", load[0]);
    if (stolen > 1)
        doctor_warn(d, "%.1f %% of the processors' time since start-up went to other virtual "
                       "machines", stolen);
    if (slow > 10)
        doctor_warn(d, "%.0f %% of %d timings of the same work were more than 20 %% above the "
                       "median: this machine is noisy now", slow, QUIET_SAMPLES);
}

static bool is_relevant(const char *variable)
{
    static const char *const prefixes[] = {
        "OMP_", "GOMP_", "OPENBLAS_", "GOTO_", "BLIS_", "ONEDNN_", "DNNL_", "MKL_", "KMP_",
        "GLIBC_TUNABLES=", "MALLOC_", "LD_PRELOAD=", "LD_LIBRARY_PATH=", "CBAM_"};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (strncmp(variable, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

void doctor_environment(struct doctor *d)
{
    doctor_section(d, "environment");
    for (char **at = environ; *at; at++) {
        char name[128];
        const char *equals = strchr(*at, '=');
        if (!equals || !is_relevant(*at) || (size_t)(equals - *at) >= sizeof name)
            continue;
        snprintf(name, sizeof name, "%.*s", (int)(equals - *at), *at);
        doctor_text(d, name, equals + 1);
    }
    const char *preload = getenv("LD_PRELOAD");
    if (preload && *preload)
        doctor_warn(d, "LD_PRELOAD=%.200s puts code of others into this process", preload);
    const char *wait = getenv("OMP_WAIT_POLICY");
    if (wait && strcasecmp(wait, "active") == 0)
        doctor_warn(d, "OMP_WAIT_POLICY=%s: waiting threads keep their cores busy, which is ten "
                       "times slower as soon as anything else runs", wait);
    const char *spin = getenv("GOMP_SPINCOUNT");
    if (spin && (strncasecmp(spin, "inf", 3) == 0 || strtod(spin, NULL) > LONG_SPIN))
        doctor_warn(d, "GOMP_SPINCOUNT=%.40s: threads spin so long before they sleep that they "
                       "keep their cores from other work, and from each other", spin);
    if (getenv("OMP_PROC_BIND") || getenv("GOMP_CPU_AFFINITY"))
        doctor_warn(d, "threads are bound to cores (OMP_PROC_BIND or GOMP_CPU_AFFINITY): where "
                       "other work runs, a bound thread waits for its core");
}

/* Where PATH has a program; false when nowhere. */
static bool find_program(const char *name, char *path, size_t size)
{
    const char *all = getenv("PATH");
    while (all && *all) {
        int length = (int)strcspn(all, ":");
        int need = snprintf(path, size, "%.*s/%s", length, all, name);
        if (need > 0 && (size_t)need < size && access(path, X_OK) == 0)
            return true;
        all += length + (all[length] == ':');
    }
    return false;
}

static void add_program(struct doctor *d, const char *name, const char *package, const char *use)
{
    char path[512];
    bool found = find_program(name, path, sizeof path);
    doctor_text(d, name, found ? path : NULL);
    if (!found)
        doctor_warn(d, "%s is not installed (package %s): %s (run make deps)", name, package, use);
}

void doctor_files(struct doctor *d)
{
    doctor_section(d, "files");
    struct dataset *data = calloc(1, sizeof *data);
    if (data && dataset_open(data, "fashion-mnist") == OK) {
        doctor_printf(d, "fashion_mnist", "%s (%d training, %d test images, content %s)", data->dir,
                      data->train.n, data->test.n, data->hash);
        dataset_close(data);
    } else {
        doctor_text(d, "fashion_mnist", NULL);
        doctor_warn(d, "the default data set cannot be read: %s", fail_text());
    }
    free(data);
    add_program(d, "gnuplot", "gnuplot-nox", "no plots are drawn");
    add_program(d, "valgrind", "valgrind", "regress counts cannot count instructions");
}
