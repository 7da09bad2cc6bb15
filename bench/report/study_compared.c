/* What the tables with a row for each comparison share: see study_columns.h. */
#include "bench/report/study_columns.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The axis that is compared, and the column that shows it. */
static const struct data_axis *compared_axis(const struct study_data *data, const char **column)
{
    static const char *const columns[AXIS_COUNT] = {"attention", "arm", "model"};
    const struct data_axis *const axes[AXIS_COUNT] = {&data->attention, &data->arms, &data->models};
    *column = columns[data->claims.compare];
    return axes[data->claims.compare];
}

static int baseline_index(const struct study_data *data, const struct grid_place *base)
{
    const int index[AXIS_COUNT] = {base->attention, base->arm, base->model};
    return index[data->claims.compare];
}

bool study_has_shifted(const struct study_data *data, enum cell_role role)
{
    for (int i = 0; i < data->rows.count; i++)
        if (data->rows.rows[i].cell.role == role && data->results[i] &&
            data->results[i]->shifted_n > 0)
            return true;
    return false;
}

void study_side_titles(const struct study_data *data, char without[STUDY_TEXT_MAX + 16],
                       char with[STUDY_TEXT_MAX + 16])
{
    const char *column;
    const struct data_axis *axis = compared_axis(data, &column);
    bool attention = data->claims.compare == AXIS_ATTENTION;
    char base[STUDY_TEXT_MAX], other[STUDY_TEXT_MAX];
    snprintf(base, sizeof base, "%s", axis->text[0]);
    snprintf(other, sizeof other, "%s", axis->count == 2 ? axis->text[1] : attention ? "attention"
                                                                           : "the other");
    if (!attention) {
        snprintf(without, STUDY_TEXT_MAX + 16, "%s", base);
        snprintf(with, STUDY_TEXT_MAX + 16, "%s", other);
        return;
    }
    bool plain = strcmp(base, "none") == 0;
    study_attention_title(axis->text[0], base, sizeof base);
    if (axis->count == 2)
        study_attention_title(axis->text[1], other, sizeof other);
    snprintf(without, STUDY_TEXT_MAX + 16, "%s %s", plain ? "without" : "with",
             plain ? other : base);
    snprintf(with, STUDY_TEXT_MAX + 16, "with %s", other);
}

void study_name_sides(struct table *table, const struct study_data *data)
{
    static const char *const prefixes[] = {"", "train", "gap", "shifted", "reach", "seconds"};
    char without[STUDY_TEXT_MAX + 16], with[STUDY_TEXT_MAX + 16];
    const char *column;
    const struct data_axis *axis = compared_axis(data, &column);
    study_side_titles(data, without, with);
    if (axis->count <= 2)
        table_hide(table, column);
    if (data->attention.count == 1)
        table_hide(table, "attention");
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        char name[64], title[STUDY_TEXT_MAX + 32];
        const char *gap = *prefixes[i] ? "_" : "", *space = *prefixes[i] ? " " : "";
        snprintf(name, sizeof name, "%s%swithout", prefixes[i], gap);
        snprintf(title, sizeof title, "%s%s%s", prefixes[i], space, without);
        if (table_has(table, name))
            table_retitle(table, name, title);
        snprintf(name, sizeof name, "%s%swith", prefixes[i], gap);
        snprintf(title, sizeof title, "%s%s%s", prefixes[i], space, with);
        if (table_has(table, name))
            table_retitle(table, name, title);
    }
}

void study_put_compared(struct table *table, const struct study_data *data,
                        const struct comparison *c)
{
    const char *column;
    const struct data_axis *axis = compared_axis(data, &column);
    study_put_place(table, data, &c->place);
    table_text(table, "arm", data->arms.text[c->place.arm]);
    table_text(table, "attention", data->attention.text[c->place.attention]);
    table_text(table, "baseline", axis->text[baseline_index(data, &c->base)]);
}

int study_list_cells(const struct study_data *data, const struct comparison *c,
                     int cells[2 * STUDY_SEEDS_MAX])
{
    int count = 0;
    struct grid_place place = c->place, base = c->base;
    for (place.seed = 0; place.seed < data->seeds.count; place.seed++)
        cells[count++] = study_data_find(data, &place);
    for (base.seed = 0; base.seed < data->seeds.count; base.seed++)
        cells[count++] = study_data_find(data, &base);
    return count;
}

void study_put_interval(struct table *table, const char *column, const struct paired *d)
{
    if (d->bounded)
        table_printf(table, column, "%+.2f [%+.2f, %+.2f]", 100 * d->all.mean, 100 * d->low,
                     100 * d->high);
    else if (d->all.n > 0)
        table_printf(table, column, "%+.2f", 100 * d->all.mean);
}
