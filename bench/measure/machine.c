/* Facts of the machine and of this process on it: see machine.h. */
#include "bench/measure/machine.h"

#include <gnu/libc-version.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define CPU0 "/sys/devices/system/cpu/cpu0/"

/* First line of a file without its end; "" when there is none. */
static void read_line(const char *path, char *text, size_t size)
{
    text[0] = '\0';
    FILE *file = fopen(path, "r");
    if (!file)
        return;
    if (!fgets(text, (int)size, file))
        text[0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    fclose(file);
}

/* First number of a file; `otherwise` when there is none. */
static double read_number(const char *path, double otherwise)
{
    char text[64], *end;
    read_line(path, text, sizeof text);
    double number = strtod(text, &end);
    return end == text ? otherwise : number;
}

static bool has_word(const char *text, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word)) {
        bool starts = at == text || at[-1] == ' ';
        if (starts && (at[length] == ' ' || at[length] == '\0'))
            return true;
    }
    return false;
}

bool machine_has_flag(const struct machine *machine, const char *flag)
{
    return has_word(machine->flags, flag);
}

static void keep_flags(struct machine *m, const char *all)
{
    static const char *const wanted[] = {
        "sse2", "sse4_2", "avx", "avx2", "fma", "f16c", "avx512f", "avx512dq", "avx512bw",
        "avx512vl", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_tile", "amx_bf16"};
    size_t used = 0;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        if (has_word(all, wanted[i]) && used < sizeof m->flags)
            used += (size_t)snprintf(m->flags + used, sizeof m->flags - used, "%s%s",
                                     used ? " " : "", wanted[i]);
    m->hypervisor = has_word(all, "hypervisor");
}

/* One "key : value" line of /proc/cpuinfo. */
static void take_cpuinfo(struct machine *m, const char *key, const char *value)
{
    if (strcmp(key, "vendor_id") == 0)
        snprintf(m->vendor, sizeof m->vendor, "%s", value);
    else if (strcmp(key, "cpu family") == 0)
        m->family = atoi(value);
    else if (strcmp(key, "model") == 0)
        m->model = atoi(value);
    else if (strcmp(key, "stepping") == 0)
        m->stepping = atoi(value);
    else if (strcmp(key, "model name") == 0)
        snprintf(m->name, sizeof m->name, "%s", value);
    else if (strcmp(key, "microcode") == 0)
        snprintf(m->microcode, sizeof m->microcode, "%s", value);
    else if (strcmp(key, "flags") == 0)
        keep_flags(m, value);
}

/* The first processor's block; all others are taken to be alike. */
static void read_cpuinfo(struct machine *m)
{
    char line[8192];
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file && fgets(line, sizeof line, file) && line[0] != '\n') {
        char *colon = strchr(line, ':');
        if (!colon)
            continue;
        char *key_end = colon;
        while (key_end > line && (key_end[-1] == '\t' || key_end[-1] == ' '))
            key_end--;
        *key_end = '\0';
        colon[1 + strcspn(colon + 1, "\n")] = '\0';
        take_cpuinfo(m, line, colon + 1 + strspn(colon + 1, " "));
    }
    if (file)
        fclose(file);
}

static int topology_number(int processor, const char *what)
{
    char path[128];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/%s", processor, what);
    return (int)read_number(path, -1);
}

static void read_topology(struct machine *m)
{
    bool core[1024] = {false}, socket[64] = {false};
    m->processors = (int)sysconf(_SC_NPROCESSORS_ONLN);
    for (int i = 0; i < m->processors; i++) {
        int package = topology_number(i, "physical_package_id");
        /* A core is known by its first thread: core numbers repeat from socket to socket. */
        int first = topology_number(i, "thread_siblings_list");
        if (package >= 0 && package < 64 && !socket[package]) {
            socket[package] = true;
            m->sockets++;
        }
        if (first >= 0 && first < 1024 && !core[first]) {
            core[first] = true;
            m->cores++;
        }
    }
}

static void read_caches(struct machine *m)
{
    for (int i = 0; i < 8; i++) {
        char path[128], type[16], size[16];
        snprintf(path, sizeof path, CPU0 "cache/index%d/type", i);
        read_line(path, type, sizeof type);
        snprintf(path, sizeof path, CPU0 "cache/index%d/size", i);
        read_line(path, size, sizeof size);
        snprintf(path, sizeof path, CPU0 "cache/index%d/level", i);
        int level = (int)read_number(path, 0);
        int kb = atoi(size) * (strchr(size, 'M') ? 1024 : 1);
        if (level == 1 && strcmp(type, "Data") == 0)
            m->l1d_kb = kb;
        else if (level == 2)
            m->l2_kb = kb;
        else if (level == 3)
            m->l3_kb = kb;
    }
}

