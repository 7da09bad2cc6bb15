/* The arms of transfer learning: see arm.h. */
#include "bench/transfer/arm.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[ARM_COUNT] = {
    [ARM_SCRATCH] = "scratch",
    [ARM_FROZEN] = "frozen",
    [ARM_FROZEN_ATTENTION] = "frozen+attention",
    [ARM_FINETUNE] = "finetune",
};

const char *transfer_name(enum transfer_arm arm)
{
    return names[arm];
}

enum status transfer_parse(const char *text, enum transfer_arm *arm)
{
    for (int i = 0; i < ARM_COUNT; i++)
        if (strcmp(text, names[i]) == 0) {
            *arm = (enum transfer_arm)i;
            return OK;
        }
    return fail(ERR_USAGE, "--transfer '%s': known are scratch, frozen, frozen+attention, finetune",
                text);
}

bool arm_needs_source(enum transfer_arm arm)
{
    return arm != ARM_SCRATCH;
}

bool arm_caches(enum transfer_arm arm)
{
    return arm == ARM_FROZEN || arm == ARM_FROZEN_ATTENTION;
}

static bool trains(enum transfer_arm arm, enum param_part part)
{
    if (arm == ARM_FROZEN)
        return part == PART_HEAD;
    return arm != ARM_FROZEN_ATTENTION || part != PART_BACKBONE;
}

enum status arm_apply(struct params *params, enum transfer_arm arm)
{
    for (int i = 0; i < params->count; i++) {
        struct net_param *param = params->list[i];
        param->trainable = !param->buffer && trains(arm, param->part);
    }
    if (params_count_trainable(params) == 0)
        return fail(ERR_USAGE, "--transfer %s: nothing is left to train", transfer_name(arm));
    return OK;
}

static bool node_trains(const struct net_node *node)
{
    for (int i = 0; i < OP_MAX_PARAM; i++)
        if (node->param[i] && node->param[i]->trainable)
            return true;
    return false;
}

int arm_boundary(const struct net *net, int *ids, int most)
{
    bool *moves = calloc((size_t)net->count + 1, sizeof *moves);
    bool *crosses = calloc((size_t)net->count + 1, sizeof *crosses);
    int count = 0;
    for (int id = 0; moves && crosses && id < net->count; id++) {
        const struct net_node *node = &net->nodes[id];
        moves[id] = node_trains(node);
        for (int s = 0; s < OP_MAX_SRC; s++)
            moves[id] |= node->src[s] != NO_NODE && moves[node->src[s]];
        for (int s = 0; s < OP_MAX_SRC && moves[id]; s++)
            if (node->src[s] != NO_NODE && !moves[node->src[s]])
                crosses[node->src[s]] = true;
    }
    for (int id = 0; moves && crosses && id < net->count; id++)
        if (crosses[id] && count < most)
            ids[count++] = id;
    if (count == 1 && ids[0] == net->input)
        count = 0;
    free(moves);
    free(crosses);
    return count;
}
