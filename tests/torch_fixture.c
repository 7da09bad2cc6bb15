/* Networks against PyTorch: see torch_fixture.h. */
#include "tests/torch_fixture.h"

#include "tests/fixture_formula.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SEEN_LOGITS, SEEN_GRADIENTS, SEEN_STATISTICS, SEEN_LOSSES };
enum { MOST_NUMBERS = 64, MOST_TENSORS = 512 };
enum { SINGLES = 3 }; /* factor of PyTorch's own error that passes */

const struct torch_tolerance torch_tolerance = {.logits = 1e-5,
                                                .gradient = 1e-4,
                                                .median = 3e-5,
                                                .statistics = 1e-5,
                                                .loss = 2e-6,
                                                .growth = 2.5,
                                                .trained = 1e-2};

/* ---- the file ---- */

static double number(const struct torch_fixture *f, const char *key)
{
    const char *text = safetensors_metadata(&f->file, key);
    if (!text)
        fail_msg("%s says nothing of %s", f->file.path, key);
    return strtod(text, NULL);
}

static void read_single(struct torch_fixture *f)
{
    const char *text = safetensors_metadata(&f->file, "single_precision");
    json_t *json = json_loads(text ? text : "", 0, NULL), *losses = json_object_get(json, "losses");
    if (!json)
        fail_msg("%s: no single_precision", f->file.path);
    for (size_t i = 0; i < TORCH_STEPS; i++) {
        double own = json_number_value(json_array_get(losses, i));
        f->single.loss[i] = fmax(own, i ? f->single.loss[i - 1] : 0);
    }
    f->single.statistics = json_number_value(json_object_get(json, "last"));
    f->single.logits = json_number_value(json_object_get(json, "logits.last"));
    json_decref(json);
}

static void read_settings(struct torch_fixture *f)
{
    f->seed = (uint64_t)number(f, "seed");
    f->batch = (int)number(f, "batch");
    f->size = (int)number(f, "size");
    f->classes = (int)number(f, "classes");
    f->steps = (int)number(f, "steps");
    f->sgd = (struct sgd){.lr = number(f, "lr"),
                          .momentum = number(f, "momentum"),
                          .weight_decay = number(f, "weight_decay")};
    f->tolerance = torch_tolerance;
    read_single(f);
}

/* Copies a tensor of the file; returns how many numbers it has. */
static size_t read_tensor(const struct torch_fixture *f, const char *group, const char *name,
                          float *values)
{
    char full[PARAM_NAME + 16];
    snprintf(full, sizeof full, "%s%s%s", group, group[0] ? "/" : "", name);
    const struct safetensors_tensor *tensor = safetensors_find(&f->file, full);
    if (!tensor || tensor->count > MOST_NUMBERS)
        fail_msg("%s: no tensor %s of at most %d numbers", f->file.path, full, MOST_NUMBERS);
    net_case_must(safetensors_copy_f32(&f->file, tensor, values, tensor->count));
    return tensor->count;
}

void torch_open(struct torch_fixture *f, const char *name, const struct impl *impl, bool fused,
                const char *attention)
{
    char path[128];
    memset(f, 0, sizeof *f);
    snprintf(path, sizeof path, "tests/fixtures/torch_%s.safetensors", name);
    if (safetensors_open(&f->file, path) != OK)
        fail_msg("%s (run from the top of the checkout)", fail_text());
    read_settings(f);
    net_case_must(model_parse(safetensors_metadata(&f->file, "model"),
                              attention ? attention : safetensors_metadata(&f->file, "attention"),
                              &f->spec));
    f->spec.classes = f->classes;
    f->spec.input_h = f->spec.input_w = f->size;
    net_case_open(&f->c, impl, fused);
    net_free(f->c.net);
    f->c.net = NULL;
    net_case_must(model_build(&f->spec, &f->c.net));
    net_case_finish(&f->c);
    formula_fill_params(f->c.net->params, f->seed);
}

void torch_close(struct torch_fixture *f)
{
    net_case_close(&f->c);
    safetensors_close(&f->file);
}

