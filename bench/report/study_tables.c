/* The tables of a study: the comparison, which is the first one sees, and the values behind it:
 * see study_tables.h. The others are in study_tables_runs.c and study_tables_impls.c. */
#include "bench/report/study_tables.h"
#include "bench/report/study_columns.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum status study_table_make(enum study_table which, const struct study_tables_input *input,
                             struct table **table)
{
    static enum status (*const makers[STUDY_TABLE_COUNT])(const struct study_tables_input *,
                                                          struct table **) = {
        [STUDY_TABLE_COMPARISON] = study_table_comparison,
        [STUDY_TABLE_SEEDS] = study_table_seeds,
        [STUDY_TABLE_SOURCES] = study_table_sources,
        [STUDY_TABLE_NETWORKS] = study_table_networks,
        [STUDY_TABLE_AGREEMENT] = study_table_agreement,
        [STUDY_TABLE_LATENCY] = study_table_latency,
        [STUDY_TABLE_RUNS] = study_table_runs,
    };
    *table = NULL;
    enum status status = makers[which](input, table);
    if (status != OK) {
        table_free(*table);
        *table = NULL;
    }
    return status;
}

/* Headings that name the attention when there is only one to be compared. */
static void name_sides(struct table *table, const struct study_data *data, bool train)
{
    char base[STUDY_TEXT_MAX], other[STUDY_TEXT_MAX], text[STUDY_TEXT_MAX + 16];
    bool one = data->attention.count == 2;
    bool plain = strcmp(data->attention.text[0], "none") == 0;
    if (data->attention.count < 2)
        return;
    study_attention_title(data->attention.text[1], other, sizeof other);
    study_attention_title(data->attention.text[0], base, sizeof base);
    snprintf(text, sizeof text, "%s%s", plain ? "without" : "with ",
             plain ? (one ? " " : " attention") : base);
    if (plain && one)
        snprintf(text, sizeof text, "without %s", other);
    table_retitle(table, "without", text);
    snprintf(text, sizeof text, one ? "with %s" : "with%s", one ? other : "");
    table_retitle(table, "with", text);
    if (one)
        table_hide(table, "attention");
    if (!train)
        return;
}
