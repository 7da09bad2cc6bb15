/* The gate of instruction counts: see gates.h. */
#include "bench/regress/baseline.h"
#include "bench/regress/gates.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One process under valgrind: a case on an implementation, all passes. */
struct unit {
    const struct regress_case *subject;
    const struct impl *impl;
    struct side_count base, head;
    enum status status;
    char message[512];
};

struct work {
    struct regress_settings *settings;
    struct regress_outcome *outcome;
    struct regress_targets targets;
    struct regress_side base, head;
    bool two_builds;
    json_t *baseline; /* NULL with two builds, and when the baseline is to be written */
    struct unit *units;
    int unit_count, done;
};

/* ---- counting ---- */

static void count_unit(struct work *work, struct unit *unit)
{
    unit->status = side_count(&work->head, unit->subject->text, unit->impl->name, &unit->head);
    if (unit->status == OK && work->two_builds)
        unit->status = side_count(&work->base, unit->subject->text, unit->impl->name, &unit->base);
    if (unit->status != OK)
        snprintf(unit->message, sizeof unit->message, "%.500s", fail_text());
#pragma omp critical(regress_counts)
    settings_talk(work->settings, "counts: %d of %d: %s %.60s", ++work->done, work->unit_count,
                  unit->impl->name, unit->subject->text);
}

/* Processes do not disturb each other's counts, so they may run side by side. */
static enum status count_units(struct work *work, int from)
{
    const int jobs = work->settings->jobs;
#pragma omp parallel for schedule(dynamic) num_threads(jobs)
    for (int i = from; i < work->unit_count; i++)
        count_unit(work, &work->units[i]);
    settings_talk(work->settings, "%s", "");
    for (int i = from; i < work->unit_count; i++)
        if (work->units[i].status != OK)
            return fail(work->units[i].status, "%s", work->units[i].message);
    return OK;
}

static struct unit *find_unit(const struct work *work, const struct regress_target *target)
{
    for (int i = 0; i < work->unit_count; i++)
        if (work->units[i].subject == target->subject && work->units[i].impl == target->impl)
            return &work->units[i];
    return NULL;
}

static enum status make_units(struct work *work)
{
    work->units = calloc((size_t)work->targets.count + 1, sizeof *work->units);
    if (!work->units)
        return fail(ERR_MEMORY, "no memory for %d cases", work->targets.count);
    for (int i = 0; i < work->targets.count; i++) {
        const struct regress_target *target = &work->targets.list[i];
        if (!find_unit(work, target))
            work->units[work->unit_count++] =
                (struct unit){.subject = target->subject, .impl = target->impl};
    }
    return OK;
}

/* ---- keys ---- */

/* What made the counts; taken from the first unit, so that nothing else is run when it cannot be
 * compared. */
static enum status take_keys(struct work *work)
{
    struct regress_outcome *outcome = work->outcome;
    const struct unit *first = &work->units[0];
    outcome->head_key = json_incref(first->head.key);
    outcome->base_key = json_incref(work->two_builds
                                        ? first->base.key
                                        : json_object_get(work->baseline, "key"));
    if (!outcome->head_key)
        return OK; /* the process gave no answer: its rows say why */
    if (work->baseline)
        return baseline_same_key(outcome->base_key, outcome->head_key);
    return OK;
}

/* ---- rows ---- */

static void base_of(const struct work *work, const struct unit *unit, enum regress_pass pass,
                    const char *name, struct regress_row *row, enum side_state *state)
{
    const char *how = "";
    double count = NAN;
    if (work->two_builds) {
        *state = unit->base.state[pass];
        count = *state == SIDE_OK ? unit->base.instructions[pass] : NAN;
        how = unit->base.how[pass];
    } else {
        *state = work->baseline && baseline_case(work->baseline, name, &count, &how) ? SIDE_OK
                                                                                    : SIDE_ABSENT;
    }
    row->base = *state == SIDE_OK ? count : NAN;
    snprintf(row->how_base, sizeof row->how_base, "%s", how);
}

static void judge_row(struct work *work, struct regress_row *row)
{
    settings_allow(work->settings, row);
    row->bound = judge_count_bound(row->impl, row->allowed);
    row->ratio = row->head / row->base;
    row->state = judge_count(row->base, row->head, row->bound);
    if (strcmp(row->how_base, row->how_head) != 0)
        snprintf(row->reason, sizeof row->reason, "other kernels than in base");
}

static void fill_row(struct work *work, const struct unit *unit, enum regress_pass pass,
                     struct regress_row *row)
{
    enum side_state base;
    base_of(work, unit, pass, row->name, row, &base);
    snprintf(row->how_head, sizeof row->how_head, "%s", unit->head.how[pass]);
    if (unit->head.state[pass] == SIDE_OK)
        row->head = unit->head.instructions[pass];
    if (unit->head.state[pass] == SIDE_FAILED) {
        row->state = REGRESS_FAILED;
        snprintf(row->reason, sizeof row->reason, "%s", unit->head.reason[pass]);
    } else if (unit->head.state[pass] == SIDE_ABSENT) {
        row->state = REGRESS_REMOVED;
    } else if (base == SIDE_OK) {
        judge_row(work, row);
    } else {
        row->state = work->settings->update ? REGRESS_OK : REGRESS_ADDED;
        if (base == SIDE_FAILED)
            snprintf(row->reason, sizeof row->reason, "fails in base: %.200s",
                     unit->base.reason[pass]);
    }
}

