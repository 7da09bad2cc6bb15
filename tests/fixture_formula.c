/* The formula of the fixtures: see fixture_formula.h. */
#include "tests/fixture_formula.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const uint64_t golden = UINT64_C(0x9E3779B97F4A7C15);

static uint64_t mix(uint64_t x)
{
    uint64_t z = x + golden;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static uint64_t key_of(const char *name, uint64_t seed)
{
    uint64_t hash = UINT64_C(0xCBF29CE484222325);
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001B3);
    return hash ^ mix(seed);
}

static double uniform_of(uint64_t key, size_t i)
{
    return (double)(mix(key + i * golden) >> 40) / (1 << 23) - 1;
}

uint64_t formula_word(const char *name, uint64_t seed, size_t i)
{
    return mix(key_of(name, seed) + i * golden);
}

double formula_uniform(const char *name, uint64_t seed, size_t i)
{
    return uniform_of(key_of(name, seed), i);
}

static uint64_t sign_key(int which)
{
    char name[16];
    snprintf(name, sizeof name, "sign%d", which);
    return key_of(name, 0);
}

static double sign_of(uint64_t key, size_t i)
{
    return mix(key + i * golden) & 1 ? -1 : 1;
}

double formula_sign(int which, size_t i)
{
    return sign_of(sign_key(which), i);
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* A value is `middle` plus `reach` times u. */
static void role_of(const struct net_param *param, double *middle, double *reach)
{
    double fan_in = (double)param->p.count / param->dim[0];
    *middle = 0;
    if (ends_with(param->name, "running_var")) {
        *middle = 1;
        *reach = 0.5;
    } else if (ends_with(param->name, "running_mean") || ends_with(param->name, "bias")) {
        *reach = 0.1;
    } else if (param->ndim == 1) {
        bool last = ends_with(param->name, "bn3.weight");
        *middle = last ? 0.2 : 0.75;
        *reach = last ? 0.1 : 0.25;
    } else {
        *reach = sqrt((param->ndim == 4 && param->dim[0] > 1 ? 6 : 1) / fan_in);
    }
}

void formula_fill_params(struct params *params, uint64_t seed)
{
    for (int p = 0; p < params->count; p++) {
        struct net_param *param = params->list[p];
        uint64_t key = key_of(param->name, seed);
        double middle, reach;
        role_of(param, &middle, &reach);
        for (size_t i = 0; i < param->p.count; i++)
            param->p.data[i] = (float)(middle + reach * uniform_of(key, i));
        param->p.version++;
    }
}

void formula_fill_input(const struct tensor *input, uint64_t seed)
{
    uint64_t key = key_of("input", seed);
    size_t pixels = (size_t)input->h * (size_t)input->w, c = (size_t)input->c;
    float *data = input->data;
    for (size_t n = 0; n < (size_t)input->n; n++)
        for (size_t k = 0; k < c; k++)
            for (size_t p = 0; p < pixels; p++)
                data[(n * pixels + p) * c + k] =
                    (float)(sqrt(3.0) * uniform_of(key, (n * c + k) * pixels + p));
}

void formula_fill_labels(int32_t *labels, int n, int classes, uint64_t seed)
{
    for (int i = 0; i < n; i++)
        labels[i] = (int32_t)(formula_word("labels", seed, (size_t)i) % (uint64_t)classes);
}

void formula_summary(const float *values, size_t count, double summary[FORMULA_SUMMARY])
{
    memset(summary, 0, FORMULA_SUMMARY * sizeof *summary);
    for (size_t i = 0; i < count; i++) {
        summary[FORMULA_NORM] += (double)values[i] * (double)values[i];
        summary[FORMULA_SUM] += (double)values[i];
    }
    summary[FORMULA_NORM] = sqrt(summary[FORMULA_NORM]);
    for (int which = 0; which < 3; which++) {
        uint64_t key = sign_key(which);
        for (size_t i = 0; i < count; i++)
            summary[FORMULA_SIGN0 + which] += sign_of(key, i) * (double)values[i];
    }
}