/* The choice in brackets of "always [madvise] never"; the whole text when there is none. */
static void read_choice(const char *path, char *text, size_t size)
{
    char line[128];
    read_line(path, line, sizeof line);
    char *open = strchr(line, '['), *close = open ? strchr(open, ']') : NULL;
    if (close)
        *close = '\0';
    snprintf(text, size, "%.*s", (int)size - 1, close ? open + 1 : line);
}

static void read_affinity(struct machine *m)
{
    cpu_set_t set;
    size_t used = 0;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return;
    for (int i = 0; i < CPU_SETSIZE && used < sizeof m->affinity; i++) {
        if (!CPU_ISSET(i, &set))
            continue;
        int last = i;
        while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, &set))
            last++;
        char *at = m->affinity + used;
        size_t room = sizeof m->affinity - used;
        used += (size_t)(last > i ? snprintf(at, room, "%s%d-%d", used ? "," : "", i, last)
                                  : snprintf(at, room, "%s%d", used ? "," : "", i));
        i = last;
    }
}

/* Version 2 of the interface has both numbers in one file, version 1 has a file for each. */
static double read_quota(void)
{
    char line[64];
    double quota, period;
    read_line("/sys/fs/cgroup/cpu.max", line, sizeof line);
    if (sscanf(line, "%lf %lf", &quota, &period) == 2 && quota > 0 && period > 0)
        return quota / period;
    quota = read_number("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", -1);
    period = read_number("/sys/fs/cgroup/cpu/cpu.cfs_period_us", -1);
    return quota > 0 && period > 0 ? quota / period : 0;
}

void machine_read(struct machine *machine)
{
    struct machine *m = machine;
    memset(m, 0, sizeof *m);
    read_cpuinfo(m);
    read_topology(m);
    read_caches(m);
    read_affinity(m);
    m->quota = read_quota();
    double pages = (double)sysconf(_SC_PHYS_PAGES), page = (double)sysconf(_SC_PAGESIZE);
    m->memory_mb = pages > 0 ? pages * page / (1 << 20) : 0;
    struct utsname name;
    if (uname(&name) == 0)
        snprintf(m->kernel, sizeof m->kernel, "%.30s %.60s", name.sysname, name.release);
    snprintf(m->libc, sizeof m->libc, "glibc %s", gnu_get_libc_version());
    read_line("/sys/devices/system/clocksource/clocksource0/current_clocksource",
              m->clock_source, sizeof m->clock_source);
    read_choice("/sys/kernel/mm/transparent_hugepage/enabled", m->huge_pages,
                sizeof m->huge_pages);
    read_line(CPU0 "cpufreq/scaling_governor", m->governor, sizeof m->governor);
}

void machine_load(double load[3])
{
    char line[128];
    read_line("/proc/loadavg", line, sizeof line);
    if (sscanf(line, "%lf %lf %lf", &load[0], &load[1], &load[2]) != 3)
        load[0] = load[1] = load[2] = -1;
}

void machine_ticks_read(struct machine_ticks *ticks)
{
    char line[512];
    unsigned long long t[8] = {0}; /* user nice system idle iowait irq softirq steal */
    read_line("/proc/stat", line, sizeof line);
    int n = sscanf(line, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2],
                   &t[3], &t[4], &t[5], &t[6], &t[7]);
    *ticks = (struct machine_ticks){0, n == 8 ? t[7] : 0};
    for (int i = 0; i < n; i++)
        ticks->total += t[i];
}

double machine_stolen_percent(const struct machine_ticks *from, const struct machine_ticks *to)
{
    if (to->total <= from->total)
        return 0;
    return 100.0 * (double)(to->stolen - from->stolen) / (double)(to->total - from->total);
}

/* A "VmHWM:   123 kB" line of /proc/self/status, in 2^20 bytes. */
static double status_mb(const char *key)
{
    char line[256];
    double kb = -1024;
    size_t length = strlen(key);
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, key, length) == 0)
            kb = atof(line + length);
    if (file)
        fclose(file);
    return kb / 1024;
}

double machine_rss_mb(void)
{
    return status_mb("VmRSS:");
}

double machine_peak_rss_mb(void)
{
    return status_mb("VmHWM:");
}

bool machine_reset_peak_rss(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "w");
    if (!file)
        return false;
    bool written = fputs("5", file) >= 0;
    return fclose(file) == 0 && written;
}
