/* The table of `predict`: see predict_table.h. */
#include "bench/verbs/predict_table.h"

#include <math.h>
#include <stdio.h>

enum { TOP = 5, COLUMNS_EACH = 4, COLUMN_NAME = 24 };

#define PLACE(k, title_text)                                                  \
    {.name = "top" #k, .title = title_text, .audience = TABLE_PEOPLE},        \
    {.name = "class" #k, .audience = TABLE_MACHINES},                         \
    {.name = "name" #k, .audience = TABLE_MACHINES},                          \
    {.name = "probability" #k, .audience = TABLE_MACHINES}

static const struct table_column columns[] = {
    {.name = "file"},   PLACE(1, "most likely"), PLACE(2, "second"),
    PLACE(3, "third"),  PLACE(4, "fourth"),      PLACE(5, "fifth"),
};
enum { COLUMNS = sizeof columns / sizeof columns[0] };
_Static_assert(COLUMNS == 1 + TOP * COLUMNS_EACH, "every place has its columns");

struct table *predict_table_new(const struct session *session)
{
    char title[384];
    snprintf(title, sizeof title, "%s, attention %s, %s", session->model.text,
             session->model.attention.text, session->impl->name);
    struct table *table = table_new("predict", title, columns, COLUMNS);
    for (int k = session->model.classes; k < TOP; k++)
        table_hide(table, columns[1 + k * COLUMNS_EACH].name);
    return table;
}

static double sum_exp(const float *logits, int classes, float most)
{
    double sum = 0;
    for (int i = 0; i < classes; i++)
        sum += exp((double)logits[i] - (double)most);
    return sum;
}

/* The class that comes after `before` when they are sorted by falling logit, the first index first
 * among equals; -1: the very first. */
static int next_class(const float *logits, int classes, int before)
{
    int best = -1;
    for (int i = 0; i < classes; i++) {
        bool later = before < 0 || logits[i] < logits[before] ||
                     (logits[i] == logits[before] && i > before);
        if (later && (best < 0 || logits[i] > logits[best]))
            best = i;
    }
    return best;
}

static void add_place(struct table *table, int place, int class, const char *name,
                      double probability)
{
    const struct table_column *at = &columns[1 + place * COLUMNS_EACH];
    if (name)
        table_printf(table, at[0].name, "%s %.2f %%", name, 100 * probability);
    else
        table_printf(table, at[0].name, "class %d %.2f %%", class, 100 * probability);
    table_number(table, at[1].name, class);
    table_text(table, at[2].name, name);
    table_number(table, at[3].name, probability);
}

void predict_table_add(struct table *table, const struct session *session, const char *file,
                       const float *logits)
{
    const struct weights_metadata *m = &session->metadata;
    int classes = session->model.classes, class = -1;
    table_row(table);
    table_text(table, "file", file);
    double most = 0, sum = 1;
    for (int place = 0; place < TOP && place < classes; place++) {
        class = next_class(logits, classes, class);
        if (place == 0) {
            most = (double)logits[class];
            sum = sum_exp(logits, classes, logits[class]);
        }
        add_place(table, place, class, m->class_names ? m->class_names[class] : NULL,
                  exp((double)logits[class] - most) / sum);
    }
}
