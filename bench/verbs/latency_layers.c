/* Where the time of a network goes: its layers timed inside the chain that they form, alone and by
 * kind, beside what the machine could do at most. See latency_work.h. */
#include "bench/verbs/latency_work.h"

#include "bench/measure/chain.h"
#include "bench/measure/layer_run.h"
#include "bench/measure/percentile.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KIND_NAME = 48 };

enum link_pass { LINK_FORWARD, LINK_BACKWARD, LINK_UPDATE };
static const char *const pass_names[] = {"fwd", "bwd", "update"};

/* One call of the chain. */
struct link {
    struct latency_program *program;
    enum link_pass pass;
    int step; /* of the program; -1: the update */
    char name[NET_NAME], kind[KIND_NAME];
    const char *how;
    double macs, flops, bytes;
};

/* Everything of one program. */
struct breakdown {
    const struct latency_entry *entry;
    const struct peak *peak;
    int count;
    struct link *links;
    struct sample_target *targets;
    struct chain chain;
    double *sums; /* [chain.n] of some links, round by round */
    double whole_ms, sum_ms;
};

/* What the rows of layers and of kinds have in common; `layers` and `kinds` add theirs. */
#define SUBJECT_COLUMNS                                                                          \
    {.name = "model"}, {.name = "attention"}, {.name = "impl"}, {.name = "dtype"},               \
        {.name = "batch"}, {.name = "input"}, {.name = "threads"}
#define COST_COLUMNS                                                                             \
    {.name = "macs", .audience = TABLE_MACHINES}, {.name = "flops", .audience = TABLE_MACHINES}, \
        {.name = "bytes", .audience = TABLE_MACHINES},                                           \
        {.name = "median_ms", .title = "median", .unit = "ms", .decimals = 4},                   \
        {.name = "median_low_ms", .unit = "ms", .audience = TABLE_MACHINES},                     \
        {.name = "median_high_ms", .unit = "ms", .audience = TABLE_MACHINES},                    \
        {.name = "share", .title = "share", .unit = "%", .decimals = 1},                         \
        {.name = "gflops", .title = "GFLOP/s", .decimals = -4},                                  \
        {.name = "gbs", .title = "GB/s", .decimals = -4},                                        \
        {.name = "bound_ms", .title = "bound", .unit = "ms", .decimals = 4},                     \
        {.name = "of_bound", .title = "of the bound", .unit = "%", .decimals = 0}

static const struct table_column layer_columns[] = {
    SUBJECT_COLUMNS,       {.name = "pass"},  {.name = "index", .audience = TABLE_MACHINES},
    {.name = "layer"},     {.name = "kind"},  {.name = "n", .audience = TABLE_MACHINES},
    COST_COLUMNS,          {.name = "case", .audience = TABLE_MACHINES}, {.name = "how"},
};

static const struct table_column kind_columns[] = {
    SUBJECT_COLUMNS, {.name = "pass"}, {.name = "kind"},
    {.name = "calls"}, {.name = "n", .audience = TABLE_MACHINES}, COST_COLUMNS,
};

/* Columns that would say the same in every row are not for people. */
static void hide_single(struct table *table, const struct latency_settings *s)
{
    const struct {
        const char *name;
        int count;
    } columns[] = {{"model", s->models.count},   {"attention", s->attentions.count},
                   {"impl", s->impl_count},
                   {"dtype", option_has_bf16(s->dtypes, s->dtype_count) ? 2 : 1},
                   {"batch", s->batch_count},    {"input", s->size_count},
                   {"threads", s->thread_count}, {"pass", s->shape.train ? 3 : 1}};
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
        if (columns[i].count == 1)
            table_hide(table, columns[i].name);
}

void latency_layers_new(struct latency_tables *tables, const struct latency_settings *s)
{
    tables->layers = table_new("layers", "Layers, timed inside the network", layer_columns,
                               sizeof layer_columns / sizeof layer_columns[0]);
    tables->kinds = table_new("kinds", "Time by kind of layer", kind_columns,
                              sizeof kind_columns / sizeof kind_columns[0]);
    tables->peaks = json_array();
    hide_single(tables->layers, s);
    hide_single(tables->kinds, s);
}

void latency_layers_peak(struct latency_tables *tables, const struct peak *peak)
{
    char text[160];
    json_t *json = json_pack("{s:i,s:s,s:f,s:f,s:f}", "threads", peak->threads, "isa", peak->isa,
                             "gflops", peak->gflops, "memory_gbs", peak->memory_gbs, "cache_gbs",
                             peak->cache_gbs);
    if (peak->bf16_gflops > 0)
        json_object_set_new(json, "bf16_gflops", json_real(peak->bf16_gflops));
    json_array_append_new(tables->peaks, json);
    peak_print(peak, text, sizeof text);
    table_note(tables->kinds, "%s", text);
}

