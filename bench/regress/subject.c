/* One case ready to run in this process: see subject.h. */
#include "bench/regress/subject.h"

#include "bench/measure/layer_check.h"

#include <stdio.h>
#include <string.h>

enum { SEED = 1 };

bool regress_is_reference(const char *how)
{
    static const char between[] = " ,;/+";
    for (const char *word = how; *word; word += strspn(word, between)) {
        size_t length = strcspn(word, between);
        char text[64];
        snprintf(text, sizeof text, "%.*s", (int)length, word);
        if (strcmp(text, "ref") == 0 || strncmp(text, "ref:", 4) == 0 ||
            strncmp(text, "ref_", 4) == 0 || strstr(text, "_ref:") || strstr(text, ":ref"))
            return true;
        word += length;
    }
    return false;
}

static enum status run_pass(struct regress_subject *ready)
{
    return ready->pass == REGRESS_BWD ? layer_run_backward(&ready->run)
                                      : layer_run_forward(&ready->run);
}

enum status regress_subject_run(void *context)
{
    struct regress_subject *ready = context;
    return ready->subject->network ? regress_network_run(&ready->network) : run_pass(ready);
}

static enum status check_layer(struct regress_subject *ready)
{
    struct layer_verdict verdict;
    layer_check(&ready->operands, &ready->run, 1, SEED, &verdict);
    ready->error = verdict.error;
    return verdict.ok ? OK : fail(ERR_NUMERIC, "%s", verdict.message);
}

static void sketch_layer(struct regress_subject *ready)
{
    struct layer_output output;
    ready->results = (struct sketch){0};
    for (int i = 0; layer_run_output(&ready->run, i, &output); i++)
        sketch_add(&ready->results, output.name, output.data, output.count);
}

static enum status make_layer(struct regress_subject *ready, struct impl_ctx *ctx, bool check)
{
    enum layer_pass pass = ready->pass == REGRESS_BWD ? PASS_BWD : PASS_FWD;
    TRY(layer_operands_make(&ready->operands, &ready->subject->desc, pass));
    TRY(layer_run_make(&ready->run, ready->impl, ctx, &ready->operands));
    snprintf(ready->how, sizeof ready->how, "%s", ready->run.plan.how);
    if (check)
        TRY(check_layer(ready));
    layer_operands_fill(&ready->operands, FILL_REALS, SEED);
    layer_run_reset(&ready->run);
    TRY(layer_run_forward(&ready->run));
    if (pass == PASS_BWD)
        TRY(layer_run_backward(&ready->run));
    sketch_layer(ready);
    return OK;
}

static enum status refuse_reference(const char *how)
{
    return regress_is_reference(how) ? fail(ERR_NUMERIC, "runs reference code: %s", how) : OK;
}

/* Step by step: the list of kernels may have had no room for one. */
static enum status refuse_reference_steps(const struct program *program)
{
    for (int i = 0; i < program_steps(program); i++) {
        const struct program_step_info step = program_step(program, i);
        enum status status = refuse_reference(step.how);
        if (status != OK)
            return fail_prefix(status, "%s", step.name);
    }
    return OK;
}

static enum status make_network(struct regress_subject *ready, struct impl_ctx *ctx,
                                struct algorithms *algorithms, bool check)
{
    struct regress_network *network = &ready->network;
    bool train = ready->pass == REGRESS_STEP;
    TRY(regress_network_make(network, ready->subject, ready->impl, ctx, algorithms, train, false));
    program_kernels(network->program, ready->how, sizeof ready->how);
    TRY(refuse_reference_steps(network->program));
    TRY(regress_network_run(network));
    regress_network_sketch(network, &ready->results);
    return check ? regress_network_check(network, ready->subject, &ready->error) : OK;
}

enum status regress_subject_make(struct regress_subject *ready, const struct regress_case *subject,
                                 const struct impl *impl, struct impl_ctx *ctx,
                                 struct algorithms *algorithms, enum regress_pass pass, bool check)
{
    memset(ready, 0, sizeof *ready);
    ready->subject = subject;
    ready->impl = impl;
    ready->pass = pass;
    if (subject->network)
        TRY(make_network(ready, ctx, algorithms, check));
    else
        TRY(make_layer(ready, ctx, check));
    TRY(refuse_reference(ready->how));
    const char *broken = sketch_nonfinite(&ready->results);
    return broken ? fail(ERR_NUMERIC, "%s is not finite", broken) : OK;
}

void regress_subject_free(struct regress_subject *ready)
{
    layer_run_free(&ready->run);
    layer_operands_free(&ready->operands);
    regress_network_free(&ready->network);
}