/* ---- comparisons ---- */

/* Notes a relative error; false and a line when it is too large. A NaN is too large. */
static bool within(struct torch_fixture *f, int seen, const char *what, const char *name,
                   double error, double tolerance, char *text)
{
    f->worst[seen] = fmax(f->worst[seen], error);
    if (error <= tolerance)
        return true;
    snprintf(text, TORCH_TEXT, "%s of %s is off by %.2e, more than %.1e", what, name, error,
             tolerance);
    return false;
}

static bool logits_agree(struct torch_fixture *f, const struct program *program, const char *name,
                         double tolerance, char *text)
{
    float expected[MOST_NUMBERS];
    const float *logits = program_output(program, 0).data;
    size_t count = read_tensor(f, "", name, expected);
    double norm = 0, error = 0;
    assert_int_equal(count, f->batch * f->classes);
    for (size_t i = 0; i < count; i++) {
        double d = (double)logits[i] - (double)expected[i];
        error += d * d;
        norm += (double)expected[i] * (double)expected[i];
    }
    return within(f, SEEN_LOGITS, "2-norm", name, sqrt(error / norm), tolerance, text);
}

/* Compares norm, sum, projections and first values of a tensor, all relative to `size`. In the sum
 * an error that all values share adds up (to sqrt(count) times its 2-norm): ten times as much may
 * pass. A single value may be off by ten times what an evenly spread error would give. */
static bool summary_agrees(struct torch_fixture *f, int seen, const struct net_param *param,
                           const float *values, const float *expected, size_t count, double size,
                           double tolerance, char *text)
{
    static const char *const what[] = {"norm", "sum", "projection 0", "projection 1",
                                       "projection 2"};
    double summary[FORMULA_SUMMARY], root = sqrt((double)param->p.count);
    bool good = true;
    formula_summary(values, param->p.count, summary);
    for (int i = 0; i < FORMULA_SUMMARY && good; i++)
        good = within(f, seen, what[i], param->name,
                      fabs(summary[i] - (double)expected[i]) /
                          (i == FORMULA_SUM ? size * fmin(10, root) : size),
                      tolerance, text);
    double even = size * fmin(1, 10 / root);
    for (size_t i = 0; i + FORMULA_SUMMARY < count && good; i++)
        good = within(f, seen, "a value", param->name,
                      fabs((double)values[i] - (double)expected[i + FORMULA_SUMMARY]) / even,
                      tolerance, text);
    return good;
}

