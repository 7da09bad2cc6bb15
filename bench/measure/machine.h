/* Facts of the machine and of this process on it, from procfs, sysfs and the processor itself.
 * Every fact may be absent (a virtual machine, a container): then it is "" or 0 or negative, as
 * said. Knows no library. */
#ifndef BENCH_MEASURE_MACHINE_H
#define BENCH_MEASURE_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What stays as it is while the program runs. */
struct machine {
    char vendor[32];       /* "AuthenticAMD", "GenuineIntel"; "" elsewhere than on x86 */
    int family, model, stepping; /* as the processor reports them; 0 when absent */
    char name[96];         /* "AMD EPYC 7763"; "" when absent */
    char flags[256];       /* those of interest, in one fixed order: "sse2 avx2 fma avx512f" */
    char microcode[24];
    int processors;        /* online in the machine */
    int cores, sockets;    /* 0 when absent */
    int l1d_kb, l2_kb, l3_kb; /* of processor 0; 0 when absent */
    double memory_mb;
    char kernel[96];       /* "Linux 6.1.0-18-amd64" */
    char libc[32];         /* "glibc 2.36" */
    char clock_source[32]; /* "tsc" */
    char huge_pages[32];   /* transparent huge pages: "always", "madvise", "never" */
    char governor[32];     /* of processor 0; "" where frequency is not ours to see */
    bool hypervisor;       /* runs on a virtual machine */
    char affinity[128];    /* processors this process may use: "0-1,4" */
    double quota;          /* processors a cgroup allows; 0: no limit */
};

void machine_read(struct machine *machine);

/* Whether a word stands in machine->flags. */
bool machine_has_flag(const struct machine *machine, const char *flag);

/* Load averages over 1, 5 and 15 minutes; negative when absent. */
void machine_load(double load[3]);

/* Ticks of all processors so far: all of them, and those a hypervisor gave to others. */
struct machine_ticks {
    uint64_t total, stolen;
};
void machine_ticks_read(struct machine_ticks *ticks);

/* Percent of the ticks between two readings that were stolen; 0 when no tick passed. */
double machine_stolen_percent(const struct machine_ticks *from, const struct machine_ticks *to);

/* Memory resident now, and the most of it so far (since the last reset), in 2^20 bytes; negative
 * when absent. */
double machine_rss_mb(void);
double machine_peak_rss_mb(void);

/* Starts the peak anew; false where that is not allowed. */
bool machine_reset_peak_rss(void);

#endif
