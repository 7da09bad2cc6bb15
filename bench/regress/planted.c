/* Planted work and the control kernel: see planted.h. */
#include "bench/regress/planted.h"

#include "bench/measure/clock.h"
#include "impls/base/random.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum status planted_share(const char *name, double *share)
{
    const char *value = getenv(PLANTED_VARIABLE);
    char *end;
    *share = 0;
    if (!value)
        return OK;
    double percent = strtod(value, &end);
    if (end == value || *end != ' ' || !(percent >= 0 && percent <= 10000))
        return fail(ERR_USAGE, PLANTED_VARIABLE "=%s: a percentage and the name of a target were "
                    "expected", value);
    if (strcmp(end + 1, name) == 0)
        *share = percent / 100;
    return OK;
}

enum status planted_run(void *context)
{
    struct planted *planted = context;
    TRY(planted->target.run(planted->target.context));
    planted->owed += planted->share;
    for (; planted->owed >= 1; planted->owed -= 1)
        TRY(planted->target.run(planted->target.context));
    return OK;
}

enum { CONTROL_FLOATS = 2048, CONTROL_PASSES = 16 };

enum status control_run(void *context)
{
    static float a[CONTROL_FLOATS], b[CONTROL_FLOATS];
    (void)context;
    for (int pass = 0; pass < CONTROL_PASSES; pass++) {
        for (int i = 0; i < CONTROL_FLOATS; i++)
            a[i] = 0.5f * a[i] + b[i] + 1;
        /* The compiler may not see through what the next pass reads. */
        __asm__ volatile("" : : "r"(a), "r"(b) : "memory");
    }
    return OK;
}

static double drawn_seconds(uint64_t index)
{
    struct random_stream stream = {(uint64_t)getpid(), random_name("regress/burn")};
    return 0.1 + 1.4 * (double)random_uniform(stream, index);
}

void burn_forever(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const pid_t parent = getppid();
    for (uint64_t i = 0; getppid() == parent; i += 2) {
        int64_t end = clock_now_ns() + (int64_t)(drawn_seconds(i) * 1e9);
        while (clock_now_ns() < end)
            control_run(NULL);
        usleep((useconds_t)(drawn_seconds(i + 1) * 1e6));
    }
}
