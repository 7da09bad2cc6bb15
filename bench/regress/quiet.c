/* One sample on a machine that has other things to do: see quiet.h. */
#include "bench/regress/quiet.h"

#include "bench/measure/clock.h"

#include <sched.h>

/* 2 % are 0.2 ms of 10: a timer interrupt takes less, a time slice of another process much more. */
static enum status take(const struct sample_target *target, int repeats, int threads,
                        struct quiet_sample *sample)
{
    int64_t cpu = clock_cpu_ns(), wall = clock_now_ns();
    for (int i = 0; i < repeats; i++)
        TRY(target->run(target->context));
    wall = clock_now_ns() - wall;
    cpu = clock_cpu_ns() - cpu;
    sample->ms = (double)wall * 1e-6 / repeats;
    sample->cpu_ms = (double)cpu * 1e-6 / repeats;
    sample->disturbed = threads == 1 && (double)cpu < 0.98 * (double)wall;
    return OK;
}

enum status quiet_take(const struct sample_target *target, int repeats, int threads,
                       struct quiet_sample *sample)
{
    *sample = (struct quiet_sample){.disturbed = true};
    while (sample->disturbed && sample->tries < QUIET_TRIES) {
        TRY(take(target, repeats, threads, sample));
        sample->tries++;
    }
    return OK;
}

void quiet_pin(int index)
{
    cpu_set_t allowed, one;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return;
    int skip = index % CPU_COUNT(&allowed), cpu = 0;
    for (; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed) && skip-- == 0)
            break;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    sched_setaffinity(0, sizeof one, &one);
}
