/* The tiny training run: see accuracy.h. */
#include "bench/regress/accuracy.h"

#include "bench/regress/accuracy_data.h"
#include "bench/transfer/train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char model[] = "resnet20:width=0.5", attention[] = "cbam";

const char *accuracy_title(void)
{
    return "training resnet20:width=0.5 cbam";
}

static void choose(struct train_settings *settings, const char *impl, int threads,
                   const char *folder)
{
    train_defaults(settings);
    snprintf(settings->model, sizeof settings->model, "%s", model);
    snprintf(settings->attention, sizeof settings->attention, "%s", attention);
    snprintf(settings->impl, sizeof settings->impl, "%s", impl);
    snprintf(settings->data, sizeof settings->data, "idx:%s", folder);
    settings->threads = threads;
    settings->batch = 16;
    settings->steps = ACCURACY_STEPS;
    settings->lr = 0.1;
}

static void keep_loss(void *data, int step, double loss, double accuracy)
{
    struct accuracy_curve *curve = data;
    (void)accuracy;
    if (step >= 1 && step <= ACCURACY_STEPS)
        curve->loss[step - 1] = loss;
}

static enum status train_on(const char *folder, const char *impl, int threads,
                            struct accuracy_curve *curve)
{
    struct train_settings settings;
    struct train_io io = {.on_step = keep_loss, .on_step_data = curve};
    struct train_result *result = calloc(1, sizeof *result);
    if (!result)
        return fail(ERR_MEMORY, "no memory for a training run");
    choose(&settings, impl, threads, folder);
    enum status status = train_run(&settings, &io, result);
    if (status == OK && result->diverged)
        status = fail(ERR_NUMERIC, "diverged at %s", result->diverged_at);
    curve->steps = ACCURACY_STEPS;
    curve->test_loss = result->test_loss;
    curve->test_accuracy = result->test_accuracy;
    curve->test_images = result->test_n;
    free(result->predictions);
    free(result);
    return status;
}

enum status accuracy_train(const char *impl, int threads, struct accuracy_curve *curve)
{
    char folder[ACCURACY_FOLDER];
    *curve = (struct accuracy_curve){.steps = 0};
    TRY(accuracy_data_make(folder));
    enum status status = train_on(folder, impl, threads, curve);
    accuracy_data_remove(folder);
    return status;
}

/* ---- comparison ---- */

double accuracy_bound(int step)
{
    double bound = 1e-6 * pow(4, step - 1);
    return bound < 0.03 ? bound : 0.03;
}

static double relative(double base, double head)
{
    return head == base ? 0 : fabs(head - base) / fabs(base);
}

static bool losses_agree(const struct accuracy_curve *base, const struct accuracy_curve *head,
                         double *worst, char *reason, size_t size)
{
    bool agree = true;
    for (int i = 0; i < base->steps; i++) {
        double by = relative(base->loss[i], head->loss[i]);
        if (agree && !(by <= accuracy_bound(i + 1))) {
            agree = false;
            snprintf(reason, size, "loss of step %d is %.7g where %.7g is due (off by %.2g, bound "
                     "%.2g)", i + 1, head->loss[i], base->loss[i], by, accuracy_bound(i + 1));
        }
        *worst = by > *worst ? by : *worst;
    }
    return agree;
}

bool accuracy_agree(const struct accuracy_curve *base, const struct accuracy_curve *head,
                    double *worst, char *reason, size_t size)
{
    *worst = 0;
    if (base->steps != head->steps || base->test_images != head->test_images) {
        snprintf(reason, size, "another run: %d steps and %d test images where %d and %d are due",
                 head->steps, head->test_images, base->steps, base->test_images);
        return false;
    }
    if (!losses_agree(base, head, worst, reason, size))
        return false;
    if (!(relative(base->test_loss, head->test_loss) <= 0.05)) {
        snprintf(reason, size, "loss on the test images is %.7g where %.7g is due (bound 5 %%)",
                 head->test_loss, base->test_loss);
        return false;
    }
    double images = fabs(head->test_accuracy - base->test_accuracy) * base->test_images;
    if (!(images <= 3.5)) {
        snprintf(reason, size, "accuracy on the test images is %.4f where %.4f is due (bound: 3 "
                 "images of %d)", head->test_accuracy, base->test_accuracy, base->test_images);
        return false;
    }
    return true;
}

/* ---- JSON ---- */

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *accuracy_curve_json(const struct accuracy_curve *curve)
{
    json_t *losses = json_array();
    for (int i = 0; i < curve->steps; i++)
        json_array_append_new(losses, number(curve->loss[i]));
    return json_pack("{s:s, s:o, s:o, s:o, s:i}", "state", "ok", "losses", losses, "test_loss",
                     number(curve->test_loss), "test_accuracy", number(curve->test_accuracy),
                     "test_images", curve->test_images);
}

static double value_of(const json_t *item)
{
    return json_is_number(item) ? json_number_value(item) : NAN;
}

enum status accuracy_curve_from_json(const json_t *json, struct accuracy_curve *curve)
{
    const json_t *losses = json_object_get(json, "losses");
    size_t steps = json_array_size(losses);
    *curve = (struct accuracy_curve){.steps = (int)steps};
    if (steps < 1 || steps > ACCURACY_STEPS)
        return fail(ERR_FORMAT, "%zu losses where 1 to %d were expected", steps, ACCURACY_STEPS);
    for (size_t i = 0; i < steps; i++)
        curve->loss[i] = value_of(json_array_get(losses, i));
    curve->test_loss = value_of(json_object_get(json, "test_loss"));
    curve->test_accuracy = value_of(json_object_get(json, "test_accuracy"));
    curve->test_images = (int)json_integer_value(json_object_get(json, "test_images"));
    return OK;
}