/* ---- the chain ---- */

static enum status run_link(void *context)
{
    const struct link *link = context;
    if (link->pass == LINK_UPDATE)
        return latency_program_update(link->program);
    return program_run_step(link->program->program, link->step, link->pass == LINK_BACKWARD);
}

/* Parts of attention are told apart from the same operations elsewhere. */
static void name_kind(const struct program_step_info *step, char kind[KIND_NAME])
{
    bool whole = step->kind == OP_ATTENTION || step->kind == OP_ATTENTION_SUM;
    snprintf(kind, KIND_NAME, "%s%s", step->part == PART_ATTENTION && !whole ? "attention " : "",
             op_name(step->kind));
}

static void add_step(struct breakdown *b, int i, enum link_pass pass)
{
    struct latency_program *program = b->entry->running;
    const struct program_step_info step = program_step(program->program, i);
    struct link *link = &b->links[b->count++];
    int products = (step.desc->want_diff_src != 0) + (step.desc->want_diff_param & 1u);
    bool forward = pass == LINK_FORWARD, weighted = op_macs(step.desc) > 0;
    *link = (struct link){.program = program, .pass = pass, .step = i, .how = step.how};
    snprintf(link->name, sizeof link->name, "%s", step.name);
    name_kind(&step, link->kind);
    link->macs = op_macs(step.desc) * (forward ? 1 : products);
    link->flops = op_flops(step.desc) * (forward || !weighted ? 1 : products);
    link->bytes = layer_pass_bytes(step.desc, forward ? PASS_FWD : PASS_BWD);
}

/* SGD reads weight, gradient and velocity of every number and writes two of them: decay, momentum
 * and step are a product and a sum each. */
static void add_update(struct breakdown *b)
{
    const struct params *params = b->entry->program->network->net->params;
    double numbers = params_count_trainable(params);
    b->links[b->count++] = (struct link){.program = b->entry->running, .pass = LINK_UPDATE,
                                         .step = -1, .name = "update", .kind = "update",
                                         .how = "", .flops = 6 * numbers,
                                         .bytes = 5 * sizeof(float) * numbers};
}

static enum status make_links(struct breakdown *b)
{
    const struct program *program = b->entry->program->program;
    const int steps = program_steps(program);
    const bool train = b->entry->program->shape->train;
    size_t most = 2 * (size_t)steps + 1;
    b->links = calloc(most, sizeof *b->links);
    b->targets = calloc(most, sizeof *b->targets);
    if (!b->links || !b->targets)
        return fail(ERR_MEMORY, "no memory for %d layers", steps);
    for (int i = 0; i < steps; i++)
        add_step(b, i, LINK_FORWARD);
    for (int i = steps - 1; train && i >= 0; i--)
        if (program_step(program, i).has_backward)
            add_step(b, i, LINK_BACKWARD);
    if (train)
        add_update(b);
    for (int i = 0; i < b->count; i++)
        b->targets[i] = (struct sample_target){run_link, &b->links[i]};
    return OK;
}

/* ---- rows ---- */

static void add_subject(struct table *table, const struct breakdown *b, const char *pass)
{
    const struct latency_program *program = b->entry->program;
    table_row(table);
    table_text(table, "model", b->entry->model);
    table_text(table, "attention", program->network->attention);
    table_text(table, "impl", program->impl->name);
    table_text(table, "dtype", dtype_name(program->shape->dtype));
    table_number(table, "batch", program->shape->batch);
    table_printf(table, "input", "%dx%d", program->network->spec.input_h,
                 program->network->spec.input_w);
    table_number(table, "threads", program->shape->threads);
    table_text(table, "pass", pass);
    table_number(table, "n", b->chain.n);
}

/* Times from samples[n], which are sorted on the way, beside what they are to be compared with. */
static void add_cost(struct table *table, const struct breakdown *b, double *samples,
                     const struct link *cost)
{
    const enum dtype dtype = b->entry->program->shape->dtype;
    double low, high, bound = peak_bound_ms(b->peak, dtype, cost->flops, cost->bytes);
    percentile_sort(samples, b->chain.n);
    double median = percentile_median(samples, b->chain.n);
    table_number(table, "macs", cost->macs);
    table_number(table, "flops", cost->flops);
    table_number(table, "bytes", cost->bytes);
    table_number(table, "median_ms", median);
    if (percentile_interval(samples, b->chain.n, 0.5, 0.95, &low, &high)) {
        table_number(table, "median_low_ms", low);
        table_number(table, "median_high_ms", high);
    }
    table_number(table, "share", 100 * median / b->sum_ms);
    if (median > 0 && cost->flops > 0)
        table_number(table, "gflops", 1e-6 * cost->flops / median);
    if (median > 0)
        table_number(table, "gbs", 1e-6 * cost->bytes / median);
    table_number(table, "bound_ms", bound);
    if (median > 0)
        table_number(table, "of_bound", 100 * bound / median);
}

