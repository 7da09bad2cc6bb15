/* Confusion matrix and predictions of an evaluation: see eval_tables.h. */
#include "bench/verbs/eval_tables.h"

#include "bench/verbs/options.h"
#include "impls/base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void eval_outcome_free(struct eval_outcome *outcome)
{
    free(outcome->predictions);
    memory_free(outcome->logits);
    *outcome = (struct eval_outcome){0};
}

static int label_of(const struct eval_outcome *outcome, int i)
{
    return outcome->list->images->labels[outcome->list->index[i]];
}

/* ---- confusion ---- */

int *eval_confusion(const struct eval_outcome *outcome)
{
    size_t classes = (size_t)outcome->session->model.classes;
    int *counts = calloc(classes * classes, sizeof *counts);
    for (int i = 0; counts && i < outcome->list->n; i++)
        counts[(size_t)label_of(outcome, i) * classes + (size_t)outcome->predictions[i]]++;
    return counts;
}

json_t *eval_confusion_json(const struct eval_outcome *outcome)
{
    int classes = outcome->session->model.classes;
    int *counts = eval_confusion(outcome);
    json_t *names = json_array(), *matrix = json_array();
    for (int i = 0; counts && i < classes; i++) {
        json_t *row = json_array();
        for (int k = 0; k < classes; k++)
            json_array_append_new(row, json_integer(counts[i * classes + k]));
        json_array_append_new(matrix, row);
        json_array_append_new(names, json_string(outcome->session->data.class_names[i]));
    }
    free(counts);
    return json_pack("{s:o, s:o}", "classes", names, "matrix", matrix);
}

static enum status fill_confusion(const struct eval_outcome *outcome,
                                  const struct table_column *columns, struct table *table)
{
    int classes = outcome->session->model.classes;
    int *counts = eval_confusion(outcome);
    if (!counts)
        return fail(ERR_MEMORY, "out of memory for a matrix of %d classes", classes);
    for (int i = 0; i < classes; i++) {
        table_row(table);
        table_text(table, columns[0].name, outcome->session->data.class_names[i]);
        for (int k = 0; k < classes; k++)
            table_number(table, columns[k + 1].name, counts[i * classes + k]);
    }
    free(counts);
    return OK;
}

enum status eval_confusion_write(const struct eval_outcome *outcome, enum table_format format,
                                 FILE *out)
{
    int classes = outcome->session->model.classes;
    struct table_column *columns = calloc((size_t)classes + 1, sizeof *columns);
    if (!columns)
        return fail(ERR_MEMORY, "out of memory for a matrix of %d classes", classes);
    columns[0].name = "label/predicted"; /* no folder of a class can have this name */
    for (int k = 0; k < classes; k++)
        columns[k + 1].name = outcome->session->data.class_names[k];
    struct table *table = table_new("confusion", "Confusion matrix", columns, classes + 1);
    enum status status = fill_confusion(outcome, columns, table);
    table_note(table, "A row for each true class, a column for each predicted one.");
    if (status == OK)
        status = table_write(table, format, out);
    table_free(table);
    free(columns);
    return status;
}

/* ---- predictions ---- */

static double probability(const float *logits, int classes, int class)
{
    double sum = 0;
    for (int i = 0; i < classes; i++)
        sum += exp((double)logits[i] - (double)logits[class]);
    return 1 / sum;
}

static void add_prediction(const struct eval_outcome *outcome, int i, struct table *table)
{
    const struct session *session = outcome->session;
    int classes = session->model.classes, label = label_of(outcome, i);
    int prediction = outcome->predictions[i], index = outcome->list->index[i];
    const struct picture *pictures = outcome->list->images->pictures;
    char file[1024];
    table_row(table);
    table_number(table, "index", index);
    if (pictures) {
        option_shown(pictures[index].path, file, sizeof file);
        table_text(table, "file", file);
    }
    table_number(table, "label", label);
    table_text(table, "label_name", session->data.class_names[label]);
    table_number(table, "prediction", prediction);
    table_text(table, "prediction_name", session->data.class_names[prediction]);
    table_number(table, "probability",
                 probability(outcome->logits + (size_t)i * (size_t)classes, classes, prediction));
    table_bool(table, "correct", label == prediction);
}

struct table *eval_predictions(const struct eval_outcome *outcome)
{
    static const struct table_column columns[] = {
        {.name = "index"},      {.name = "file"},
        {.name = "label"},      {.name = "label_name"},
        {.name = "prediction"}, {.name = "prediction_name"},
        {.name = "probability"}, {.name = "correct"},
    };
    struct table *table = table_new("predictions", "Predictions", columns,
                                    sizeof columns / sizeof columns[0]);
    for (int i = 0; i < outcome->list->n; i++)
        add_prediction(outcome, i, table);
    return table;
}
