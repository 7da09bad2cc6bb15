/* One network in one shape, with all its attentions on all implementations: prepared, checked
 * against each other, timed in turns. See latency_work.h. */
#include "bench/verbs/latency_work.h"

#include "impls/ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One entry while it is prepared and timed. */
struct slot {
    struct latency_program program;
    struct latency_answer answer;
    struct latency_entry entry;
};

/* All attentions of one model on all implementations in all dtypes. */
struct group {
    const char *model;
    const struct latency_shape *shape;            /* of the first dtype */
    struct latency_shape shapes[OPTION_DTYPES];  /* one each */
    struct latency_network *networks;
    struct slot *slots;
};

static struct slot *slot_of(const struct latency_work *work, const struct group *group,
                            int attention, int impl, int dtype)
{
    const struct latency_settings *s = work->settings;
    return &group->slots[(attention * s->impl_count + impl) * s->dtype_count + dtype];
}

static int slot_count(const struct latency_settings *s)
{
    return s->attentions.count * s->impl_count * s->dtype_count;
}

static void say(const char *what, const struct slot *slot, const char *model,
                const char *attention)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "%s: %s, %s, %s\n", what, model, attention, slot->program.impl->name);
}

static void leave_out(struct latency_work *work, const char *model, const char *attention,
                      const char *impl, enum dtype dtype, const char *reason)
{
    const char *in = dtype == DTYPE_F32 ? "" : ", bf16";
    fprintf(stderr, "cbam-bench latency: %s, %s, %s%s is left out: %s\n", model, attention, impl,
            in, reason);
    table_note(work->tables.rows, "left out: %s, %s, %s%s: %s", model, attention, impl, in, reason);
    json_array_append_new(work->left_out,
                          json_pack("{s:s,s:s,s:s,s:s,s:s}", "model", model, "attention", attention,
                                    "impl", impl, "dtype", dtype_name(dtype), "error", reason));
}

static void fail_slot(struct slot *slot)
{
    slot->answer.ok = false;
    snprintf(slot->answer.reason, sizeof slot->answer.reason, "%.250s", fail_text());
}

/* The program that is timed here, which decides on algorithms where it has to; then a fresh process
 * for what only that can tell. */
static enum status prepare_slot(struct latency_work *work, const struct group *group,
                                struct latency_network *network, int i, int dtype,
                                struct slot *slot)
{
    const struct latency_settings *s = work->settings;
    const struct latency_shape *shape = &group->shapes[dtype];
    slot->program.impl = s->impls[i];
    slot->entry = (struct latency_entry){.model = group->model, .program = &slot->program,
                                         .running = &slot->program};
    say("loading", slot, group->model, network->attention);
    enum status status =
        latency_program_make(&slot->program, network, s->impls[i], work->ctx[i], shape);
    if (status == OK)
        status = latency_probe_child(group->model, network->attention, s->impls[i], shape,
                                     &slot->entry.probe);
    if (status == OK)
        return latency_ask(&slot->program, work->ctx[i], &slot->answer);
    fail_slot(slot);
    return status == ERR_MEMORY ? status : OK;
}

/* The implementations judge each other in f32; what bf16 answers was compared with that. */
static enum status compare_impls(struct latency_work *work, const struct group *group,
                                 int attention, int dtype)
{
    const struct latency_settings *s = work->settings;
    struct latency_answer *answers[OPTION_IMPLS];
    const char *names[OPTION_IMPLS];
    for (int i = 0; i < s->impl_count; i++) {
        answers[i] = &slot_of(work, group, attention, i, dtype)->answer;
        names[i] = s->impls[i]->name;
    }
    for (int i = 0; group->shape->train && i < s->impl_count; i++)
        TRY(latency_ask_training(&slot_of(work, group, attention, i, dtype)->program,
                                 work->ctx[i], answers[i]));
    if (s->dtypes[dtype] == DTYPE_F32)
        latency_compare(answers, names, s->impl_count);
    for (int i = 0; i < s->impl_count; i++)
        if (!answers[i]->ok)
            leave_out(work, group->model, s->attentions.items[attention], names[i],
                      s->dtypes[dtype], answers[i]->reason);
    return OK;
}

/* One attention: everything is prepared, then compared. */
static enum status prepare_network(struct latency_work *work, const struct group *group,
                                   int attention)
{
    const struct latency_settings *s = work->settings;
    for (int i = 0; i < s->impl_count; i++)
        for (int d = 0; d < s->dtype_count; d++)
            TRY(prepare_slot(work, group, &group->networks[attention], i, d,
                             slot_of(work, group, attention, i, d)));
    for (int d = 0; d < s->dtype_count; d++)
        TRY(compare_impls(work, group, attention, d));
    return OK;
}

