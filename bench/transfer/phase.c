/* Phases of a training run: see phase.h. */
#include "bench/transfer/phase.h"

#include "bench/transfer/arm.h"

static void add(struct phases *phases, struct phase phase)
{
    CHECK(phases->count < PHASES_MAX);
    phases->list[phases->count++] = phase;
}

static enum status make_probe(struct phases *phases, const struct train_settings *s)
{
    int probe = s->probe_epochs > 0 ? s->probe_epochs : phases->epochs / 2;
    double lr = s->probe_lr > 0 ? s->probe_lr : s->lr;
    if (probe < 1 || probe >= phases->epochs)
        return fail(ERR_USAGE, "--transfer lp-ft: %d of %d epochs for the head alone leave no "
                    "epoch for one of its two phases", probe, phases->epochs);
    add(phases, (struct phase){.arm = ARM_FROZEN, .cached = true, .anew = true, .lr = lr});
    add(phases, (struct phase){.arm = ARM_FINETUNE, .first = probe, .anew = true, .lr = s->lr});
    return OK;
}

static enum status make_gradual(struct phases *phases, const struct train_settings *s, int stages)
{
    int count = stages + 2, each = s->unfreeze_epochs;
    int needed = each > 0 ? each * (count - 1) + 1 : count;
    if (phases->epochs < needed)
        return fail(ERR_USAGE, "--transfer gradual: %d epochs: this network of %d stages needs at "
                    "least %d until all of it trains", phases->epochs, stages, needed);
    for (int k = 0; k < count; k++) {
        enum transfer_arm arm = k == 0          ? ARM_FROZEN
                                : k <= stages ? (enum transfer_arm)(ARM_TOP + k)
                                              : ARM_FINETUNE;
        add(phases, (struct phase){.arm = arm,
                                   .first = each > 0 ? k * each : k * phases->epochs / count,
                                   .cached = !s->augment && arm != ARM_FINETUNE, .lr = s->lr});
    }
    return OK;
}

enum status phases_make(struct phases *phases, const struct train_settings *s, int epochs,
                        int stages)
{
    *phases = (struct phases){.epochs = epochs};
    if (s->transfer == ARM_LP_FT)
        return make_probe(phases, s);
    if (s->transfer == ARM_GRADUAL)
        return make_gradual(phases, s, stages);
    add(phases, (struct phase){.arm = s->transfer, .cached = arm_caches(s->transfer), .lr = s->lr});
    return OK;
}

int phases_at(const struct phases *phases, int epoch)
{
    int at = 0;
    while (at + 1 < phases->count && phases->list[at + 1].first <= epoch)
        at++;
    return at;
}

struct rate phases_rate(const struct phases *phases, int index,
                        const struct train_settings *settings, int step, int steps, int per_epoch)
{
    const struct phase *phase = &phases->list[index];
    struct train_settings own = *settings;
    int first = 0, end = steps;
    own.lr = phase->lr;
    if (phase->anew) {
        first = phase->first * per_epoch;
        if (index + 1 < phases->count)
            end = phases->list[index + 1].first * per_epoch;
    }
    return schedule_rate(&own, step - first, end - first, per_epoch);
}
