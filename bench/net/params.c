/* Parameters and buffers: see params.h. Initial values are in params_init.c. */
#include "bench/net/params.h"

#include "bench/net/input_file.h"
#include "impls/base/memory.h"

#include <stdlib.h>
#include <string.h>

struct params *params_new(void)
{
    struct params *params = calloc(1, sizeof *params);
    if (!params)
        fail(ERR_MEMORY, "out of memory for the parameter list");
    return params;
}

static void param_free(struct net_param *param)
{
    memory_free(param->p.data);
    memory_free(param->p.grad);
    memory_free(param->velocity);
    free(param);
}

void params_free(struct params *params)
{
    if (!params)
        return;
    for (int i = 0; i < params->count; i++)
        param_free(params->list[i]);
    free(params->list);
    free(params);
}

static enum status grow(struct params *params)
{
    if (params->count < params->capacity)
        return OK;
    int capacity = params->capacity ? 2 * params->capacity : 64;
    struct net_param **list = realloc(params->list, (size_t)capacity * sizeof *list);
    if (!list)
        return fail(ERR_MEMORY, "out of memory for %d parameters", capacity);
    params->list = list;
    params->capacity = capacity;
    return OK;
}

struct net_param *params_add(struct params *params, const struct net_param *like)
{
    CHECK(!params_find(params, like->name));
    if (grow(params) != OK)
        return NULL;
    struct net_param *param = malloc(sizeof *param);
    if (!param) {
        fail(ERR_MEMORY, "out of memory for parameter %s", like->name);
        return NULL;
    }
    *param = *like;
    param->p = (struct param){.name = param->name, .count = 1, .version = 1};
    param->velocity = NULL;
    param->dropped = false;
    for (int i = 0; i < param->ndim; i++)
        param->p.count *= (size_t)param->dim[i];
    param->p.data = memory_alloc(param->p.count * sizeof(float));
    if (!param->p.data) {
        free(param);
        return NULL;
    }
    return params->list[params->count++] = param;
}

struct net_param *params_find(const struct params *params, const char *name)
{
    for (int i = 0; i < params->count; i++)
        if (strcmp(params->list[i]->name, name) == 0)
            return params->list[i];
    return NULL;
}

double params_count(const struct params *params)
{
    double sum = 0;
    for (int i = 0; i < params->count; i++)
        if (!params->list[i]->buffer)
            sum += (double)params->list[i]->p.count;
    return sum;
}

double params_count_trainable(const struct params *params)
{
    double sum = 0;
    for (int i = 0; i < params->count; i++)
        if (params->list[i]->trainable)
            sum += (double)params->list[i]->p.count;
    return sum;
}

/* Gradient and velocity of one parameter, there exactly when it is trainable. */
static enum status prepare(struct net_param *param)
{
    if (!param->trainable) {
        memory_free(param->p.grad);
        memory_free(param->velocity);
        param->p.grad = param->velocity = NULL;
        return OK;
    }
    if (!param->p.grad)
        param->p.grad = memory_alloc(param->p.count * sizeof(float));
    if (!param->velocity)
        param->velocity = memory_alloc(param->p.count * sizeof(float));
    return param->p.grad && param->velocity ? OK : ERR_MEMORY;
}

enum status params_prepare_training(struct params *params)
{
    for (int i = 0; i < params->count; i++)
        TRY(prepare(params->list[i]));
    return OK;
}

void params_drop(struct net_param *param)
{
    memory_discard(param->p.data, param->p.count * sizeof(float));
    param->dropped = true;
}

void params_clear_velocity(struct params *params)
{
    for (int i = 0; i < params->count; i++)
        if (params->list[i]->velocity)
            memset(params->list[i]->velocity, 0, params->list[i]->p.count * sizeof(float));
}

uint64_t params_hash(const struct params *params)
{
    uint64_t hash = HASH_START;
    for (int i = 0; i < params->count; i++) {
        const struct net_param *param = params->list[i];
        CHECK(!param->dropped);
        hash = hash_bytes(hash, param->name, strlen(param->name) + 1);
        hash = hash_bytes(hash, param->p.data, param->p.count * sizeof(float));
    }
    return hash;
}
