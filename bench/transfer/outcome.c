/* The result of a training run: see outcome.h. */
#include "bench/transfer/outcome.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void outcome_network(struct train_result *result, const struct session *session)
{
    const struct params *params = session->net->params;
    result->params = params_count(params);
    result->trainable = params_count_trainable(params);
    for (int i = 0; i < params->count; i++) {
        const struct net_param *param = params->list[i];
        if (param->part != PART_ATTENTION || param->buffer)
            continue;
        result->attention_params += (double)param->p.count;
        result->attention_trainable += param->trainable ? (double)param->p.count : 0;
    }
    result->macs = net_macs(session->net);
    result->loaded = session->loaded.loaded;
    result->missing = session->loaded.missing;
    result->unexpected = session->loaded.unexpected;
    result->mismatched = session->loaded.mismatched;
    snprintf(result->split_hash, sizeof result->split_hash, "%s", session->split.hash);
    snprintf(result->data_hash, sizeof result->data_hash, "%s", session->data.hash);
}

enum status outcome_accuracies(struct train_result *result, struct session *session,
                               struct evaluator *validation, int batch, bool *finite)
{
    const struct image_list *list = session->split.list;
    struct evaluation e;
    TRY(evaluate(session, &list[PART_TRAIN], batch, &e, NULL, NULL));
    result->train_accuracy = evaluation_top1(&e);
    result->train_loss = evaluation_loss(&e);
    TRY(evaluator_run(validation, &e, NULL, NULL));
    result->val_accuracy = evaluation_top1(&e);
    result->val_loss = evaluation_loss(&e);
    result->predictions = calloc((size_t)list[PART_TEST].n + 1, sizeof *result->predictions);
    if (!result->predictions)
        return fail(ERR_MEMORY, "out of memory for %d predictions", list[PART_TEST].n);
    TRY(evaluate(session, &list[PART_TEST], batch, &e, result->predictions, NULL));
    result->test_accuracy = evaluation_top1(&e);
    result->test_top5 = evaluation_top5(&e);
    result->test_loss = evaluation_loss(&e);
    *finite = isfinite(result->train_loss) && isfinite(result->test_loss);
    return OK;
}

enum status outcome_bf16(struct train_result *result, const struct session *session, bool wanted,
                         int batch)
{
    /* The same network, evaluated in another way; what the session owns stays the session's. */
    struct session other = *session;
    const struct image_list *list = &session->split.list[PART_TEST];
    struct evaluation e = {0};
    result->bf16_accuracy = result->bf16_loss = NAN;
    if (!wanted)
        return OK;
    int32_t *classes = calloc((size_t)list->n + 1, sizeof *classes);
    if (!classes)
        return fail(ERR_MEMORY, "out of memory for %d predictions", list->n);
    other.dtype = DTYPE_BF16;
    other.algorithms = (struct algorithms){.rule = ALGORITHM_DIRECT};
    const enum status status = evaluate(&other, list, batch, &e, classes, NULL);
    for (int i = 0; status == OK && i < list->n; i++)
        result->bf16_disagree += classes[i] != result->predictions[i];
    result->bf16_accuracy = evaluation_top1(&e);
    result->bf16_loss = evaluation_loss(&e);
    result->bf16_n = e.n;
    free(classes);
    return status;
}
