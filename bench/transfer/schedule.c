/* Learning-rate schedules: see schedule.h. */
#include "bench/transfer/schedule.h"

#include <math.h>
#include <string.h>

static double cosine(double from, double to, double share)
{
    return to + (from - to) / 2 * (1 + cos(M_PI * share));
}

static struct rate onecycle(const struct train_settings *s, int step, int steps)
{
    double peak = s->pct_start * steps - 1, end = steps - 1;
    double low = s->lr / 25, last = low / 1e4;
    bool rising = step <= peak;
    double share = rising ? (peak > 0 ? step / peak : 1)
                          : (end > peak ? (step - peak) / (end - peak) : 1);
    struct rate rate = {rising ? cosine(low, s->lr, share) : cosine(s->lr, last, share),
                        s->momentum};
    if (s->cycle_momentum)
        rate.momentum = rising ? cosine(0.95, 0.85, share) : cosine(0.85, 0.95, share);
    return rate;
}

enum status schedule_check(const struct train_settings *s)
{
    static const char *const known[] = {"constant", "cosine", "step", "onecycle"};
    for (int i = 0; i < 4; i++)
        if (strcmp(s->schedule, known[i]) == 0)
            return OK;
    return fail(ERR_USAGE, "--schedule '%s': known are constant, cosine, step, onecycle",
                s->schedule);
}

struct rate schedule_rate(const struct train_settings *s, int step, int steps, int per_epoch)
{
    int warm = s->warmup_epochs * per_epoch;
    struct rate rate = {s->lr, s->momentum};
    if (strcmp(s->schedule, "onecycle") == 0)
        return onecycle(s, step, steps);
    if (step < warm) {
        rate.lr = s->lr * (step + 1) / (warm + 1);
        return rate;
    }
    if (strcmp(s->schedule, "cosine") == 0)
        rate.lr = cosine(s->lr, 0, steps > warm ? (double)(step - warm) / (steps - warm) : 1);
    if (strcmp(s->schedule, "step") == 0)
        rate.lr = s->lr * pow(s->step_factor, (double)(step / per_epoch / s->step_epochs));
    return rate;
}