/* The slots that may be timed, in one array of targets. */
static enum status time_slots(const struct latency_work *work, const struct group *group)
{
    const struct latency_settings *s = work->settings;
    int count = 0, all = slot_count(s);
    struct sample_target *targets = calloc((size_t)all, sizeof *targets);
    struct sample_series *series = calloc((size_t)all, sizeof *series);
    enum status status = targets && series ? OK : fail(ERR_MEMORY, "no memory for the timings");
    for (int k = 0; status == OK && k < all; k++)
        if (group->slots[k].answer.ok)
            targets[count++] =
                (struct sample_target){latency_program_run, &group->slots[k].program};
    if (status == OK && count > 0) {
        if (isatty(STDERR_FILENO))
            fprintf(stderr, "timing %d programs of %s in turns\n", count, group->model);
        status = sample_rounds(targets, count, &s->sample, series);
    }
    for (int k = 0, next = 0; series && k < all && next < count; k++)
        if (group->slots[k].answer.ok)
            group->slots[k].entry.series = series[next++];
    free(targets);
    free(series);
    return status;
}

/* What the others are compared with: "none", else the first. */
static int base_attention(const struct latency_settings *s)
{
    for (int a = 0; a < s->attentions.count; a++)
        if (strcmp(s->attentions.items[a], "none") == 0)
            return a;
    return 0;
}

static enum status add_rows(struct latency_work *work, const struct group *group)
{
    const struct latency_settings *s = work->settings;
    int base = base_attention(s);
    bool people = s->format == TABLE_TEXT || s->format == TABLE_MD;
    for (int a = 0; a < s->attentions.count; a++)
        for (int k = 0; k < s->impl_count * s->dtype_count; k++) {
            const int i = k / s->dtype_count, d = k % s->dtype_count;
            struct slot *slot = slot_of(work, group, a, i, d);
            const struct slot *plain = slot_of(work, group, base, i, d);
            if (!slot->answer.ok)
                continue;
            slot->entry.base = a != base && plain->answer.ok ? &plain->entry : NULL;
            TRY(latency_tables_add(&work->tables, &slot->entry, &work->record, people));
        }
    return OK;
}

/* After the rows: rounds of another kind must not come between those that are compared. */
static enum status add_layers(struct latency_work *work, const struct group *group)
{
    const struct latency_settings *s = work->settings;
    for (int k = 0; k < slot_count(s); k++)
        if (group->slots[k].answer.ok)
            TRY(latency_layers_add(&work->tables, &group->slots[k].entry, &work->peak,
                                   &s->sample));
    return OK;
}

static enum status run_slots(struct latency_work *work, const struct group *group)
{
    const struct latency_settings *s = work->settings;
    for (int a = 0; a < s->attentions.count; a++)
        TRY(latency_network_make(&group->networks[a], group->model, s->attentions.items[a],
                                 group->shape));
    for (int a = 0; a < s->attentions.count; a++)
        TRY(prepare_network(work, group, a));
    TRY(time_slots(work, group));
    TRY(add_rows(work, group));
    return s->per_kind ? add_layers(work, group) : OK;
}

enum status latency_group_run(struct latency_work *work, const char *model,
                              const struct latency_shape *shape)
{
    const struct latency_settings *s = work->settings;
    const int all = slot_count(s);
    struct group group = {.model = model, .shape = &group.shapes[0]};
    for (int d = 0; d < s->dtype_count; d++) {
        group.shapes[d] = *shape;
        group.shapes[d].dtype = s->dtypes[d];
    }
    group.networks = calloc((size_t)s->attentions.count, sizeof *group.networks);
    group.slots = calloc((size_t)all, sizeof *group.slots);
    enum status status = group.networks && group.slots
                             ? run_slots(work, &group)
                             : fail(ERR_MEMORY, "no memory for the networks");
    for (int k = 0; group.slots && k < all; k++) {
        latency_program_free(&group.slots[k].program);
        latency_answer_free(&group.slots[k].answer);
        sample_free(&group.slots[k].entry.series);
    }
    for (int a = 0; group.networks && a < s->attentions.count; a++)
        latency_network_free(&group.networks[a]);
    free(group.networks);
    free(group.slots);
    return status;
}