static void add_layer(struct table *table, const struct breakdown *b, int i)
{
    const struct link *link = &b->links[i];
    char text[256] = "";
    add_subject(table, b, pass_names[link->pass]);
    table_number(table, "index", i);
    table_text(table, "layer", link->name);
    table_text(table, "kind", link->kind);
    table_text(table, "how", link->how);
    if (link->step >= 0)
        op_print(program_step(b->entry->program->program, link->step).desc, text, sizeof text);
    table_text(table, "case", text);
    memcpy(b->sums, chain_link(&b->chain, i), (size_t)b->chain.n * sizeof *b->sums);
    add_cost(table, b, b->sums, link);
}

static bool same_kind(const struct link *a, const struct link *b)
{
    return a->pass == b->pass && strcmp(a->kind, b->kind) == 0;
}

/* All layers of the kind of layer `first`, which is the first of them: summed round by round. */
static void add_kind(struct table *table, const struct breakdown *b, int first)
{
    const struct link *like = &b->links[first];
    struct link cost = {.pass = like->pass};
    int calls = 0;
    memset(b->sums, 0, (size_t)b->chain.n * sizeof *b->sums);
    for (int i = first; i < b->count; i++) {
        if (!same_kind(&b->links[i], like))
            continue;
        calls++;
        cost.macs += b->links[i].macs;
        cost.flops += b->links[i].flops;
        cost.bytes += b->links[i].bytes;
        for (int k = 0; k < b->chain.n; k++)
            b->sums[k] += chain_link(&b->chain, i)[k];
    }
    add_subject(table, b, pass_names[like->pass]);
    table_text(table, "kind", like->kind);
    table_number(table, "calls", calls);
    add_cost(table, b, b->sums, &cost);
}

static void add_total(struct table *table, const struct breakdown *b, const char *name,
                      const double *samples)
{
    struct link cost = {.step = -1};
    for (int i = 0; i < b->count; i++) {
        cost.macs += b->links[i].macs;
        cost.flops += b->links[i].flops;
        cost.bytes += b->links[i].bytes;
    }
    add_subject(table, b, "all");
    table_text(table, "kind", name);
    table_number(table, "calls", b->count);
    memcpy(b->sums, samples, (size_t)b->chain.n * sizeof *b->sums);
    add_cost(table, b, b->sums, &cost);
}

static bool is_first_of_kind(const struct breakdown *b, int i)
{
    for (int k = 0; k < i; k++)
        if (same_kind(&b->links[k], &b->links[i]))
            return false;
    return true;
}

static void add_rows(struct latency_tables *tables, const struct breakdown *b)
{
    for (int i = 0; i < b->count; i++)
        add_layer(tables->layers, b, i);
    for (int i = 0; i < b->count; i++)
        if (is_first_of_kind(b, i))
            add_kind(tables->kinds, b, i);
    add_total(tables->kinds, b, "all layers", b->chain.sum);
    add_total(tables->kinds, b, "as one call", b->chain.whole);
}

static enum status measure(struct breakdown *b, const struct sample_settings *settings)
{
    const struct sample_target whole = {latency_program_run, b->entry->running};
    TRY(make_links(b));
    TRY(chain_time(b->targets, b->count, &whole, settings, &b->chain));
    b->sums = malloc((size_t)b->chain.n * sizeof *b->sums);
    if (!b->sums)
        return fail(ERR_MEMORY, "no memory for %d samples", b->chain.n);
    b->sum_ms = percentile_median_of(b->chain.sum, b->chain.n);
    b->whole_ms = percentile_median_of(b->chain.whole, b->chain.n);
    return OK;
}

enum status latency_layers_add(struct latency_tables *tables, const struct latency_entry *entry,
                               const struct peak *peak, const struct sample_settings *settings)
{
    struct breakdown b = {.entry = entry, .peak = peak};
    enum status status = measure(&b, settings);
    if (status == OK)
        add_rows(tables, &b);
    chain_free(&b.chain);
    free(b.links);
    free(b.targets);
    free(b.sums);
    return status;
}

void latency_layers_notes(struct latency_tables *tables)
{
    table_note(tables->kinds, "each layer is timed where it stands in the network, with weights "
               "and caches as it finds them there; \"as one call\" is the same network without "
               "looking at its layers.");
    table_note(tables->kinds, "bound: the least time for these operations at the machine's peak, "
               "or for these bytes from memory. Maps that stay in a cache come from there: such a "
               "layer may need less.");
}
