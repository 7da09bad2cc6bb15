/* Running a compiled network: see program.h. Allocates nothing, looks nothing up by name. */
#include "bench/net/program_private.h"

#include "impls/base/bf16.h"
#include "impls/base/memory.h"
#include "impls/base/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tensor program_value(const struct program *program, int id)
{
    const struct value *value = &program->values[id];
    struct tensor view = value->shape;
    view.data = value->area == NO_AREA ? NULL
                                       : program->slab + program->areas[value->area].offset;
    return view;
}

struct tensor program_gradient(const struct program *program, int id)
{
    const struct value *value = &program->values[id];
    struct tensor view = value->shape;
    view.data = value->grad_area == NO_AREA
                    ? NULL
                    : program->slab + program->areas[value->grad_area].offset;
    return view;
}

void program_free(struct program *program)
{
    if (!program)
        return;
    for (int s = 0; s < program->step_count; s++)
        plan_release(&program->steps[s].plan);
    memory_free(program->slab);
    memory_free(program->scratch);
    memory_free(program->labels);
    memory_free(program->loss_gradient);
    free(program->values);
    free(program->steps);
    free(program->areas);
    free(program->inputs);
    free(program->outputs);
    free(program);
}

struct tensor program_input(const struct program *program, int i)
{
    return program_value(program, program->inputs[i]);
}

struct tensor program_output(const struct program *program, int i)
{
    return program_value(program, program->outputs[i]);
}

struct tensor program_output_gradient(const struct program *program)
{
    return program_gradient(program, program->outputs[0]);
}

struct tensor program_input_gradient(const struct program *program, int i)
{
    return program_gradient(program, program->inputs[i]);
}

int32_t *program_labels(struct program *program)
{
    return program->labels;
}

const float *program_losses(const struct program *program)
{
    return program_value(program, program->value_count - 1).data;
}

void program_set_step(struct program *program, uint64_t seed, uint64_t step)
{
    for (int s = 0; s < program->step_count; s++) {
        if (program->steps[s].node->desc.kind == OP_DROPOUT)
            program->steps[s].args.seed =
                random_mix(seed, random_name(program->steps[s].node->name));
        program->steps[s].args.step = step;
    }
}

static enum status run(const struct step *step, bool backward)
{
    const struct op_entry *entry = step->plan.entry;
    enum status status = backward ? entry->backward(&step->plan, &step->args)
                                  : entry->forward(&step->plan, &step->args);
    return status == OK ? OK : fail_prefix(status, "%s", step->node->name);
}

/* Whether another step reads the parameter: the two passes of one MLP. */
static bool is_shared(const struct program *program, int step, const struct net_param *param)
{
    for (int s = 0; s < program->step_count; s++)
        for (int i = 0; s != step && i < OP_MAX_PARAM; i++)
            if (program->steps[s].node->param[i] == param)
                return true;
    return false;
}

/* What the plan of a step has packed is not needed any more in its own order. */
static void drop_packed(struct program *program, int step)
{
    const struct step *s = &program->steps[step];
    for (int i = 0; i < OP_MAX_PARAM; i++) {
        struct net_param *param = s->node->param[i];
        if (!param || !(s->plan.packed >> i & 1) || is_shared(program, step, param))
            continue;
        params_drop(param);
        program->dropped_bytes += param->p.count * sizeof(float);
    }
}

enum status program_forward(struct program *program)
{
    for (int s = 0; s < program->step_count; s++) {
        TRY(run(&program->steps[s], false));
        if (program->drop_weights)
            drop_packed(program, s);
    }
    program->drop_weights = false;
    return OK;
}

size_t program_dropped_bytes(const struct program *program)
{
    return program->dropped_bytes;
}

enum status program_backward(struct program *program)
{
    CHECK(program->train);
    for (int s = program->step_count - 1; s >= 0; s--)
        if (program->steps[s].backward)
            TRY(run(&program->steps[s], true));
    return OK;
}

int program_steps(const struct program *program)
{
    return program->step_count;
}

struct program_step_info program_step(const struct program *program, int i)
{
    const struct step *step = &program->steps[i];
    return (struct program_step_info){.name = step->node->name, .how = step->plan.how,
                                      .kind = step->plan.desc.kind, .desc = &step->plan.desc,
                                      .part = step->node->part, .has_backward = step->backward};
}

void program_kernels(const struct program *program, char *text, size_t size)
{
    text[0] = '\0';
    for (int i = 0; i < program->step_count; i++) {
        const char *how = program_step(program, i).how;
        size_t used = strlen(text);
        if (how[0] && !strstr(text, how) && used + strlen(how) + 3 < size)
            snprintf(text + used, size - used, "%s%s", used ? "; " : "", how);
    }
}

enum status program_run_step(struct program *program, int i, bool backward)
{
    return run(&program->steps[i], backward);
}

size_t program_bytes(const struct program *program)
{
    return program->slab_bytes + program->scratch_bytes;
}

static bool is_finite(const struct tensor *value)
{
    const float *floats = value->data;
    const uint16_t *halves = value->data;
    for (size_t i = 0; i < tensor_count(value); i++)
        if (!isfinite(value->dtype == DTYPE_BF16 ? bf16_to_float(halves[i]) : floats[i]))
            return false;
    return true;
}

const char *program_first_nonfinite(const struct program *program)
{
    for (int s = 0; s < program->step_count; s++) {
        struct tensor value = program_value(program, program->steps[s].value);
        if (!is_finite(&value))
            return program->steps[s].node->name;
    }
    return NULL;
}
