/* Sketches of results: see sketch.h. */
#include "bench/regress/sketch.h"

#include "impls/base/random.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void sketch_add(struct sketch *sketch, const char *name, const float *data, size_t count)
{
    CHECK(sketch->count < SKETCH_OUTPUTS);
    struct sketch_output *out = &sketch->out[sketch->count++];
    *out = (struct sketch_output){.norm = 0};
    snprintf(out->name, sizeof out->name, "%s", name);
    const uint64_t stream = random_name("regress/sketch");
    for (size_t i = 0; i < count; i++) {
        const double x = (double)data[i];
        uint64_t signs = random_mix(stream, i);
        out->norm += x * x;
        for (int k = 0; k < SKETCH_PROJECTIONS; k++, signs >>= 1)
            out->projection[k] += signs & 1 ? x : -x;
    }
    out->norm = sqrt(out->norm);
}

static bool is_finite(const struct sketch_output *out)
{
    bool finite = isfinite(out->norm);
    for (int k = 0; k < SKETCH_PROJECTIONS; k++)
        finite = finite && isfinite(out->projection[k]);
    return finite;
}

const char *sketch_nonfinite(const struct sketch *sketch)
{
    for (int i = 0; i < sketch->count; i++)
        if (!is_finite(&sketch->out[i]))
            return sketch->out[i].name;
    return NULL;
}

double sketch_distance(const struct sketch_output *a, const struct sketch_output *b)
{
    double sum = 0;
    for (int k = 0; k < SKETCH_PROJECTIONS; k++) {
        double d = b->projection[k] - a->projection[k];
        sum += d * d / SKETCH_PROJECTIONS;
    }
    return sum == 0 ? 0 : sqrt(sum) / a->norm;
}

double sketch_bound(const char *output)
{
    if (strcmp(output, "gradients") == 0)
        return 1e-3;
    bool looser = strncmp(output, "diff_", 5) == 0 || strcmp(output, "logits") == 0 ||
                  strcmp(output, "losses") == 0;
    return looser ? 2e-5 : 1e-5;
}

bool sketch_agree(const struct sketch *base, const struct sketch *head, double slack,
                  double *error, char *reason, size_t size)
{
    bool agree = true;
    *error = 0;
    for (int i = 0; i < base->count || i < head->count; i++) {
        const struct sketch_output *a = &base->out[i], *b = &head->out[i];
        if (i >= base->count || i >= head->count || strcmp(a->name, b->name) != 0) {
            *error = INFINITY;
            snprintf(reason, size, "the outputs are not the same (%d and %d)", base->count,
                     head->count);
            return false;
        }
        double by = sketch_distance(a, b), bound = slack * sketch_bound(a->name);
        if (agree && !(by <= bound)) {
            agree = false;
            snprintf(reason, size, "%s differs by %.2g (relative 2-norm, bound %g)", a->name, by,
                     bound);
        }
        *error = by > *error ? by : *error;
    }
    return agree;
}

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *sketch_json(const struct sketch *sketch)
{
    json_t *json = json_object();
    for (int i = 0; i < sketch->count; i++) {
        const struct sketch_output *out = &sketch->out[i];
        json_t *numbers = json_array();
        json_array_append_new(numbers, number(out->norm));
        for (int k = 0; k < SKETCH_PROJECTIONS; k++)
            json_array_append_new(numbers, number(out->projection[k]));
        json_object_set_new(json, out->name, numbers);
    }
    return json;
}

static enum status read_output(const char *name, const json_t *numbers, struct sketch_output *out)
{
    *out = (struct sketch_output){.norm = 0};
    snprintf(out->name, sizeof out->name, "%s", name);
    for (size_t k = 0; k <= SKETCH_PROJECTIONS; k++) {
        const json_t *item = json_array_get(numbers, k);
        double value = json_is_number(item) ? json_number_value(item) : NAN;
        if (!item)
            return fail(ERR_FORMAT, "the sketch of %s does not have %d numbers", name,
                        SKETCH_PROJECTIONS + 1);
        if (k == 0)
            out->norm = value;
        else
            out->projection[k - 1] = value;
    }
    return OK;
}

enum status sketch_from_json(const json_t *json, struct sketch *sketch)
{
    const char *name;
    json_t *numbers;
    *sketch = (struct sketch){0};
    json_object_foreach((json_t *)json, name, numbers) {
        if (sketch->count == SKETCH_OUTPUTS)
            return fail(ERR_FORMAT, "a sketch of more than %d outputs", SKETCH_OUTPUTS);
        TRY(read_output(name, numbers, &sketch->out[sketch->count++]));
    }
    return OK;
}
