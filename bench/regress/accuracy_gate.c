/* Training runs held against each other, or against the committed ones: see gates.h. */
#include "bench/regress/baseline.h"
#include "bench/regress/gates.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* One side's run. */
struct trained {
    struct accuracy_curve curve;
    enum side_state state;
    char reason[256];
};

static enum status ask(const struct regress_side *side, const char *impl, struct trained *trained)
{
    trained->reason[0] = '\0';
    return side_accuracy(side, impl, 1, &trained->curve, &trained->state, trained->reason,
                         sizeof trained->reason);
}

/* The committed run; that there is none is no fault. */
static enum status look_up(const char *path, const char *impl, struct trained *trained)
{
    enum status status = baseline_read_curve(path, impl, &trained->curve);
    trained->state = status == OK ? SIDE_OK : SIDE_ABSENT;
    snprintf(trained->reason, sizeof trained->reason, "%.250s", status == OK ? "" : fail_text());
    return status == ERR_FORMAT || status == ERR_MEMORY ? status : OK;
}

static void fill_row(struct regress_row *row, const struct trained *base,
                     const struct trained *head)
{
    char reason[sizeof row->reason] = "";
    if (head->state != SIDE_OK) {
        row->state = REGRESS_FAILED;
        snprintf(row->reason, sizeof row->reason, "%s", head->reason);
        return;
    }
    row->head = head->curve.test_loss;
    row->accuracy = head->curve.test_accuracy;
    if (base->state != SIDE_OK) {
        row->state = REGRESS_ADDED;
        snprintf(row->reason, sizeof row->reason, "%s", base->reason);
        return;
    }
    row->base = base->curve.test_loss;
    row->ratio = row->head / row->base;
    row->bound = accuracy_bound(ACCURACY_STEPS);
    bool agree = accuracy_agree(&base->curve, &head->curve, &row->difference, reason,
                                sizeof reason);
    row->state = agree || row->results_allowed ? REGRESS_OK : REGRESS_FAILED;
    snprintf(row->reason, sizeof row->reason, "%s%.240s", agree ? "" : "training: ", reason);
    if (agree)
        row->reason[0] = '\0';
}

static enum status compare_one(struct regress_settings *settings, const struct regress_side *base,
                               const struct regress_side *head, const char *impl,
                               struct regress_outcome *outcome)
{
    struct trained a, b;
    char name[128];
    snprintf(name, sizeof name, "%s %s", impl, accuracy_title());
    if (settings->filter && !regress_match(settings->filter, name))
        return OK;
    settings_talk(settings, "accuracy: %s", name);
    TRY(ask(head, impl, &b));
    TRY(base ? ask(base, impl, &a) : look_up(settings->accuracy_file, impl, &a));
    struct regress_row *row = outcome_add(outcome, name, "loss");
    if (!row)
        return ERR_MEMORY;
    settings_allow(settings, row);
    fill_row(row, &a, &b);
    return OK;
}

enum status regress_accuracy(struct regress_settings *settings, const struct regress_side *base,
                             const struct regress_side *head, struct regress_outcome *outcome)
{
    for (int i = 0; i < settings->impl_count; i++)
        TRY(compare_one(settings, base, head, settings->impls[i]->name, outcome));
    settings_talk(settings, "%s", "");
    return OK;
}

enum status regress_accuracy_update(const struct regress_settings *settings,
                                    const struct regress_side *head)
{
    struct accuracy_curve curves[SETTINGS_IMPLS];
    const char *names[SETTINGS_IMPLS];
    for (int i = 0; i < settings->impl_count; i++) {
        struct trained trained;
        names[i] = settings->impls[i]->name;
        TRY(ask(head, names[i], &trained));
        if (trained.state != SIDE_OK)
            return fail(ERR_NUMERIC, "%s %s: %s", names[i], accuracy_title(), trained.reason);
        curves[i] = trained.curve;
    }
    return baseline_write_curves(settings->accuracy_file, names, curves, settings->impl_count);
}
