/* The arms of transfer learning: see arm.h. */
#include "bench/transfer/arm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[ARM_COUNT] = {
    [ARM_SCRATCH] = "scratch",
    [ARM_FROZEN] = "frozen",
    [ARM_FROZEN_ATTENTION] = "frozen+attention",
    [ARM_FINETUNE] = "finetune",
    [ARM_HEAD_BN] = "head+bn",
    [ARM_LP_FT] = "lp-ft",
    [ARM_GRADUAL] = "gradual",
    [ARM_FROZEN_RANDOM] = "frozen-random",
};

static const char *const top_names[ARM_TOP_MAX] = {"top:1", "top:2", "top:3", "top:4", "top:5",
                                                   "top:6", "top:7", "top:8", "top:9"};

int transfer_top(enum transfer_arm arm)
{
    return arm > ARM_TOP ? (int)arm - ARM_TOP : 0;
}

const char *transfer_name(enum transfer_arm arm)
{
    return arm > ARM_TOP ? top_names[transfer_top(arm) - 1] : names[arm];
}

enum status transfer_parse(const char *text, enum transfer_arm *arm)
{
    for (int i = 0; i < ARM_COUNT; i++)
        if (strcmp(text, names[i]) == 0) {
            *arm = (enum transfer_arm)i;
            return OK;
        }
    for (int k = 1; k <= ARM_TOP_MAX; k++)
        if (strcmp(text, top_names[k - 1]) == 0) {
            *arm = (enum transfer_arm)(ARM_TOP + k);
            return OK;
        }
    return fail(ERR_USAGE, "--transfer '%s': known are scratch, frozen, frozen+attention, "
                "finetune, head+bn, lp-ft, gradual, frozen-random, top:K (K: how many of the "
                "network's last stages, from 1 on)", text);
}

bool arm_needs_source(enum transfer_arm arm)
{
    return arm != ARM_SCRATCH && arm != ARM_FROZEN_RANDOM;
}

bool arm_caches(enum transfer_arm arm)
{
    return arm == ARM_FROZEN || arm == ARM_FROZEN_RANDOM || arm == ARM_FROZEN_ATTENTION ||
           transfer_top(arm) > 0;
}

int arm_stages(const struct params *params)
{
    int most = 0;
    for (int i = 0; i < params->count; i++)
        most = params->list[i]->stage > most ? params->list[i]->stage : most;
    return most;
}

static bool trains(enum transfer_arm arm, const struct net_param *param, int stages)
{
    if (transfer_top(arm) > 0)
        return param->part == PART_HEAD || param->stage > stages - transfer_top(arm);
    if (arm == ARM_FROZEN || arm == ARM_FROZEN_RANDOM)
        return param->part == PART_HEAD;
    if (arm == ARM_HEAD_BN)
        return param->part == PART_HEAD ||
               (param->part == PART_BACKBONE && param->kind == OP_BATCHNORM);
    return arm != ARM_FROZEN_ATTENTION || param->part != PART_BACKBONE;
}

static enum status too_many_stages(enum transfer_arm arm, int stages)
{
    char valid[8 * ARM_TOP_MAX] = "";
    for (int k = 1; k <= stages && k <= ARM_TOP_MAX; k++)
        snprintf(valid + strlen(valid), sizeof valid - strlen(valid), "%s%s", k > 1 ? ", " : "",
                 top_names[k - 1]);
    return fail(ERR_USAGE, "--transfer %s: this network has %d stages; valid are %s (describe "
                "lists them)", transfer_name(arm), stages, valid);
}

enum status arm_apply(struct params *params, enum transfer_arm arm)
{
    int stages = arm_stages(params);
    if (transfer_top(arm) > stages)
        return too_many_stages(arm, stages);
    for (int i = 0; i < params->count; i++) {
        struct net_param *param = params->list[i];
        param->trainable = !param->buffer && trains(arm, param, stages);
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