static bool gradient_agrees(struct torch_fixture *f, const struct net_param *param, double *error,
                            char *text)
{
    float expected[MOST_NUMBERS];
    double before = f->worst[SEEN_GRADIENTS];
    assert_non_null(param->p.grad);
    size_t numbers = read_tensor(f, "grad", param->name, expected);
    f->worst[SEEN_GRADIENTS] = 0;
    bool good = summary_agrees(f, SEEN_GRADIENTS, param, param->p.grad, expected + 1, numbers - 1,
                               (double)expected[0], f->tolerance.gradient, text);
    *error = f->worst[SEEN_GRADIENTS];
    f->worst[SEEN_GRADIENTS] = fmax(before, *error);
    return good;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Every trainable parameter, and nothing else, must have a gradient in the file. */
static bool gradients_agree(struct torch_fixture *f, char *text)
{
    const struct params *params = f->c.net->params;
    double error[MOST_TENSORS];
    int count = 0, in_file = 0;
    for (int i = 0; i < params->count; i++) {
        if (params->list[i]->buffer)
            continue;
        assert_true(count < MOST_TENSORS);
        if (!gradient_agrees(f, params->list[i], &error[count++], text))
            return false;
    }
    for (size_t i = 0; i < f->file.count; i++)
        in_file += strncmp(f->file.tensors[i].name, "grad/", 5) == 0;
    assert_int_equal(count, in_file);
    qsort(error, (size_t)count, sizeof *error, ascending);
    f->median = error[count / 2];
    return within(f, SEEN_GRADIENTS, "median error", "all gradients", f->median,
                  f->tolerance.median, text);
}

bool torch_check_statistics(struct torch_fixture *f, const char *group, double tolerance,
                            char text[TORCH_TEXT])
{
    const struct params *params = f->c.net->params;
    for (int i = 0; i < params->count; i++) {
        const struct net_param *param = params->list[i];
        float expected[MOST_NUMBERS];
        if (!param->buffer)
            continue;
        size_t numbers = read_tensor(f, group, param->name, expected);
        if (!summary_agrees(f, SEEN_STATISTICS, param, param->p.data, expected, numbers,
                            (double)expected[0], tolerance, text))
            return false;
    }
    return true;
}

/* ---- runs ---- */

static double mean_loss(const struct torch_fixture *f, const struct program *program)
{
    double sum = 0;
    for (int i = 0; i < f->batch; i++)
        sum += (double)program_losses(program)[i];
    return sum / f->batch;
}

static bool loss_agrees(struct torch_fixture *f, const struct program *program, int step,
                        char *text)
{
    const struct safetensors_tensor *tensor = safetensors_find(&f->file, "losses");
    float expected[MOST_NUMBERS];
    char name[32];
    assert_non_null(tensor);
    assert_in_range(step, 0, tensor->count - 1);
    net_case_must(safetensors_copy_f32(&f->file, tensor, expected, tensor->count));
    double error = fabs(mean_loss(f, program) - (double)expected[step]) / (double)expected[step];
    snprintf(name, sizeof name, "step %d", step);
    assert_in_range(step, 0, TORCH_STEPS - 1);
    return within(
        f, SEEN_LOSSES, "loss", name, error,
        fmax(f->tolerance.loss * pow(f->tolerance.growth, step), SINGLES * f->single.loss[step]),
        text);
}

static bool inference(struct torch_fixture *f, const char *name, double tolerance, char *text)
{
    struct program *program = net_case_infer(&f->c, f->batch, NULL, 0);
    struct tensor input = program_input(program, 0);
    formula_fill_input(&input, f->seed);
    net_case_must(program_forward(program));
    bool good = logits_agree(f, program, name, tolerance, text);
    program_free(program);
    return good;
}

bool torch_check_inference(struct torch_fixture *f, char text[TORCH_TEXT])
{
    return inference(f, "logits.eval", f->tolerance.logits, text);
}

static struct program *training(struct torch_fixture *f)
{
    struct program *program = net_case_train(&f->c, f->batch, NET_CASE_ALL, true);
    struct tensor input = program_input(program, 0);
    formula_fill_input(&input, f->seed);
    formula_fill_labels(program_labels(program), f->batch, f->classes, f->seed);
    formula_fill_params(f->c.net->params, f->seed);
    return program;
}

bool torch_check_first_step(struct torch_fixture *f, char text[TORCH_TEXT])
{
    struct program *program = training(f);
    net_case_must(program_forward(program));
    net_case_must(program_backward(program));
    bool good = logits_agree(f, program, "logits.train", f->tolerance.logits, text) &&
                loss_agrees(f, program, 0, text) &&
                torch_check_statistics(f, "first", f->tolerance.statistics, text) &&
                gradients_agree(f, text);
    program_free(program);
    return good;
}

bool torch_check_training(struct torch_fixture *f, const struct sgd *sgd, char text[TORCH_TEXT])
{
    struct program *program = training(f);
    bool good = true;
    for (int step = 0; step < f->steps && good; step++) {
        net_case_must(program_forward(program));
        net_case_must(program_backward(program));
        good = loss_agrees(f, program, step, text);
        sgd_step(f->c.net->params, sgd);
    }
    program_free(program);
    double statistics = fmax(f->tolerance.trained, SINGLES * f->single.statistics);
    double logits = fmax(f->tolerance.trained, SINGLES * f->single.logits);
    return good && torch_check_statistics(f, "last", statistics, text) &&
           inference(f, "logits.last", logits, text);
}
