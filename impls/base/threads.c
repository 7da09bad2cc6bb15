/* Threads of the whole process: see threads.h. */
#include "impls/base/threads.h"

#include <omp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

enum { WORTH_THREADS = 1 << 15 };

static int current;

/* The policy: spin briefly, then sleep. Long spinning multiplies the time by ten as soon as
 * another process wants the same core; a spin of about 1,000 keeps the quiet speed. Threads are
 * not bound to cores: on a machine shared with others, a bound thread waits for its core. */
static const struct {
    const char *name, *value, *unless;
} policy[] = {
    {"GOMP_SPINCOUNT", "1000", "OMP_WAIT_POLICY"},
    {"OMP_DYNAMIC", "false", NULL},
};

void threads_startup(char *const argv[])
{
    int changed = 0;
    for (size_t i = 0; i < sizeof policy / sizeof policy[0]; i++) {
        if (getenv(policy[i].name) || (policy[i].unless && getenv(policy[i].unless)))
            continue;
        setenv(policy[i].name, policy[i].value, 1);
        changed = 1;
    }
    if (changed && !getenv("CBAM_BENCH_RESTARTED")) {
        setenv("CBAM_BENCH_RESTARTED", "1", 1);
        execv("/proc/self/exe", argv); /* on failure: go on with the default policy */
    }
    unsetenv("CBAM_BENCH_RESTARTED");
}

static void flush_denormals(void)
{
#if defined(__SSE2__)
    _mm_setcsr(_mm_getcsr() | 0x8040); /* FTZ and DAZ */
#endif
}

int threads_flushes_denormals(void)
{
#if defined(__SSE2__)
    return (_mm_getcsr() & 0x8040) == 0x8040;
#else
    return 0;
#endif
}

/* Processors that a cgroup v2 quota allows, rounded up; 0 when there is no quota. */
static int quota_processors(void)
{
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "r");
    if (!file)
        return 0;
    double quota = 0, period = 0;
    int n = fscanf(file, "%lf %lf", &quota, &period);
    fclose(file);
    return n == 2 && quota > 0 && period > 0 ? (int)((quota + period - 1) / period) : 0;
}

int threads_available(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    int quota = quota_processors();
    return quota > 0 && quota < n ? quota : n;
}

enum status threads_set(int n)
{
    int most = threads_available();
    if (n < 1 || n > most)
        return fail(ERR_USAGE, "--threads %d: this process may use 1 to %d", n, most);
    current = n;
    omp_set_dynamic(0);
    omp_set_num_threads(n);
#pragma omp parallel num_threads(n)
    flush_denormals();
    flush_denormals();
    return OK;
}

int threads_worth(size_t operations)
{
    return operations >= WORTH_THREADS;
}

void threads_alone(int alone)
{
    omp_set_num_threads(alone ? 1 : threads_get());
}

int threads_get(void)
{
    return current ? current : threads_available();
}

const char *threads_runtime(void)
{
    static const char *const names[] = {"libgomp", "libomp.", "libiomp5"};
    static char found[64];
    char line[1024];
    int seen[3] = {0};
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps))
        for (int i = 0; i < 3; i++)
            seen[i] |= strstr(line, names[i]) != NULL;
    if (maps)
        fclose(maps);
    found[0] = '\0';
    for (int i = 0; i < 3; i++)
        if (seen[i]) {
            size_t used = strlen(found);
            snprintf(found + used, sizeof found - used, "%s%s", used ? "+" : "", names[i]);
        }
    return found[0] ? found : "none";
}

const char *threads_policy(void)
{
    static char text[256];
    static const char *const names[] = {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_PROC_BIND",
                                        "OMP_DYNAMIC"};
    text[0] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = getenv(names[i]);
        size_t used = strlen(text);
        if (value)
            snprintf(text + used, sizeof text - used, "%s%s=%s", used ? " " : "", names[i], value);
    }
    return text[0] ? text : "default (long spinning)";
}
