/* Fresh values of parameters: the standard initialisations by name. See params.h. */
#include "bench/net/params.h"

#include "impls/base/random.h"

#include <math.h>
#include <string.h>

enum { STREAM_INIT = 0x1417 };

static struct random_stream stream_of(const struct net_param *param, uint64_t seed)
{
    return (struct random_stream){seed, random_mix(random_name(param->name), STREAM_INIT)};
}

static void fill_normal(struct net_param *param, uint64_t seed, double sd)
{
    struct random_stream stream = stream_of(param, seed);
#pragma omp parallel for schedule(static) if (param->p.count > 4096)
    for (size_t i = 0; i < param->p.count; i++)
        param->p.data[i] = (float)(sd * random_normal(stream, i));
}

static void fill_uniform(struct net_param *param, uint64_t seed, double bound)
{
    struct random_stream stream = stream_of(param, seed);
#pragma omp parallel for schedule(static) if (param->p.count > 4096)
    for (size_t i = 0; i < param->p.count; i++)
        param->p.data[i] = (float)(bound * (2.0 * (double)random_uniform(stream, i) - 1.0));
}

static void fill_constant(struct net_param *param, float value)
{
    for (size_t i = 0; i < param->p.count; i++)
        param->p.data[i] = value;
}

/* He et al. 2015 (kaiming), Glorot and Bengio 2010 (xavier); the uniform bound 1/sqrt(fan_in) is
 * what PyTorch's kaiming_uniform(a = sqrt 5) of its conv and linear layers comes to. */
void params_init_one(struct net_param *param, uint64_t seed)
{
    double in = param->fan_in > 0 ? param->fan_in : 1;
    double out = param->fan_out > 0 ? param->fan_out : 1;
    switch (param->rule) {
    case INIT_ZERO:
        fill_constant(param, 0);
        break;
    case INIT_ONE:
        fill_constant(param, 1);
        break;
    case INIT_KAIMING_NORMAL_FAN_OUT:
        fill_normal(param, seed, sqrt(2.0 / out));
        break;
    case INIT_KAIMING_NORMAL_FAN_IN:
        fill_normal(param, seed, sqrt(2.0 / in));
        break;
    case INIT_KAIMING_NORMAL_LINEAR:
        fill_normal(param, seed, sqrt(1.0 / in));
        break;
    case INIT_UNIFORM_FAN_IN:
        fill_uniform(param, seed, 1.0 / sqrt(in));
        break;
    case INIT_XAVIER_UNIFORM:
        fill_uniform(param, seed, sqrt(6.0 / (in + out)));
        break;
    case INIT_NORMAL_001:
        fill_normal(param, seed, 0.01);
        break;
    }
    param->p.version++;
}

void params_init(struct params *params, uint64_t seed)
{
    for (int i = 0; i < params->count; i++)
        params_init_one(params->list[i], seed);
}

/* One row a scheme: weight of conv, weight of linear, bias of conv, bias of linear. */
static const struct scheme {
    const char *name;
    enum init_rule conv, linear, conv_bias, linear_bias;
} schemes[] = {
    {"torchvision", INIT_KAIMING_NORMAL_FAN_OUT, INIT_UNIFORM_FAN_IN, INIT_UNIFORM_FAN_IN,
     INIT_UNIFORM_FAN_IN},
    {"pytorch", INIT_UNIFORM_FAN_IN, INIT_UNIFORM_FAN_IN, INIT_UNIFORM_FAN_IN,
     INIT_UNIFORM_FAN_IN},
    {"kaiming", INIT_KAIMING_NORMAL_FAN_IN, INIT_KAIMING_NORMAL_FAN_IN, INIT_UNIFORM_FAN_IN,
     INIT_UNIFORM_FAN_IN},
    {"xavier", INIT_XAVIER_UNIFORM, INIT_XAVIER_UNIFORM, INIT_ZERO, INIT_ZERO},
    {"torchvision-vgg", INIT_KAIMING_NORMAL_FAN_OUT, INIT_NORMAL_001, INIT_ZERO, INIT_ZERO},
    {"torchvision-densenet", INIT_KAIMING_NORMAL_FAN_IN, INIT_UNIFORM_FAN_IN, INIT_ZERO,
     INIT_ZERO},
};
enum { SCHEMES = sizeof schemes / sizeof schemes[0] };

static enum init_rule rule_of(const struct net_param *param, const struct scheme *scheme)
{
    if (param->kind == OP_CONV2D)
        return param->slot == 0 ? scheme->conv : scheme->conv_bias;
    if (param->kind == OP_LINEAR)
        return param->slot == 0 ? scheme->linear : scheme->linear_bias;
    if (param->kind == OP_BATCHNORM)
        return param->slot == 0 || param->slot == 3 ? INIT_ONE : INIT_ZERO;
    return INIT_ZERO;
}

enum status params_scheme(struct params *params, const char *name)
{
    for (int s = 0; s < SCHEMES; s++) {
        if (strcmp(schemes[s].name, name) != 0)
            continue;
        for (int i = 0; i < params->count; i++)
            if (params->list[i]->part != PART_ATTENTION)
                params->list[i]->rule = rule_of(params->list[i], &schemes[s]);
        return OK;
    }
    return fail(ERR_USAGE, "--scheme %s: known are torchvision, pytorch, kaiming, xavier, "
                "torchvision-vgg, torchvision-densenet", name);
}