static enum status add_rows(struct work *work)
{
    for (int i = 0; i < work->targets.count; i++) {
        const struct regress_target *target = &work->targets.list[i];
        const struct unit *unit = find_unit(work, target);
        double count;
        const char *how;
        bool known = baseline_case(work->baseline, target->name, &count, &how) ||
                     unit->base.state[target->pass] != SIDE_ABSENT;
        if (unit->head.state[target->pass] == SIDE_ABSENT && !known)
            continue;
        struct regress_row *row = outcome_add(work->outcome, target->name, "instructions");
        if (!row)
            return ERR_MEMORY;
        fill_row(work, unit, target->pass, row);
    }
    return OK;
}

static bool has_row(const struct regress_outcome *outcome, const char *name)
{
    for (int i = 0; i < outcome->count; i++)
        if (strcmp(outcome->rows[i]->name, name) == 0)
            return true;
    return false;
}

static bool is_asked(const struct regress_settings *settings, const char *name)
{
    size_t length = strcspn(name, " ");
    for (int i = 0; i < settings->impl_count; i++)
        if (strlen(settings->impls[i]->name) == length &&
            strncmp(settings->impls[i]->name, name, length) == 0)
            return !settings->filter || regress_match(settings->filter, name);
    return false;
}

/* Cases that only the baseline has. */
static enum status add_removed(struct work *work)
{
    const char *name, *how;
    json_t *entry;
    json_object_foreach(json_object_get(work->baseline, "cases"), name, entry) {
        if (has_row(work->outcome, name) || !is_asked(work->settings, name))
            continue;
        struct regress_row *row = outcome_add(work->outcome, name, "instructions");
        if (!row)
            return ERR_MEMORY;
        row->state = REGRESS_REMOVED;
        baseline_case(work->baseline, name, &row->base, &how);
        snprintf(row->how_base, sizeof row->how_base, "%s", how);
    }
    return OK;
}

/* ---- the gate ---- */

static enum status open_work(struct work *work)
{
    struct regress_settings *s = work->settings;
    work->two_builds = s->base != NULL;
    TRY(side_open(&work->head, "head", s->head));
    if (work->two_builds)
        TRY(side_open(&work->base, "base", s->base));
    else if (!s->update)
        TRY(baseline_read(s->counts_file, &work->baseline));
    return OK;
}

static void close_work(struct work *work)
{
    for (int i = 0; i < work->unit_count; i++) {
        json_decref(work->units[i].base.key);
        json_decref(work->units[i].head.key);
    }
    free(work->units);
    regress_targets_free(&work->targets);
    side_close(&work->base);
    side_close(&work->head);
    json_decref(work->baseline);
}

static enum status write_baselines(struct work *work)
{
    const struct regress_outcome *outcome = work->outcome;
    if (outcome->verdict != VERDICT_OK)
        return OK; /* what is wrong is no baseline */
    TRY(baseline_write(work->settings->counts_file, outcome));
    return work->settings->accuracy ? regress_accuracy_update(work->settings, &work->head) : OK;
}

static enum status compare(struct work *work)
{
    struct regress_settings *s = work->settings;
    TRY(count_units(work, 1));
    TRY(add_rows(work));
    TRY(add_removed(work));
    if (s->accuracy && !s->update)
        TRY(regress_accuracy(s, work->two_builds ? &work->base : NULL, &work->head,
                             work->outcome));
    outcome_settle(work->outcome);
    return s->update ? write_baselines(work) : OK;
}

/* What keeps two sides from being compared is a verdict, not a fault. */
static bool is_refusal(enum status status)
{
    return status == ERR_UNSUPPORTED || status == ERR_FORMAT || status == ERR_IO;
}

static enum status run(struct work *work)
{
    const struct regress_settings *s = work->settings;
    TRY(regress_targets_make(&work->targets, &s->cases, s->impls, s->impl_count, s->filter));
    TRY(make_units(work));
    if (work->unit_count == 0) {
        outcome_settle(work->outcome);
        return OK;
    }
    enum status status = open_work(work);
    if (is_refusal(status)) {
        outcome_refuse(work->outcome);
        return OK;
    }
    TRY(status);
    count_unit(work, &work->units[0]);
    if (work->units[0].status == ERR_UNSUPPORTED) { /* no valgrind */
        work->outcome->verdict = VERDICT_NOTHING;
        snprintf(work->outcome->reason, sizeof work->outcome->reason, "%s",
                 work->units[0].message);
        return OK;
    }
    if (work->units[0].status != OK)
        return fail(work->units[0].status, "%s", work->units[0].message);
    status = take_keys(work);
    if (is_refusal(status)) {
        outcome_refuse(work->outcome);
        return OK;
    }
    return status == OK ? compare(work) : status;
}

enum status regress_counts(struct regress_settings *settings, struct regress_outcome *outcome)
{
    struct work *work = calloc(1, sizeof *work);
    if (!work)
        return fail(ERR_MEMORY, "no memory for the counts");
    work->settings = settings;
    work->outcome = outcome;
    outcome->threads = 1;
    enum status status = run(work);
    close_work(work);
    free(work);
    return status;
}
